"""Sending what is due: once, and as a process that waits for the rest."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from broadcast.core.errors import (
    HaltedError,
    InputError,
    LockedError,
    LoginRequiredError,
    SettingsError,
)
from broadcast.core.model import Deferred, Halted, Message, State
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.service.due import AGAIN_AFTER, LOOK
from broadcast.service.reports import Refused, Report
from tests.service.fakes import ME, SIGNED_OUT, FakeConnection, RecordingReporter
from tests.service.harness import HELLO, SIX, Harness, at, on_virtual_time, people
from tests.service.patient_loop import PatientClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from broadcast.core.model import Broadcast, Contact, Delivery, Outcome

OFFLINE = Halted("OFFLINE", "no connection", ends_by_itself=True)
PEER_FLOOD = Halted("PEER_FLOOD", "Telegram takes this for spam")
THEIR_SIX = Message(HELLO.text, when=at(SIX, of_recipient=True))
HOUR = timedelta(hours=1)


def abroad() -> list[Contact]:
    """The first has six o'clock an hour before the second."""
    return [
        replace(contact, fields={"tz": zone})
        for contact, zone in zip(people("ana", "ben"), ("Europe/Madrid", "UTC"), strict=True)
    ]


async def until(harness: Harness, moment: datetime) -> None:
    await asyncio.sleep((moment - harness.clock.utc()).total_seconds())


def sent_by(results: Sequence[Report | Refused]) -> list[str]:
    return [each.broadcast for each in results if isinstance(each, Report)]


class Timed(RecordingReporter):
    """Notes when something was recorded."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(lambda delivery: self.times.append((delivery.broadcast, now())))
        self.times: list[tuple[str, datetime]] = []
        now = harness.clock.utc


# --- once


@on_virtual_time
async def test_when_nothing_is_due_nothing_happens(bot: Harness) -> None:
    assert await bot.send_due() == []
    await bot.schedule()
    assert await bot.send_due() == []
    assert (bot.texts, bot.accounts.opened) == ([], 0)


@on_virtual_time
async def test_all_that_is_due_is_sent_one_broadcast_after_another(bot: Harness) -> None:
    first, second = await bot.schedule(), await bot.schedule()
    later, paused = await bot.schedule(THEIR_SIX, abroad()), await bot.schedule()
    await bot.service.pause(paused.id, bot.reporter)
    await until(bot, SIX - HOUR)
    (early,) = await bot.send_due()
    assert isinstance(early, Report)
    assert (early.broadcast, early.counts.sent, early.scheduled) == (later.id, 1, 1)
    assert not early.is_unfinished
    await until(bot, SIX)
    assert set(sent_by(await bot.send_due())) == {later.id, first.id, second.id}
    order = [delivery.broadcast for delivery in bot.accounts.connection.tried]
    assert [order[0], order[1]] == [later.id, later.id]
    assert sorted(order[2:4]) in ([first.id] * 2, [second.id] * 2)
    assert len(order) == 6
    assert await bot.send_due() == []
    assert await bot.state(paused) is State.PAUSED


@on_virtual_time
async def test_who_signs_in_may_be_known_only_then(bot: Harness) -> None:
    """Of several bots on one ledger: what is another's is left to it, without a word."""
    mine, theirs, elsewhere = [await bot.schedule() for _ in range(3)]
    await bot.started_as(mine, ME)
    await bot.started_as(theirs, ME + 1)
    await bot.started_as(elsewhere, ME, "127.0.0.1:1")
    bot.accounts.tells = False
    await until(bot, SIX)
    assert sent_by(await bot.send_due(wait=True)) == [mine.id]
    assert bot.accounts.opened == 2
    assert await bot.state(theirs) is State.OPEN


@on_virtual_time
async def test_a_person_leaves_alone_what_a_bot_has_scheduled(bot: Harness) -> None:
    await bot.started_as(await bot.schedule(), ME + 1)
    bot.become(is_bot=False)
    await until(bot, SIX)
    assert (await bot.send_due(), bot.accounts.opened) == ([], 0)


@on_virtual_time
async def test_what_is_wrong_with_one_does_not_hold_the_others_up(bot: Harness) -> None:
    """A file that has gone, an account that may not, whatever: the next one is tried."""
    wrong, right = await bot.schedule(), await bot.schedule()
    bot.accounts.connection = Picky(bot.accounts.connection.account)
    bot.accounts.connection.not_for = wrong.id
    await until(bot, SIX)
    results = await bot.send_due(wait=True)
    assert sent_by(results) == [right.id]
    assert [each.broadcast and each.broadcast.id for each in refused(results)] == [wrong.id]


