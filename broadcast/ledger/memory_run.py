"""The deliveries of one broadcast in memory, and the port `Run` over them (engine/ports.py)."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from broadcast.core.classify import finding
from broadcast.core.lifecycle import counts_of, record_of_unsettled, tried
from broadcast.core.model import (
    Action,
    Broadcast,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Halted,
    Record,
    Schedule,
    Scope,
    Sent,
    State,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from broadcast.core.model import Contact, Message, Outcome

_PENDING, _SENDING, _SENT, _FAILED, _NONE = range(5)
_STATUSES = {_SENT: Status.SENT, _FAILED: Status.FAILED}
_UNKNOWN = -1  # instead of a message's id
_Waiting = tuple[datetime, int]  # from when on, and the position
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class MemoryRun:
    """What became of a message to everybody in `audience`.

    `parts` says how many deliveries a contact gets, one after the other, `due` before which moment
    a contact gets none. A delivery costs 17 bytes, and more only while it is under way or waits, or
    when there is something to say of it.
    """

    def __init__(
        self,
        identity: str,
        message: Message,
        audience: Iterable[Contact],
        parts: Callable[[Contact], int] | None = None,
        due: Callable[[Contact], datetime] | None = None,
    ) -> None:
        self.halted: Halted | None = None
        self.held_until: datetime | None = None  # Telegram has named it: nobody sends before
        self.paid = 0
        self.schedule: Schedule | None = None
        self._shown = Broadcast(0, identity, Action.SEND, message, _LONG_AGO, State.OPEN, Counts())
        self.audience = audience if isinstance(audience, Collection) else list(audience)
        self._parts: dict[int, int] = {}  # the numbers of later parts, by position
        total = len(self.audience) if parts is None else 0
        for contact in self.audience if parts else ():
            for part in range(max(parts(contact), 1) if parts else 1):
                if part:
                    self._parts[total] = part
                total += 1
        self._states = bytearray(total)
        self._ids = array("q", [_UNKNOWN]) * total
        self._moments = array("d", [0.0]) * total  # of the last outcome, in seconds since 1970
        self._told: dict[int, Outcome] = {}  # the last one where it is more than sent, with an id
        self._attempts: dict[int, int] = {}  # of those that were tried and are not settled
        self._doubtful: set[int] = set()  # perhaps sent, and not settled
        self._contacts: dict[int, Contact] = {}  # of what was handed out, or waits
        self._due: list[_Waiting] = []  # a heap of those that were deferred
        self._later: list[_Waiting] = []  # a heap of those with a time of their own
        self._ready: list[_Waiting] = []  # a heap of those that need not wait
        self._end = total  # the first position that this run does not reach
        self._beyond: tuple[list[_Waiting], ...] = ([], [], [])  # what stands there in each heap
        self._fresh = self._to_hand_out()
        self._next: tuple[int, Contact] | None = None
        if due is not None:
            self._keep_until(due)
        self._next = next(self._fresh, None)

    def _keep_until(self, due: Callable[[Contact], datetime]) -> None:
        """One moment for all is kept once; only where they differ is there one for each."""
        moments = array("d", (due(contact).timestamp() for contact in self.audience))
        if not moments:
            return
        first, last = (datetime.fromtimestamp(each, UTC) for each in (min(moments), max(moments)))
        self.schedule = Schedule(first, last)
        if first == last:
            return
        for (position, contact), moment in zip(self._fresh, moments, strict=True):
            self._contacts[position] = contact
            self._later.append((datetime.fromtimestamp(moment, UTC), position))
        heapq.heapify(self._later)

    # --- runs -----------------------------------------------------------------------------------

    def begin(self, first: int | None) -> None:
        """Another run: what is in doubt goes again, and of the rest the `first` that are left."""
        for position, state in enumerate(self._states):
            if state == _SENDING:
                self._states[position] = _PENDING
                self._doubtful.add(position)
                self._attempts[position] = self._attempts.get(position, 0) + 1
                self._make_ready(position)
        self.halted, self._end = None, len(self._states)
        if first is not None:
            left = (n for n, state in enumerate(self._states) if state < _SENT and self._is_one(n))
            self._end = next(islice(left, first, None), self._end)
        for heap, beyond in zip((self._due, self._later, self._ready), self._beyond, strict=True):
            waiting = heap + beyond
            heap[:] = [each for each in waiting if each[1] < self._end]
            beyond[:] = [each for each in waiting if each[1] >= self._end]
            heapq.heapify(heap)

    def _make_ready(self, position: int) -> None:
        heapq.heappush(self._ready, (_LONG_AGO, position))

    def _is_one(self, position: int) -> bool:
        """Whether it counts as a recipient of its own."""
        return position not in self._parts

    def _numbered(self) -> Iterator[tuple[int, Contact]]:
        """Every delivery's position and contact, in order."""
        position = 0
        for contact in self.audience:
            yield position, contact
            position += 1
            while position in self._parts:
                yield position, contact
                position += 1

    def _to_hand_out(self) -> Iterator[tuple[int, Contact]]:
        """What nothing must have been sent before: the first parts."""
        return (each for each in self._numbered() if each[0] not in self._parts)

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        """See `Run.claim`."""
        if self.schedule is not None and now < self.schedule.first:
            return []
        positions: list[int] = []
        while len(positions) < limit and (heap := self._next_heap(now)):
            positions.append(heapq.heappop(heap)[1])
        while len(positions) < limit and self._ready:
            positions.append(heapq.heappop(self._ready)[1])
        while len(positions) < limit and self._next and self._next[0] < self._end:
            position, self._contacts[position] = self._next
            positions.append(position)
            self._next = next(self._fresh, None)
        for position in positions:
            self._states[position] = _SENDING
        return [self._delivery(position, self._contacts[position]) for position in positions]

    def _next_heap(self, now: datetime) -> list[_Waiting] | None:
        """Where the next one is whose time has come at `now`, the longest overdue first."""
        if not (self._due or self._later):
            return None
        heaps = [heap for heap in (self._due, self._later) if heap and heap[0][0] <= now]
        return min(heaps, key=lambda heap: heap[0]) if heaps else None

    def _delivery(self, position: int, contact: Contact) -> Delivery:
        attempts, part = self._attempts.get(position, 0), self._parts.get(position, 0)
        shown = self._shown
        return Delivery(shown.id, position, contact, shown.message, attempts, part=part)

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
                    self._fail(position, outcome, at)
                    beside += self._fail_later_parts(delivery, at)
                case Deferred(retry_after=seconds):
                    self._wait(position, outcome)
                    self._attempts[position] = tried(delivery, outcome)
                    if outcome.perhaps_sent:
                        self._doubtful.add(position)
                    due = now + timedelta(seconds=seconds or 0.0)
                    heapq.heappush(self._due, (due, position))
                    if outcome.reached and outcome.scope is Scope.ACCOUNT:
                        self.held_until = max(self.held_until or due, due)
                case Halted():
                    self._wait(position, outcome)
                    self._make_ready(position)
        return beside

    def _wait(self, position: int, outcome: Outcome) -> None:
        self._states[position], self._told[position] = _PENDING, outcome

    def _fail(self, position: int, failed: Outcome, at: float) -> None:
        self._states[position], self._moments[position] = _FAILED, at
        self._told[position] = failed
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
        if contact is not None and self._follows(position + 1):
            self._contacts[position + 1] = contact
            self._make_ready(position + 1)

    def _follows(self, position: int) -> bool:
        """Whether it is a part that waits for the one before."""
        return position in self._parts

    def _forget(self, position: int) -> Contact | None:
        """Nothing is sent for it any more."""
        self._attempts.pop(position, None)
        self._doubtful.discard(position)
        return self._contacts.pop(position, None)

    def _fail_later_parts(self, failed: Delivery, at: float) -> Iterator[tuple[Delivery, Outcome]]:
        missing, position = finding("PART_MISSING"), failed.position + 1
        while self._follows(position):
            self._fail(position, missing, at)
            yield self._delivery(position, failed.contact), missing
            position += 1

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See `Run.release`."""
        for delivery in deliveries:
            self._states[delivery.position] = _PENDING
            self._make_ready(delivery.position)

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

    # --- what is known --------------------------------------------------------------------------

    def records(self, *wanted: Status, of: Broadcast | None = None) -> Iterator[Record]:
        """See `Store.records`; the broadcast is as `of` has it."""
        shown = self._shown if of is None else of
        for position, contact in self._numbered():
            if self._states[position] != _NONE:
                record = self._record(shown, position, contact)
                if not wanted or record.status in wanted:
                    yield record

    def _record(self, shown: Broadcast, position: int, contact: Contact) -> Record:
        delivery, state = self._delivery(position, contact), self._states[position]
        told = self._told.get(position)
        if state >= _SENT:
            at = datetime.fromtimestamp(self._moments[position], UTC)
            return Record(delivery, _STATUSES[state], told or Sent(self._ids[position]), at)
        return record_of_unsettled(
            shown,
            delivery,
            is_claimed=state == _SENDING,
            is_doubtful=position in self._doubtful,
            trouble=told.error if isinstance(told, Deferred | Halted) else None,
        )

    def in_doubt(self) -> list[int]:
        """Where nobody knows what became of it, when no run is at work."""
        claimed = [n for n, state in enumerate(self._states) if state == _SENDING]
        return sorted(self._doubtful.union(claimed))

    def counts(self, state: State = State.OPEN) -> Counts:
        """How many deliveries are in each state, of a broadcast in this one."""
        sent, failed = self._states.count(_SENT), self._states.count(_FAILED)
        total = len(self._states) - self._states.count(_NONE)
        doubts = len(self.in_doubt()) if state is State.CANCELLED else 0
        return counts_of(state, total=total, sent=sent, failed=failed, in_doubt=doubts)

    @property
    def later_parts(self) -> int:
        """How many deliveries are not the first to their recipient."""
        return len(self._parts)

    def sent_as(self, position: int) -> Sent | None:
        """How it was sent, if it was."""
        if self._states[position] != _SENT:
            return None
        told = self._told.get(position)
        return told if isinstance(told, Sent) else Sent(self._ids[position])

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
            for heap in (self._due, self._later, self._ready):
                heap[:] = [each for each in heap if each[1] != position]
                heapq.heapify(heap)

    # --- time and retries -----------------------------------------------------------------------

    def has_due(self, now: datetime) -> bool:
        """Whether something may go at `now`, or is in doubt."""
        if self.schedule is not None and now < self.schedule.first:
            return False
        is_new = self._next is not None or bool(self._ready)
        return is_new or self._next_heap(now) is not None or bool(self.in_doubt())

    def next_moment(self, now: datetime) -> datetime | None:
        """The first moment after `now` at which something will be due."""
        moments = [each for each, _ in (*self._due, *self._later)]
        moments += [self.schedule.first] if self.schedule else []
        return min((each for each in moments if each > now), default=None)

    def count_scheduled(self, now: datetime) -> int:
        """See `Schedules.count_scheduled`."""
        if self.schedule is None or now >= self.schedule.last:
            return 0
        if now < self.schedule.first:
            return self.counts().pending
        return sum(1 + self._parts_after(each) for due, each in self._later if due > now)

    def _parts_after(self, position: int) -> int:
        count = 0
        while position + count + 1 in self._parts:
            count += 1
        return count

    def bring_forward(self, now: datetime) -> None:
        """See `Schedules.bring_forward`."""
        if self.schedule is not None:
            first, last = min(self.schedule.first, now), min(self.schedule.last, now)
            self.schedule = Schedule(first, last)
            self._later = [(min(due, now), position) for due, position in self._later]
            heapq.heapify(self._later)

    def failed(self) -> list[tuple[int, str]]:
        """The positions that failed, with their errors."""
        told = self._told.items()
        return sorted((n, each.error) for n, each in told if isinstance(each, Failed))

    def requeue(self, first: Sequence[int], later: Sequence[int]) -> None:
        """Make what failed pending again; the `later` parts follow one of the `first`."""
        contacts = {n: contact for n, contact in self._numbered() if n in set(first)}
        for position in (*first, *later):
            self._states[position] = _PENDING
            del self._told[position]
        for position in first:
            self._contacts[position] = contacts[position]
            self._attempts[position] = 0 if self.schedule is None else 1
            self._make_ready(position)


class MemoryChange(MemoryRun):
    """What became of an edit or a recall: its deliveries are those that `target` has sent."""

    def __init__(self, identity: str, action: Action, message: Message, target: MemoryRun) -> None:
        self._target, self._action = target, action
        super().__init__(identity, message, target.audience)
        self._parts = target._parts  # noqa: SLF001 - of the same class
        total = len(target._states)  # noqa: SLF001
        self._ids, self._moments = array("q", [_UNKNOWN]) * total, array("d", [0.0]) * total
        self._end = total
        self._states = bytearray(
            _NONE if target.sent_as(position) is None else _PENDING for position in range(total)
        )
        self._fresh = self._to_hand_out()
        self._next = next(self._fresh, None)

    @property
    def later_parts(self) -> int:
        """See `MemoryRun.later_parts`: a change knows of no parts."""
        return 0

    def _to_hand_out(self) -> Iterator[tuple[int, Contact]]:
        return (each for each in self._numbered() if self._states[each[0]] != _NONE)

    def _is_one(self, position: int) -> bool:
        return True

    def _follows(self, position: int) -> bool:
        return False

    def _delivery(self, position: int, contact: Contact) -> Delivery:
        sent = self._target.sent_as(position) or Sent()
        return replace(
            super()._delivery(position, contact),
            action=self._action,
            message_id=sent.message_id,
            others=sent.others,
            is_scheduled=sent.scheduled_until is not None,
        )
