"""Rehearsals: what they say, where they stop, what they leave alone, and how they end early."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from telethon import errors

from broadcast import library
from broadcast.core.errors import InputError
from broadcast.core.model import (
    Attachment,
    Button,
    Delivery,
    Failed,
    Halted,
    Media,
    Message,
    Outcome,
    Record,
    Sent,
    Status,
)
from broadcast.engine.pacer import Known
from broadcast.people.audience import Audience
from broadcast.people.lists import contact
from broadcast.sandbox import in_process as direct
from broadcast.sandbox.in_process import ROUND_TRIP, DirectClient
from broadcast.sandbox.limits import Limits
from broadcast.service.options import RunOptions
from broadcast.service.requests import AudienceRequest, SendRequest
from broadcast.staging import RehearsalStages
from tests.clocks import START, SetClock
from tests.service.fakes import RecordingReporter
from tests.service.harness import HELLO, SIX, Harness, at, on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telethon.tl import TLRequest

    from broadcast.core.model import Contact
    from broadcast.service.reports import Rehearsal
    from broadcast.service.stage import Stage

MESSAGE = Message("**I bought a car!**")


def people(count: int) -> list[Contact]:
    return [contact(str(5_000_000_000 + number)) for number in range(count)]


def rehearse(audience: Sequence[Contact], *, is_bot: bool, **given: Any) -> Rehearsal:
    """Rehearse, from a fixed moment on. Options of a run may be given among the rest."""
    mine = {name: given.pop(name) for name in ("limits", "reporter", "known") if name in given}
    message = given.pop("message", MESSAGE)
    options = RunOptions(**given)
    work = library.rehearse(message, audience, options, is_bot=is_bot, starts_at=START, **mine)
    return asyncio.run(work)


def by_bot(audience: Sequence[Contact], **given: Any) -> Rehearsal:
    return rehearse(audience, is_bot=True, **given)


def by_person(audience: Sequence[Contact], **given: Any) -> Rehearsal:
    return rehearse(audience, is_bot=False, **given)


def records(rehearsal: Rehearsal) -> list[Record]:
    async def read() -> list[Record]:
        return [record async for record in rehearsal.report.records()]

    return asyncio.run(read())


def outcomes(rehearsal: Rehearsal) -> list[Outcome | None]:
    return [record.outcome for record in records(rehearsal)]


# -- what it says --


def test_what_the_account_cannot_send_is_refused_as_in_the_real_run() -> None:
    message = Message("x", buttons=((Button("A", "https://a.b"),),))
    for is_bot in (False, True):
        told = nullcontext() if is_bot else pytest.raises(InputError, match="buttons are for bots")
        with told:
            rehearse(people(1), is_bot=is_bot, message=message)


def test_the_time_is_what_the_rate_takes() -> None:
    rehearsal = by_bot(people(3000))
    assert rehearsal.report.counts.sent == 3000
    assert rehearsal.report.seconds == pytest.approx((3000 - 30) / 30, rel=0.02)
    assert rehearsal.floods <= 10  # it looks for the limit, which it does not know
    stated = by_bot(people(3000), rate=30.0)
    assert stated.report.seconds == pytest.approx(3000 / 30, rel=0.02)
    assert stated.floods == 0
    assert rehearsal.report.halted is None


def test_an_answer_takes_a_round_trip() -> None:
    rehearsal = by_bot(people(3), rate=0.0, concurrency=1)
    assert 3 * ROUND_TRIP <= rehearsal.report.seconds < 3 * ROUND_TRIP + 1


def test_the_broadcast_happens_at_the_time_it_starts() -> None:
    (record,) = records(by_bot(people(1)))
    assert record.at is not None
    assert timedelta(0) < record.at - START < timedelta(seconds=1)


def test_who_would_fail_is_named_with_the_reason() -> None:
    audience = [contact("@ana"), contact("@blocked_bruno"), contact("@unknown_ursula")]
    rehearsal = by_bot(audience)
    told = records(rehearsal)
    assert [record.status for record in told] == [Status.SENT, Status.FAILED, Status.FAILED]
    blocked, unknown = told[1].outcome, told[2].outcome
    assert isinstance(blocked, Failed)
    assert blocked.error == "USER_IS_BLOCKED"
    assert blocked.reason
    assert isinstance(unknown, Failed)
    assert unknown.error == "USERNAME_NOT_OCCUPIED"


def test_a_person_reaches_contacts_however_they_are_written() -> None:
    audience = [contact("@ana"), contact("+34600123456"), contact("5000000001"), contact("me")]
    rehearsal = by_person(audience)
    assert all(isinstance(outcome, Sent) for outcome in outcomes(rehearsal))


def test_a_person_may_write_to_more_contacts_than_strangers() -> None:
    rehearsal = by_person(people(60))
    assert rehearsal.report.counts.sent == 60
    assert rehearsal.report.halted is None


def test_floods_are_counted_and_waited_for() -> None:
    fast = by_bot(people(100), rate=0.0)
    free = by_bot(people(100), rate=0.0, limits=Limits.none())
    assert fast.floods > 0
    assert free.floods == 0
    assert fast.report.counts.sent == free.report.counts.sent == 100
    assert fast.report.seconds > 2 > free.report.seconds


def test_a_person_listed_twice_gets_one_message() -> None:
    rehearsal = by_bot([contact("123456789"), contact("@id_123456789"), contact("123456788")])
    first, again, other = outcomes(rehearsal)
    assert isinstance(first, Sent)
    assert first == again
    assert first != other


@pytest.mark.parametrize("copies", range(2, 12))
def test_a_chat_that_gets_several_in_a_row_is_waited_for_and_not_for_ever(copies: int) -> None:
    audience = [*people(10 + copies), *people(1) * copies]
    rehearsal = by_bot(audience)
    assert rehearsal.report.counts.sent == len(audience)
    assert copies - 1 < rehearsal.report.seconds < copies + 5


def test_the_same_arguments_give_the_same_rehearsal() -> None:
    audience = [*people(200), contact("@flood_flora"), contact("@blocked_bruno"), *people(10)]
    first, second = (by_bot(audience, rate=0.0) for _ in range(2))
    assert records(first) == records(second)
    assert first.report.seconds == second.report.seconds
    assert first.floods == second.floods > 0


def test_the_canary_goes_first_as_in_the_real_run() -> None:
    bad = [*(contact(f"@blocked_{number}") for number in range(4)), *people(6)]
    rehearsal = by_bot(bad, canary=4)
    assert rehearsal.report.halted is not None
    assert rehearsal.report.halted.error == "CANARY_FAILED"
    assert (rehearsal.report.counts.failed, rehearsal.report.counts.pending) == (4, 6)
    assert by_bot(people(10), canary=4).report.counts.sent == 10


def test_what_was_learned_of_the_account_counts() -> None:
    slow = by_bot(people(100), known=Known(held_until=START + timedelta(minutes=1)))
    assert slow.report.counts.sent == 100
    assert 60 < slow.report.seconds < 70


def test_real_ids_that_end_in_the_digits_of_a_rule_are_like_any_other() -> None:
    audience = [contact(str(5_000_009_401 + rule)) for rule in range(13) if rule != 3]
    assert by_bot(audience).report.counts.sent == 12
    assert by_person([contact("@blocked_bruno")]).report.counts.failed == 1


def test_a_file_that_only_premium_may_send_is_rehearsed_by_a_person() -> None:
    """Whether they have Premium is told only when they sign in."""
    film = Attachment("/there/film.mp4", Media.VIDEO, "1" * 64, 3_000 * 2**20)
    with pytest.raises(InputError, match="this account may send"):
        by_bot(people(1), message=Message("x", files=(film,)))
    rehearsal = by_person(people(1), message=Message("x", files=(film,)))
    assert rehearsal.report.counts.total == 1


# -- where it stops --


@pytest.mark.parametrize(
    ("audience", "given", "error"),
    [
        pytest.param(
            [*people(20), contact("@peerflood_pia"), *people(500)],
            {},
            "PEER_FLOOD",
            id="peer flood",
        ),
        pytest.param(
            [*(contact(f"@blocked_{number}") for number in range(30)), *people(100)],
            {},
            "TOO_MANY_FAILURES",
            id="breaker",
        ),
        pytest.param(
            people(50),
            {"limits": Limits(bot_messages_per_second=0.001, bot_burst=3)},
            "WAIT_TOO_LONG",
            id="long wait",
        ),
    ],
)
def test_it_stops_where_the_broadcast_would(
    audience: list[Contact], given: dict[str, Any], error: str
) -> None:
    rehearsal = by_bot(audience, **given)
    assert rehearsal.report.halted is not None
    assert rehearsal.report.halted.error == error
    assert rehearsal.report.counts.pending > 0


@pytest.mark.parametrize("burst", [1, 5])
def test_nobody_knocks_while_everybody_waits(monkeypatch: pytest.MonkeyPatch, burst: int) -> None:
    """A look-up takes an answer's time, in which a flood may come: nothing is sent after that."""
    held_until, knocks, asked = 0.0, list[float](), []
    ask = DirectClient.call

    async def noting(client: DirectClient, request: TLRequest) -> Any:
        nonlocal held_until
        now = asyncio.get_running_loop().time()
        if type(request).__name__ == "InvokeWithoutUpdatesRequest" or "Send" in repr(type(request)):
            asked.append(now)
            if now < held_until:
                knocks.append(now)
        try:
            return await ask(client, request)
        except errors.FloodWaitError as flood:
            held_until = max(held_until, asyncio.get_running_loop().time() + flood.seconds)
            raise

    monkeypatch.setattr(direct, "ROUND_TRIP", 0.7)
    monkeypatch.setattr(DirectClient, "call", noting)
    limits = Limits(bot_messages_per_second=0.5, bot_burst=burst)
    rehearsal = by_bot([contact(f"@u{number:05}x") for number in range(60)], limits=limits)
    assert rehearsal.floods > 0
    assert len(asked) >= 60
    assert knocks == []


