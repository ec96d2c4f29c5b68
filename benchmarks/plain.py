"""The plain program, the one we are compared with: Telethon as it comes, and one gather.

`python -m benchmarks.plain TEXT COUNT [--cheapest]`, with the settings of a sandbox in the
environment. It passes bare ids, as many programs do; Telethon makes a second request for everybody
whom the session file does not know yet. With `--cheapest` it spares that: a bot needs no look-up
for an `InputPeerUser` without a hash.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.tl.types import InputPeerUser

from benchmarks import recipients


def sandbox_client() -> TelegramClient:
    """A client as anybody makes it, only that it is told about the sandbox."""
    rsa.add_key(Path(os.environ["TELEGRAM_SERVER_KEY"]).read_text(encoding="ascii"), old=False)
    api_id, api_hash = int(os.environ["TELEGRAM_API_ID"]), os.environ["TELEGRAM_API_HASH"]
    client = TelegramClient(os.environ["TELEGRAM_SESSION"], api_id, api_hash)
    if not client.session.auth_key:
        host, port = os.environ["TELEGRAM_SERVER"].split(":")
        client.session.set_dc(2, host, int(port))
    return client


async def main(text: str, count: int, *, cheapest: bool) -> None:
    """Send `text` to `count` people at once."""
    client = sandbox_client()
    await client.start(bot_token=os.environ["TELEGRAM_BOT_TOKEN"])
    ids = recipients(count)
    people = [InputPeerUser(number, 0) for number in ids] if cheapest else ids
    await asyncio.gather(*[client.send_message(person, text) for person in people])
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), cheapest="--cheapest" in sys.argv))
