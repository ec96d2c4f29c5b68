"""Broadcasts that wait for their time: in the ledger, or at Telegram as far as the ledger knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.core.errors import InputError, LockedError
from broadcast.core.lifecycle import require_changeable
from broadcast.core.model import (
    Action,
    Broadcast,
    Contact,
    Counts,
    Deferred,
    Failed,
    Halted,
    Message,
    Schedule,
    Sent,
    State,
    When,
)
from broadcast.core.peers import parse_peer
from broadcast.message.when import moment_for
from broadcast.people import audience as spool
from tests.ledger.opened import (
    ACCOUNT,
    BLOCKED,
    HELLO,
    NOW,
    Clock,
    Opened,
    audience,
    create,
    die,
    everything,
    new_id,
    opened,
    positions,
    rows,
    send_all,
    settle_all,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from broadcast.ledger.sqlite.run import SqliteRun

SIX = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
AT_SIX = replace(HELLO, when=When(SIX.replace(tzinfo=None), "UTC"), late=1800.0)
AT_THEIR_SIX = replace(HELLO, when=When(SIX.replace(tzinfo=None), "UTC", of_recipient=True))
ZONES = ("Europe/Madrid", "America/New_York", "UTC", "Europe/Madrid")
"""There 18:00 is at 17, 23, 18 and 17 o'clock UTC."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Opened]:
    with opened(tmp_path / "ledger.db", clock=clock, busy_timeout=0.0) as made:
        yield made


def later(ledger: Opened, message: Message, contacts: list[Contact], **more: Any) -> Broadcast:
    """A bot's broadcast: the ledger keeps it until its time."""
    assert message.when is not None
    due: Callable[[Contact], datetime] = partial(moment_for, message.when)
    return asyncio.run(ledger.create(new_id(), message, contacts, due=due, **more))


def abroad() -> list[Contact]:
    return [
        Contact(parse_peer(f"@friend{number}"), fields={"tz": zone})
        for number, zone in enumerate(ZONES)
    ]


def take_over(ledger: Opened, broadcast: Broadcast, **more: Any) -> SqliteRun:
    return asyncio.run(ledger.take_over(broadcast, account=ACCOUNT, **more))


def claim(run: SqliteRun, now: datetime) -> list[int]:
    return positions(asyncio.run(run.claim(99, now)))


def send_due(ledger: Opened, broadcast: Broadcast, now: datetime) -> list[int]:
    """A run at that time, to its end; the positions that were sent."""
    found: list[int] = []

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            while claimed := await run.claim(2, now):
                found.extend(positions(claimed))
                await run.settle([(delivery, Sent(1)) for delivery in claimed], now)
            assert await run.next_due() is None

    asyncio.run(work())
    return sorted(found)


def ids(broadcasts: list[Broadcast]) -> list[str]:
    return [broadcast.id for broadcast in broadcasts]


# --- one moment for all


def test_nothing_is_handed_out_before_its_time(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_SIX, audience(3))
    assert broadcast.schedule == Schedule(SIX, SIX)
    assert (broadcast.state, broadcast.message) == (State.OPEN, AT_SIX)
    assert rows(ledger, "SELECT * FROM waiting") == []  # a row each is not written twice
    assert ledger.due(NOW) == []
    assert send_due(ledger, broadcast, SIX - timedelta(seconds=1)) == []
    after = ledger.reload(broadcast)
    assert (after.state, after.counts) == (State.OPEN, Counts(pending=3))
    assert ledger.reload(after).not_due == 3

    clock.now = SIX
    assert ids(ledger.due(SIX)) == [broadcast.id]
    assert ledger.reload(after).not_due == 0
    assert send_due(ledger, broadcast, SIX) == [0, 1, 2]
    assert ledger.due(SIX) == []
    assert ledger.reload(broadcast).state is State.DONE


