"""What every ledger promises beside its runs: the ports of ledger/port.py."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.core.errors import BroadcastError, InputError, LockedError
from broadcast.core.model import (
    Action,
    Contact,
    Counts,
    Deferred,
    Failed,
    Halted,
    Message,
    Recalled,
    Schedule,
    Scope,
    Selection,
    Sent,
    State,
    Status,
    When,
)
from broadcast.core.peers import parse_peer
from broadcast.ledger.memory import in_memory
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.message.when import moment_for
from broadcast.people.audience import Audience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from broadcast.core.model import Broadcast, Outcome, Record
    from broadcast.ledger.port import Ledger

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIX = NOW.replace(hour=18)
HELLO = Message("I bought a car!")
AT_SIX = replace(HELLO, when=When(SIX.replace(tzinfo=None), "UTC"))
AT_THEIR_SIX = replace(HELLO, when=When(SIX.replace(tzinfo=None), "UTC", of_recipient=True))
BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")
PRIVATE = Failed("USER_PRIVACY_RESTRICTED", "private")
ZONES = ("Europe/Madrid", "America/New_York", "UTC", "Europe/Madrid")
"""There 18:00 is at 17, 23, 18 and 17 o'clock UTC."""


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def utc(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return 100.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Every ledger is a line here.
LEDGERS = {
    "memory": lambda _, clock: nullcontext(in_memory(clock)),
    "sqlite": lambda home, clock: SqliteLedger(home / "ledger.db", clock=clock),
}


@pytest.fixture(params=LEDGERS.values(), ids=LEDGERS)
async def ledger(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[Ledger]:
    with request.param(tmp_path, clock) as opened:
        yield opened


_ids = (f"0000{number:06}" for number in itertools.count(1))


def people(size: int) -> Audience:
    return Audience(Contact(parse_peer(f"@friend{number}")) for number in range(size))


def abroad() -> Audience:
    return Audience(
        Contact(parse_peer(f"@friend{number}"), fields={"tz": zone})
        for number, zone in enumerate(ZONES)
    )


async def create(ledger: Ledger, size: int = 3, **more: Any) -> Broadcast:
    return await ledger.create(next(_ids), HELLO, people(size), **more)


async def later(ledger: Ledger, message: Message, **more: Any) -> Broadcast:
    assert message.when is not None
    due = partial(moment_for, message.when)
    return await ledger.create(next(_ids), message, abroad(), due=due, **more)


async def run(
    ledger: Ledger, broadcast: Broadcast, *, now: datetime = NOW, **of: Outcome
) -> list[int]:
    """Send all that goes at `now`; `_3=outcome` is what becomes of position 3. Who was tried."""
    found: list[int] = []
    async with ledger.start(broadcast, account=1) as work:
        while claimed := await work.claim(2, now):
            found += [delivery.position for delivery in claimed]
            outcomes = [of.get(f"_{d.position}", Sent(100 + d.position)) for d in claimed]
            await work.settle(list(zip(claimed, outcomes, strict=True)), now)
    return found


async def records(ledger: Ledger, broadcast: Broadcast, *wanted: Status) -> list[Record]:
    now = await ledger.reload(broadcast)
    return [record async for record in ledger.records(now, *wanted)]


async def states(ledger: Ledger, broadcast: Broadcast) -> list[str]:
    return [str(record.status) for record in await records(ledger, broadcast)]


def ids(broadcasts: Sequence[Broadcast]) -> list[str]:
    return [broadcast.id for broadcast in broadcasts]


# --- finding


async def test_broadcasts_are_found_by_id_by_key_and_as_the_last(ledger: Ledger) -> None:
    for prefix in (None, "aaa"):
        with pytest.raises(InputError) as caught:
            await ledger.find(prefix)
        assert caught.value.code == "NOT_FOUND"
    for number, identity in enumerate(("aaaa000001", "aaab000001", "zzzz000001")):
        await ledger.create(identity, HELLO, people(1), once=f"key{number}")
    assert (await ledger.find("AAAB")).id == "aaab000001"
    with pytest.raises(InputError, match="aaab000001 and aaaa000001"):
        await ledger.find("aaa")
    assert (await ledger.find()).id == "zzzz000001"
    assert ids(await ledger.newest(2)) == ["zzzz000001", "aaab000001"]
    found = await ledger.by_once("key1")
    assert found is not None
    assert found.id == "aaab000001"
    assert await ledger.by_once("key9") is None
    await run(ledger, await ledger.find("zzzz"))
    assert ids(await ledger.unfinished()) == ["aaab000001", "aaaa000001"]
    assert (await ledger.find(unfinished=True)).id == "aaab000001"


async def test_a_key_makes_one_broadcast_of_one_message(ledger: Ledger) -> None:
    made = await create(ledger, once="menu")
    assert await create(ledger, once="menu") == made
    with pytest.raises(InputError) as caught:
        await ledger.create(next(_ids), Message("Soup"), people(1), once="menu")
    assert caught.value.code == "KEY_USED"
    assert len(await ledger.newest()) == 1


@pytest.mark.parametrize(
    ("now", "is_same"),
    [
        (Selection(("best",), (), "/a.yaml"), True),
        (Selection(("best",), (), "/b.yaml"), True),  # who is in it decides
        (None, True),
        (Selection((), (), "/a.yaml"), False),
        (Selection(("best",), ("ana",), "/a.yaml"), False),
    ],
)
async def test_a_key_belongs_to_one_choice(
    ledger: Ledger, now: Selection | None, is_same: bool
) -> None:
    then = Selection(("best",), (), "/a.yaml")
    made = await create(ledger, once="menu", selection=then)
    assert (await ledger.reload(made)).selection == then
    if is_same:
        assert await create(ledger, once="menu", selection=now) == made
        return
    with pytest.raises(InputError) as caught:
        await create(ledger, once="menu", selection=now)
    assert caught.value.code == "ONCE_OTHER_AUDIENCE"


# --- what has become of it since


async def test_what_was_recalled_says_by_what_and_whom_that_reached(
    ledger: Ledger, clock: Clock
) -> None:
    sent = await create(ledger)
    await run(ledger, sent, _1=BLOCKED)
    assert (await ledger.reload(sent)).recalled is None
    clock.now += timedelta(hours=1)
    recall = await ledger.create_change(next(_ids), Action.RECALL, sent, Message(""))
    assert (recall.target_id, recall.recalled) == (sent.id, None)
    assert (await ledger.reload(sent)).recalled == Recalled(recall.id, clock.now, False, 0)
    later = clock.now + timedelta(seconds=5)
    await run(ledger, recall, now=later, _2=Failed("MESSAGE_DELETE_FORBIDDEN", "too old"))
    for found in (await ledger.find(sent.id), (await ledger.newest())[-1]):
        assert found.recalled == Recalled(recall.id, clock.now, True, 1)
    deleted = [record.deleted_at for record in await records(ledger, sent)]
    assert deleted == [later, None, None]
    assert await states(ledger, sent) == ["sent", "failed", "sent"]
    assert [record.deleted_at for record in await records(ledger, recall)] == [None, None]


async def test_how_many_wait_at_telegram_is_known_until_they_went_out(
    ledger: Ledger, clock: Clock
) -> None:
    sent = await ledger.create(next(_ids), AT_SIX, people(3))
    assert sent.schedule == Schedule(SIX, SIX, at_telegram=True)
    await run(ledger, sent, _0=Sent(1, scheduled_until=SIX), _1=Sent(2, scheduled_until=SIX))
    found = await ledger.reload(sent)
    assert (found.at_telegram, found.not_due) == (2, 0)
    kept = [record.is_scheduled for record in await records(ledger, sent)]
    assert kept == [True, True, False]
    recall = await ledger.create_change(next(_ids), Action.RECALL, sent, Message(""))
    await run(ledger, recall, _1=BLOCKED)
    assert (await ledger.reload(sent)).at_telegram == 1
    clock.now = SIX
    assert (await ledger.reload(sent)).at_telegram == 0
    assert [record.is_scheduled for record in await records(ledger, sent)] == [False] * 3


# --- who is added later


def named(audience: Audience) -> list[str]:
    return [contact.peer.text for contact in audience]


async def test_who_is_new_is_told_by_the_peer_in_any_spelling(ledger: Ledger) -> None:
    first = [Contact(parse_peer(peer)) for peer in ("@ana", "12345", "+34 600 000 001", "me")]
    broadcast = await ledger.create(next(_ids), HELLO, Audience(first))
    again = ("t.me/Ana", "+34600000001", "@ben", "12345", "@ana/7", "@Ben", "ME", "67890")
    found = await ledger.newcomers(broadcast, Audience(Contact(parse_peer(p)) for p in again))
    assert named(found) == ["@ben", "@ana/7", "67890"]
    assert named(await ledger.newcomers(broadcast, Audience())) == []


async def test_how_many_have_got_it_is_told_by_the_peer_and_each_counts_once(
    ledger: Ledger,
) -> None:
    broadcast = await create(ledger, 4, parts=lambda _: 2)
    await run(ledger, broadcast, _0=BLOCKED)
    again = ("t.me/friend0", "@Friend1", "t.me/friend1", "@friend3", "@friend9")
    chosen = Audience(Contact(parse_peer(peer)) for peer in again)
    assert await ledger.count_reached(broadcast, chosen) == 2
    assert await ledger.count_reached(broadcast, Audience()) == 0


@pytest.mark.parametrize("parts", [None, 2])
async def test_who_is_added_gets_it_and_nobody_twice(ledger: Ledger, parts: int | None) -> None:
    cut = None if parts is None else lambda _: parts
    each = parts or 1
    broadcast = await create(ledger, 3, parts=cut)
    first = await run(ledger, broadcast, _0=BLOCKED)
    after = await ledger.extend(broadcast, people(5), cut)
    assert (after.state, after.counts.total) == (State.OPEN, 5 * each)
    assert after.counts.pending == 2 * each
    assert after.later_parts == 5 * (each - 1)
    tried = await run(ledger, after)
    assert sorted(first + tried) == [n for n in range(5 * each) if (n, parts) != (1, 2)]
    ended = await ledger.reload(broadcast)
    assert (ended.state, ended.counts.pending) == (State.DONE, 0)
    again = await ledger.extend(broadcast, people(5), cut)
    assert (again.state, again.counts) == (State.DONE, ended.counts)


async def test_two_who_add_the_same_add_it_once(ledger: Ledger) -> None:
    broadcast = await create(ledger, 2)
    await run(ledger, broadcast)
    both = asyncio.gather(*(ledger.extend(broadcast, people(n)) for n in (5, 7)))
    assert max(each.counts.total for each in await both) == 7
    assert named(Audience([r.delivery.contact for r in await records(ledger, broadcast)])) == [
        f"@friend{number}" for number in range(7)
    ]


async def test_an_unfinished_one_is_added_to_as_well(ledger: Ledger) -> None:
    broadcast = await create(ledger, 3)
    await run(ledger, broadcast, _1=Deferred("SLOWMODE_WAIT", "slow", 60.0))
    await ledger.ask(broadcast, State.PAUSED)
    after = await ledger.extend(broadcast, people(4))
    assert (after.state, after.counts.pending) == (State.OPEN, 2)
    assert sorted(await run(ledger, after, now=NOW + timedelta(seconds=61))) == [1, 3]


async def test_nobody_is_added_where_they_must_not_get_it(ledger: Ledger, clock: Clock) -> None:
    async def refused(broadcast: Broadcast) -> str:
        with pytest.raises(BroadcastError) as caught:
            await ledger.extend(broadcast, people(9))
        assert (await ledger.reload(broadcast)).counts.total == broadcast.counts.total
        return caught.value.code

    sent = await create(ledger)
    await run(ledger, sent)
    async with ledger.start(sent, account=1):
        assert await refused(sent) == "RUNNING"
    edit = await ledger.create_change(next(_ids), Action.EDIT, sent, Message("b"))
    assert await refused(sent) == "EDITED"
    assert await refused(edit) == "NO_SEND"
    await ledger.create_change(next(_ids), Action.RECALL, sent, Message(""))
    assert await refused(sent) == "RECALLED"
    cancelled = await create(ledger)
    await ledger.ask(cancelled, State.CANCELLED)
    assert await refused(cancelled) == "CANCELLED"
    assert await refused(await later(ledger, AT_SIX)) == "SCHEDULED"


# --- what people ask for


async def test_what_stands_still_is_paused_and_cancelled_at_once(ledger: Ledger) -> None:
    broadcast = await create(ledger)
    await run(ledger, broadcast, _1=Deferred("SLOWMODE_WAIT", "slow", 60.0))
    for state in (State.PAUSED, State.CANCELLED):
        assert await ledger.ask(broadcast, state) is False
        assert (await ledger.reload(broadcast)).state is state
    assert await states(ledger, broadcast) == ["sent", "skipped", "sent"]
    assert (await ledger.reload(broadcast)).counts == Counts(sent=2, skipped=1)
    with pytest.raises(InputError, match="cancelled"):
        await ledger.ask(broadcast, State.PAUSED)
    with pytest.raises(InputError, match="cancelled"):
        await run(ledger, broadcast)
    done = await create(ledger)
    await run(ledger, done)
    assert await ledger.ask(done, State.CANCELLED) is False
    assert (await ledger.reload(done)).state is State.DONE


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCELLED])
async def test_a_run_is_asked_to_stop_and_leaves_the_state(ledger: Ledger, state: State) -> None:
    broadcast, stopped = await create(ledger), asyncio.Event()
    async with ledger.start(broadcast, account=1, on_stop=stopped.set) as work:
        assert await ledger.ask(broadcast, state) is True
        running = await ledger.reload(broadcast)
        assert (running.state, running.owner is None) == (State.OPEN, False)
        await stopped.wait()
        await work.claim(1, NOW)
    after = await ledger.reload(broadcast)
    assert (after.state, after.owner) == (state, None)
    doubt = ["sending", "skipped", "skipped"]
    assert (
        await states(ledger, broadcast)
        == (["sending", "pending", "pending"], doubt)[state is State.CANCELLED]
    )
    assert len(await ledger.in_doubt(after)) == 1


