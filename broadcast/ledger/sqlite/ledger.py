"""The durable ledger: all broadcasts of one BROADCAST_HOME, in one SQLite file.

Here is what lets one process work on one broadcast, and keeps broadcasts until their time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from broadcast.core.clock import Clock, SystemClock
from broadcast.core.errors import HaltedError, ungrouped
from broadcast.core.lifecycle import (
    goes_on_by_itself,
    require_free_account,
    require_idle,
    require_resumable,
    require_same_account,
)
from broadcast.engine.pacer import Known
from broadcast.ledger.process import this_process
from broadcast.ledger.sqlite.database import BUSY_TIMEOUT, Database
from broadcast.ledger.sqlite.lookup import Leases
from broadcast.ledger.sqlite.rows import keys, known_of, milliseconds, moment
from broadcast.ledger.sqlite.run import SqliteRun
from broadcast.ledger.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from broadcast.core.model import Broadcast
    from broadcast.engine.pacer import Learned
    from broadcast.ledger.sqlite.database import Statements
    from broadcast.ledger.sqlite.lookup import Signs


class SqliteLedger(SqliteStore):
    """The port `Ledger` (ledger/port.py) over the file at `path`; use it in a `with`.

    Without a path it lasts as long as it is open. `known` is what is known of an account before it
    has sent anything.

    Every method raises HaltedError, with what to do, when the file cannot be read or written, or
    when another program holds it for more than `busy_timeout` seconds. `sleep` waits for signs of
    life of processes on other machines.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        clock: Clock | None = None,
        known: Known | None = None,
        busy_timeout: float = BUSY_TIMEOUT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(Database(path, busy_timeout=busy_timeout), clock, Leases(clock, sleep))
        self._known_at_first = known or Known()

    def __enter__(self) -> Self:
        self._database.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._database.__exit__(*error)

    # --- runs

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
        """No error is raised in a group, unless it stands beside a bug."""
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

        taken: list[SqliteRun] = []

        def take(sql: Statements) -> None:
            now, row = self._take_over(sql, broadcast, account, server, silent)
            taken.append(
                SqliteRun(
                    self._database,
                    self._clock,
                    self._leases,
                    now,
                    row,
                    first=first,
                    learned=learned,
                )
            )

        silent = await self._leases.silent(held)
        try:
            await self._database.write(take)
        except asyncio.CancelledError:  # the thread goes on, and may take the lease for nobody
            with suppress(HaltedError):
                await self._database.write(lambda _: None)  # after that
                for run in taken:
                    await run.finish()
            raise
        return taken[0]

    def _take_over(
        self,
        sql: Statements,
        broadcast: Broadcast,
        account: int,
        server: str | None,
        silent: Signs,
    ) -> tuple[Broadcast, Any]:
        standing = self._standing(sql, self._row(sql, broadcast), silent)
        require_resumable(standing)
        require_same_account(standing.broadcast, account, server)
        busy = _busy(sql, broadcast, account, server)
        others = (self._broadcast(sql, each, silent) for each in busy)
        require_free_account(standing.broadcast, account, others)
        self._requeue_in_doubt(sql, broadcast)
        owner = {"owner": this_process(), "server": server, "account": account}
        sql.run("take_over", number=broadcast.number, **owner, **self._leases.until())
        row = self._row(sql, broadcast)
        return self._broadcast(sql, row), row

    async def known(self, account: int, server: str | None) -> Known:
        rows = await self._database.rows("account", id=account, server=server or "")
        return known_of(rows[0], self._known_at_first) if rows else self._known_at_first

    async def last_person(self, server: str | None) -> int:
        rows = await self._database.rows("last_account", server=server or "")
        return rows[0]["account"] if rows else 0

    # --- schedules

    async def due(self, now: datetime) -> list[Broadcast]:

        def work(sql: Statements) -> list[Broadcast]:
            return [
                broadcast
                for row, broadcast in self._kept(sql)
                if broadcast.owner is None and _has_due(sql, row, milliseconds(now))
            ]

        return await self._database.read(work)

    async def next_moment(self, now: datetime) -> datetime | None:
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
        now = milliseconds(self._clock.utc())
        return await self._database.read(
            lambda sql: [self._broadcast(sql, row) for row in sql.rows("schedules", now=now)]
        )

    async def bring_forward(self, broadcast: Broadcast) -> None:

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


def _busy(sql: Statements, broadcast: Broadcast, account: int, server: str | None) -> list[Any]:
    """The rows of what else is sent with the account, or was when its process died."""
    values = {"account": account, "server": server or ""}
    return sql.rows("busy_with", number=broadcast.number, **values)


def _has_due(sql: Statements, row: Any, now: int) -> bool:
    if now < row["due_first"]:
        return False
    found: Any = sql.one("has_due", **keys(row["number"]), now=now)
    return bool(found[0]) or row["next_position"] < row["end_position"]
