"""Makes a ledger of many large broadcasts, through the ledger's own code; it sends nothing.

`python -m benchmarks.ledgers HOME [--broadcasts 10] [--size 1000000]`. The newest are hard to look
at: one with a time of its own for each recipient, and one whose process was killed.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.core.model import Contact, Failed, Message, Sent, When
from broadcast.core.peers import parse_peer
from broadcast.ledger.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.core.model import Broadcast

FIRST_ID = 100_000_000
SLICE = 10_000
BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")


def people(count: int) -> Iterator[Contact]:
    """So many subscribers of a bot."""
    for number in range(count):
        name = f"Subscriber {number}"
        yield Contact(parse_peer(str(FIRST_ID + 7 * number)), name, fields={"city": "Madrid"})


async def make(ledger: SqliteLedger, number: int, size: int) -> Broadcast:
    """A broadcast to `size` people that nobody has begun to send."""
    return await ledger.create(f"aaaa{number:06}", Message(f"News {number}"), people(size))


async def make_timed(ledger: SqliteLedger, number: int, size: int) -> Broadcast:
    """One that goes out tomorrow, to each at a moment of their own."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    when = When(tomorrow.replace(tzinfo=None), "UTC")

    def due(contact: Contact) -> datetime:
        return tomorrow + timedelta(milliseconds=int(contact.peer.value) % 1_000_003)

    message = Message(f"News {number}", when=when)
    return await ledger.create(f"aaaa{number:06}", message, people(size), due=due)


async def send(
    ledger: SqliteLedger, broadcast: Broadcast, count: int, *, account: int, server: str | None
) -> None:
    """Record `count` of it as sent, one in a hundred as failed; then die, with a slice claimed."""
    run = await ledger.take_over(broadcast, account=account, server=server)
    now = datetime.now(UTC)
    for _ in range(0, count, SLICE):
        claimed = await run.claim(SLICE, now)
        results = [(d, BLOCKED if d.position % 100 == 0 else Sent(d.position)) for d in claimed]
        await run.settle(results, now)
    if count < broadcast.counts.total:
        await run.claim(SLICE, now)
    await run.finish()


async def fill(
    ledger: SqliteLedger, broadcasts: int, size: int, *, account: int, server: str | None
) -> None:
    """Broadcasts that were sent, a timed one, and one that was killed when half of it was sent."""
    for number in range(broadcasts - 2):
        made = await make(ledger, number, size)
        await send(ledger, made, size, account=account, server=server)
    await make_timed(ledger, broadcasts - 2, size)
    made = await make(ledger, broadcasts - 1, size)
    await send(ledger, made, size // 2, account=account, server=server)


def main() -> None:
    """Read the command line and fill the ledger below HOME."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--broadcasts", type=int, default=10)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--account", type=int, default=4242424242)
    parser.add_argument("--server", default=None)
    given = parser.parse_args()
    with SqliteLedger(given.home / "ledger.db") as ledger:
        filled = fill(
            ledger, given.broadcasts, given.size, account=given.account, server=given.server
        )
        asyncio.run(filled)


if __name__ == "__main__":
    main()