async def test_failures_are_retried_with_their_later_parts(ledger: Ledger) -> None:
    broadcast = await create(ledger, 3, parts=lambda _: 2)
    assert await run(ledger, broadcast, _0=BLOCKED, _2=PRIVATE) == [0, 2, 4, 5]
    assert (await ledger.reload(broadcast)).counts == Counts(sent=2, failed=4)
    assert await ledger.requeue_failed(broadcast, insist=False) == 2
    assert (await ledger.reload(broadcast)).state is State.OPEN
    with pytest.raises(InputError, match="unfinished"):
        await ledger.requeue_failed(broadcast, insist=True)
    assert await run(ledger, broadcast) == [2, 3]
    assert await ledger.requeue_failed(broadcast, insist=True) == 2
    assert await run(ledger, broadcast) == [0, 1]
    assert (await ledger.reload(broadcast)).counts == Counts(sent=6)


DOUBTFUL = replace(BLOCKED, perhaps_sent=True)


async def test_a_refusal_after_a_doubt_is_known_as_such(ledger: Ledger) -> None:
    broadcast, other = await create(ledger), await create(ledger)
    for each in (other, broadcast):
        await run(ledger, each, _0=BLOCKED, _1=DOUBTFUL)
    outcomes = [record.outcome for record in await records(ledger, broadcast)]
    assert outcomes == [BLOCKED, DOUBTFUL, Sent(102)]
    after = await ledger.reload(broadcast)
    assert (after.state, after.counts) == (State.DONE, Counts(sent=1, failed=2))
    assert (await ledger.standing(after)).in_doubt == 1
    assert [each.position for each in await ledger.in_doubt(after)] == [1]
    await ledger.learn_sent(after, {1: [77, 78]})
    assert (await ledger.reload(broadcast)).counts == Counts(sent=2, failed=1)
    assert (await records(ledger, broadcast))[1].outcome == Sent(77, others=(78,))
    assert await ledger.in_doubt(await ledger.reload(broadcast)) == []
    assert (await ledger.standing(await ledger.reload(other))).in_doubt == 1


