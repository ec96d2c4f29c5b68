"""A ledger that lives as long as its process; it refuses nothing that the durable one allows."""

from __future__ import annotations

import heapq
from datetime import timedelta
from typing import TYPE_CHECKING

from broadcast.core.classify import finding
from broadcast.core.model import Counts, Deferred, Delivery, Failed, Record, Sent, Status
from broadcast.ledger.sqlite.rows import tried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from broadcast.core.model import Contact, Message, Outcome


class MemoryLedger:
    """One broadcast and its deliveries; also the `Run` over it (engine/ports.py).

    `parts` says how many deliveries a contact gets, one after the other.
    """

    def __init__(
        self,
        broadcast: str,
        message: Message,
        audience: Iterable[Contact],
        parts: Callable[[Contact], int] | None = None,
    ) -> None:
        self.broadcast = broadcast
        self.message = message
        self.ended: Callable[[Delivery, Outcome, datetime], None] = lambda _, __, ___: None
        """Is told what has failed with the part before it, as nobody ever tries it."""
        self._audience: list[Contact] = []
        self._parts: dict[int, int] = {}  # the numbers of later parts, by position
        for contact in audience:
            for part in range(1 if parts is None else max(parts(contact), 1)):
                if part:
                    self._parts[len(self._audience)] = part
                self._audience.append(contact)
        self._states = [Status.PENDING] * len(self._audience)
        self._ends: dict[int, tuple[Outcome, datetime]] = {}  # the last outcome of a position
        self._attempts: dict[int, int] = {}  # of those that were deferred
        self._fresh = 0  # the first position that was never claimed
        self._due: list[tuple[datetime, int]] = []  # a heap of deferred positions
        self._untouched: list[int] = []  # a heap of positions given back

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        """See `Run.claim`."""
        positions: list[int] = []
        while len(positions) < limit and self._due and self._due[0][0] <= now:
            positions.append(heapq.heappop(self._due)[1])
        while len(positions) < limit and self._untouched:
            positions.append(heapq.heappop(self._untouched))
        while len(positions) < limit and self._fresh < len(self._audience):
            if self._fresh not in self._parts:  # the others come when the one before has arrived
                positions.append(self._fresh)
            self._fresh += 1
        for position in positions:
            self._states[position] = Status.SENDING
        return [self._delivery(position) for position in positions]

    def _delivery(self, position: int) -> Delivery:
        contact, attempts = self._audience[position], self._attempts.get(position, 0)
        part = self._parts.get(position, 0)
        return Delivery(self.broadcast, position, contact, self.message, attempts, part=part)

    async def settle(self, results: Sequence[tuple[Delivery, Outcome]], now: datetime) -> None:
        """See `Run.settle`."""
        for delivery, outcome in results:
            position = delivery.position
            self._ends[position] = outcome, now
            match outcome:
                case Sent():
                    self._states[position] = Status.SENT
                    if position + 1 in self._parts:
                        heapq.heappush(self._untouched, position + 1)
                case Failed():
                    self._states[position] = Status.FAILED
                    self._fail_later_parts(position, now)
                case Deferred(retry_after=seconds):
                    self._states[position] = Status.PENDING
                    self._attempts[position] = tried(delivery, outcome)
                    due = now + timedelta(seconds=seconds or 0.0)
                    heapq.heappush(self._due, (due, position))
                case _:
                    self._states[position] = Status.PENDING
                    heapq.heappush(self._untouched, position)

    def _fail_later_parts(self, position: int, now: datetime) -> None:
        missing = finding("PART_MISSING")
        while (position := position + 1) in self._parts:
            self._states[position] = Status.FAILED
            self._ends[position] = missing, now
            self.ended(self._delivery(position), missing, now)

    async def release(self, deliveries: Iterable[Delivery]) -> None:
        """See `Run.release`."""
        for delivery in deliveries:
            self._states[delivery.position] = Status.PENDING
            heapq.heappush(self._untouched, delivery.position)

    def has_lapsed(self, now: datetime) -> bool:
        """See `Run.has_lapsed`."""
        return False

    async def renew(self, now: datetime) -> None:
        """See `Run.renew`."""

    async def next_due(self) -> datetime | None:
        """See `Run.next_due`."""
        return self._due[0][0] if self._due else None

    def records(self, *wanted: Status) -> Iterator[Record]:
        """Every delivery with its state, or those in the `wanted` ones, in order of position."""
        for position, status in enumerate(self._states):
            if wanted and status not in wanted:
                continue
            outcome, at = self._ends.get(position, (None, None))
            yield Record(self._delivery(position), status, outcome, at)

    def counts(self) -> Counts:
        """How many deliveries are in each state."""
        sent, failed = self._states.count(Status.SENT), self._states.count(Status.FAILED)
        return Counts(sent, failed, 0, len(self._states) - sent - failed)