class Picky(FakeConnection):
    """Refuses all that belongs to one broadcast."""

    not_for = ""

    async def send(self, delivery: Delivery) -> Outcome:
        if delivery.broadcast == self.not_for:
            raise InputError("it cannot be sent")
        return await super().send(delivery)


@pytest.mark.parametrize(
    "error",
    [
        InputError("it was started as account 1"),
        HaltedError("the server cannot be reached"),
        LoginRequiredError("nobody is signed in"),
    ],
)
@on_virtual_time
async def test_what_is_refused_is_told_and_the_next_one_tried(
    bot: Harness, error: InputError
) -> None:
    broadcasts = {(await bot.schedule()).id for _ in range(2)}
    await until(bot, SIX)
    bot.accounts.refuses = error
    results = await bot.send_due()
    told = {(each.broadcast and each.broadcast.id, each.error) for each in refused(results)}
    assert told == {(identity, error) for identity in broadcasts}


def refused(results: Sequence[Report | Refused]) -> list[Refused]:
    return [each for each in results if isinstance(each, Refused)]


@on_virtual_time
async def test_what_another_process_has_just_begun_is_no_trouble(bot: Harness) -> None:
    await bot.schedule()
    await until(bot, SIX)
    bot.accounts.refuses = LockedError("another process uses this session")
    assert await bot.send_due() == []


@on_virtual_time
async def test_a_stop_ends_it_before_the_next_broadcast(bot: Harness) -> None:
    broadcasts = [await bot.schedule() for _ in range(2)]
    await until(bot, SIX)
    bot.reporter.on_settled = lambda _: bot.reporter.stop.ask()
    (report,) = await bot.send_due(wait=True)
    assert isinstance(report, Report)
    assert report.stopped
    tried = {delivery.broadcast for delivery in bot.accounts.connection.tried}
    assert len(tried & {each.id for each in broadcasts}) == 1
    assert bot.clock.utc() < SIX + timedelta(seconds=5)


@on_virtual_time
async def test_of_another_account_nothing_is_sent(bot: Harness) -> None:
    """Several bots may share a ledger, and each has a `run-due` of its own."""
    mine, theirs, elsewhere = [await bot.schedule() for _ in range(3)]
    await bot.started_as(mine, ME)
    await bot.started_as(theirs, ME + 1)
    await bot.started_as(elsewhere, ME, "127.0.0.1:1")
    await until(bot, SIX)
    assert sent_by(await bot.send_due(wait=True)) == [mine.id]
    assert (bot.accounts.opened, bot.clock.utc() - SIX < AGAIN_AFTER) == (1, True)


@on_virtual_time
async def test_who_pauses_one_from_elsewhere_does_not_end_the_others(bot: Harness) -> None:
    paused, other = [await bot.schedule(to=people(name)) for name in ("ana", "ben")]
    await until(bot, SIX)
    bot.accounts.connection = pausing = Pausing(bot.accounts.connection.account)
    pausing.pause = lambda: bot.service.pause(paused.id, RecordingReporter())
    pausing.only = paused.id
    results = await bot.send_due(wait=True)
    assert set(sent_by(results)) == {paused.id, other.id}
    stopped = {each.broadcast: each.stopped for each in results if isinstance(each, Report)}
    assert stopped == {paused.id: True, other.id: False}
    assert pausing.texts == [("@ben", HELLO.text)]
    assert await bot.state(paused) is State.PAUSED
    assert not bot.reporter.stop.is_asked


@on_virtual_time
async def test_what_is_paused_before_its_turn_is_not_sent(bot: Harness) -> None:
    first, paused = [await bot.schedule(to=people(name)) for name in ("ana", "ben")]
    await until(bot, SIX)
    bot.accounts.connection = pausing = Pausing(bot.accounts.connection.account)
    pausing.pause = lambda: bot.service.pause(paused.id, RecordingReporter())
    pausing.only, pausing.outcome = first.id, None
    assert sent_by(await bot.send_due(wait=True)) == [first.id]
    assert pausing.texts == [("@ana", HELLO.text)]
    assert await bot.state(paused) is State.PAUSED


class Pausing(FakeConnection):
    """Before its first answer to one broadcast somebody pauses that one, or another."""

    pause: Callable[[], Awaitable[object]]
    only = ""
    outcome: Outcome | None = Deferred("SLOWMODE_WAIT", "the chat is slow", 60.0)

    async def send(self, delivery: Delivery) -> Outcome:
        if delivery.broadcast != self.only:
            return await super().send(delivery)
        await self.pause()
        return self.outcome or await super().send(delivery)