async def test_a_doubt_outlives_a_retry(ledger: Ledger) -> None:
    broadcast = await create(ledger)
    await run(ledger, broadcast, _0=replace(PRIVATE, perhaps_sent=True), _1=PRIVATE)
    assert await ledger.requeue_failed(broadcast, insist=False) == 2
    async with ledger.start(broadcast, account=1) as work:
        claimed = await work.claim(9, NOW)
        assert [(each.position, each.perhaps_sent) for each in claimed] == [(0, True), (1, False)]
        await work.settle([(delivery, Sent(5)) for delivery in claimed], NOW)
    after = await ledger.reload(broadcast)
    assert (after.counts, (await ledger.standing(after)).in_doubt) == (Counts(sent=3), 0)


@pytest.mark.parametrize("doubt", [True, False])
async def test_what_was_perhaps_sent_is_claimed_as_such(ledger: Ledger, doubt: bool) -> None:
    broadcast = await create(ledger, 1)
    busy = Deferred("RPC_CALL_FAIL", "busy", 0.0, perhaps_sent=doubt)
    async with ledger.start(broadcast, account=1) as work:
        (delivery,) = await work.claim(1, NOW)
        assert not delivery.perhaps_sent
        await work.settle([(delivery, busy)], NOW)
        (again,) = await work.claim(1, NOW)
        assert again.perhaps_sent is doubt
        await work.release([again])
        (released,) = await work.claim(1, NOW)
        assert released.perhaps_sent is doubt


