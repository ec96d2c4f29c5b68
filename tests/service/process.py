"""A process of its own that sends as one account: `python -m tests.service.process HOME TEXT`.

It says `sending` when its first message is on the way, and waits there for a line; at its end it
says what became of it: the number of those who have it, or the code of the error.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from broadcast.core.clock import SystemClock
from broadcast.core.errors import BroadcastError
from broadcast.core.model import Message
from broadcast.ledger.sqlite.ledger import SqliteLedger
from tests.service.fakes import FakeConnection
from tests.service.harness import Harness

if TYPE_CHECKING:
    from broadcast.core.model import Delivery, Outcome


class Waits(FakeConnection):
    """Waits for a line before its first message is sent."""

    is_asked = False

    async def send(self, delivery: Delivery) -> Outcome:
        if not self.is_asked:
            self.is_asked = True
            say("sending")
            await asyncio.to_thread(sys.stdin.readline)
        return await super().send(delivery)


async def main(home: Path, text: str) -> str:
    with SqliteLedger(home / "ledger.db") as ledger:
        harness = Harness(ledger)
        harness.clock = SystemClock()  # type: ignore[assignment]
        harness.chance = Random()
        harness.accounts.connection = Waits(harness.accounts.connection.account)
        try:
            report = await harness.send(Message(text))
        except BroadcastError as error:
            return error.code
        return str(report.counts.sent)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say(asyncio.run(main(Path(sys.argv[1]), sys.argv[2])))