@pytest.mark.parametrize("wait", [False, True])
@on_virtual_time
async def test_without_settings_nobody_waits(bot: Harness, wait: bool) -> None:
    await bot.schedule()
    bot.become(missing=SIGNED_OUT)
    with pytest.raises(SettingsError, match="TELEGRAM_API_ID"):
        await bot.send_due(wait=wait)
    assert bot.clock.utc() < SIX


@on_virtual_time
async def test_options_that_need_another_are_refused_first(bot: Harness) -> None:
    with pytest.raises(InputError, match="stars-budget"):
        await bot.send_due(paid=True)


# --- as a process that waits


@on_virtual_time
async def test_a_waiting_process_sends_each_at_its_time_and_then_ends(bot: Harness) -> None:
    broadcast, abroads = await bot.schedule(), await bot.schedule(THEIR_SIX, abroad())
    bot.reporter = seen = Timed(bot)
    results = await bot.send_due(wait=True)
    assert sent_by(results).count(abroads.id) == 2
    late = timedelta(seconds=2)
    assert sorted((each, round((moment - SIX) / HOUR)) for each, moment in seen.times) == sorted(
        [(broadcast.id, 0), (broadcast.id, 0), (abroads.id, -1), (abroads.id, 0)]
    )
    assert all((moment - SIX + HOUR) % HOUR < late for _, moment in seen.times)
    assert bot.clock.utc() - SIX < late


@on_virtual_time
async def test_it_looks_again_and_again_as_others_schedule_meanwhile(bot: Harness) -> None:
    await bot.schedule()
    bot.reporter = seen = Timed(bot)
    sooner: list[Broadcast] = []

    async def schedule_another() -> None:
        await asyncio.sleep(3600)
        message = Message("sooner", when=at(SIX.replace(hour=14)))
        sooner.append(await bot.schedule(message))

    async with asyncio.TaskGroup() as group:
        group.create_task(schedule_another())
        await bot.send_due(wait=True)
    found = [moment for each, moment in seen.times if each == sooner[0].id]
    assert len(found) == 2
    assert max(found) - SIX.replace(hour=14) <= timedelta(seconds=LOOK + 1)


@on_virtual_time
async def test_without_anything_scheduled_nobody_waits(person: Harness) -> None:
    await person.send(Message("later", when=at(SIX)))  # it waits at Telegram, not here
    before = person.clock.utc()
    assert await person.send_due(wait=True) == []
    assert person.clock.utc() == before


@on_virtual_time
async def test_what_is_cancelled_meanwhile_ends_the_wait(bot: Harness) -> None:
    broadcast = await bot.schedule()
    started = bot.clock.utc()

    async def cancel() -> None:
        await asyncio.sleep(10)
        await bot.service.cancel(broadcast.id, bot.reporter)

    async with asyncio.TaskGroup() as group:
        group.create_task(cancel())
        assert await bot.send_due(wait=True) == []
    assert bot.clock.utc() - started <= timedelta(seconds=LOOK)


@on_virtual_time
async def test_a_stop_ends_the_wait_at_once(bot: Harness) -> None:
    await bot.schedule()
    started = bot.clock.utc()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(bot.send_due(wait=True))
        await asyncio.sleep(100)
        assert not bot.reporter.stop.is_heard  # so that a signal ends it by force
        bot.reporter.stop.ask()
    assert waiting.result() == []
    assert bot.clock.utc() - started < timedelta(seconds=101)


@on_virtual_time
async def test_an_outage_is_tried_again_a_minute_later_and_what_is_wrong_never(
    bot: Harness,
) -> None:
    offline = await bot.schedule(to=people("ana"))
    wrong = await bot.schedule(to=people("ben"))
    await until(bot, SIX)
    bot.become(script={"@ana": [OFFLINE] * 5, "@ben": PEER_FLOOD})
    results = await bot.send_due(wait=True)
    assert sorted(sent_by(results)) == sorted([offline.id] * 6 + [wrong.id])
    assert bot.texts == [("@ana", HELLO.text)]
    assert timedelta(minutes=5) <= bot.clock.utc() - SIX < timedelta(minutes=7)
    assert await bot.state(wrong) is State.OPEN  # and waits for a person


