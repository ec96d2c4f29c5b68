"""A ledger that lives as long as its process: no file, no lease, and nobody else to ask to stop."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from broadcast.core.classify import finding
from broadcast.core.clock import Clock, SystemClock
from broadcast.core.errors import InputError
from broadcast.core.lifecycle import Standing, require_same_account, tried
from broadcast.core.model import (
    Action,
    Broadcast,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Record,
    Sent,
    State,
    Status,
)
from broadcast.core.ungrouped import ungrouped
from broadcast.engine.pacer import Known

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from broadcast.core.model import Contact, Halted, Message, Outcome
    from broadcast.engine.pacer import Learned

_PENDING, _SENDING, _SENT, _FAILED = range(4)
_STATUSES = (Status.PENDING, Status.SENDING, Status.SENT, Status.FAILED)
_UNKNOWN = -1  # instead of a message's id


class MemoryRun:
    """The deliveries of one broadcast, and the port `Run` over them (engine/ports.py).

    `parts` says how many deliveries a contact gets, one after the other. A delivery costs 17 bytes,
    and more only while it is under way or when there is something to say of it.
    """

    def __init__(
        self,
        broadcast: str,
        message: Message,
        audience: Iterable[Contact],
        parts: Callable[[Contact], int] | None = None,
    ) -> None:
        self.broadcast, self.message = broadcast, message
        self.halted: Halted | None = None
        self.paid = 0
        self._audience = audience if isinstance(audience, Collection) else list(audience)
        self._parts: dict[int, int] = {}  # the numbers of later parts, by position
        total = len(self._audience) if parts is None else 0
        for contact in self._audience if parts else ():
            for part in range(max(parts(contact), 1) if parts else 1):
                if part:
                    self._parts[total] = part
                total += 1
        self._states = bytearray(total)
        self._ids = array("q", [_UNKNOWN]) * total
        self._moments = array("d", [0.0]) * total  # of the last outcome, in seconds since 1970
        self._told: dict[int, Outcome] = {}  # the last one where it is more than sent, with an id
        self._attempts: dict[int, int] = {}  # of those that were deferred
        self._contacts: dict[int, Contact] = {}  # of what was handed out, or comes next
        self._fresh = self._numbered()
        self._next: tuple[int, Contact] | None = next(self._fresh, None)
        self._due: list[tuple[datetime, int]] = []  # a heap of deferred positions
        self._untouched: list[int] = []  # a heap of positions given back
        self._end = total  # the first position that this run does not reach
        self._beyond: tuple[list[tuple[datetime, int]], list[int]] = [], []

    def begin(self, first: int | None) -> None:
        """Another run: what is in doubt goes again, and of the rest the `first` that are left."""
        for position in self._in_doubt():
            self._states[position] = _PENDING
            self._attempts[position] = self._attempts.get(position, 0) + 1
            self._untouched.append(position)
        self.halted, self._end = None, len(self._states)
        if first is not None:
            left = (
                position
                for position, state in enumerate(self._states)
                if state < _SENT and position not in self._parts
            )
            self._end = next(islice(left, first, None), self._end)
        due, untouched = self._due + self._beyond[0], self._untouched + self._beyond[1]
        self._due = [each for each in due if each[1] < self._end]
        self._untouched = [each for each in untouched if each < self._end]
        self._beyond = (
            [each for each in due if each[1] >= self._end],
            [each for each in untouched if each >= self._end],
        )
        heapq.heapify(self._due)
        heapq.heapify(self._untouched)

    def _numbered(self) -> Iterator[tuple[int, Contact]]:
        """Every contact, by the position of its first part."""
        position = 0
        for contact in self._audience:
            yield position, contact
            position += 1
            while position in self._parts:
                position += 1

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        """See `Run.claim`."""
        positions: list[int] = []
        while len(positions) < limit and self._due and self._due[0][0] <= now:
            positions.append(heapq.heappop(self._due)[1])
        while len(positions) < limit and self._untouched:
            positions.append(heapq.heappop(self._untouched))
        while len(positions) < limit and self._next and self._next[0] < self._end:
            position, self._contacts[position] = self._next
            positions.append(position)
            self._next = next(self._fresh, None)
        for position in positions:
            self._states[position] = _SENDING
        return [self._delivery(position, self._contacts[position]) for position in positions]

    def _delivery(self, position: int, contact: Contact) -> Delivery:
        attempts, part = self._attempts.get(position, 0), self._parts.get(position, 0)
        return Delivery(self.broadcast, position, contact, self.message, attempts, part=part)

    async def settle(
        self, results: Sequence[tuple[Delivery, Outcome]], now: datetime
    ) -> Sequence[tuple[Delivery, Outcome]]:
        """See `Run.settle`."""
        beside: list[tuple[Delivery, Outcome]] = []
        at = now.timestamp()
        for delivery, outcome in results:
            position = delivery.position
            match outcome:
                case Sent():
                    self._sent(position, outcome, at)
                case Failed():
                    self._end_with(_FAILED, position, outcome, at)
                    beside += self._fail_later_parts(delivery, at)
                case Deferred(retry_after=seconds):
                    self._end_with(_PENDING, position, outcome, at)
                    self._attempts[position] = tried(delivery, outcome)
                    due = now + timedelta(seconds=seconds or 0.0)
                    heapq.heappush(self._due, (due, position))
                case _:
                    self._end_with(_PENDING, position, outcome, at)
                    heapq.heappush(self._untouched, position)
        return beside

    def _end_with(self, state: int, position: int, outcome: Outcome, at: float) -> None:
        self._states[position], self._moments[position] = state, at
        self._told[position] = outcome
        if state != _PENDING:
            self._forget(position)

    def _sent(self, position: int, sent: Sent, at: float) -> None:
        self._states[position], self._moments[position] = _SENT, at
        if sent.message_id is None or sent.others or sent.note or sent.scheduled_until or sent.paid:
            self._told[position] = sent
            self.paid += sent.paid
        else:
            self._told.pop(position, None)
            self._ids[position] = sent.message_id
        contact = self._forget(position)
        if position + 1 in self._parts and contact is not None:
            self._contacts[position + 1] = contact
            heapq.heappush(self._untouched, position + 1)

    def _forget(self, position: int) -> Contact | None:
        """Nothing is sent for it any more."""
        self._attempts.pop(position, None)
        return self._contacts.pop(position, None)

    def _fail_later_parts(self, failed: Delivery, at: float) -> Iterator[tuple[Delivery, Outcome]]:
        missing, position = finding("PART_MISSING"), failed.position
        while (position := position + 1) in self._parts:
            self._end_with(_FAILED, position, missing, at)
            yield self._delivery(position, failed.contact), missing

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See `Run.release`."""
        for delivery in deliveries:
            self._states[delivery.position] = _PENDING
            heapq.heappush(self._untouched, delivery.position)

    def has_lapsed(self, now: datetime) -> bool:
        """See `Run.has_lapsed`."""
        return False

    async def renew(self, now: datetime) -> None:
        """See `Run.renew`."""

    async def next_due(self) -> datetime | None:
        """See `Run.next_due`."""
        return self._due[0][0] if self._due else None

    def stopped_by(self, halted: Halted) -> None:
        """See `Run.stopped_by`."""
        self.halted = halted

    def records(self, *wanted: Status) -> Iterator[Record]:
        """Every delivery with its state, or those in the `wanted` ones, in order of position."""
        for position, contact in self._numbered():
            each = position
            while each == position or each in self._parts:
                status = _STATUSES[self._states[each]]
                if not wanted or status in wanted:
                    yield self._record(each, contact, status)
                each += 1

    def _record(self, position: int, contact: Contact, status: Status) -> Record:
        delivery, outcome = self._delivery(position, contact), self._told.get(position)
        if outcome is None and status is Status.SENT:
            outcome = Sent(self._ids[position])
        at = self._moments[position]
        return Record(delivery, status, outcome, datetime.fromtimestamp(at, UTC) if at else None)

    def _in_doubt(self) -> list[int]:
        return [position for position, state in enumerate(self._states) if state == _SENDING]

    def counts(self) -> Counts:
        """How many deliveries are in each state."""
        sent, failed = self._states.count(_SENT), self._states.count(_FAILED)
        return Counts(sent, failed, 0, len(self._states) - sent - failed)

    def learn_ids(self, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_ids`."""
        for position, (first, *others) in found.items():
            told = self._told.get(position)
            if isinstance(told, Sent) and told.message_id is None:
                self._told[position] = replace(told, message_id=first, others=tuple(others))

    def learn_sent(self, found: Mapping[int, Sequence[int]], now: datetime) -> None:
        """See `Doubts.learn_sent`."""
        for position, (first, *others) in found.items():
            self._sent(position, Sent(first, others=tuple(others)), now.timestamp())

    @property
    def later_parts(self) -> int:
        """How many deliveries are not the first to their recipient."""
        return len(self._parts)


class MemoryLedger:
    """The port `Ledger` (ledger/port.py) as far as a library and a rehearsal need it.

    It keeps nothing until its time, and knows no edits and recalls. `known` is what is known of
    every account at first.
    """

    def __init__(self, clock: Clock | None = None, known: Known | None = None) -> None:
        self._clock = clock or SystemClock()
        self._known_at_first = known or Known()
        self._known: dict[tuple[int, str | None], Known] = {}
        self._broadcasts: dict[int, Broadcast] = {}  # as they were made or started
        self._runs: dict[int, MemoryRun] = {}
        self._running: set[int] = set()
        self._update_states: dict[int, str] = {}

    async def create(
        self,
        identity: str,
        message: Message,
        audience: Iterable[Contact],
        *,
        once: str | None = None,
        parts: Callable[[Contact], int] | None = None,
        due: Callable[[Contact], datetime | None] | None = None,
    ) -> Broadcast:
        """See `Store.create`. Raises InputError with `due`: nothing is kept until its time."""
        if due is not None:
            raise InputError(
                "a broadcast that must wait for its time needs a ledger on disk; nothing was sent",
                code="NOT_KEPT",
            )
        run = MemoryRun(identity, message, audience, parts)
        number = len(self._broadcasts) + 1
        now, counts = self._clock.utc(), run.counts()
        broadcast = Broadcast(
            number, identity, Action.SEND, message, now, State.OPEN, counts, once=once
        )
        self._broadcasts[number] = replace(broadcast, later_parts=run.later_parts)
        self._runs[number] = run
        return self._broadcasts[number]

    async def reload(self, broadcast: Broadcast) -> Broadcast:
        """See `Store.reload`."""
        kept, run = self._broadcasts[broadcast.number], self._runs[broadcast.number]
        counts = run.counts()
        state = State.OPEN if counts.pending else State.DONE
        return replace(kept, state=state, counts=counts, halted=run.halted, paid=run.paid)

    async def standing(self, broadcast: Broadcast) -> Standing:
        """See `Store.standing`."""
        return Standing(await self.reload(broadcast), (), len(await self.in_doubt(broadcast)))

    async def records(self, broadcast: Broadcast, *wanted: Status) -> AsyncIterator[Record]:
        """See `Store.records`."""
        for record in self._runs[broadcast.number].records(*wanted):
            yield record

    @asynccontextmanager
    async def start(
        self,
        broadcast: Broadcast,
        *,
        account: int,
        server: str | None = None,
        first: int | None = None,
        on_stop: Callable[[], None] = lambda: None,
        learned: Callable[[], Learned | None] = lambda: None,
    ) -> AsyncGenerator[MemoryRun]:
        """See `Runs.start`. Nobody else asks to stop, so `on_stop` is never called."""
        number, run = broadcast.number, self._runs[broadcast.number]
        require_same_account(self._broadcasts[number], account, server)
        if number in self._running:
            raise RuntimeError(f"broadcast {broadcast.id} is being sent already")
        kept = replace(self._broadcasts[number], account=account, server=server)
        self._broadcasts[number] = kept
        run.begin(first)
        self._running.add(number)
        try:
            with ungrouped():
                yield run
        finally:
            self._running.discard(number)
            self._learn(account, server, learned())

    def _learn(self, account: int, server: str | None, learned: Learned | None) -> None:
        if learned is not None:
            now = self._clock.utc()
            self._known[account, server] = Known(learned, now, self._known_at_first.held_until)

    async def known(self, account: int, server: str | None) -> Known:
        """See `Runs.known`."""
        return self._known.get((account, server), self._known_at_first)

    async def count_scheduled(self, broadcast: Broadcast) -> int:
        """See `Schedules.count_scheduled`."""
        return 0

    async def update_state(self, broadcast: Broadcast) -> str | None:
        """See `Doubts.update_state`."""
        return self._update_states.get(broadcast.number)

    async def keep_update_state(self, broadcast: Broadcast, state: str) -> None:
        """See `Doubts.keep_update_state`."""
        self._update_states.setdefault(broadcast.number, state)

    async def without_id(self, broadcast: Broadcast) -> Sequence[Delivery]:
        """See `Doubts.without_id`."""
        return [
            record.delivery
            for record in self._runs[broadcast.number].records(Status.SENT)
            if isinstance(record.outcome, Sent) and record.outcome.message_id is None
        ]

    async def learn_ids(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_ids`."""
        self._runs[broadcast.number].learn_ids(found)

    async def in_doubt(self, broadcast: Broadcast) -> Sequence[Delivery]:
        """See `Doubts.in_doubt`: what was under way when a run was cancelled."""
        if broadcast.number in self._running:
            return ()
        run = self._runs[broadcast.number]
        return [record.delivery for record in run.records(Status.SENDING)]

    async def learn_sent(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_sent`."""
        self._runs[broadcast.number].learn_sent(found, self._clock.utc())
