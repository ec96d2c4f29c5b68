"""A ledger that lives as long as its process; it refuses nothing that the durable one allows."""

from __future__ import annotations

import heapq
from datetime import timedelta
from typing import TYPE_CHECKING

from broadcast.core.model import Counts, Deferred, Delivery, Failed, Record, Sent, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from broadcast.core.model import Contact, Message, Outcome


class MemoryLedger:
    """One broadcast and its deliveries; also the `Run` over it (core/ports.py)."""

    def __init__(self, broadcast: str, message: Message, audience: Iterable[Contact]) -> None:
        self.broadcast = broadcast
        self.message = message
        self._audience = list(audience)
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
        fresh = min(limit - len(positions), len(self._audience) - self._fresh)
        positions.extend(range(self._fresh, self._fresh + fresh))
        self._fresh += fresh
        for position in positions:
            self._states[position] = Status.SENDING
        return [self._delivery(position) for position in positions]

    def _delivery(self, position: int) -> Delivery:
        contact, attempts = self._audience[position], self._attempts.get(position, 0)
        return Delivery(self.broadcast, position, contact, self.message, attempts)

    async def settle(self, results: Sequence[tuple[Delivery, Outcome]], now: datetime) -> None:
        """See `Run.settle`."""
        for delivery, outcome in results:
            position = delivery.position
            self._ends[position] = outcome, now
            match outcome:
                case Sent():
                    self._states[position] = Status.SENT
                case Failed():
                    self._states[position] = Status.FAILED
                case Deferred(retry_after=seconds):
                    self._states[position] = Status.PENDING
                    self._attempts[position] = delivery.attempts + outcome.counts
                    due = now + timedelta(seconds=seconds or 0.0)
                    heapq.heappush(self._due, (due, position))
                case _:
                    self._states[position] = Status.PENDING
                    heapq.heappush(self._untouched, position)

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

    def records(self) -> Iterator[Record]:
        """Every delivery with its state, in order of position."""
        for position, status in enumerate(self._states):
            outcome, at = self._ends.get(position, (None, None))
            yield Record(self._delivery(position), status, outcome, at)

    def counts(self) -> Counts:
        """How many deliveries are in each state."""
        sent, failed = self._states.count(Status.SENT), self._states.count(Status.FAILED)
        return Counts(sent, failed, 0, len(self._states) - sent - failed)
