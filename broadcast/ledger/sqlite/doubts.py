"""Knows in SQLite what is perhaps sent, and learns what was: the port `Doubts` (ledger/port.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.lifecycle import is_in_doubt, require_idle
from broadcast.core.model import Status
from broadcast.ledger.sqlite.rows import delivery_of, keys, milliseconds, others_row
from broadcast.ledger.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broadcast.core.model import Broadcast, Delivery
    from broadcast.ledger.sqlite.database import Statements


class SqliteDoubts(SqliteStore):
    """See `Doubts`. It reads the records of the store."""

    async def update_state(self, broadcast: Broadcast) -> str | None:
        """See `Doubts.update_state`."""
        (row,) = await self._database.rows("broadcast_by_number", number=broadcast.number)
        return row["update_state"]

    async def keep_update_state(self, broadcast: Broadcast, state: str) -> None:
        """See `Doubts.keep_update_state`."""
        values = {"number": broadcast.number, "update_state": state}
        await self._database.write(lambda sql: sql.run("keep_update_state", **values))

    async def without_id(self, broadcast: Broadcast) -> list[Delivery]:
        """See `Doubts.without_id`."""
        rows = await self._database.rows("without_id", **keys(broadcast.number))
        return [delivery_of(broadcast, *row) for row in rows]

    async def learn_ids(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_ids`."""
        low = keys(broadcast.number)["low"]
        rows = [(ids[0], others_row(ids[1:]), low + position) for position, ids in found.items()]
        await self._database.write(lambda sql: sql.many("set_message_id", rows))

    async def in_doubt(self, broadcast: Broadcast) -> list[Delivery]:
        """See `Doubts.in_doubt`."""
        if broadcast.owner is not None:
            return []
        (span,) = await self._database.rows("span_in_doubt", **keys(broadcast.number))
        if span["low"] is None:
            return []
        within = range(span["low"], span["high"] + 1)
        unsettled = self._records(broadcast, within, Status.PENDING, Status.SENDING)
        return [record.delivery async for record in unsettled if is_in_doubt(record)]

    async def learn_sent(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_sent`."""
        low = keys(broadcast.number)["low"]
        at = milliseconds(self._clock.utc()) - milliseconds(broadcast.created_at)
        rows = [
            (low + position, 1, ids[0], at, None, others_row(ids[1:]), None)
            for position, ids in sorted(found.items())
        ]

        def work(sql: Statements) -> None:
            require_idle(self._reloaded(sql, broadcast.number))
            sql.run("fence", number=broadcast.number)
            self._requeue_in_doubt(sql, broadcast)
            sql.many("insert_outcome", rows)
            sql.many("delete_waiting", ((row[0],) for row in rows))
            if broadcast.later_parts:
                sql.many("release_next_part", ((row[0],) for row in rows))
            sql.run("count_found", number=broadcast.number, sent=len(rows))

        await self._database.write(work)