# -- what it would cost --


def test_a_paid_rehearsal_says_what_it_would_cost() -> None:
    rehearsal = by_bot(people(2000), paid=True, stars_budget=1000)
    free = by_bot(people(2000))
    assert rehearsal.report.counts.sent == 2000
    assert rehearsal.report.seconds < free.report.seconds / 2
    assert 0 < rehearsal.stars <= rehearsal.report.paid * Decimal("0.1")
    assert free.stars == free.report.paid == 0


def test_a_paid_rehearsal_stops_when_its_budget_is_spent() -> None:
    rehearsal = by_bot(people(2000), paid=True, stars_budget=5)
    assert rehearsal.report.halted is not None
    assert rehearsal.report.halted.error == "BUDGET_SPENT"
    assert rehearsal.report.paid == 50
    assert rehearsal.stars <= 5


def test_a_person_cannot_pay() -> None:
    with pytest.raises(InputError, match="bots"):
        by_person(people(1), paid=True, stars_budget=5)


# -- what it leaves alone --

_touched: list[tuple[str, object]] | None = None  # an audit hook cannot be taken away again


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _touched is None:
        return
    if event == "sqlite3.connect" and arguments[0] == "":
        return  # it has no name, and is gone when it is closed
    is_writing = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if is_writing or event in {"sqlite3.connect", "os.mkdir", "socket.connect", "socket.bind"}:
        _touched.append((event, arguments[0]))