def test_a_moment_that_is_past_is_due_at_once(ledger: Opened) -> None:
    """A transport decides whether it is too late (message/when.py)."""
    past = replace(AT_SIX, when=When(NOW.replace(tzinfo=None), "Europe/Madrid"))
    broadcast = later(ledger, past, audience(2))
    assert ids(ledger.due(NOW)) == [broadcast.id]
    assert send_due(ledger, broadcast, NOW) == [0, 1]


def test_parts_wait_for_their_time_and_for_each_other(ledger: Opened) -> None:
    broadcast = later(ledger, AT_SIX, audience(2), parts=lambda _: 2)
    assert ledger.reload(broadcast).not_due == 4
    assert send_due(ledger, broadcast, NOW) == []
    assert send_due(ledger, broadcast, SIX) == [0, 1, 2, 3]


def test_the_earliest_is_due_first_and_what_is_no_schedule_never(ledger: Opened) -> None:
    create(ledger, 2)
    second = later(ledger, AT_SIX, audience(1))
    hour = timedelta(hours=1)
    first = asyncio.run(ledger.create(new_id(), HELLO, audience(1), due=lambda _: SIX - hour))
    assert ids(ledger.due(SIX)) == [first.id, second.id]
    assert ledger.next_moment(NOW) == SIX - hour
    assert ledger.next_moment(SIX - hour) == SIX
    assert ledger.next_moment(SIX) is None


def test_what_stands_still_by_a_persons_wish_or_is_at_work_is_not_due(
    ledger: Opened, clock: Clock
) -> None:
    paused, cancelled, running = (later(ledger, AT_SIX, audience(2)) for _ in range(3))
    asyncio.run(ledger.ask(paused, State.PAUSED))
    asyncio.run(ledger.ask(cancelled, State.CANCELLED))
    clock.now = SIX
    run = take_over(ledger, running)
    asyncio.run(settle_all(run, [Sent(1)], SIX))
    assert ledger.due(SIX) == []
    die(ledger)
    assert ids(ledger.due(SIX)) == [running.id]  # it goes on, with nobody watching
    assert ids(ledger.scheduled()) == [paused.id, running.id]


def test_what_was_claimed_when_the_process_died_is_due(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_SIX, audience(2))
    clock.now = SIX
    assert claim(take_over(ledger, broadcast), SIX) == [0, 1]
    die(ledger)
    assert ids(ledger.due(SIX)) == [broadcast.id]
    assert send_due(ledger, broadcast, SIX) == [0, 1]


@pytest.mark.parametrize(
    ("halted", "goes_on"),
    [
        (None, True),
        (Halted("OFFLINE", "no connection", ends_by_itself=True), True),
        (Halted("PEER_FLOOD", "limited"), False),
    ],
)
def test_only_what_ends_by_itself_goes_on_by_itself(
    ledger: Opened, clock: Clock, halted: Halted | None, goes_on: bool
) -> None:
    broadcast = later(ledger, AT_SIX, audience(2))
    clock.now = SIX

    async def stop() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            if halted is not None:
                run.stopped_by(halted)

    asyncio.run(stop())
    assert ledger.reload(broadcast).halted == halted
    assert bool(ledger.due(SIX)) is goes_on
    assert ids(ledger.scheduled()) == [broadcast.id]  # it is still shown
    take_over(ledger, broadcast)  # a person has fixed it
    die(ledger)
    assert ids(ledger.due(SIX)) == [broadcast.id]


def test_a_deferred_delivery_is_due_at_its_new_time(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_SIX, audience(2))
    clock.now = SIX

    async def begin() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            await settle_all(run, [Sent(1), Deferred("FLOOD_WAIT", "wait", 3600.0)], SIX)
            assert await run.next_due() == SIX + timedelta(hours=1)

    asyncio.run(begin())
    assert ledger.due(SIX) == []
    assert ledger.reload(broadcast).not_due == 0  # it is not: it is unfinished
    assert ids(ledger.due(SIX + timedelta(hours=1))) == [broadcast.id]


