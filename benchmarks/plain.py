"""The plain program, the one we are compared with: Telethon as it comes, and one gather.

`python -m benchmarks.plain COUNT [--bare]`, with the settings of a sandbox in the environment.
Where it has a choice it does what is cheapest: a bot needs no look-up for an `InputPeerUser`
without a hash. With `--bare` it passes bare ids, as many programs do; Telethon then makes a second
request for everybody whom the session file does not know yet.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.tl.types import InputPeerUser

from benchmarks import TEXT, recipients


def sandbox_client() -> TelegramClient:
    """A client as anybody makes it, only that it is told about the sandbox."""
    rsa.add_key(Path(os.environ["TELEGRAM_SERVER_KEY"]).read_text(encoding="ascii"), old=False)
    api_id, api_hash = int(os.environ["TELEGRAM_API_ID"]), os.environ["TELEGRAM_API_HASH"]
    client = TelegramClient(os.environ["TELEGRAM_SESSION"], api_id, api_hash)
    if not client.session.auth_key:
        host, port = os.environ["TELEGRAM_SERVER"].split(":")
        client.session.set_dc(2, host, int(port))
    return client


async def main(count: int, *, bare: bool) -> None:
    """Send to `count` people at once."""
    client = sandbox_client()
    await client.start(bot_token=os.environ["TELEGRAM_BOT_TOKEN"])
    ids = recipients(count)
    people = ids if bare else [InputPeerUser(number, 0) for number in ids]
    await asyncio.gather(*[client.send_message(person, TEXT) for person in people])
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), bare="--bare" in sys.argv))
