"""Lets one process work on one broadcast in SQLite, and use one account: the port `Runs`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import HaltedError
from broadcast.core.lifecycle import (
    require_free_account,
    require_resumable,
    require_same_account,
)
from broadcast.core.ungrouped import ungrouped
from broadcast.ledger.process import this_process
from broadcast.ledger.sqlite.lookup import Lookup
from broadcast.ledger.sqlite.rows import known_of
from broadcast.ledger.sqlite.run import SqliteRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from broadcast.core.model import Broadcast
    from broadcast.engine.pacer import Known, Learned
    from broadcast.ledger.sqlite.database import Statements
    from broadcast.ledger.sqlite.leases import Signs


class SqliteRuns(Lookup):
    """See `Runs`."""

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
    ) -> AsyncGenerator[SqliteRun]:
        """See `Runs.start`. No error is raised in a group, unless it stands beside a bug."""
        run = await self.take_over(
            broadcast, account=account, server=server, first=first, learned=learned
        )
        try:
            with ungrouped():
                async with asyncio.TaskGroup() as group:
                    heart = group.create_task(run.beat(on_stop))
                    yield run
                    heart.cancel()
        finally:
            with suppress(HaltedError):  # a lease that cannot be given back ends by itself
                await run.finish()

    async def take_over(
        self,
        broadcast: Broadcast,
        *,
        account: int,
        server: str | None = None,
        first: int | None = None,
        learned: Callable[[], Learned | None] = lambda: None,
    ) -> SqliteRun:
        """Take the lease of `broadcast`, which ends soon unless the run's `beat` keeps it alive.

        What an earlier process left in doubt is pending again. Raises what `start` raises before
        anything is sent. Where a process on another machine held the broadcast or the account it
        is watched first for as long as a lease lasts.
        """

        async def held() -> list[Any]:
            return await self._database.read(
                lambda sql: [self._row(sql, broadcast), *_busy(sql, broadcast, account, server)]
            )

        silent = await self._leases.silent(held)
        taken, epoch = await self._database.write(
            lambda sql: self._take_over(sql, broadcast, account, server, silent)
        )
        return SqliteRun(
            self._database, self._clock, self._leases, taken, epoch, first=first, learned=learned
        )

    def _take_over(
        self,
        sql: Statements,
        broadcast: Broadcast,
        account: int,
        server: str | None,
        silent: Signs,
    ) -> tuple[Broadcast, int]:
        row = self._row(sql, broadcast)
        standing = self._standing(sql, row, silent)
        require_resumable(standing)
        require_same_account(standing.broadcast, account, server)
        busy = _busy(sql, broadcast, account, server)
        others = (self._broadcast(sql, each, silent) for each in busy)
        require_free_account(standing.broadcast, account, others)
        self._requeue_in_doubt(sql, broadcast)
        owner = {"owner": this_process(), "server": server, "account": account}
        sql.run("take_over", number=broadcast.number, **owner, **self._leases.until())
        return self._reloaded(sql, broadcast.number), row["epoch"] + 1

    async def known(self, account: int, server: str | None) -> Known:
        """See `Runs.known`."""
        rows = await self._database.rows("account", id=account, server=server or "")
        return known_of(rows[0] if rows else None)

    async def last_person(self, server: str | None) -> int:
        """See `Runs.last_person`."""
        rows = await self._database.rows("last_account", server=server or "")
        return rows[0]["account"] if rows else 0


def _busy(sql: Statements, broadcast: Broadcast, account: int, server: str | None) -> list[Any]:
    """The rows of what else is sent with the account, or was when its process died."""
    values = {"account": account, "server": server or ""}
    return sql.rows("busy_with", number=broadcast.number, **values)
