"""Ledgers and broadcasts for the tests of this directory."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from broadcast.core.model import Contact, Failed, Message, Sent
from broadcast.core.peers import parse_peer
from broadcast.ledger.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator
    from pathlib import Path

    from broadcast.core.model import Broadcast, Delivery, Outcome, Record, Status
    from broadcast.ledger.sqlite.run import SqliteRun

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HELLO = Message("I bought a car!")
ACCOUNT = 4711
ELSEWHERE = json.dumps({"host": "another.host", "pid": 1, "started": "1"})
BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")

_ids = itertools.count(1)


def new_id() -> str:
    return f"0000{next(_ids):06}"


class Clock:
    """A clock that stands still until it is told to go on; `now` may be set, as on a wall."""

    def __init__(self) -> None:
        self.now, self.elapsed = NOW, 1000.0

    def utc(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.elapsed

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


READS = {
    *("reload", "find", "by_once", "newest", "unfinished", "standing", "known", "last_person"),
    *("due", "next_moment", "scheduled"),
    *("newcomers", "count_reached", "extend"),
    *("update_state", "without_id", "in_doubt"),
}


class Opened:
    """A ledger whose reads are there at once, for tests that are about what is read."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        kept = getattr(self._ledger, name)
        return (lambda *given, **more: wait(kept(*given, **more))) if name in READS else kept

    def records(self, broadcast: Broadcast, *wanted: Status) -> list[Record]:
        async def read() -> list[Record]:
            return [record async for record in self._ledger.records(broadcast, *wanted)]

        return wait(read())


def wait(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, whether a loop is running or not."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[Opened]:
    with SqliteLedger(path, **options) as ledger:
        yield Opened(ledger)


def audience(size: int) -> list[Contact]:
    return [Contact(parse_peer(f"@friend{number}")) for number in range(size)]


def create(ledger: Opened, size: int = 3, **options: Any) -> Broadcast:
    return asyncio.run(ledger.create(new_id(), HELLO, audience(size), **options))


def positions(deliveries: Iterable[Delivery]) -> list[int]:
    return [delivery.position for delivery in deliveries]


def states(ledger: Opened, broadcast: Broadcast) -> list[str]:
    return [str(record.status) for record in ledger.records(ledger.reload(broadcast))]


async def settle_all(run: SqliteRun, outcomes: Iterable[Outcome], now: datetime = NOW) -> None:
    """Claim as many deliveries as there are outcomes, and settle them so."""
    results = list(outcomes)
    claimed = await run.claim(len(results), now)
    assert len(claimed) == len(results)
    await run.settle(list(zip(claimed, results, strict=True)), now)


def send_all(ledger: Opened, broadcast: Broadcast, *failed: int, now: datetime = NOW) -> None:
    """Every delivery is sent, as message 100 + its position; those of `failed` fail."""

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            left = broadcast.counts.pending
            outcomes: list[Outcome] = [Sent(100 + n) for n in range(left)]
            for position in failed:
                outcomes[position] = BLOCKED
            await settle_all(run, outcomes, now)

    asyncio.run(work())


def die(ledger: Opened) -> None:
    """Whoever runs a broadcast is dead from now on: it gave nothing back, and told nobody."""
    execute(ledger, "UPDATE broadcast SET owner = ? WHERE owner IS NOT NULL", [dead_owner()])


def dead_owner() -> str:
    """A process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    return json.dumps({"host": socket.gethostname(), "pid": process.pid, "started": "1"})


def path_of(ledger: Opened) -> Path:
    return ledger._database.path


def execute(ledger: Opened, statement: str, values: Iterable[Any] = ()) -> None:
    with closing(sqlite3.connect(path_of(ledger))) as connection, connection:
        connection.execute(statement, tuple(values))


def rows(ledger: Opened, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path_of(ledger))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def everything(ledger: Opened) -> dict[str, list[dict[str, Any]]]:
    """All that is in the file."""
    tables = ("broadcast", "recipient", "outcome", "scheduled", "waiting", "slice")
    return {table: rows(ledger, f"SELECT * FROM {table}") for table in tables}  # noqa: S608