def test_nothing_is_written_and_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    by_person([contact("@ana")])  # imports what it needs, which may write compiled modules
    sys.addaudithook(_note)
    monkeypatch.setattr(sys.modules[__name__], "_touched", touched := [])
    by_person([contact("@ana"), contact("@blocked_bruno"), *people(5)])
    by_bot([contact("@ana"), *people(50)])
    assert touched == []


# -- how it ends early --


class Interrupting(RecordingReporter):
    """Does something after the first settlement, and waits there until the caller has ended."""

    def __init__(self) -> None:
        super().__init__(self._first)
        self.ended = threading.Event()
        self.interrupt = lambda: None

    def _first(self, delivery: Delivery) -> None:
        if len(self.settlements) == 1:
            self.interrupt()
            assert self.ended.wait(30)


async def rehearse_many(reporter: Interrupting) -> None:
    try:
        await library.rehearse(MESSAGE, people(1000), is_bot=True, reporter=reporter)
    finally:
        reporter.ended.set()


def test_ctrl_c_ends_a_rehearsal_at_once_and_leaves_no_thread() -> None:
    before = threading.active_count()
    reporter = Interrupting()
    reporter.interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)
    # Whoever starts the tests in the background of a shell has them ignore it.
    at_first = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(rehearse_many(reporter))
    finally:
        signal.signal(signal.SIGINT, at_first)
    assert len(reporter.settlements) < 100
    assert threading.active_count() <= before  # those of earlier tests may end meanwhile