# --- one at a time


async def test_a_broadcast_and_an_account_are_used_by_one_run_at_a_time(ledger: Ledger) -> None:
    first, second = await create(ledger), await create(ledger)
    async with ledger.start(first, account=1):
        for broadcast, account, code in ((first, 1, "RUNNING"), (second, 1, "ACCOUNT_IN_USE")):
            with pytest.raises(LockedError) as caught:
                async with ledger.start(broadcast, account=account):
                    raise AssertionError("it has started")
            assert caught.value.code == code
        async with ledger.start(second, account=2):
            pass
    await run(ledger, first)


async def test_a_wait_that_telegram_has_named_is_known_to_the_next_broadcast(
    ledger: Ledger,
) -> None:
    flood = Deferred("FLOOD_WAIT", "wait", 31.0, Scope.ACCOUNT)
    await run(ledger, await create(ledger), _1=flood)
    assert (await ledger.known(1, None)).held_until == NOW + timedelta(seconds=31)
    assert await ledger.last_person(None) == 1
    assert await ledger.last_person("sandbox") == 0


# --- edits and recalls


@pytest.mark.parametrize("action", [Action.EDIT, Action.RECALL])
async def test_a_change_is_of_what_was_sent(ledger: Ledger, action: Action) -> None:
    target = await create(ledger, 5)
    album = Sent(7, others=(8, 9))
    await run(ledger, target, _0=BLOCKED, _2=album, _4=BLOCKED)
    change = await ledger.create_change(next(_ids), action, target, Message("a bike"))
    assert (change.target, change.counts) == (target.number, Counts(pending=3))
    assert [r.delivery.position for r in await records(ledger, change)] == [1, 2, 3]
    async with ledger.start(change, account=1, first=1) as work:
        (claimed,) = await work.claim(9, NOW)
        assert (claimed.action, claimed.message_id, claimed.message.text) == (action, 101, "a bike")
        await work.settle([(claimed, Failed("MESSAGE_ID_INVALID", "gone"))], NOW)
    async with ledger.start(change, account=1) as work:
        claimed, last = await work.claim(9, NOW)
        assert (claimed.message_id, claimed.others) == (7, (8, 9))
        await work.settle([(claimed, Sent(7)), (last, Sent(103))], NOW)
    assert (await ledger.reload(change)).counts == Counts(sent=2, failed=1)
    assert (await ledger.reload(target)).counts == Counts(sent=3, failed=2)
    standing = await ledger.standing(target)
    assert ids(standing.changes) == [change.id]
    assert (standing.recall is not None) is (action is Action.RECALL)
    assert await ledger.requeue_failed(change, insist=True) == 1
    assert await run(ledger, change) == [1]


