"""Opening an account at a server that is newer, or whose session is held: never a bug."""

from __future__ import annotations

import sqlite3
import traceback
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from telethon.network import authenticator
from telethon.tl import TLObject, functions

from broadcast.core.access import Access, Server
from broadcast.core.errors import HaltedError, LockedError
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World
from broadcast.sandbox_app import _BOT
from broadcast.telegram.account import open_account
from broadcast.telegram.client import disconnect
from broadcast.telegram.error_translation import UnreadableAnswerError
from broadcast.telegram.sender import open_transport

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"+34600000000 Ana"


class NewerAnswer(TLObject):
    """Of a layer that Telethon does not know."""

    def _bytes(self) -> bytes:
        return b"\xef\xbe\xad\xde" + SECRET


class NewerWorld(World):
    """Answers some requests in a way that cannot be read, from the moment that it is told to."""

    unreadable: tuple[type, ...] = ()

    def call(self, key_id: int, request: Any, now: float) -> Any:
        answer = super().call(key_id, request, now)
        return NewerAnswer() if isinstance(request, self.unreadable) else answer


def access_to(server: SandboxServer, tmp_path: Path) -> Access:
    return Access(
        _BOT,
        tmp_path / "bot.session",
        tmp_path / "addresses.db",
        Server("127.0.0.1", server.port, key=server.key.public_pem()),
    )


async def test_a_configuration_that_cannot_be_read_stops_nobody(tmp_path: Path) -> None:
    world = NewerWorld()
    world.unreadable = (functions.help.GetConfigRequest,)
    async with (
        SandboxServer(world) as server,
        open_transport(access_to(server, tmp_path)) as transport,
    ):
        assert transport.account.is_bot


async def test_a_connection_is_kept_alive_whatever_the_configuration(tmp_path: Path) -> None:
    world = NewerWorld()
    world.unreadable = (functions.help.GetConfigRequest,)
    async with (
        SandboxServer(world) as server,
        open_account(access_to(server, tmp_path)) as opener,
    ):
        await opener.login(None)
        client = await opener.connect()
        assert not client._keepalive_handle.done()  # it sends a ping each minute
        await disconnect(client)


async def test_whoever_cannot_be_read_is_no_bug_and_shows_no_bytes(tmp_path: Path) -> None:
    world = NewerWorld()
    async with SandboxServer(world) as server:
        access = access_to(server, tmp_path)
        async with open_transport(access):
            pass
        world.unreadable = (functions.users.GetUsersRequest,)
        with pytest.raises(UnreadableAnswerError) as raised:
            async with open_transport(access):
                pass
    shown = "".join(traceback.format_exception(raised.value))
    assert "34600" not in shown
    assert "Update broadcast" in str(raised.value)


async def test_a_key_exchange_that_telethon_got_wrong_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, tries = authenticator.Factorization.factorize, 0

    def wrong_at_first(pq: int) -> tuple[int, int]:
        nonlocal tries
        tries += 1
        return (1, pq) if tries < 3 else right(pq)

    monkeypatch.setattr(authenticator.Factorization, "factorize", wrong_at_first)
    async with SandboxServer(World()) as server:
        async with open_account(access_to(server, tmp_path)) as opener:
            assert (await opener.login(None)).is_bot
        assert tries == 3
        tries = -100
        other = replace(access_to(server, tmp_path), session=tmp_path / "other.session")
        with pytest.raises(HaltedError, match="cannot be reached"):
            async with open_account(other) as opener:
                await opener.login(None)


async def test_a_session_that_another_program_holds_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def impatient(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return connect(*arguments, **{**options, "timeout": 0.0})

    async with SandboxServer(World()) as server:
        access = access_to(server, tmp_path)
        async with open_account(access) as opener:
            await opener.login(None)
        monkeypatch.setattr(sqlite3, "connect", impatient)  # Telethon waits for five seconds
        with closing(connect(access.session)) as other:
            async with open_account(access) as opener:
                other.execute("BEGIN EXCLUSIVE")
                with pytest.raises(LockedError, match="another program holds"):
                    await opener.signed_in()
            with pytest.raises(LockedError, match="another program holds"):
                async with open_account(access):
                    pass


async def test_a_session_that_cannot_be_written_is_no_bug(tmp_path: Path) -> None:
    async with SandboxServer(World()) as server:
        access = access_to(server, tmp_path)
        async with open_account(access) as opener:
            await opener.login(None)
        with closing(sqlite3.connect(access.session)) as file, file:
            file.execute(
                "CREATE TRIGGER full BEFORE INSERT ON sessions "
                "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            )
        async with open_account(access) as opener:
            with pytest.raises(HaltedError, match="cannot be written") as raised:
                await opener.signed_in()
    assert str(access.session) in str(raised.value)
