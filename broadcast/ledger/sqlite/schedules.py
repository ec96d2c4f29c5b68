"""Keeps broadcasts in SQLite until their time: the port `Schedules` (ledger/port.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.core.lifecycle import goes_on_by_itself, require_idle
from broadcast.ledger.sqlite.lookup import Lookup
from broadcast.ledger.sqlite.rows import keys, milliseconds, moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.database import Statements


class SqliteSchedules(Lookup):
    """See `Schedules`."""

    async def due(self, now: datetime) -> list[Broadcast]:
        """See `Schedules.due`."""

        def work(sql: Statements) -> list[Broadcast]:
            return [
                broadcast
                for row, broadcast in self._kept(sql)
                if broadcast.owner is None and _has_due(sql, row, milliseconds(now))
            ]

        return await self._database.read(work)

    async def next_moment(self, now: datetime) -> datetime | None:
        """See `Schedules.next_moment`."""
        at = milliseconds(now)

        def work(sql: Statements) -> list[int]:
            moments: list[int] = []
            for row, _ in self._kept(sql):
                if row["due_first"] > at:
                    moments.append(row["due_first"])
                waiting = sql.rows("next_in_waiting", **keys(row["number"]), now=at)
                moments += [found["due"] for found in waiting]
            return moments

        moments = await self._database.read(work)
        return moment(min(moments)) if moments else None

    async def scheduled(self) -> list[Broadcast]:
        """See `Schedules.scheduled`."""
        now = milliseconds(self._clock.utc())
        return await self._database.read(
            lambda sql: [self._broadcast(sql, row) for row in sql.rows("schedules", now=now)]
        )

    async def count_scheduled(self, broadcast: Broadcast) -> int:
        """See `Schedules.count_scheduled`."""
        schedule, now = broadcast.schedule, self._clock.utc()
        if schedule is None or schedule.at_telegram or now >= schedule.last:
            return 0
        if now < schedule.first:
            return broadcast.counts.pending
        span = keys(broadcast.number)
        ((count,),) = await self._database.rows("count_scheduled", **span, now=milliseconds(now))
        return count

    async def bring_forward(self, broadcast: Broadcast) -> None:
        """See `Schedules.bring_forward`."""

        def work(sql: Statements) -> None:
            require_idle(self._reloaded(sql, broadcast.number))
            now = milliseconds(self._clock.utc())
            sql.run("bring_forward", number=broadcast.number, now=now)
            sql.run("bring_forward_waiting", **keys(broadcast.number), now=now)

        await self._database.write(work)

    def _kept(self, sql: Statements) -> Iterator[tuple[Any, Broadcast]]:
        """What the ledger keeps until its time, unless a person must look at it."""
        for row in sql.rows("unfinished_schedules"):
            broadcast = self._broadcast(sql, row)
            if goes_on_by_itself(broadcast):
                yield row, broadcast


def _has_due(sql: Statements, row: Any, now: int) -> bool:
    if now < row["due_first"]:
        return False
    found: Any = sql.one("has_due", **keys(row["number"]), now=now)
    return bool(found[0]) or row["next_position"] < row["end_position"]