async def test_a_recall_cancels_what_is_pending_and_a_newer_edit_overtakes(ledger: Ledger) -> None:
    target, unfinished = await create(ledger), await create(ledger)
    await run(ledger, target)
    older, newer = [
        await ledger.create_change(next(_ids), Action.EDIT, target, HELLO) for _ in range(2)
    ]
    assert (await ledger.reload(older)).state is State.CANCELLED
    with pytest.raises(InputError, match=f"overtaken by the edit {newer.id}"):
        await run(ledger, older)
    wait = Deferred("SLOWMODE_WAIT", "slow", 60.0)
    await run(ledger, unfinished, _1=wait, _2=wait)
    with pytest.raises(InputError, match="unfinished, 2 are pending"):
        await ledger.create_change(next(_ids), Action.EDIT, unfinished, HELLO)
    recall = await ledger.create_change(next(_ids), Action.RECALL, unfinished, Message(""))
    assert (await ledger.reload(unfinished)).counts == Counts(sent=1, skipped=2)
    assert await run(ledger, recall) == [0]
    for refused in (run(ledger, unfinished), ledger.requeue_failed(unfinished, insist=True)):
        with pytest.raises(InputError, match="never sent again"):
            await refused


async def test_a_change_of_parts_knows_no_order(ledger: Ledger) -> None:
    target = await create(ledger, 2, parts=lambda _: 2)
    await run(ledger, target)
    recall = await ledger.create_change(next(_ids), Action.RECALL, target, Message(""))
    async with ledger.start(recall, account=1) as work:
        claimed = await work.claim(9, NOW)
        assert [(d.position, d.part) for d in claimed] == [(0, 0), (1, 1), (2, 0), (3, 1)]
        beside = await work.settle([(claimed[0], Failed("MESSAGE_ID_INVALID", "gone"))], NOW)
        assert list(beside) == []


