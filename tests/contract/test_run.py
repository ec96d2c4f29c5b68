"""What every ledger promises: the port `Run` of engine/ports.py, and what ledger/port.py says of
broadcasts that are made, run, stopped early and resumed."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import tempfile
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from broadcast.core.errors import HaltedError, InputError
from broadcast.core.model import (
    TRANSITIONS,
    Contact,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Halted,
    Message,
    Outcome,
    Record,
    Scope,
    Sent,
    State,
    Status,
)
from broadcast.core.peers import parse_peer
from broadcast.engine.pacer import Known, Learned
from broadcast.ledger.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from broadcast.core.model import Broadcast
    from broadcast.engine.ports import Run

    Opening = Callable[[Sequence[int]], AbstractAsyncContextManager["KeptRun"]]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Fixed:
    """A clock that stands still."""

    def utc(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 100.0


FIXED = Fixed()
FINAL = (Status.SENT, Status.FAILED, Status.SKIPPED)
BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def deferred(seconds: float | None) -> Deferred:
    return Deferred("SLOWMODE_WAIT", "this group is in slow mode", seconds, counts=True)


class KeptRun:
    """A run over one broadcast of a ledger that holds others; each `again` is another run of it."""

    def __init__(self, path: Path | None, parts: Sequence[int]) -> None:
        self._path, self._parts = path, parts

    async def __aenter__(self) -> Self:
        self.ledger = SqliteLedger(self._path, clock=FIXED).__enter__()
        before = await self.ledger.create("b0", Message("before"), audience(2))
        self.broadcast = await self.ledger.create(
            "b1",
            Message("I bought a car!"),
            audience(len(self._parts)),
            parts=parts_of(self._parts),
        )
        await self.ledger.create("b2", Message("after"), audience(2))
        self._other = await self.begin(before, account=2)
        await self._other.claim(1, NOW)  # what another run does is never met
        await self._start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.ledger.__exit__(*error)

    async def _start(self, first: int | None = None) -> None:
        self.run: Run = await self.begin(self.broadcast, account=1, first=first)
        self.claim, self.settle = self.run.claim, self.run.settle
        self.release, self.next_due = self.run.release, self.run.next_due

    async def again(self, first: int | None = None) -> None:
        """The run ends, and another one begins."""
        await self.end(self.run)
        await self._start(first)

    async def begin(self, broadcast: Broadcast, account: int, first: int | None = None) -> Run:
        return await self.ledger.take_over(broadcast, account=account, first=first)

    async def end(self, run: Any) -> None:
        await run.finish()

    async def records(self, *wanted: Status) -> list[Record]:
        return [r async for r in self.ledger.records(await self.now(), *wanted)]

    async def counts(self) -> Counts:
        return (await self.now()).counts

    async def now(self) -> Broadcast:
        return await self.ledger.reload(self.broadcast)

    async def crash(self) -> None:
        """The process dies, and another goes on, which only a file allows."""
        assert self._path is not None
        dead = json.dumps({"host": socket.gethostname(), "pid": 2**31 - 1, "started": "1"})
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("UPDATE broadcast SET owner = ?", [dead])
        await self._start()

    async def retry(self) -> None:
        """The run ends, and another tries those again that failed."""
        await self.end(self.run)
        await self.ledger.requeue_failed(self.broadcast, insist=True)
        await self._start()


def audience(size: int) -> list[Contact]:
    return [Contact(parse_peer(f"@friend{number}")) for number in range(size)]


def parts_of(parts: Sequence[int]) -> Callable[[Contact], int] | None:
    """How many deliveries each of `audience` gets; None where nobody gets more than one."""
    if set(parts) <= {1}:
        return None
    counts = {f"@friend{number}": count for number, count in enumerate(parts)}
    return lambda contact: counts[contact.peer.text]


@asynccontextmanager
async def memory(parts: Sequence[int]) -> AsyncGenerator[KeptRun]:
    async with KeptRun(None, parts) as ledger:
        yield ledger


# In memory where there is such a place: the machine does not lose its power in these tests.
PLACE = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


@asynccontextmanager
async def sqlite(parts: Sequence[int]) -> AsyncGenerator[KeptRun]:
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        async with KeptRun(Path(directory) / "ledger.db", parts) as ledger:
            yield ledger


# Every ledger is a line here: a function that opens one with so many deliveries for each contact.
LEDGERS = {
    "memory": memory,
    "sqlite": sqlite,
}


@pytest.fixture(params=LEDGERS.values(), ids=LEDGERS)
def opening(request: pytest.FixtureRequest) -> Opening:
    return request.param


def positions(deliveries: Sequence[Delivery]) -> list[int]:
    return [delivery.position for delivery in deliveries]


async def statuses(ledger: KeptRun) -> list[Status]:
    return [record.status for record in await ledger.records()]


async def assert_records_can_be_chosen(ledger: KeptRun) -> None:
    found = await ledger.records()
    for count in range(1, len(Status) + 1):
        for wanted in combinations(Status, count):
            chosen = [record for record in found if record.status in wanted]
            assert await ledger.records(*wanted) == chosen


async def test_the_records_of_some_states_are_those_among_all(opening: Opening) -> None:
    async with opening([1] * 6) as ledger:
        first, second, third, *_ = await ledger.claim(5, NOW)
        await ledger.settle([(first, Sent(1)), (second, BLOCKED), (third, deferred(60))], NOW)
        assert len(set(await statuses(ledger))) == 4
        await assert_records_can_be_chosen(ledger)


# --- claim


async def test_a_claim_marks_what_it_returns_as_sending(opening: Opening) -> None:
    async with opening([1] * 3) as ledger:
        claimed = await ledger.claim(2, NOW)
        assert positions(claimed) == [0, 1]
        assert await statuses(ledger) == [Status.SENDING, Status.SENDING, Status.PENDING]


async def test_a_claimed_delivery_says_what_to_send_to_whom(opening: Opening) -> None:
    async with opening([1]) as ledger:
        (delivery,) = await ledger.claim(1, NOW)
        assert delivery.contact == audience(1)[0]
        assert delivery.message == Message("I bought a car!")
        assert delivery.attempts == 0


async def test_nothing_is_claimed_twice(opening: Opening) -> None:
    async with opening([1] * 5) as ledger:
        claims = [positions(await ledger.claim(2, NOW)) for _ in range(4)]
        assert claims == [[0, 1], [2, 3], [4], []]


async def test_due_deliveries_are_claimed_first_and_then_the_rest_by_position(
    opening: Opening,
) -> None:
    async with opening([1] * 7) as ledger:
        first = await ledger.claim(4, NOW)
        await ledger.settle([(first[3], deferred(1.0)), (first[1], deferred(2.0))], NOW)
        await ledger.release([first[2], first[0]])
        claimed = positions(await ledger.claim(6, later(5)))
        assert sorted(claimed[:2]) == [1, 3]
        assert claimed[2:] == [0, 2, 4, 5]


async def test_a_claim_of_few_takes_the_due_ones_before_all_others(opening: Opening) -> None:
    async with opening([1] * 5) as ledger:
        first = await ledger.claim(3, NOW)
        await ledger.settle([(first[2], deferred(1.0))], NOW)
        await ledger.release(first[:2])
        assert positions(await ledger.claim(1, later(1))) == [2]


# --- settle


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Sent(7), Status.SENT), (Sent(None), Status.SENT), (BLOCKED, Status.FAILED)],
)
async def test_a_settled_delivery_is_final_and_keeps_its_outcome(
    opening: Opening, outcome: Outcome, status: Status
) -> None:
    async with opening([1]) as ledger:
        claimed = await ledger.claim(1, NOW)
        await ledger.settle([(claimed[0], outcome)], later(1))
        (record,) = await ledger.records()
        assert (record.status, record.outcome, record.at) == (status, outcome, later(1))
        assert not await ledger.claim(1, later(1e6))
        assert await ledger.next_due() is None


async def test_deliveries_are_settled_in_any_order_and_together(opening: Opening) -> None:
    async with opening([1] * 4) as ledger:
        claimed = await ledger.claim(4, NOW)
        await ledger.settle([(claimed[2], BLOCKED), (claimed[0], Sent(1))], NOW)
        await ledger.settle([(claimed[3], Sent(2))], NOW)
        assert await statuses(ledger) == [Status.SENT, Status.SENDING, Status.FAILED, Status.SENT]
        assert await ledger.counts() == Counts(sent=2, failed=1, pending=1)


async def test_a_deferred_delivery_is_due_when_its_time_is_over_and_not_before(
    opening: Opening,
) -> None:
    async with opening([1]) as ledger:
        claimed = await ledger.claim(1, NOW)
        await ledger.settle([(claimed[0], deferred(31.0))], NOW)
        assert await statuses(ledger) == [Status.PENDING]
        assert await ledger.next_due() == later(31)
        assert not await ledger.claim(1, later(30.9))
        assert positions(await ledger.claim(1, later(31))) == [0]
        assert await ledger.next_due() is None


async def test_a_deferred_delivery_knows_how_often_it_was_tried(opening: Opening) -> None:
    async with opening([1]) as ledger:
        for attempts in range(3):
            (delivery,) = await ledger.claim(1, NOW)
            assert delivery.attempts == attempts
            await ledger.settle([(delivery, deferred(0.0))], NOW)


async def test_a_wait_of_no_known_length_is_over_at_once(opening: Opening) -> None:
    async with opening([1]) as ledger:
        claimed = await ledger.claim(1, NOW)
        await ledger.settle([(claimed[0], deferred(None))], NOW)
        assert positions(await ledger.claim(1, NOW)) == [0]


async def test_a_halted_delivery_is_pending_again_at_once(opening: Opening) -> None:
    async with opening([1] * 2) as ledger:
        claimed = await ledger.claim(1, NOW)
        await ledger.settle([(claimed[0], Halted("PEER_FLOOD", "limited"))], NOW)
        assert await statuses(ledger) == [Status.PENDING, Status.PENDING]
        assert positions(await ledger.claim(2, NOW)) == [0, 1]


# --- release


async def test_a_released_delivery_is_pending_and_untouched(opening: Opening) -> None:
    async with opening([1] * 3) as ledger:
        claimed = await ledger.claim(3, NOW)
        await ledger.settle([(claimed[1], Sent(1))], NOW)
        await ledger.release([claimed[2], claimed[0]])
        assert await statuses(ledger) == [Status.PENDING, Status.SENT, Status.PENDING]
        again = await ledger.claim(3, NOW)
        assert positions(again) == [0, 2]
        assert [delivery.attempts for delivery in again] == [0, 0]


async def test_a_released_delivery_does_not_forget_its_tries(opening: Opening) -> None:
    async with opening([1]) as ledger:
        claimed = await ledger.claim(1, NOW)
        await ledger.settle([(claimed[0], deferred(5.0))], NOW)
        await ledger.release(await ledger.claim(1, later(5)))
        (delivery,) = await ledger.claim(1, later(5))
        assert delivery.attempts == 1


# --- next_due


async def test_the_next_due_is_the_earliest_of_the_deferred(opening: Opening) -> None:
    async with opening([1] * 3) as ledger:
        assert await ledger.next_due() is None  # pending ones that nobody deferred have no time
        claimed = await ledger.claim(3, NOW)
        waits = zip(claimed, (deferred(30.0), deferred(10.0), deferred(20.0)), strict=True)
        await ledger.settle(list(waits), NOW)
        assert await ledger.next_due() == later(10)
        assert positions(await ledger.claim(1, later(15))) == [1]
        assert await ledger.next_due() == later(20)


async def test_an_empty_audience_has_nothing_to_claim(opening: Opening) -> None:
    async with opening([]) as ledger:
        assert not await ledger.claim(10, NOW)
        assert await ledger.next_due() is None
        assert await ledger.counts() == Counts()


# --- a message in parts


async def test_a_part_goes_out_when_the_one_before_has_arrived(opening: Opening) -> None:
    async with opening([3, 1, 2]) as ledger:
        claimed = await ledger.claim(9, NOW)
        assert [(d.position, d.part) for d in claimed] == [(0, 0), (3, 0), (4, 0)]
        assert [d.contact for d in claimed] == audience(3)
        assert not await ledger.claim(9, NOW)
        await ledger.settle([(claimed[2], Sent(1)), (claimed[0], deferred(5.0))], NOW)
        (last,) = await ledger.claim(9, NOW)
        assert (last.position, last.part, last.attempts) == (5, 1, 0)
        assert last.contact == audience(3)[2]
        (first,) = await ledger.claim(9, later(5))
        await ledger.settle([(first, Sent(2)), (last, Sent(3)), (claimed[1], BLOCKED)], NOW)
        for part in (1, 2):
            (delivery,) = await ledger.claim(9, NOW)
            assert (delivery.position, delivery.part) == (part, part)
            await ledger.settle([(delivery, Sent(9))], NOW)
        assert not await ledger.claim(9, later(1e6))
        assert await ledger.counts() == Counts(sent=5, failed=1)


async def test_a_claim_of_few_passes_over_later_parts(opening: Opening) -> None:
    """The engine takes an empty answer for the end."""
    async with opening([4, 4, 1]) as ledger:
        assert [positions(await ledger.claim(1, NOW)) for _ in range(4)] == [[0], [4], [8], []]


async def test_a_part_that_was_released_or_halted_holds_the_later_ones_back(
    opening: Opening,
) -> None:
    async with opening([2]) as ledger:
        for outcome in (deferred(0.0), Halted("PEER_FLOOD", "limited"), None):
            (delivery,) = await ledger.claim(9, NOW)
            assert delivery.part == 0
            if outcome is None:
                await ledger.release([delivery])
            else:
                await ledger.settle([(delivery, outcome)], NOW)
        assert positions(await ledger.claim(9, NOW)) == [0]
        assert await statuses(ledger) == [Status.SENDING, Status.PENDING]


async def test_with_a_part_fail_those_after_it_and_they_are_told(opening: Opening) -> None:
    missing = Failed("PART_MISSING", "an earlier part could not be sent")
    async with opening([2, 4, 2]) as ledger:
        claimed = await ledger.claim(9, NOW)
        await ledger.settle([(delivery, Sent(1)) for delivery in claimed], NOW)
        claimed = await ledger.claim(9, NOW)
        assert positions(claimed) == [1, 3, 7]
        beside = await ledger.settle([(claimed[1], BLOCKED), (claimed[2], Sent(1))], later(1))
        outcomes = [record.outcome for record in await ledger.records()]
        assert outcomes[2:] == [Sent(1), BLOCKED, missing, missing, Sent(1), Sent(1)]
        told = [(d.position, d.part, d.contact, outcome) for d, outcome in beside]
        assert told == [(n, n - 2, audience(2)[1], missing) for n in (4, 5)]
        await ledger.settle([(claimed[0], BLOCKED)], NOW)
        assert await ledger.counts() == Counts(sent=4, failed=4)
        assert not await ledger.claim(9, later(1e6))


async def test_what_was_perhaps_sent_counts_as_tried(opening: Opening) -> None:
    """Who is late by too much must not be called failed then (message/when.py)."""
    async with opening([1]) as ledger:
        for _ in range(2):
            (delivery,) = await ledger.claim(1, NOW)
            lost = Deferred("NO_ANSWER", "no answer", 0.0, reached=False, perhaps_sent=True)
            await ledger.settle([(delivery, lost)], NOW)
        (delivery,) = await ledger.claim(1, NOW)
        assert delivery.attempts == 1


# --- the broadcast around the run


async def test_a_run_reaches_the_first_that_are_left_and_the_next_one_goes_on(
    opening: Opening,
) -> None:
    async with opening([1, 2, 1, 1]) as ledger:
        await ledger.again(2)
        claimed = await ledger.claim(9, NOW)
        assert positions(claimed) == [0, 1]
        await ledger.settle([(claimed[0], deferred(5.0)), (claimed[1], Sent(1))], NOW)
        (part,) = await ledger.claim(9, NOW)
        assert positions([part]) == [2]
        await ledger.settle([(part, Sent(2))], NOW)
        await ledger.again(2)
        assert positions(await ledger.claim(9, later(5))) == [0, 3]


async def test_what_a_run_reaches_of_its_own_is_all_that_is_due_in_it(opening: Opening) -> None:
    async with opening([1] * 3) as ledger:
        claimed = await ledger.claim(3, NOW)
        await ledger.settle([(claimed[2], deferred(5.0)), (claimed[0], Sent(1))], NOW)
        await ledger.release([claimed[1]])
        await ledger.again(1)
        assert await ledger.next_due() is None
        assert positions(await ledger.claim(9, later(5))) == [1]
        await ledger.again()
        assert await ledger.next_due() == later(5)


async def test_why_a_run_stopped_stays_with_the_broadcast_until_the_next(opening: Opening) -> None:
    halted = Halted("OFFLINE", "no connection", ends_by_itself=True)
    async with opening([1] * 2) as ledger:
        ledger.run.stopped_by(halted)
        await ledger.end(ledger.run)
        after = await ledger.now()
        assert (after.halted, after.state) == (halted, State.OPEN)
        await ledger._start()
        assert (await ledger.now()).halted is None
        claimed = await ledger.claim(2, NOW)
        await ledger.settle([(claimed[0], Sent(1, paid=True)), (claimed[1], BLOCKED)], NOW)
        await ledger.end(ledger.run)
        after = await ledger.now()
        assert (after.halted, after.state, after.paid) == (None, State.DONE, 1)
        assert (after.account, after.server, after.later_parts) == (1, None, 0)


async def test_ids_that_become_known_later_are_kept(opening: Opening) -> None:
    async with opening([1] * 3) as ledger:
        claimed = await ledger.claim(3, NOW)
        told = (Sent(None), Sent(5), Sent(None, note="it could not be pinned"))
        await ledger.settle(list(zip(claimed, told, strict=True)), NOW)
        assert positions(await ledger.ledger.without_id(ledger.broadcast)) == [0, 2]
        await ledger.ledger.learn_ids(ledger.broadcast, {0: [7, 8], 1: [1], 2: [9]})
        assert [record.outcome for record in await ledger.records()] == [
            Sent(7, others=(8,)),
            Sent(5),
            Sent(9, note="it could not be pinned"),
        ]
        assert list(await ledger.ledger.without_id(ledger.broadcast)) == []


async def test_the_update_state_of_the_first_start_is_kept(opening: Opening) -> None:
    async with opening([1]) as ledger:
        assert await ledger.ledger.update_state(ledger.broadcast) is None
        for state in ("first", "second"):
            await ledger.ledger.keep_update_state(ledger.broadcast, state)
        assert await ledger.ledger.update_state(ledger.broadcast) == "first"


async def test_what_was_under_way_when_a_run_ended_is_in_doubt(opening: Opening) -> None:
    async with opening([1] * 4) as ledger:
        await ledger.claim(3, NOW)
        under_way = await ledger.now()
        assert list(await ledger.ledger.in_doubt(under_way)) == []
        await ledger.end(ledger.run)
        assert positions(await ledger.ledger.in_doubt(await ledger.now())) == [0, 1, 2]
        standing = await ledger.ledger.standing(ledger.broadcast)
        assert (standing.in_doubt, standing.changes) == (3, ())
        await ledger.ledger.learn_sent(ledger.broadcast, {1: [7]})
        assert (await ledger.counts()) == Counts(sent=1, pending=3, in_doubt=2)
        await ledger._start()
        again = await ledger.claim(9, NOW)
        assert [(d.position, d.attempts) for d in again] == [(0, 1), (2, 1), (3, 0)]


async def test_a_run_as_another_account_is_refused(opening: Opening) -> None:
    async with opening([1]) as ledger:
        await ledger.end(ledger.run)
        with pytest.raises(InputError, match="as account 1 at Telegram: sign in there"):
            await ledger.begin(ledger.broadcast, account=7)


async def test_an_error_in_a_run_comes_out_bare(opening: Opening) -> None:
    """Not in a group, wherever a TaskGroup stood around what raised it."""
    async with opening([1]) as ledger:
        await ledger.end(ledger.run)

        async def work() -> None:
            async with ledger.ledger.start(ledger.broadcast, account=1), asyncio.TaskGroup():
                raise HaltedError("the disk is full")

        with pytest.raises(HaltedError):
            await work()


async def test_what_a_run_has_learned_is_known_to_the_next(opening: Opening) -> None:
    async with opening([1]) as ledger:
        await ledger.end(ledger.run)
        assert await ledger.ledger.known(1, None) == Known()
        learned = Learned(12.5, 7)
        async with ledger.ledger.start(ledger.broadcast, account=1, learned=lambda: learned):
            pass
        assert await ledger.ledger.known(1, None) == Known(learned, NOW)


# --- every sequence of claims, outcomes and releases


OUTCOMES = st.one_of(
    st.builds(Sent, st.none() | st.integers(1, 9)),
    st.just(BLOCKED),
    st.builds(
        Deferred,
        st.just("FLOOD_WAIT"),
        st.just("wait"),
        st.none() | st.integers(0, 100).map(float),
        st.sampled_from(Scope),
    ),
    st.just(Halted("PEER_FLOOD", "limited")),
)


PARTS = st.integers(0, 8).map(lambda size: [1] * size) | st.lists(st.integers(1, 3), max_size=5)


class AnyUse(RuleBasedStateMachine):
    """Any use that the engine may make of a ledger, beside a plain model of it."""

    opening: Opening  # of the ledger that is held to it
    held = Bundle("held")

    @initialize(parts=PARTS)
    def open(self, parts: list[int]) -> None:
        self.runner = asyncio.Runner()
        self.context = type(self).opening(parts)
        self.ledger = self.runner.run(self.context.__aenter__())
        self.now = NOW
        self.part = [number for count in parts for number in range(count)]  # of each position
        self.model = dict.fromkeys(range(sum(parts)), Status.PENDING)
        self.due: dict[int, datetime] = {}
        self.holding: dict[int, Delivery] = {}  # claimed by this run, and neither settled nor back
        self.seen = self.runner.run(statuses(self.ledger))
        self.step = ""  # what was done last, in the words of TRANSITIONS

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.context.__aexit__(None, None, None))
            self.runner.close()

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.due)
    @rule()
    def wait_for_the_next(self) -> None:
        self.now = max(self.now, min(self.due.values()))

    @rule(target=held, limit=st.integers(1, 5))
    def claim(self, limit: int) -> object:
        claimed = self.runner.run(self.ledger.claim(limit, self.now))
        due = [position for position, time in self.due.items() if time <= self.now]
        pending = [
            position
            for position, status in self.model.items()
            if status is Status.PENDING and position not in self.due and self.may_go(position)
        ]
        taken = positions(claimed)
        first = min(limit, len(due))
        assert set(taken[:first]) <= set(due)
        assert taken[first:] == pending[: limit - first]
        assert len(set(taken)) == len(taken)
        assert not self.holding.keys() & set(taken), "it is handed out twice at the same time"
        for delivery in claimed:
            self.holding[delivery.position] = delivery
            self.model[delivery.position] = Status.SENDING
            self.due.pop(delivery.position, None)
        self.step = "claim"
        return multiple(*claimed)

    def may_go(self, position: int) -> bool:
        """Whether it is a first part, or the one before has arrived."""
        return self.part[position] == 0 or self.model[position - 1] is Status.SENT

    def take_back(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Those of `deliveries` that this run holds; others are of a run that has died."""
        mine = [d for d in deliveries if self.holding.get(d.position) is d]
        for delivery in mine:
            del self.holding[delivery.position]
        return mine

    @rule(deliveries=st.lists(consumes(held), max_size=4), data=st.data())
    def settle(self, deliveries: list[Delivery], data: st.DataObject) -> None:
        results = [(d, data.draw(OUTCOMES)) for d in self.take_back(deliveries)]
        self.step = "settle, defer, release"
        self.runner.run(self.ledger.settle(results, self.now))
        for delivery, outcome in results:
            match outcome:
                case Sent():
                    self.model[delivery.position] = Status.SENT
                case Failed():
                    self.model[delivery.position] = Status.FAILED
                    for later_one in range(delivery.position + 1, len(self.part)):
                        if self.part[later_one] == 0:
                            break
                        self.model[later_one] = Status.FAILED
                case Deferred(retry_after=seconds):
                    self.model[delivery.position] = Status.PENDING
                    time = self.now + timedelta(seconds=seconds or 0.0)
                    self.due[delivery.position] = time
                case _:
                    self.model[delivery.position] = Status.PENDING

    @rule(deliveries=st.lists(consumes(held), max_size=4))
    def release(self, deliveries: list[Delivery]) -> None:
        deliveries = self.take_back(deliveries)
        self.step = "release"
        self.runner.run(self.ledger.release(deliveries))
        for delivery in deliveries:
            self.model[delivery.position] = Status.PENDING

    @invariant()
    def what_is_final_stays_final_and_nothing_is_lost(self) -> None:
        assert self.runner.run(statuses(self.ledger)) == list(self.model.values())

    @invariant()
    def every_step_is_one_of_the_table(self) -> None:
        before, self.seen = self.seen, self.runner.run(statuses(self.ledger))
        for position, (old, new) in enumerate(zip(before, self.seen, strict=True)):
            if (old, new) == (Status.PENDING, Status.FAILED):  # with the part before it
                assert self.part[position] > 0
                assert self.seen[position - 1] is Status.FAILED
                assert self.step.startswith("settle")
            elif old is not new:
                causes = set(TRANSITIONS[old, new].split(", "))
                assert causes & set(self.step.split(", ")), (old, new, self.step)
        self.step = ""

    @invariant()
    def the_counts_add_up(self) -> None:
        states = list(self.model.values())
        counts = self.runner.run(self.ledger.counts())
        assert counts.total == len(states)
        assert (counts.sent, counts.failed) == (
            states.count(Status.SENT),
            states.count(Status.FAILED),
        )
        assert counts.pending == sum(state not in FINAL for state in states)

    @invariant()
    def the_next_due_is_the_earliest(self) -> None:
        due = self.runner.run(self.ledger.next_due())
        assert due == min(self.due.values(), default=None)


