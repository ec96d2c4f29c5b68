"""The durable ledger: all broadcasts of one BROADCAST_HOME, in one SQLite file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from broadcast.core.clock import Clock, SystemClock
from broadcast.ledger.sqlite.database import BUSY_TIMEOUT, Database
from broadcast.ledger.sqlite.doubts import SqliteDoubts
from broadcast.ledger.sqlite.leases import Leases
from broadcast.ledger.sqlite.runs import SqliteRuns
from broadcast.ledger.sqlite.schedules import SqliteSchedules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class SqliteLedger(SqliteDoubts, SqliteRuns, SqliteSchedules):
    """The port `Ledger` (ledger/port.py) over the file at `path`; use it in a `with`.

    Every method raises HaltedError, with what to do, when the file cannot be read or written, or
    when another program holds it for more than `busy_timeout` seconds. `sleep` waits for signs of
    life of processes on other machines.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        busy_timeout: float = BUSY_TIMEOUT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(Database(path, busy_timeout=busy_timeout), clock, Leases(clock, sleep))

    def __enter__(self) -> Self:
        self._database.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._database.__exit__(*error)
