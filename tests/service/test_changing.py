"""Edits and recalls: whose messages they change, what is asked, and what nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broadcast.core.asker import Ask
from broadcast.core.errors import ContactsError, DeclinedError, InputError, LockedError
from broadcast.core.model import (
    Action,
    Attachment,
    Button,
    Deferred,
    Failed,
    Format,
    Halted,
    Media,
    Message,
    Sent,
    State,
    Status,
)
from broadcast.service.options import RunOptions
from broadcast.service.requests import ChangeRequest
from tests.service.fakes import ScriptedAsker
from tests.service.harness import HELLO, SIX, Harness, at, on_virtual_time, people

BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")
OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)


@on_virtual_time
async def test_an_edit_reaches_everybody_who_has_it_and_nobody_else(bot: Harness) -> None:
    bot.become(script={"@friend1": BLOCKED})
    sent = await bot.send()
    changed = await bot.edit(sent.broadcast, "I bought a bike!")
    assert changed.report.action is Action.EDIT
    assert (changed.report.counts.sent, changed.in_doubt) == (2, 0)
    edits = [each for each in bot.accounts.connection.tried if each.action is Action.EDIT]
    assert [(each.contact.peer.text, each.message_id) for each in edits] == [
        ("@friend0", 1),
        ("@friend2", 2),
    ]
    assert {each.message.text for each in edits} == {"I bought a bike!"}


@on_virtual_time
async def test_a_recall_deletes_it_and_cancels_what_is_left(bot: Harness) -> None:
    bot.become(script={"@friend2": OFFLINE})
    sent = await bot.send(concurrency=1)
    assert sent.counts.sent == 2
    changed = await bot.recall(sent.broadcast)
    assert (changed.report.action, changed.report.counts.sent) == (Action.RECALL, 2)
    assert (changed.target.state, changed.in_doubt) == (State.CANCELLED, 0)
    assert bot.tried[-2:] == [(Action.RECALL, "@friend0"), (Action.RECALL, "@friend1")]
    kept = await bot.service.find(sent.broadcast)
    assert kept.recalled is not None
    assert (kept.recalled.by, kept.recalled.deleted) == (changed.report.broadcast, 2)
    with pytest.raises(InputError, match="was recalled"):
        await bot.resume(sent.broadcast)


@on_virtual_time
async def test_both_ask_for_how_many_first(bot: Harness) -> None:
    sent = await bot.send(to=2)
    bot.asker = ScriptedAsker([True, False])
    await bot.edit(sent.broadcast, "a bike")
    with pytest.raises(DeclinedError):
        await bot.recall(sent.broadcast)
    assert [(each.code, each.count, each.broadcast) for each in bot.asker.asked] == [
        (Ask.EDIT, 2, sent.broadcast),
        (Ask.RECALL, 2, sent.broadcast),
    ]
    await bot.recall(sent.broadcast, confirmed=True)
    assert [action for action, _ in bot.tried].count(Action.RECALL) == 2


@on_virtual_time
async def test_an_edit_keeps_the_files_and_changes_their_caption(bot: Harness) -> None:
    photo = Attachment("/a.png", Media.PHOTO, "0" * 64, 10)
    sent = await bot.send(Message("a car", files=(photo,)))
    await bot.edit(sent.broadcast, "a bike")
    edit = bot.accounts.connection.tried[-1]
    assert (edit.message.files, edit.message.text) == ((photo,), "a bike")


@on_virtual_time
async def test_an_edit_that_somebody_cannot_get_changes_nothing(bot: Harness) -> None:
    sent = await bot.send()
    with pytest.raises(ContactsError, match="3 contacts cannot get this message") as caught:
        await bot.change(sent.broadcast, Action.EDIT, Message("{{ city }}", template=True))
    assert str(caught.value.problems[0]).startswith(f"broadcast {sent.broadcast}: Friend0: ")
    with pytest.raises(InputError, match="cannot be split"):
        await bot.change(sent.broadcast, Action.EDIT, Message("a", split=True))
    assert {action for action, _ in bot.tried} == {Action.SEND}


@on_virtual_time
async def test_an_edit_is_filled_in_for_each(bot: Harness) -> None:
    own = replace(people("ana")[0], overrides={"text": "only for Ana"})
    sent = await bot.send(to=[own, *people("ben")])
    await bot.change(sent.broadcast, Action.EDIT, Message("Hi {{ name }}", template=True))
    assert bot.texts[-2:] == [("@ana", "Hi Ana"), ("@ben", "Hi Ben")]


@on_virtual_time
async def test_nobody_pays_for_a_change(bot: Harness) -> None:
    sent = await bot.send()
    for action in (Action.EDIT, Action.RECALL):
        request = ChangeRequest(
            sent.broadcast, action, HELLO, RunOptions(paid=True, stars_budget=5)
        )
        with pytest.raises(InputError, match=f"to {action} costs nothing"):
            await bot.service.plan_change(request)


@on_virtual_time
async def test_what_an_account_cannot_send_it_cannot_edit_in(person: Harness) -> None:
    sent = await person.send()
    message = Message("x", buttons=((Button("A", "https://a.b"),),))
    with pytest.raises(InputError, match="buttons are for bots"):
        await person.change(sent.broadcast, Action.EDIT, message)
    assert len(await person.service.list()) == 1


@on_virtual_time
async def test_an_interrupted_edit_is_resumed(bot: Harness) -> None:
    sent = await bot.send(to=100)
    bot.reporter.on_settled = lambda _: bot.reporter.stop.ask()
    changed = await bot.edit(sent.broadcast, "a bike", options=RunOptions(concurrency=1))
    assert changed.report.is_unfinished
    bot.reporter = type(bot.reporter)()
    report = await bot.resume()
    assert (report.broadcast, report.action) == (changed.report.broadcast, Action.EDIT)
    assert report.counts.sent == 100


@on_virtual_time
async def test_a_paid_resume_of_an_edit_is_refused_before_anybody_signs_in(bot: Harness) -> None:
    sent = await bot.send(to=100)
    bot.reporter.on_settled = lambda _: bot.reporter.stop.ask()
    await bot.edit(sent.broadcast, "a bike", options=RunOptions(concurrency=1))
    opened = bot.accounts.opened
    with pytest.raises(InputError, match="costs nothing"):
        await bot.resume(paid=True, stars_budget=5)
    assert bot.accounts.opened == opened


# --- what nobody knows


async def in_doubt(bot: Harness, *, arrived: bool) -> str:
    """A broadcast of which a run ended before Telegram had answered for the last one."""
    lost = Deferred("NO_ANSWER", "no answer", None, reached=False, perhaps_sent=True)
    bot.become(script={"@friend2": [lost] * 1000})
    bot.accounts.connection.state = "1,2,3"
    sent = await bot.send(concurrency=1, patience=5.0)
    assert sent.halted is not None
    assert (sent.counts.sent, sent.counts.pending) == (2, 1)
    bot.become()
    bot.accounts.connection.found = {2: [99]} if arrived else {}
    return sent.broadcast


@pytest.mark.parametrize("arrived", [True, False])
@on_virtual_time
async def test_a_recall_first_learns_what_has_arrived(bot: Harness, arrived: bool) -> None:
    identity = await in_doubt(bot, arrived=arrived)
    bot.asker = ScriptedAsker([True])
    changed = await bot.recall(identity)
    assert bot.asker.asked[0].count == 3
    assert changed.report.counts.sent == (3 if arrived else 2)
    assert changed.in_doubt == (0 if arrived else 1)
    recalled = [
        each.message_id for each in bot.accounts.connection.tried if each.action is Action.RECALL
    ]
    assert recalled == ([1, 2, 99] if arrived else [1, 2])


@on_virtual_time
async def test_a_refusal_after_a_lost_answer_is_reached_by_a_recall(bot: Harness) -> None:
    lost = Deferred("NO_ANSWER", "no answer", None, reached=False, perhaps_sent=True)
    bot.become(script={"@friend2": [lost, Failed("USER_IS_BLOCKED", "blocked")]})
    bot.accounts.connection.state = "1,2,3"
    sent = await bot.send()
    assert (sent.counts.sent, sent.counts.failed) == (2, 1)
    bot.become()
    bot.asker = ScriptedAsker([True])
    changed = await bot.recall(sent.broadcast)
    assert (bot.asker.asked[0].count, changed.in_doubt) == (3, 1)  # nobody knows, so it is named


@on_virtual_time
async def test_what_the_difference_tells_of_a_refused_one_is_known_after_the_run(
    bot: Harness,
) -> None:
    lost = Deferred("NO_ANSWER", "no answer", None, reached=False, perhaps_sent=True)
    bot.become(script={"@friend2": [lost, Failed("USER_IS_BLOCKED", "blocked")]})
    bot.accounts.connection.state, bot.accounts.connection.found = "1,2,3", {2: [99]}
    sent = await bot.send()
    assert (sent.counts.sent, sent.counts.failed, sent.state) == (3, 0, State.DONE)


@on_virtual_time
async def test_a_recall_is_made_again_until_nobody_is_in_doubt(bot: Harness) -> None:
    identity = await in_doubt(bot, arrived=False)
    for found, left in (({}, 1), ({2: [99]}, 0)):
        bot.accounts.connection.found = found
        assert (await bot.recall(identity, confirmed=True)).in_doubt == left
    assert bot.tried[-1] == (Action.RECALL, "@friend2")
    with pytest.raises(InputError, match=r"was recalled by .* already"):
        await bot.recall(identity, confirmed=True)


@on_virtual_time
async def test_a_run_that_is_done_is_reported_though_another_takes_up_the_doubt(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Deferred("NO_ANSWER", "no answer", None, reached=False, perhaps_sent=True)
    bot.become(script={"@friend2": [lost, Failed("USER_IS_BLOCKED", "blocked")]})
    bot.accounts.connection.state, bot.accounts.connection.found = "1,2,3", {2: [99]}

    async def taken(*_: object) -> None:
        raise LockedError("another process is at work")

    monkeypatch.setattr(type(bot.ledger), "learn_sent", taken)
    sent = await bot.send()
    assert (sent.counts.sent, sent.counts.failed) == (2, 1)


@on_virtual_time
async def test_who_is_in_doubt_stays_so_and_is_named(bot: Harness) -> None:
    identity = await in_doubt(bot, arrived=False)
    await bot.recall(identity)
    (record,) = await bot.records(identity, Status.PENDING, Status.SENDING)
    assert record.delivery.contact.peer.text == "@friend2"


# --- what waits at Telegram


@on_virtual_time
async def test_what_waits_at_telegram_is_taken_back_by_a_recall(person: Harness) -> None:
    sent = await person.send(Message("later", when=at(SIX)))
    stopped = await person.service.cancel(sent.broadcast, person.reporter)
    assert stopped.is_at_telegram
    assert stopped.broadcast.state is State.DONE
    changed = await person.recall(sent.broadcast)
    assert changed.report.counts.sent == 3
    recalled = [each for each in person.accounts.connection.tried if each.action is Action.RECALL]
    assert all(each.is_scheduled for each in recalled)
    assert not (await person.service.cancel(sent.broadcast, person.reporter)).is_at_telegram


@on_virtual_time
async def test_what_waits_at_telegram_cannot_be_edited(person: Harness) -> None:
    sent = await person.send(Message("later", when=at(SIX)))
    with pytest.raises(InputError, match="is scheduled at Telegram"):
        await person.edit(sent.broadcast, "sooner")


@on_virtual_time
async def test_a_recall_says_nothing(bot: Harness) -> None:
    sent = await bot.send()
    changed = await bot.recall(sent.broadcast)
    recall = await bot.service.find(changed.report.broadcast)
    assert recall.message == Message("", Format.PLAIN)
    assert all(isinstance(each.outcome, Sent) for each in await bot.records(recall.id))


@on_virtual_time
async def test_the_question_before_an_edit_has_the_new_text(bot: Harness) -> None:
    sent = await bot.send(to=1)
    bot.asker = ScriptedAsker([False])
    with pytest.raises(DeclinedError):
        await bot.edit(sent.broadcast, "a bike")
    (question,) = bot.asker.asked
    assert (question.count, question.message and question.message.text) == (1, "a bike")


@on_virtual_time
async def test_an_edit_without_an_id_finds_what_is_scheduled(person: Harness) -> None:
    await person.send(Message("at noon"))
    with pytest.raises(InputError, match="scheduled: give the id of the one to edit") as refused:
        await person.change(None, Action.EDIT, Message("another text"))
    assert [each.command for each in refused.value.steps] == ["list"]
    later = await person.send(Message("at six", when=at(SIX)))
    with pytest.raises(InputError, match="is scheduled at Telegram") as refused:
        await person.change(None, Action.EDIT, Message("another text"))
    steps = [(each.command, each.id) for each in refused.value.steps]
    assert steps == [("cancel", later.broadcast)]
