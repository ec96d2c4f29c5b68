"""Sending: what is asked first, what is refused, and what goes on where an earlier run ended."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from broadcast.core.asker import Ask, Question, SendFacts
from broadcast.core.errors import (
    BroadcastError,
    DeclinedError,
    HaltedError,
    InputError,
    LockedError,
    LoginRequiredError,
    SettingsError,
)
from broadcast.core.model import (
    Account,
    Button,
    Deferred,
    Failed,
    Halted,
    Message,
    Scope,
    Sent,
    State,
    Status,
)
from broadcast.message.placeholders import fill
from broadcast.service import requests  # whose TestRequest pytest takes for a test
from broadcast.service.requests import ResumeRequest, RetryRequest
from tests.service.fakes import ME, SIGNED_OUT, FakeConnection, ScriptedAsker
from tests.service.harness import HELLO, SIX, Harness, at, on_virtual_time, people

if TYPE_CHECKING:
    from pathlib import Path

    from broadcast.core.model import Delivery, Outcome

BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")
PEER_FLOOD = Halted("PEER_FLOOD", "Telegram takes this for spam")
OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)


# --- send


@on_virtual_time
async def test_everybody_gets_it_once_and_the_report_says_so(bot: Harness) -> None:
    report = await bot.send(to=3)
    assert bot.texts == [(f"@friend{number}", HELLO.text) for number in range(3)]
    assert (report.counts.sent, report.counts.total, report.state) == (3, 3, State.DONE)
    assert (report.halted, report.stopped, report.is_unfinished) == (None, False, False)
    assert [outcome for _, outcome in bot.reporter.settlements] == [Sent(1), Sent(2), Sent(3)]
    assert (bot.reporter.totals, bot.reporter.ended) == ([3], 1)
    kept = await bot.service.find(report.broadcast)
    assert (kept.account, kept.server, kept.counts.sent) == (ME, None, 3)


@on_virtual_time
async def test_it_goes_no_faster_than_the_account_may(bot: Harness, person: Harness) -> None:
    assert (await bot.send(to=100, confirmed=True)).seconds == pytest.approx(70 / 30, rel=0.2)
    other = Message("by a person")
    assert (await person.send(other, to=40, confirmed=True)).seconds == pytest.approx(30, rel=0.1)


@on_virtual_time
async def test_an_empty_audience_is_done_at_once(bot: Harness) -> None:
    report = await bot.send(to=0)
    assert (report.counts.total, report.state, bot.texts) == (0, State.DONE, [])


@on_virtual_time
async def test_who_failed_is_named_and_the_others_get_it(bot: Harness) -> None:
    bot.become(script={"@friend1": BLOCKED})
    report = await bot.send(to=3)
    assert (report.counts.sent, report.counts.failed) == (2, 1)
    (record,) = await bot.records(report.broadcast, Status.FAILED)
    assert (record.delivery.contact.peer.text, record.outcome) == ("@friend1", BLOCKED)


@on_virtual_time
async def test_a_lost_answer_is_asked_for_again_and_nobody_gets_it_twice(bot: Harness) -> None:
    lost = Deferred("NO_ANSWER", "no answer", None, reached=False, perhaps_sent=True)
    bot.become(script={"@friend0": [lost, lost]})
    report = await bot.send(to=2)
    assert report.counts.sent == 2
    assert sorted(bot.texts) == [("@friend0", HELLO.text), ("@friend1", HELLO.text)]


@on_virtual_time
async def test_a_flood_wait_is_told_and_sat_out(bot: Harness) -> None:
    bot.become(script={"@friend1": Deferred("FLOOD_WAIT", "asks to wait", 40.0, Scope.ACCOUNT)})
    report = await bot.send(to=3)
    assert report.counts.sent == 3
    assert report.seconds > 40
    assert bot.reporter.holds == [(40.0, "asks to wait")]


@on_virtual_time
async def test_a_wait_that_is_not_over_holds_the_next_broadcast(bot: Harness) -> None:
    bot.become(script={"@friend0": Deferred("FLOOD_WAIT", "asks to wait", 4000.0, Scope.ACCOUNT)})
    first = await bot.send(to=1)
    assert first.halted is not None
    assert first.halted.error == "WAIT_TOO_LONG"
    second = await bot.send(Message("another"), to=1)
    assert second.halted is not None
    assert second.halted.error == "WAIT_TOO_LONG"
    third = await bot.send(Message("a third"), to=1, max_wait=5000.0)
    assert third.counts.sent == 1
    assert third.seconds > 3900


@on_virtual_time
async def test_a_stop_leaves_the_rest_for_a_resume(bot: Harness) -> None:
    bot.reporter.on_settled = lambda _: bot.reporter.stop.ask()
    report = await bot.send(to=100, confirmed=True, concurrency=1)
    assert report.stopped
    assert report.is_unfinished
    assert 0 < report.counts.sent < 100


@on_virtual_time
async def test_a_stop_before_the_run_sends_nothing(bot: Harness) -> None:
    bot.reporter.stop.ask()
    report = await bot.send(to=3)
    assert (report.stopped, report.counts.pending, bot.texts) == (True, 3, [])


@pytest.mark.parametrize("place", [0, 1])
@on_virtual_time
async def test_what_can_never_be_sent_is_in_no_resume_s_way(bot: Harness, place: int) -> None:
    wrong = Halted("FORWARD_INVALID", "there is no such message", resumable=False)
    bot.become(script={f"@friend{place}": wrong})
    report = await bot.send(concurrency=1)
    assert (report.halted, report.counts.sent) == (wrong, place)
    if place:  # somebody has it, so a person decides
        assert report.state is State.OPEN
    else:
        assert report.state is State.CANCELLED
        with pytest.raises(InputError, match="no broadcast is unfinished"):
            await bot.resume()


# --- what is asked


@on_virtual_time
async def test_more_than_twenty_are_asked_about(bot: Harness) -> None:
    bot.asker = ScriptedAsker([True])
    assert (await bot.send(to=20)).counts.sent == 20
    assert bot.asker.asked == []
    assert (await bot.send(Message("b"), to=21)).counts.sent == 21
    assert [(each.code, each.count) for each in bot.asker.asked] == [(Ask.SEND, 21)]


@on_virtual_time
async def test_the_question_names_account_time_and_price(bot: Harness) -> None:
    bot.asker, message = ScriptedAsker([True]), Message("x", when=at(SIX))
    await bot.send(message, to=210, paid=True, stars_budget=500)
    (asked,) = bot.asker.asked
    assert asked.sending == SendFacts(
        Account(ME, True, "Shop"), 210, pytest.approx(1, abs=1), 21.0, message.when, None
    )


@on_virtual_time
async def test_the_question_names_a_person_s_strangers(person: Harness) -> None:
    person.asker = ScriptedAsker([True])
    person.accounts.connection.known = {f"@friend{number}" for number in range(10)}
    await person.send(Message("y"), to=30)
    (asked,) = person.asker.asked
    assert asked.sending == SendFacts(
        Account(ME, False, "Shop"), 30, pytest.approx(25, abs=5), 0.0, None, strangers=20
    )


@on_virtual_time
async def test_no_sends_nothing_and_leaves_nothing(bot: Harness) -> None:
    bot.asker = ScriptedAsker([False])
    with pytest.raises(DeclinedError):
        await bot.send(to=30)
    assert (bot.texts, list(await bot.service.list())) == ([], [])


@on_virtual_time
async def test_nobody_is_asked_where_it_is_confirmed_or_nobody_can_answer(bot: Harness) -> None:
    assert (await bot.send(to=30)).counts.sent == 30
    bot.asker = ScriptedAsker()
    assert (await bot.send(Message("b"), to=30, confirmed=True)).counts.sent == 30


@on_virtual_time
async def test_what_was_shown_is_what_goes_out_however_long_somebody_thinks(bot: Harness) -> None:
    clock = Message("It is {{ now.hour }}:{{ now.minute }}:{{ now.second }}", template=True)
    plan = await bot.service.plan(bot.request(clock, to=1))
    (shown,) = [fill(own.text, own.values) for _, own in plan.previews()]
    await asyncio.sleep(3700)
    await bot.service.send(plan, bot.reporter)
    assert bot.texts == [("@friend0", shown)]


# --- who signs in


@on_virtual_time
async def test_without_settings_a_plan_is_made_and_nothing_is_sent(bot: Harness) -> None:
    bot.become(missing=SIGNED_OUT)
    plan = await bot.service.plan(bot.request())
    assert plan.missing is SIGNED_OUT
    assert len(list(plan.previews())) == 3
    with pytest.raises(SettingsError, match="TELEGRAM_API_ID"):
        await bot.service.send(plan, bot.reporter)
    assert list(await bot.service.list()) == []


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("the session is another one's"),
        LoginRequiredError("nobody is signed in"),
        LockedError("another process uses this session"),
        HaltedError("no connection"),
    ],
)
@on_virtual_time
async def test_who_cannot_sign_in_has_made_nothing(bot: Harness, error: Exception) -> None:
    bot.accounts.refuses = error  # type: ignore[assignment]
    with pytest.raises(type(error)) as caught:
        await bot.send()
    assert caught.value is error
    assert list(await bot.service.list()) == []


BUTTON = Message("x", buttons=((Button("A", "https://a.b"),),))


@on_virtual_time
async def test_what_only_a_bot_sends_is_refused_before_anybody_signs_in(person: Harness) -> None:
    for message in (BUTTON, Message("x", protect=True)):
        with pytest.raises(InputError, match="for bots"):
            await person.service.plan(person.request(message))
    with pytest.raises(InputError, match="for bots"):
        await person.service.plan(person.request(paid=True, stars_budget=5))
    assert person.accounts.opened == 0


@on_virtual_time
async def test_who_it_is_may_be_known_only_after_signing_in(person: Harness) -> None:
    person.accounts.tells = False
    plan = await person.service.plan(person.request(BUTTON))
    assert not plan.is_bot
    with pytest.raises(InputError, match="buttons are for bots"):
        await person.service.send(plan, person.reporter)
    with pytest.raises(InputError, match="paid is for bots"):
        await person.send(paid=True, stars_budget=5)
    assert (person.texts, list(await person.service.list())) == ([], [])


# --- paid


@on_virtual_time
async def test_a_paid_run_tells_its_price_and_keeps_to_it(bot: Harness) -> None:
    report = await bot.send(to=200, confirmed=True, paid=True, stars_budget=2)
    assert bot.reporter.costs == [(200, 2, 0)]
    assert [terms.pays for terms in bot.accounts.connection.terms] == [True]
    assert report.paid == 20
    assert report.halted is not None
    assert report.halted.error == "BUDGET_SPENT"
    left = report.counts.pending
    again = await bot.resume(paid=True, stars_budget=100)
    assert bot.reporter.costs[1] == (left, 100, 20)
    assert (again.counts.sent, again.counts.pending) == (200, 0)


@on_virtual_time
async def test_a_price_needs_a_budget_and_a_budget_a_price(bot: Harness) -> None:
    for given in ({"paid": True}, {"stars_budget": 5}):
        with pytest.raises(InputError, match="stars-budget"):
            await bot.service.plan(bot.request(**given))


# --- canary


def failing(count: int) -> dict[str, Failed]:
    return {f"@friend{number}": BLOCKED for number in range(count)}


@on_virtual_time
async def test_a_good_canary_is_told_and_the_others_follow(bot: Harness) -> None:
    report = await bot.send(to=10, canary=4)
    assert bot.reporter.canaries == [True]
    assert bot.reporter.totals == [4, 6]
    assert [(each.sent, each.pending) for each in bot.reporter.stood] == [(0, 10), (4, 6)]
    assert (report.counts.sent, report.of_this_run.sent) == (10, 10)


@on_virtual_time
async def test_a_bad_canary_stops_where_nobody_can_be_asked(bot: Harness) -> None:
    bot.become(script=failing(3))
    report = await bot.send(to=10, canary=4)
    assert bot.reporter.canaries == [False]
    assert report.halted is not None
    assert report.halted.error == "CANARY_FAILED"
    assert (report.counts.sent, report.counts.failed, report.counts.pending) == (1, 3, 6)


@pytest.mark.parametrize("answer", [True, False])
@on_virtual_time
async def test_a_person_decides_about_a_bad_canary(bot: Harness, answer: bool) -> None:
    bot.become(script=failing(3))
    bot.asker = ScriptedAsker([answer])
    report = await bot.send(to=10, canary=4)
    (asked,) = bot.asker.asked
    assert (asked.code, asked.count, asked.broadcast) == (Ask.CANARY_FAILED, 6, report.broadcast)
    assert report.counts.pending == (0 if answer else 6)


@on_virtual_time
async def test_what_is_paused_while_a_person_is_asked_is_not_sent(bot: Harness) -> None:
    class Pausing(ScriptedAsker):
        async def confirm(self, question: Question) -> bool:
            await bot.service.pause(None, bot.reporter)
            return await super().confirm(question)

    bot.become(script={f"@friend{number}": BLOCKED for number in range(4)})
    bot.asker = Pausing([True])
    report = await bot.send(to=10, canary=4)
    assert (report.state, report.stopped, report.counts.pending) == (State.PAUSED, True, 6)
    assert bot.texts == []


@on_virtual_time
async def test_a_canary_of_everybody_is_the_whole(bot: Harness) -> None:
    report = await bot.send(to=3, canary=5)
    assert (report.counts.sent, bot.reporter.canaries, bot.reporter.totals) == (3, [], [3])


@on_virtual_time
async def test_a_canary_that_is_stopped_is_not_followed(bot: Harness) -> None:
    bot.become(script={"@friend1": PEER_FLOOD})
    report = await bot.send(to=10, canary=4)
    assert report.halted == PEER_FLOOD
    assert bot.reporter.canaries == []


# --- once


@on_virtual_time
async def test_under_a_key_it_is_sent_once(bot: Harness) -> None:
    first = await bot.send(once="k")
    plan = await bot.service.plan(bot.request(once="k"))
    assert plan.is_done
    assert plan.earlier is not None
    assert plan.earlier.id == first.broadcast
    assert (list(plan.previews()), plan.questions) == ([], ())
    again = await bot.service.send(plan, bot.reporter)
    assert again.counts.sent == 3
    assert len(bot.texts) == 3


@pytest.mark.parametrize("who", [{"missing": SIGNED_OUT}, {"id": ME + 1}])
@on_virtual_time
async def test_what_is_done_under_a_key_needs_nobody_to_sign_in(
    bot: Harness, who: dict[str, object]
) -> None:
    await bot.send(once="k")
    bot.become(**who)
    report = await bot.send(once="k")
    assert (report.counts.sent, report.of_this_run.sent, bot.accounts.opened) == (3, 0, 0)


@on_virtual_time
async def test_under_a_key_the_rest_is_gone_on_with(bot: Harness) -> None:
    bot.become(script={"@friend1": OFFLINE})
    first = await bot.send(once="k", concurrency=1)
    assert first.counts.pending
    plan = await bot.service.plan(bot.request(once="k"))
    assert plan.earlier is not None
    assert not plan.is_done
    report = await bot.service.send(plan, bot.reporter)
    assert (report.broadcast, report.counts.sent) == (first.broadcast, 3)
    assert len(set(bot.texts)) == len(bot.texts) == 3


@on_virtual_time
async def test_a_key_belongs_to_one_message(bot: Harness) -> None:
    await bot.send(once="k")
    with pytest.raises(InputError, match="was used for another message"):
        await bot.service.plan(bot.request(Message("another"), once="k"))
    await bot.service.plan(bot.request(replace(HELLO, when=at(SIX)), once="k"))  # only later


@pytest.mark.parametrize("key", ["", "a\nb", "k ", "\u00a0k"])
@on_virtual_time
async def test_a_key_is_a_text(bot: Harness, key: str) -> None:
    with pytest.raises(InputError, match="key of --once"):
        await bot.service.plan(bot.request(once=key))


@on_virtual_time
async def test_what_was_cancelled_under_a_key_is_refused_when_planned(bot: Harness) -> None:
    bot.become(script={"@friend1": OFFLINE})
    first = await bot.send(once="k", concurrency=1)
    await bot.service.cancel(first.broadcast, bot.reporter)
    with pytest.raises(InputError, match="was cancelled"):
        await bot.service.plan(bot.request(once="k"))


@on_virtual_time
async def test_what_another_account_began_under_a_key_is_refused_when_planned(
    bot: Harness,
) -> None:
    bot.become(script={"@friend1": OFFLINE})
    await bot.send(once="k", concurrency=1)
    bot.become(id=ME + 1)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await bot.service.plan(bot.request(once="k"))
    assert bot.accounts.opened == 0


# --- the very same message


@on_virtual_time
async def test_the_same_message_is_not_sent_beside_an_unfinished_one(bot: Harness) -> None:
    bot.become(script={"@friend1": OFFLINE})
    first = await bot.send(concurrency=1)
    with pytest.raises(InputError, match="is unfinished") as caught:
        await bot.service.plan(bot.request())
    assert [step.command for step in caught.value.steps] == ["resume", "cancel"]
    assert {step.id for step in caught.value.steps} == {first.broadcast}
    await bot.service.plan(bot.request(Message("another")))


@on_virtual_time
async def test_nor_beside_one_that_runs(bot: Harness) -> None:
    broadcast = await bot.schedule(HELLO)
    async with bot.ledger.start(broadcast, account=ME):
        with pytest.raises(LockedError, match="is being sent by") as caught:
            await bot.service.plan(bot.request())
        assert caught.value.code == "SAME_RUNNING"


@on_virtual_time
async def test_nor_when_that_one_was_begun_while_somebody_thought(bot: Harness) -> None:
    plan = await bot.service.plan(bot.request())
    bot.become(script={"@friend1": OFFLINE})
    first = await bot.send(concurrency=1)
    bot.become()
    with pytest.raises(InputError, match="is unfinished") as caught:
        await bot.service.send(plan, bot.reporter)
    assert {step.id for step in caught.value.steps} == {first.broadcast}
    assert bot.texts == []
    assert len(await bot.ledger.newest()) == 1


@on_virtual_time
async def test_of_those_begun_in_the_same_moment_one_goes_on(bot: Harness) -> None:
    plans = [await bot.service.plan(bot.request()) for _ in range(6)]
    sends = (bot.service.send(plan, bot.reporter) for plan in plans)
    ended = await asyncio.gather(*sends, return_exceptions=True)
    refused = [each for each in ended if isinstance(each, BroadcastError)]
    assert len(refused) == 5
    assert {each.code for each in refused} <= {"SAME_RUNNING", "SAME_UNFINISHED"}
    assert sorted(bot.texts) == [(f"@friend{n}", HELLO.text) for n in range(3)]
    assert len(await bot.ledger.newest()) == 1


# --- a test


@on_virtual_time
async def test_a_test_goes_to_one_tester_as_the_first_would_get_it(person: Harness) -> None:
    message = Message("Hi {{ name }}", template=True, when=at(SIX), late=60.0)
    request = person.request(message, people("ana", "ben"), once="k")
    plan = await person.service.plan_test(requests.TestRequest(request))
    report = await person.service.send(plan, person.reporter)
    assert report.counts.sent == 1
    assert person.texts == [("me", "Hi Ana")]
    assert (await person.service.find(report.broadcast)).schedule is None
    assert await person.ledger.by_once("k") is None


@on_virtual_time
async def test_a_tester_has_a_peer(bot: Harness) -> None:
    with pytest.raises(InputError, match="--test-peer"):
        await bot.service.plan_test(requests.TestRequest(bot.request(), "not a peer!"))
    with pytest.raises(InputError, match=r"a bot cannot write to itself: .*--test-peer @somebody"):
        await bot.service.plan_test(requests.TestRequest(bot.request()))


@on_virtual_time
async def test_a_test_uses_up_no_key_and_minds_none(person: Harness) -> None:
    await person.send(once="k")
    plan = await person.service.plan_test(requests.TestRequest(person.request(once="k")))
    assert (plan.earlier, plan.request.once) == (None, None)


@on_virtual_time
async def test_a_test_asks_nothing(bot: Harness) -> None:
    plan = await bot.service.plan_test(requests.TestRequest(bot.request(to=30), "@ana"))
    assert (plan.questions, plan.messages) == ((), 1)


# --- resume


@on_virtual_time
async def test_a_resume_reaches_the_rest_and_nobody_twice(bot: Harness) -> None:
    bot.become(script={"@friend2": OFFLINE})
    first = await bot.send(to=5, concurrency=1)
    assert first.halted == OFFLINE
    plan = await bot.service.plan_resume(ResumeRequest())
    assert (plan.broadcast.id, plan.not_yet) == (first.broadcast, False)
    assert plan.broadcast.counts.pending == first.counts.pending
    report = await bot.service.resume(plan, bot.reporter)
    assert (report.counts.sent, report.before.sent) == (5, first.counts.sent)
    assert sorted(bot.texts) == sorted(set(bot.texts))
    assert len(bot.texts) == 5


@on_virtual_time
async def test_what_waits_for_its_time_is_not_resumed_before(bot: Harness) -> None:
    broadcast = await bot.schedule()
    plan = await bot.service.plan_resume(ResumeRequest(broadcast.id[:8]))
    assert plan.not_yet
    report = await bot.resume(broadcast.id, now=True)
    assert report.counts.sent == 2
    assert bot.clock.utc() < SIX


@on_virtual_time
async def test_nothing_unfinished_is_nothing_to_resume(bot: Harness) -> None:
    with pytest.raises(InputError, match="no broadcast is unfinished"):
        await bot.service.plan_resume(ResumeRequest())
    await bot.send()
    with pytest.raises(InputError, match="no broadcast is unfinished"):
        await bot.service.plan_resume(ResumeRequest())


# --- retry


@on_virtual_time
async def test_a_retry_reaches_those_whom_it_can_help(bot: Harness) -> None:
    helped = Failed("PEER_ID_INVALID", "not known here")
    deleted = Failed("INPUT_USER_DEACTIVATED", "this account was deleted")
    bot.become(script={"@friend0": helped, "@friend1": deleted})
    first = await bot.send()
    plan = await bot.service.plan_retry(RetryRequest(first.broadcast))
    count = plan.retries
    assert (await bot.service.find()).counts.failed == 2  # a plan changes nothing
    report = await bot.service.retry(plan, bot.reporter)
    assert report.counts.failed == 2 - count
    insisted = await bot.retry(insist=True)
    assert insisted.counts.failed == 0
    assert len(bot.texts) == 3


@on_virtual_time
async def test_nobody_to_retry_is_told_by_the_plan(bot: Harness) -> None:
    report = await bot.send()
    plan = await bot.service.plan_retry(RetryRequest(report.broadcast))
    assert (plan.retries, bot.accounts.opened) == (0, 1)


# --- another account


async def unfinished(bot: Harness) -> str:
    """A broadcast of which one has it, one failed, and one is left."""
    bot.become(script={"@friend1": BLOCKED, "@friend2": OFFLINE})
    return (await bot.send(concurrency=1)).broadcast


@pytest.mark.parametrize("elsewhere", [{"id": ME + 1}, {"server": "2@127.0.0.1:1"}])
@on_virtual_time
async def test_another_bot_is_refused_before_it_signs_in(
    bot: Harness, elsewhere: dict[str, object]
) -> None:
    identity = await unfinished(bot)
    bot.become(**elsewhere)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await bot.resume(identity)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await bot.service.plan_retry(RetryRequest(identity, insist=True))
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await bot.recall(identity)
    await bot.service.cancel(identity, bot.reporter)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await bot.edit(identity, "a bike")
    assert (bot.accounts.opened, bot.tried) == (0, [])
    assert len(await bot.service.list()) == 1


@on_virtual_time
async def test_a_person_at_another_server_is_refused_before_signing_in(person: Harness) -> None:
    identity = await unfinished_by_person(person)
    person.become(is_bot=False, server="2@127.0.0.1:1")
    with pytest.raises(InputError, match=f"was started as account {ME} at Telegram"):
        await person.resume(identity)
    assert person.accounts.opened == 0


@on_virtual_time
async def test_another_person_is_refused_when_signed_in(person: Harness) -> None:
    identity = await unfinished_by_person(person)
    person.become(is_bot=False, id=ME + 1)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await person.resume(identity)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await person.recall(identity)
    await person.service.cancel(identity, person.reporter)
    with pytest.raises(InputError, match=f"was started as account {ME}"):
        await person.edit(identity, "a bike")
    assert (person.accounts.opened, person.tried) == (3, [])
    assert len(await person.service.list()) == 1


async def unfinished_by_person(person: Harness) -> str:
    person.become(is_bot=False, script={"@friend1": BLOCKED, "@friend2": OFFLINE})
    return (await person.send(concurrency=1)).broadcast


@on_virtual_time
async def test_a_sandbox_signs_in_whoever_began(person: Harness) -> None:
    await person.send()
    assert person.accounts.asked_to_be_bot == [False]
    bot_message = Message("x", protect=True)
    person.become()
    await person.send(bot_message)
    assert person.accounts.asked_to_be_bot == [True]


# --- ids that become known later


@on_virtual_time
async def test_ids_that_were_not_told_are_asked_for_after_the_run(bot: Harness) -> None:
    bot.become(script={"@friend1": Sent(None)})
    bot.accounts.connection.state = "1,2,3"
    bot.accounts.connection.found = {1: [77]}
    report = await bot.send()
    records = await bot.records(report.broadcast)
    assert [record.outcome for record in records] == [Sent(1), Sent(77), Sent(3)]
    assert bot.accounts.connection.asked_for == [[1]]


@on_virtual_time
async def test_who_knows_no_update_state_asks_for_no_ids(bot: Harness) -> None:
    bot.become(script={"@friend1": Sent(None)})
    report = await bot.send()
    assert report.counts.sent == 3
    assert bot.accounts.connection.asked_for == []


# --- trouble of the ledger


class HoldsTheFile(FakeConnection):
    """Before its third answer another program locks the file of the ledger."""

    path: Path
    other: sqlite3.Connection | None = None

    async def send(self, delivery: Delivery) -> Outcome:
        if self.other is None and len(self.tried) == 2:
            self.other = sqlite3.connect(self.path)
            self.other.execute("BEGIN IMMEDIATE")
        return await super().send(delivery)


@on_virtual_time
async def test_a_ledger_that_cannot_be_written_ends_the_run_and_nobody_gets_it_twice(
    bot: Harness, tmp_path: Path
) -> None:
    """What ends it is one error of ours, and no group of those that came with it."""
    bot.accounts.connection = connection = HoldsTheFile(bot.accounts.connection.account)
    connection.path = tmp_path / "ledger.db"
    with pytest.raises(HaltedError, match="another program holds it") as caught:
        await bot.send(to=60, confirmed=True, concurrency=1)
    assert caught.value.code == "LEDGER_HELD"
    assert connection.other is not None
    connection.other.close()
    await asyncio.sleep(20)  # its lease could not be given back, and ends by itself
    report = await bot.resume()
    assert report.counts.sent == 60
    assert sorted(bot.texts) == sorted(set(bot.texts))
    assert len(bot.texts) == 60
