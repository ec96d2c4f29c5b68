"""The same messages as plain.py sends, by broadcast, through its public face and without a pace.

`python -m benchmarks.ours COUNT`, with the settings of a sandbox in the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys

from benchmarks import TEXT, recipients
from broadcast import Pacer, contact, load_settings, open_telegram, send


async def main(count: int) -> None:
    """Send to `count` people as fast as it goes."""
    people = [contact(str(number)) for number in recipients(count)]
    async with open_telegram(load_settings(os.environ)) as telegram:
        report = await send(TEXT, people, telegram, pacer=Pacer(None))
    if report.counts.sent != count:
        sys.exit(f"broadcast says that it sent {report.counts.sent} of {count}: {report.halted}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