# --- schedules


async def test_one_moment_for_all(ledger: Ledger, clock: Clock) -> None:
    broadcast = await later(ledger, AT_SIX)
    assert broadcast.schedule == Schedule(SIX, SIX)
    assert await run(ledger, broadcast) == []
    assert (await ledger.reload(broadcast)).not_due == 4
    assert (list(await ledger.due(NOW)), await ledger.next_moment(NOW)) == ([], SIX)
    assert ids(await ledger.scheduled()) == [broadcast.id]
    clock.now = SIX
    assert (await ledger.reload(broadcast)).not_due == 0
    assert (ids(await ledger.due(SIX)), await ledger.next_moment(SIX)) == ([broadcast.id], None)
    assert await run(ledger, broadcast, now=SIX) == [0, 1, 2, 3]
    assert (list(await ledger.due(SIX)), list(await ledger.scheduled())) == ([], [])


async def test_each_at_their_own_time_with_all_their_parts(ledger: Ledger, clock: Clock) -> None:
    broadcast = await later(ledger, AT_THEIR_SIX, parts=lambda _: 2)
    hours = [SIX.replace(hour=hour) for hour in (17, 18, 23)]
    assert broadcast.schedule == Schedule(hours[0], hours[2])
    assert await ledger.next_moment(NOW) == hours[0]
    assert (await ledger.reload(broadcast)).not_due == 8
    sent, left = [], []
    for now in hours:
        clock.now = now
        assert ids(await ledger.due(now)) == [broadcast.id]
        sent.append(sorted(await run(ledger, broadcast, now=now)))
        left.append((await ledger.reload(broadcast)).not_due)
    assert (sent, left) == ([[0, 1, 6, 7], [4, 5], [2, 3]], [4, 2, 0])
    assert (await ledger.reload(broadcast)).state is State.DONE


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_a_canary_of_those_with_their_own_time(ledger: Ledger, first: int) -> None:
    broadcast = await later(ledger, AT_THEIR_SIX)
    async with ledger.start(broadcast, account=1, first=first) as work:
        claimed = await work.claim(9, SIX.replace(hour=23))
        assert sorted(d.position for d in claimed) == list(range(first))
        await work.settle([(delivery, Sent(1)) for delivery in claimed], SIX)
    rest = await run(ledger, broadcast, now=SIX.replace(hour=23))
    assert sorted(rest) == list(range(first, 4))


async def test_who_has_no_time_gets_it_at_once_beside_those_who_have(ledger: Ledger) -> None:
    moments = {"@friend1": SIX, "@friend2": SIX + timedelta(hours=1)}
    made = ledger.create(
        next(_ids), HELLO, people(4), due=lambda contact: moments.get(contact.peer.text)
    )
    broadcast = await made
    assert sorted(await run(ledger, broadcast)) == [0, 3]
    assert sorted(await run(ledger, broadcast, now=SIX + timedelta(hours=1))) == [1, 2]


