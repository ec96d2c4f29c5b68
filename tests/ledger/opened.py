"""Ledgers and broadcasts for the tests of this directory."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from broadcast.core.model import Contact, Failed, Message, Sent
from broadcast.core.peers import parse_peer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broadcast.core.model import Broadcast, Delivery, Outcome
    from broadcast.ledger.sqlite.ledger import SqliteLedger
    from broadcast.ledger.sqlite.run import SqliteRun

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


def audience(size: int) -> list[Contact]:
    return [Contact(parse_peer(f"@friend{number}")) for number in range(size)]


def create(ledger: SqliteLedger, size: int = 3, **options: Any) -> Broadcast:
    return asyncio.run(ledger.create(new_id(), HELLO, audience(size), **options))


def positions(deliveries: Iterable[Delivery]) -> list[int]:
    return [delivery.position for delivery in deliveries]


def states(ledger: SqliteLedger, broadcast: Broadcast) -> list[str]:
    return [str(record.status) for record in ledger.records(ledger.reload(broadcast))]


async def settle_all(run: SqliteRun, outcomes: Iterable[Outcome], now: datetime = NOW) -> None:
    """Claim as many deliveries as there are outcomes, and settle them so."""
    results = list(outcomes)
    claimed = await run.claim(len(results), now)
    assert len(claimed) == len(results)
    await run.settle(list(zip(claimed, results, strict=True)), now)


def send_all(ledger: SqliteLedger, broadcast: Broadcast, *failed: int, now: datetime = NOW) -> None:
    """Every delivery is sent, as message 100 + its position; those of `failed` fail."""

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            left = broadcast.counts.pending
            outcomes: list[Outcome] = [Sent(100 + n) for n in range(left)]
            for position in failed:
                outcomes[position] = BLOCKED
            await settle_all(run, outcomes, now)

    asyncio.run(work())


def die(ledger: SqliteLedger) -> None:
    """Whoever runs a broadcast is dead from now on: it gave nothing back, and told nobody."""
    execute(ledger, "UPDATE broadcast SET owner = ? WHERE owner IS NOT NULL", [dead_owner()])


def dead_owner() -> str:
    """A process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    return json.dumps({"host": socket.gethostname(), "pid": process.pid, "started": "1"})


def path_of(ledger: SqliteLedger) -> Path:
    return ledger._database.path


def execute(ledger: SqliteLedger, statement: str, values: Iterable[Any] = ()) -> None:
    with closing(sqlite3.connect(path_of(ledger))) as connection, connection:
        connection.execute(statement, tuple(values))


def rows(ledger: SqliteLedger, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path_of(ledger))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def everything(ledger: SqliteLedger) -> dict[str, list[dict[str, Any]]]:
    """All that is in the file."""
    tables = ("broadcast", "recipient", "outcome", "scheduled", "waiting", "slice")
    return {table: rows(ledger, f"SELECT * FROM {table}") for table in tables}  # noqa: S608