def test_a_rehearsal_is_cancelled_with_its_caller() -> None:
    reporter = Interrupting()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(rehearse_many(reporter))
            reporter.interrupt = lambda: loop.call_soon_threadsafe(task.cancel)
        assert task.cancelled()

    before = threading.active_count()
    asyncio.run(main())
    assert len(reporter.settlements) < 100
    assert threading.active_count() <= before


class LateStage:
    """A stage that is entered only when the caller has given up."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.entered, self.given_up = threading.Event(), threading.Event()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if threading.current_thread() is not threading.main_thread():
            self.entered.set()
            assert self.given_up.wait(30)
        return self._stage.loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)


async def test_a_rehearsal_that_has_hardly_begun_is_cancelled_too(bot: Harness) -> None:
    stages = RehearsalStages()

    class LateStages:
        def build(self, **given: Any) -> Any:
            late.append(LateStage(stages.build(**given)))
            return late[0]

    late: list[LateStage] = []
    reporter = RecordingReporter()
    service = replace(bot.service, clock=SetClock(), stages=LateStages())
    request = SendRequest(MESSAGE, AudienceRequest(chosen=Audience(people(1000))))
    plan = await service.plan(request)
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(service.rehearse(plan, reporter))
            while not (late and late[0].entered.is_set()):  # noqa: ASYNC110 - set by a thread
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            late[0].given_up.set()
    assert task.cancelled()
    assert reporter.settlements == []


# -- when it happens --


def scheduled(late: float | None = None, *, of_recipient: bool = False) -> Message:
    return Message("At six", when=at(SIX, of_recipient=of_recipient), late=late)


def test_what_a_bot_sends_at_a_time_is_rehearsed_at_that_time() -> None:
    rehearsal = by_bot(people(100), message=scheduled())
    assert rehearsal.report.counts.sent == 100
    assert rehearsal.report.seconds == pytest.approx(70 / 30, rel=0.3)
    assert rehearsal.report.scheduled == 0
    for record in records(rehearsal):
        assert record.at is not None
        assert timedelta(0) < record.at - SIX < timedelta(seconds=5)


def test_each_gets_it_at_their_own_time() -> None:
    zones = ("Europe/Madrid", "UTC", "America/New_York")
    audience = [
        replace(each, fields={"tz": zone}) for each, zone in zip(people(3), zones, strict=True)
    ]
    rehearsal = by_bot(audience, message=scheduled(of_recipient=True))
    assert rehearsal.report.counts.sent == 3
    hours = [round((record.at - SIX).total_seconds() / 3600) for record in records(rehearsal)]
    assert hours == [-1, 0, 5]


def test_who_would_get_it_too_late_is_named() -> None:
    rehearsal = by_bot(people(200), message=scheduled(late=2.0), rate=10.0, max_failures=1.0)
    assert rehearsal.report.counts.pending == 0
    late = [record for record in records(rehearsal) if isinstance(record.outcome, Failed)]
    assert {record.outcome.error for record in late} == {"TOO_LATE"}
    assert 10 <= rehearsal.report.counts.sent <= 40
    assert len(late) == 200 - rehearsal.report.counts.sent
    assert by_bot(people(200), message=scheduled(late=60.0), rate=10.0).report.counts.sent == 200


def test_a_person_s_message_waits_at_telegram() -> None:
    rehearsal = by_person(people(3), message=scheduled(late=2.0))
    assert rehearsal.report.counts.sent == 3
    for outcome in outcomes(rehearsal):
        assert isinstance(outcome, Sent)
        assert outcome.scheduled_until == SIX


def test_a_halt_before_the_last_time_ends_it() -> None:
    flood = [replace(contact("@peerflood_pia"), fields={"tz": "Europe/Madrid"})]
    rest = [replace(each, fields={"tz": "UTC"}) for each in people(3)]
    rehearsal = by_bot([*flood, *rest], message=scheduled(of_recipient=True))
    assert rehearsal.report.halted is not None
    assert rehearsal.report.halted.error == "PEER_FLOOD"
    assert rehearsal.report.counts.pending == 4


def test_a_stop_before_the_last_time_ends_it() -> None:
    zones = ("Europe/Madrid", "UTC", "America/New_York")
    audience = [
        replace(each, fields={"tz": zone}) for each, zone in zip(people(3), zones, strict=True)
    ]
    reporter = RecordingReporter(lambda _: reporter.stop.ask())
    rehearsal = by_bot(audience, message=scheduled(of_recipient=True), reporter=reporter)
    assert rehearsal.report.stopped
    assert (rehearsal.report.counts.sent, rehearsal.report.counts.pending) == (1, 2)
    assert reporter.totals == [3, 3]  # before the first time, and at it


# -- of what was begun before --


OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)


@on_virtual_time
async def test_of_what_was_begun_under_a_key_the_rest_is_rehearsed(bot: Harness) -> None:
    bot.become(script={"@friend2": OFFLINE})
    first = await bot.send(to=5, once="k", concurrency=1)
    plan = await bot.service.plan(bot.request(to=5, once="k"))
    rehearsal = await bot.service.rehearse(plan, bot.reporter)
    assert rehearsal.report.counts.sent == first.counts.pending
    assert (await bot.service.find()).counts == first.counts  # nothing was sent
    assert len(bot.texts) == first.counts.sent


@on_virtual_time
async def test_of_a_message_in_parts_nobody_gets_more_than_is_left(bot: Harness) -> None:
    message = Message("word " * 1500, split=True)
    bot.become(script={"@friend1": OFFLINE})
    first = await bot.send(message, to=3, once="k", concurrency=1)
    assert first.counts.total == 6
    plan = await bot.service.plan(bot.request(message, to=3, once="k"))
    rehearsal = await bot.service.rehearse(plan, bot.reporter)
    assert first.counts.pending <= rehearsal.report.counts.sent <= 6


@on_virtual_time
async def test_the_rest_goes_when_it_was_to_go_and_not_at_once(bot: Harness) -> None:
    message = replace(HELLO, when=at(SIX))
    await bot.send(message, to=2, once="k")
    plan = await bot.service.plan(bot.request(HELLO, to=2, once="k"))
    rehearsal = await bot.service.rehearse(plan, bot.reporter)
    times = [record.at async for record in rehearsal.report.records()]
    assert all(each is not None and each >= SIX for each in times)


@on_virtual_time
async def test_a_service_without_a_stage_rehearses_nothing(bot: Harness) -> None:
    service = replace(bot.service, stages=None)
    plan = await service.plan(bot.request())
    with pytest.raises(InputError, match="no stage"):
        await service.rehearse(plan, bot.reporter)
