"""A ledger that lives as long as its process; it refuses nothing that the durable one allows."""

from __future__ import annotations

import heapq
from dataclasses import replace
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
        self._records = [
            Record(Delivery(broadcast, position, contact, message))
            for position, contact in enumerate(audience)
        ]
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
        fresh = min(limit - len(positions), len(self._records) - self._fresh)
        positions.extend(range(self._fresh, self._fresh + fresh))
        self._fresh += fresh
        for position in positions:
            self._records[position] = replace(self._records[position], status=Status.SENDING)
        return [self._records[position].delivery for position in positions]

    async def settle(self, results: Sequence[tuple[Delivery, Outcome]], now: datetime) -> None:
        """See `Run.settle`."""
        for delivery, outcome in results:
            status = Status.PENDING
            kept = delivery
            match outcome:
                case Sent():
                    status = Status.SENT
                case Failed():
                    status = Status.FAILED
                case Deferred(retry_after=seconds):
                    kept = replace(delivery, attempts=delivery.attempts + 1)
                    due = now + timedelta(seconds=seconds or 0.0)
                    heapq.heappush(self._due, (due, delivery.position))
                case _:
                    heapq.heappush(self._untouched, delivery.position)
            self._records[delivery.position] = Record(kept, status, outcome, now)

    async def release(self, deliveries: Iterable[Delivery]) -> None:
        """See `Run.release`."""
        for delivery in deliveries:
            record = self._records[delivery.position]
            self._records[delivery.position] = replace(record, status=Status.PENDING)
            heapq.heappush(self._untouched, delivery.position)

    async def next_due(self) -> datetime | None:
        """See `Run.next_due`."""
        return self._due[0][0] if self._due else None

    def records(self) -> Iterator[Record]:
        """Every delivery with its state, in order of position."""
        return iter(self._records)

    def counts(self) -> Counts:
        """How many deliveries are in each state."""
        states = [record.status for record in self._records]
        sent, failed, skipped = (
            states.count(state) for state in (Status.SENT, Status.FAILED, Status.SKIPPED)
        )
        return Counts(sent, failed, skipped, len(states) - sent - failed - skipped)
