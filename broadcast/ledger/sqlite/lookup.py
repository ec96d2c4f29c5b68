"""Finds broadcasts by their rows, and how they stand: what every side of the ledger looks up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.core.lifecycle import Standing
from broadcast.core.model import State
from broadcast.ledger.sqlite.rows import broadcast_of, keys, shift

if TYPE_CHECKING:
    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.database import Database, Statements
    from broadcast.ledger.sqlite.leases import Leases, Signs


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
        if broadcast.state is not State.CANCELLED:
            return broadcast
        return broadcast_of(row, is_alive=is_alive, in_doubt=self._count_doubts(sql, broadcast))

    def _standing(self, sql: Statements, row: Any, silent: Signs | None = None) -> Standing:
        broadcast = self._broadcast(sql, row, silent)
        target = broadcast.number if broadcast.target is None else broadcast.target
        rows = sql.rows("changes_of", target=target)
        changes = tuple(self._broadcast(sql, each, silent) for each in rows)
        return Standing(broadcast, changes, self._count_doubts(sql, broadcast))

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