def test_who_is_tried_again_is_not_too_late(ledger: Opened, clock: Clock) -> None:
    """PunctualGate lets through what was tried before."""
    broadcast = later(ledger, AT_SIX, audience(1))
    clock.now = SIX
    send_all(ledger, broadcast, 0, now=SIX)
    asyncio.run(ledger.requeue_failed(broadcast, insist=True))
    (delivery,) = asyncio.run(take_over(ledger, broadcast).claim(9, SIX))
    assert delivery.attempts == 1


# --- each at their own time


def test_everybody_is_handed_out_at_their_own_time(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_THEIR_SIX, abroad())
    hours = [SIX.replace(hour=hour) for hour in (17, 18, 23)]
    assert broadcast.schedule == Schedule(hours[0], hours[2])
    assert ledger.reload(broadcast).not_due == 4
    assert ledger.next_moment(NOW) == hours[0]
    sent, left = [], []
    for now in (NOW, *hours):
        clock.now = now
        assert bool(ledger.due(now)) is (now != NOW)
        sent.append(send_due(ledger, broadcast, now))
        after = ledger.reload(broadcast)
        left.append((ledger.reload(after).not_due, after.counts.pending))
        assert ledger.due(now) == []
    assert sent == [[], [0, 3], [2], [1]]
    assert left == [(4, 4), (2, 2), (1, 1), (0, 0)]
    assert ledger.reload(broadcast).state is State.DONE