class AnyUseAndCrash(AnyUse):
    """The same of a ledger that survives its process."""

    @rule()
    def crash(self) -> None:
        self.step = "crash"
        self.runner.run(self.ledger.crash())
        self.holding.clear()
        for position, status in self.model.items():
            if status is Status.SENDING:
                self.model[position] = Status.PENDING

    @rule()
    def send_all_and_crash(self) -> None:
        """What is final is not in doubt, wherever it was claimed from."""
        results = [(delivery, Sent(1)) for delivery in self.holding.values()]
        self.step = "settle"
        self.runner.run(self.ledger.settle(results, self.now))
        for delivery, _ in results:
            self.model[delivery.position] = Status.SENT
        self.crash()
        self.step = "settle"

    @precondition(lambda self: all(status in FINAL for status in self.model.values()))
    @rule()
    def retry(self) -> None:
        self.step = "retry"
        self.runner.run(self.ledger.retry())
        for position, status in self.model.items():
            if status is Status.FAILED:
                self.model[position] = Status.PENDING


def test_no_sequence_with_crashes_takes_a_delivery_out_of_a_final_state() -> None:
    run_state_machine_as_test(
        type("AnyUseOfADurableLedger", (AnyUseAndCrash,), {"opening": staticmethod(sqlite)}),
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None),
    )


def test_no_sequence_takes_a_delivery_out_of_a_final_state(opening: Opening) -> None:
    run_state_machine_as_test(
        type("AnyUseOfThisLedger", (AnyUse,), {"opening": staticmethod(opening)}),
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None),
    )