@on_virtual_time
async def test_a_long_outage_is_sat_out(bot: Harness) -> None:
    """Longer than the patience of a run, which ends: it is started again, until all have it."""
    await bot.schedule(to=people("ana"))
    await until(bot, SIX)
    lost = Deferred("NO_ANSWER", "no connection", None, reached=False)
    bot.become(script={"@ana": [lost] * 60})
    results = await bot.send_due(wait=True)
    halts = [each.halted.error for each in results if isinstance(each, Report) and each.halted]
    assert len(halts) >= 2
    assert set(halts) == {"OFFLINE"}
    assert bot.texts == [("@ana", HELLO.text)]


@pytest.mark.parametrize(
    "error", [HaltedError("the server cannot be reached"), LoginRequiredError("nobody")]
)
@on_virtual_time
async def test_who_cannot_sign_in_for_a_moment_tries_again(
    bot: Harness, error: HaltedError
) -> None:
    broadcast = await bot.schedule()
    bot.accounts.refuses = error

    async def sign_in() -> None:
        await until(bot, SIX + timedelta(minutes=3))
        bot.accounts.refuses = None

    async with asyncio.TaskGroup() as group:
        group.create_task(sign_in())
        results = await bot.send_due(wait=True)
    assert [each.error for each in refused(results)] == [error] * len(refused(results))
    assert 3 <= len(refused(results)) <= 5
    assert sent_by(results) == [broadcast.id]


# --- trouble that passes


class Unreadable(SqliteLedger):
    """A ledger that cannot be read for a while, as when another program holds its file."""

    troubles = 0

    async def due(self, now: datetime) -> list[Broadcast]:
        self._be_in_trouble()
        return await super().due(now)

    async def next_moment(self, now: datetime) -> datetime | None:
        self._be_in_trouble()
        return await super().next_moment(now)

    def _be_in_trouble(self) -> None:
        if self.troubles:
            self.troubles -= 1
            raise HaltedError("another program holds it", code="LEDGER_HELD")


@on_virtual_time
async def test_a_ledger_that_cannot_be_read_for_a_moment_ends_no_wait(tmp_path: Path) -> None:
    with Unreadable(tmp_path / "ledger.db", clock=PatientClock()) as ledger:
        harness = Harness(ledger)
        broadcast = await harness.schedule()
        for troubles in (1, 2, 7):
            ledger.troubles = troubles
            with pytest.raises(HaltedError):
                await harness.send_due()  # without a wait it is told, and the next cron tries
        ledger.troubles = 5
        await until(harness, SIX)
        results = await harness.send_due(wait=True)
        assert [each.broadcast for each in refused(results)] == [None] * 5
        assert sent_by(results) == [broadcast.id]
        assert harness.clock.utc() - SIX < 6 * AGAIN_AFTER


@on_virtual_time
async def test_nor_does_one_that_cannot_be_written(bot: Harness, tmp_path: Path) -> None:
    broadcast = await bot.schedule()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute("BEGIN IMMEDIATE")

        async def let_go() -> None:
            await until(bot, SIX + timedelta(minutes=2))
            other.rollback()

        async with asyncio.TaskGroup() as group:
            group.create_task(let_go())
            results = await bot.send_due(wait=True)
    assert {each.error.code for each in refused(results)} == {"LEDGER_HELD"}
    assert sent_by(results) == [broadcast.id]
    assert bot.texts == [("@friend0", HELLO.text), ("@friend1", HELLO.text)]


class TakenOver(FakeConnection):
    """Before its first answer another process has taken the broadcast over."""

    path: Path

    async def send(self, delivery: Delivery) -> Outcome:
        if not self.tried:
            with closing(sqlite3.connect(self.path)) as other, other:
                other.execute("UPDATE broadcast SET epoch = epoch + 1")
        return await super().send(delivery)


@on_virtual_time
async def test_a_broadcast_that_is_taken_over_elsewhere_ends_no_wait(
    bot: Harness, tmp_path: Path
) -> None:
    await bot.schedule(to=people("ana"))
    later = await bot.schedule(Message("later", when=at(SIX + HOUR)), people("ben"))
    connection = TakenOver(bot.accounts.connection.account)
    connection.path = tmp_path / "ledger.db"
    bot.accounts.connection = connection
    results = await bot.send_due(wait=True)
    assert refused(results) == []
    assert later.id in sent_by(results)
    assert set(bot.texts) == {("@ana", HELLO.text), ("@ben", "later")}


@on_virtual_time
async def test_a_halt_for_good_waits_for_a_resume(bot: Harness) -> None:
    broadcast = await bot.schedule(to=people("ana"))
    await until(bot, SIX)
    bot.become(script={"@ana": PEER_FLOOD})
    await bot.send_due()
    assert await bot.send_due(wait=True) == []
    assert (await bot.resume(broadcast.id)).counts.sent == 1