def test_times_that_differ_later_than_the_first_chunk(
    ledger: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written of the times until a second one turns up; then of all."""
    monkeypatch.setattr(spool, "CHUNK", 2)
    zones = ["UTC"] * 5 + ["Europe/Madrid"] + ["UTC"] * 3
    people = [
        Contact(parse_peer(f"@friend{number}"), fields={"tz": zone})
        for number, zone in enumerate(zones)
    ]
    broadcast = later(ledger, AT_THEIR_SIX, people, parts=lambda _: 2)
    assert send_due(ledger, broadcast, SIX.replace(hour=17)) == [10, 11]
    assert send_due(ledger, broadcast, SIX) == [n for n in range(18) if n not in (10, 11)]


def test_later_parts_of_who_must_wait_are_counted_with_them(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_THEIR_SIX, abroad(), parts=lambda _: 3)
    clock.now = SIX.replace(hour=17)
    assert send_due(ledger, broadcast, clock.now) == [0, 1, 2, 9, 10, 11]
    assert ledger.reload(broadcast).not_due == 6


def test_a_crash_forgets_no_time(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_THEIR_SIX, abroad())
    clock.now = SIX.replace(hour=17)
    assert claim(take_over(ledger, broadcast), clock.now) == [0, 3]
    die(ledger)
    run = take_over(ledger, broadcast)
    claimed = asyncio.run(run.claim(99, clock.now))
    assert [(d.position, d.attempts) for d in claimed] == [(0, 1), (3, 1)]
    asyncio.run(run.release(claimed))
    assert asyncio.run(run.next_due()) is None
    assert claim(run, SIX) == [2, 0, 3]


def test_a_canary_does_not_reach_beyond_the_first(ledger: Opened) -> None:
    broadcast = later(ledger, AT_THEIR_SIX, abroad())
    run = take_over(ledger, broadcast, first=2)
    assert claim(run, SIX.replace(hour=23)) == [0, 1]
    assert asyncio.run(run.next_due()) is None


@pytest.mark.parametrize("with_due", [True, False])
def test_who_has_no_zone_is_told_before_anything_is_made(ledger: Opened, with_due: bool) -> None:
    people = [*abroad(), Contact(parse_peer("@bobo"), "Bo", line=9)]
    when = AT_THEIR_SIX.when
    assert when is not None
    due = partial(moment_for, when) if with_due else None
    with pytest.raises(InputError, match=r"line 9: Bo has no field tz.*nothing was sent"):
        asyncio.run(ledger.create(new_id(), AT_THEIR_SIX, people, due=due))
    assert not any(everything(ledger).values())


# --- sooner


@pytest.mark.parametrize("message", [AT_SIX, AT_THEIR_SIX])
def test_it_can_be_brought_forward(ledger: Opened, message: Message) -> None:
    broadcast = later(ledger, message, abroad())
    asyncio.run(ledger.bring_forward(broadcast))
    after = ledger.reload(broadcast)
    assert (ledger.reload(after).not_due, ids(ledger.due(NOW))) == (0, [broadcast.id])
    assert send_due(ledger, after, NOW) == [0, 1, 2, 3]


def test_what_is_being_sent_is_not_brought_forward(ledger: Opened) -> None:
    broadcast = later(ledger, AT_SIX, audience(1))
    take_over(ledger, broadcast)
    with pytest.raises(LockedError):
        asyncio.run(ledger.bring_forward(broadcast))


# --- at Telegram


def at_telegram(ledger: Opened, message: Message = AT_SIX) -> Broadcast:
    """A person's broadcast: Telegram keeps it until its time."""
    return asyncio.run(ledger.create(new_id(), message, abroad()))


def test_what_telegram_keeps_is_handed_out_at_once(ledger: Opened, clock: Clock) -> None:
    broadcast = at_telegram(ledger, AT_THEIR_SIX)
    last = SIX.replace(hour=23)
    assert broadcast.schedule == Schedule(SIX.replace(hour=17), last, at_telegram=True)
    assert ledger.reload(broadcast).not_due == 0
    send_all(ledger, broadcast)
    assert ledger.due(last) == []
    clock.now = last - timedelta(seconds=1)
    assert ids(ledger.scheduled()) == [broadcast.id]
    clock.now = last
    assert ledger.scheduled() == []


def test_a_recall_knows_the_time_of_what_it_takes_back(ledger: Opened) -> None:
    broadcast = at_telegram(ledger)
    send_all(ledger, broadcast)
    made = ledger.create_change(new_id(), Action.RECALL, broadcast, Message(""))
    recall = asyncio.run(made)
    assert (recall.message.when, recall.schedule) == (AT_SIX.when, None)
    assert len(asyncio.run(take_over(ledger, recall).claim(9, NOW))) == 4
    assert ledger.scheduled() == []  # nothing of it is to come any more


def test_what_has_gone_out_from_there_is_not_changed_by_the_old_ids(
    ledger: Opened, clock: Clock
) -> None:
    broadcast = at_telegram(ledger)
    send_all(ledger, broadcast, 3)
    with pytest.raises(InputError, match=r"is scheduled at Telegram.*`broadcast cancel"):
        require_changeable(ledger.standing(broadcast), Action.EDIT, NOW)
    require_changeable(ledger.standing(broadcast), Action.RECALL, NOW)
    clock.now = SIX
    for action, verb in ((Action.EDIT, "edited"), (Action.RECALL, "recalled")):
        with pytest.raises(InputError, match=f"got ids that are not known here.*{verb}"):
            asyncio.run(ledger.create_change(new_id(), action, broadcast, HELLO))


def test_a_bots_messages_have_ids_and_are_changed_at_any_time(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_SIX, audience(2))
    clock.now = SIX
    send_all(ledger, broadcast, 1, now=SIX)
    clock.now = SIX + timedelta(days=1)
    edit = asyncio.run(ledger.create_change(new_id(), Action.EDIT, broadcast, HELLO))
    assert edit.counts == Counts(pending=1)
    assert ledger.scheduled() == []


def test_why_it_was_too_late_is_kept_word_by_word(ledger: Opened, clock: Clock) -> None:
    broadcast = later(ledger, AT_SIX, audience(2))
    clock.now = SIX
    late = Failed("TOO_LATE", "its time was 18:00, more than 30 minutes ago, so it was not sent")

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            await settle_all(run, [late, BLOCKED], SIX)

    asyncio.run(work())
    found = [record.outcome for record in ledger.records(ledger.reload(broadcast))]
    assert found == [late, BLOCKED]
    kept = [row["note"] for row in rows(ledger, "SELECT note FROM outcome ORDER BY key")]
    assert kept == [late.reason, None]  # the words of the table are not kept with each
