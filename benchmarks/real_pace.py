"""`python -m benchmarks.real_pace`: the installed command at a bot's limit, in real time.

Real Telethon, real sockets, a fresh home each time, so that nothing is known of the account. The
sandbox, in this process, notes when messages arrive; what precedes the first is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from telethon.tl import TLRequest, functions

from benchmarks import TEXT, recipients
from benchmarks.__main__ import BOT_TOKEN, BROADCAST, clean_environment
from broadcast.sandbox.limits import Limits
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World


class Timed(World):
    """A world that notes when it is asked to take a message."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits=limits)
        self.sends: list[float] = []

    def call(self, key_id: int, request: TLRequest, now: float) -> Any:
        """See `World`."""
        if isinstance(request, functions.messages.SendMessageRequest):
            self.sends.append(time.perf_counter())
        return super().call(key_id, request, now)


async def measure(count: int, rate: float, burst: int) -> tuple[float, int]:
    """Seconds from the first message to the last one, and how often they were refused."""
    world = Timed(Limits(bot_messages_per_second=rate, bot_burst=burst))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        home = Path(name)
        async with SandboxServer(world) as server:
            key = home / "key.pem"
            key.write_text(server.key.public_pem(), encoding="ascii")
            contacts = "".join(f"- {person}\n" for person in recipients(count))
            (home / "contacts.yaml").write_text(f"contacts:\n{contacts}", encoding="ascii")
            environment = clean_environment() | {
                "TELEGRAM_SERVER": server.address,
                "TELEGRAM_SERVER_KEY": str(key),
                "TELEGRAM_API_ID": "1",
                "TELEGRAM_API_HASH": "sandbox",
                "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
                "BROADCAST_HOME": str(home),
            }
            process = await asyncio.create_subprocess_exec(
                sys.executable, BROADCAST, TEXT, "--yes", "--quiet",
                cwd=home, env=environment,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output, _ = await process.communicate()
        if process.returncode != 0 or len(list(world.inbox())) != count:
            sys.exit(f"broadcast ended with {process.returncode}:\n{output.decode()}")
    return world.sends[-1] - world.sends[0], world.floods


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_pace", description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="recipients (default: 300)")
    parser.add_argument("--rate", type=float, default=30, help="messages a second (default: 30)")
    parser.add_argument("--burst", type=int, default=30, help="at once (default: 30)")
    parser.add_argument("--rounds", type=int, default=5, help="runs (default: 5)")
    options = parser.parse_args()
    if options.n <= options.burst or options.burst < 1 or options.rate <= 0 or options.rounds < 1:
        parser.error("--n is more than --burst, and all are more than 0")
    ideal = (options.n - options.burst) / options.rate
    print("| round | time / ideal | floods |\n|---|---:|---:|")
    ratios: list[float] = []
    for number in range(options.rounds):
        seconds, floods = asyncio.run(measure(options.n, options.rate, options.burst))
        ratios.append(seconds / ideal)
        print(f"| {number + 1} | {ratios[-1]:.3f} | {floods} |", flush=True)
    print(f"\nideal {ideal:.1f} s, median ratio {median(ratios):.3f}")


if __name__ == "__main__":
    main()
