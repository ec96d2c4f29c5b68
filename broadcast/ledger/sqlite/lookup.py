"""Finds broadcasts by their rows, and how they stand: whether a process is at work on them, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from broadcast.core.lifecycle import Standing
from broadcast.core.model import State
from broadcast.ledger.process import LEASE, is_dead, shares_clock
from broadcast.ledger.sqlite.rows import broadcast_of, keys, milliseconds, shift, to_recall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.database import Database, Statements

Signs = frozenset[tuple[Any, ...]]
"""Signs of life: each changes whenever the process that gave it gives another."""

_LEASE = round(LEASE.total_seconds() * 1000)


class Leases:
    """Judges the rows of the table `broadcast`."""

    def __init__(
        self, clock: Clock, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep

    def until(self) -> dict[str, int]:
        """When a lease that is taken now ends, as the ledger keeps it: on the clock of this
        machine that only goes forwards, and, for who cannot read that one, on the wall's."""
        now = milliseconds(self._clock.utc())
        return {"alive_until": self._monotonic() + _LEASE, "lease_until": now + _LEASE}

    def is_alive(self, row: Any, silent: Signs | None = None) -> bool:
        """Whether the owner of a broadcast may still be at work.

        Whoever takes over has watched the owners on other machines, and knows which are `silent`.
        To look on, or to fence one of these, the wall clocks of both decide: that is good enough.
        """
        owner = row["owner"]
        if owner is None or is_dead(owner):
            return False
        if shares_clock(owner):
            # One that ends later than a lease can is of before a restart of the machine.
            return 0 < row["alive_until"] - self._monotonic() <= _LEASE
        if silent is not None:
            return _sign(row) not in silent
        return row["lease_until"] > milliseconds(self._clock.utc())

    async def silent(self, look: Callable[[], Awaitable[Iterable[Any]]]) -> Signs:
        """The last signs of life of owners on other machines that gave none for a whole lease.

        `look` gives the rows to be judged. It takes no time where every owner is on this machine.
        """
        before = _strangers(await look())
        if not before:
            return frozenset()
        await self._sleep(LEASE.total_seconds())
        return before & _strangers(await look())

    def _monotonic(self) -> int:
        return round(self._clock.monotonic() * 1000)


def _strangers(rows: Iterable[Any]) -> Signs:
    return frozenset(
        _sign(row)
        for row in rows
        if row["owner"] is not None and not is_dead(row["owner"]) and not shares_clock(row["owner"])
    )


def _sign(row: Any) -> tuple[Any, ...]:
    return row["number"], row["epoch"], row["alive_until"], row["lease_until"]


class Lookup:
    """The file, the clock, and who is at work; the sides of the ledger are made from it."""

    def __init__(self, database: Database, clock: Clock, leases: Leases) -> None:
        self._database, self._clock, self._leases = database, clock, leases

    def _row(self, sql: Statements, broadcast: Broadcast) -> Any:
        return sql.one("broadcast_by_number", number=broadcast.number)

    def _reloaded(self, sql: Statements, number: int) -> Broadcast:
        return self._broadcast(sql, sql.one("broadcast_by_number", number=number))

    def _broadcast(self, sql: Statements, row: Any, silent: Signs | None = None) -> Broadcast:
        is_alive = self._leases.is_alive(row, silent)
        broadcast = broadcast_of(row, is_alive=is_alive)
        if broadcast.state is not State.DONE:
            in_doubt = self._count_doubts(sql, broadcast)
            broadcast = broadcast_of(row, is_alive=is_alive, in_doubt=in_doubt)
        if broadcast.state is State.CANCELLED:
            return broadcast
        if (waiting := self._count_waiting(sql, row, broadcast)) > 0:
            return replace(broadcast, waiting=waiting)
        return broadcast

    def _count_waiting(self, sql: Statements, row: Any, broadcast: Broadcast) -> int:
        """How many of a broadcast that was not cancelled are kept for later."""
        schedule, now = broadcast.schedule, self._clock.utc()
        if schedule is None or now >= schedule.last:
            return 0
        span = {**keys(broadcast.number), "now": milliseconds(now)}
        if schedule.at_telegram:
            found: Any = sql.one("count_at_telegram", **span, recall=to_recall(row))
        elif now < schedule.first:
            return broadcast.counts.pending
        else:
            found = sql.one("count_scheduled", **span)
        return found[0]

    def _standing(self, sql: Statements, row: Any, silent: Signs | None = None) -> Standing:
        broadcast = self._broadcast(sql, row, silent)
        target = broadcast.number if broadcast.target is None else broadcast.target
        rows = sql.rows("changes_of", target=target)
        changes = tuple(self._broadcast(sql, each, silent) for each in rows)
        refused: Any = sql.one("failed_in_doubt", **keys(broadcast.number))
        return Standing(broadcast, changes, self._count_doubts(sql, broadcast) + refused[0])

    @staticmethod
    def _count_doubts(sql: Statements, broadcast: Broadcast) -> int:
        if broadcast.owner is not None:  # it is under way
            return 0
        row: Any = sql.one("in_doubt", **keys(broadcast.number), shift=shift(broadcast))
        return row[0]

    @staticmethod
    def _requeue_in_doubt(sql: Statements, broadcast: Broadcast) -> None:
        """Make pending again, as perhaps sent, what a dead process has claimed."""
        span = keys(broadcast.number)
        sql.run("requeue_in_doubt", **span, shift=shift(broadcast))
        sql.run("drop_slices", **span)
        sql.run("unclaim_waiting", **span)