@pytest.mark.parametrize("message", [AT_SIX, AT_THEIR_SIX])
async def test_it_is_brought_forward(ledger: Ledger, message: Message) -> None:
    broadcast = await later(ledger, message)
    async with ledger.start(broadcast, account=1):
        with pytest.raises(LockedError):
            await ledger.bring_forward(broadcast)
    await ledger.bring_forward(broadcast)
    assert ids(await ledger.due(NOW)) == [broadcast.id]
    assert (await ledger.reload(broadcast)).not_due == 0
    assert await run(ledger, broadcast) == [0, 1, 2, 3]


async def test_what_is_not_due(ledger: Ledger, clock: Clock) -> None:
    paused, cancelled, running, limited, offline = [await later(ledger, AT_SIX) for _ in range(5)]
    await ledger.ask(paused, State.PAUSED)
    await ledger.ask(cancelled, State.CANCELLED)
    clock.now = SIX
    for broadcast, halted in (
        (limited, Halted("PEER_FLOOD", "limited")),
        (offline, Halted("OFFLINE", "no connection", ends_by_itself=True)),
    ):
        async with ledger.start(broadcast, account=1) as work:
            work.stopped_by(halted)
    async with ledger.start(running, account=1):
        assert ids(await ledger.due(SIX)) == [offline.id]
        assert ids(await ledger.scheduled()) == ids([paused, running, limited, offline])


async def test_what_is_deferred_is_due_at_its_new_time(ledger: Ledger, clock: Clock) -> None:
    broadcast = await later(ledger, AT_SIX)
    clock.now = SIX
    await run(ledger, broadcast, now=SIX, _2=Deferred("FLOOD_WAIT", "wait", 3600.0))
    assert list(await ledger.due(SIX)) == []
    assert await ledger.next_moment(SIX) == SIX + timedelta(hours=1)
    assert ids(await ledger.due(SIX + timedelta(hours=1))) == [broadcast.id]


async def test_what_telegram_keeps_is_handed_out_at_once(ledger: Ledger, clock: Clock) -> None:
    broadcast = await ledger.create(next(_ids), AT_THEIR_SIX, abroad())
    last = SIX.replace(hour=23)
    assert broadcast.schedule == Schedule(SIX.replace(hour=17), last, at_telegram=True)
    assert (await ledger.reload(broadcast)).not_due == 0
    waits = Sent(7, scheduled_until=SIX)
    assert await run(ledger, broadcast, _0=waits) == [0, 1, 2, 3]
    assert (list(await ledger.due(last)), await ledger.next_moment(NOW)) == ([], None)
    assert ids(await ledger.scheduled()) == [broadcast.id]
    recall = await ledger.create_change(next(_ids), Action.RECALL, broadcast, Message(""))
    assert (recall.message.when, recall.schedule) == (AT_THEIR_SIX.when, None)
    async with ledger.start(recall, account=1) as work:
        assert [d.is_scheduled for d in await work.claim(9, NOW)] == [True, False, False, False]
    assert list(await ledger.scheduled()) == []


@pytest.mark.parametrize("with_due", [True, False])
async def test_who_has_no_zone_is_told_before_anything_is_made(
    ledger: Ledger, with_due: bool
) -> None:
    contacts = Audience([Contact(parse_peer("@bobo"), "Bo", line=9)])
    assert AT_THEIR_SIX.when is not None
    due = partial(moment_for, AT_THEIR_SIX.when) if with_due else None
    with pytest.raises(BroadcastError, match=r"line 9: Bo has no field tz.*nothing was sent"):
        await ledger.create(next(_ids), AT_THEIR_SIX, contacts, due=due)
    assert list(await ledger.newest()) == []


# --- what went wrong


async def test_failures_are_counted_by_what_went_wrong(ledger: Ledger) -> None:
    blocked = Failed("USER_IS_BLOCKED", "this person has blocked you")
    own_words = Failed("BAD_TEMPLATE", "no field city")
    first = await create(ledger, 6)
    second = await create(ledger, 2)
    perhaps = replace(blocked, perhaps_sent=True)
    await run(ledger, first, _0=own_words, _1=blocked, _3=blocked, _4=blocked, _5=perhaps)
    await run(ledger, second, _0=blocked)
    assert await ledger.failures(first) == [(blocked, 3), (own_words, 1), (perhaps, 1)]
    assert await ledger.failures(second) == [(blocked, 1)]
    assert await ledger.failures(await create(ledger)) == []
