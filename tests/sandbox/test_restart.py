"""The sandbox as a process that is killed and started again: nobody notices but by the pause."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.sessions import MemorySession
from telethon.tl import functions, types

from broadcast.sandbox.journal import Journal
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World
from tests.e2e.child import Child, Cli
from tests.e2e.telegram import in_journal
from tests.sandbox.test_messages import id_of
from tests.sandbox.test_server import connect, connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

TOKEN = f"123456:{'A' * 35}"
ANA = types.InputPeerUser(777_777, 0)

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")


class Sandbox:
    """`broadcast sandbox serve`, always at the same port and with the same memory."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self.port = 0
        self.child = self._start()

    def _start(self) -> Child:
        child = self.cli.start("sandbox", "serve", "--port", str(self.port), "--limits", "none")
        assert child.out is not None
        self.port = int(child.out.until(r"TELEGRAM_SERVER=127\.0\.0\.1:(\d+)\n")[1])
        child.out.until("ends the sandbox\n")
        return child

    def restart(self) -> None:
        """Kill it without a word, and start it again."""
        self.child.signal(signal.SIGKILL)
        assert self.child.wait().code == -signal.SIGKILL
        self.child = self._start()


@asynccontextmanager
async def client_of(sandbox: Sandbox) -> AsyncGenerator[TelegramClient]:
    rsa.add_key(ServerKey.default().public_pem(), old=False)
    session = MemorySession()
    session.set_dc(2, "127.0.0.1", sandbox.port)
    options = {"retry_delay": 0.01, "connection_retries": 10_000, "raise_last_call_error": True}
    client = TelegramClient(session, 1, "hash", receive_updates=False, **options)
    await connect(client)
    await client(functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", TOKEN))
    yield client
    await client.disconnect()


def send(random_id: int, text: str = "hello") -> functions.messages.SendMessageRequest:
    return functions.messages.SendMessageRequest(ANA, text, random_id=random_id)


async def test_a_killed_sandbox_remembers_keys_messages_edits_and_deletions(tmp_path: Path):
    with Cli(tmp_path) as cli:
        sandbox = Sandbox(cli)
        async with client_of(sandbox) as client:
            key = client.session.auth_key.key_id
            for random_id in (1, 2, 3):
                await client(send(random_id))
            await client(functions.messages.EditMessageRequest(ANA, 1, message="changed"))
            await client(functions.messages.DeleteMessagesRequest([2], revoke=True))
            pts = (await client(functions.updates.GetStateRequest())).pts
            await asyncio.to_thread(sandbox.restart)
            again = [id_of(await client(send(random_id))) for random_id in (1, 2, 3, 4)]
            assert again == [1, 2, 3, 4]
            assert client.session.auth_key.key_id == key
            since = await client(functions.updates.GetDifferenceRequest(pts, None, 0))
            assert [message.id for message in since.new_messages] == [4]
    arrived = in_journal(cli.home)
    assert [(m.message_id, m.random_id, m.text) for m in arrived] == [
        (1, 1, "changed"),
        (3, 3, "hello"),
        (4, 4, "hello"),
    ]


async def test_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path):
    seed, count = random.randrange(10**6), 400
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    moments = sorted(random.Random(seed).sample(range(count), 4))
    answered: asyncio.Queue[Any] = asyncio.Queue()
    with Cli(tmp_path) as cli:
        sandbox = Sandbox(cli)
        async with client_of(sandbox) as client, asyncio.TaskGroup() as tasks:
            slots = asyncio.Semaphore(10)

            async def deliver(random_id: int) -> int:
                async with slots:
                    number = id_of(await client._sender.send(send(random_id)))
                    answered.put_nowait(number)
                    return number

            sends = [tasks.create_task(deliver(number + 1)) for number in range(count)]
            done = 0
            for moment in moments:
                while done < moment:
                    await answered.get()
                    done += 1
                await asyncio.to_thread(sandbox.restart)
            told = {random_id: await task for random_id, task in enumerate(sends, start=1)}
    arrived = in_journal(cli.home)
    assert set(Counter(message.random_id for message in arrived).values()) == {1}
    assert {message.random_id: message.message_id for message in arrived} == told


async def test_what_was_never_written_down_was_never_told_and_is_done_again(tmp_path: Path):
    """The kill strikes after the world has changed and before the journal knows."""

    class Dead(BaseException):
        pass

    class Full(Journal):
        def append(self, records):
            if any(record["t"] == "message" for record in records):
                raise Dead
            super().append(records)

    session = MemorySession()
    path = tmp_path / "journal"
    sign_in = functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", TOKEN)
    with pytest.raises(BaseExceptionGroup) as died, Full(path) as journal:  # noqa: PT012
        async with (
            SandboxServer(World(), journal=journal) as server,
            connected(server, session=session, auto_reconnect=False) as client,
        ):
            await client(sign_in)
            with pytest.raises(asyncio.IncompleteReadError):
                await client(send(1))
    assert died.group_contains(Dead)
    world = World()
    with Journal(path) as journal:
        async with (
            SandboxServer(world, journal=journal) as server,
            connected(server, session=session) as client,
        ):
            assert (await client(send(1))).id == 1
    assert len(list(world.inbox())) == 1
    assert len(re.findall('"t":"message"', path.read_text())) == 1
