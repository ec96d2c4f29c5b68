"""The sandbox in a thread of this process: tests look into it, and break it at will."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from telethon.tl import TLRequest, functions

from broadcast.core.clock import SystemClock
from broadcast.core.peers import parse_peer
from broadcast.sandbox.journal import Journal
from broadcast.sandbox.limits import Limits
from broadcast.sandbox.limits.token_buckets import Traffic
from broadcast.sandbox.memory.arrived import Delivered
from broadcast.sandbox.people import phonebook
from broadcast.sandbox.protocol.connection import Connection
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox.protocol.server_session import Request
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World
from tests.e2e.child import BOUND

T = TypeVar("T")

PHONE = "+34600000000"
PHONE_WITH_PASSWORD = "+34600000002"  # noqa: S105 - docs/sandbox.md: ends in 0002
CODE, PASSWORD = "12345", "sandbox"  # docs/sandbox.md
BOT_TOKEN = "123456:" + "A" * 35
API = {"TELEGRAM_API_ID": "1", "TELEGRAM_API_HASH": "sandbox"}


SENDING = (
    functions.messages.SendMessageRequest,
    functions.messages.SendMediaRequest,
    functions.messages.SendMultiMediaRequest,
    functions.messages.ForwardMessagesRequest,
)


class Silence(BaseException):
    """No answer. Not an Exception: those the server answers."""


class WatchedWorld(World):
    """A world that does something at the nth message: `at[100] = server.drop_connections`.

    It is done after the message was stored and before its answer leaves: the moment in which
    nobody but the sandbox knows that the message has arrived. `before` sees every request of every
    login first, and may raise Silence.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sends = 0
        self.at: dict[int, Callable[[], None]] = {}
        self.before: Callable[[int, TLRequest], None] = lambda _, __: None

    def call(self, key_id: int, request: TLRequest, now: float) -> Any:
        self.before(key_id, request)
        answer = super().call(key_id, request, now)
        if isinstance(request, SENDING):
            self.sends += 1
            self.at.pop(self.sends, lambda: None)()
        return answer


class Server(SandboxServer):
    """A server that may leave a request without an answer."""

    def _answer(self, connection: Connection, request: Request, now: float) -> None:
        with suppress(Silence):
            super()._answer(connection, request, now)


class ShiftedClock(SystemClock):
    """A clock that is `shift` seconds ahead of this machine's."""

    shift = 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.shift)


class Telegram:
    """A sandbox on its own thread and event loop, at the same port from first to last."""

    def __init__(self, directory: Path, *, key: ServerKey | None = None) -> None:
        self.world = WatchedWorld(limits=Limits.none())
        self.clock = ShiftedClock()
        self.accepted = threading.Event()  # it listens
        self.away = threading.Event()  # it does not
        self.server: Server
        self._key = key
        self._keys: dict[int, bytes] = {}
        self._directory = directory
        # Bound and never listening: nobody else gets this port while the server is away, and
        # whoever connects then is refused.
        self._port = free_port()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._loop: asyncio.AbstractEventLoop
        self._leave: asyncio.Event
        self._return: asyncio.Event
        self._is_ending = False

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._leave, self._return = asyncio.Event(), asyncio.Event()
        while not self._is_ending:
            self._leave.clear()
            async with Server(
                self.world,
                port=self.port,
                key=self._key,
                keys=self._keys,
                clock=self.clock,
            ) as self.server:
                self._return.clear()
                self.away.clear()
                self.accepted.set()
                await self._leave.wait()
            self.accepted.clear()
            self.away.set()
            if not self._is_ending:
                await self._return.wait()

    def limit(self, **limits: Any) -> None:
        """Allow no more than these limits from now on."""

        def change() -> None:
            state = self.world._state
            state.limits = replace(Limits.none(), **limits)
            state.traffic = Traffic(state.limits)

        self.inside(change)

    def go_away(self) -> None:
        """Cut all connections and refuse new ones. Also from within, at a request."""
        self._loop.call_soon_threadsafe(self._leave.set)
        if threading.current_thread() is not self._thread:
            assert self.away.wait(BOUND)

    def come_back(self) -> None:
        """Listen again, at the same port and with the same memory."""
        self._loop.call_soon_threadsafe(self._return.set)
        assert self.accepted.wait(BOUND)

    def drop_connections(self) -> None:
        """Cut every connection, from within."""
        self.server.drop_connections()

    def fall_silent(self) -> None:
        """Answer nothing any more."""

        def be_silent(_key_id: int, _request: TLRequest) -> None:
            raise Silence

        self.world.before = be_silent

    def end_sessions(self) -> None:
        """Sign everybody out, as a person does from another device."""
        logins = [record for record in self.inside(self.world.dump) if record["t"] == "login"]
        for login in logins:
            self.inside(lambda key=login["key"]: self.world.apply({"t": "logout", "key": key}))

    def inside(self, function: Callable[[], T]) -> T:
        """Call `function` on the sandbox's own thread."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(BOUND)

    def received(self) -> list[Delivered]:
        """Every message that arrived, oldest first."""
        return self.inside(lambda: list(self.world.inbox()))

    @property
    def port(self) -> int:
        """Where it listens."""
        return port_of(self._port)

    @property
    def server_env(self) -> dict[str, str]:
        """How to find the server, without saying who signs in."""
        key_file = self._directory / "server.pem"
        key_file.write_text((self._key or ServerKey.default()).public_pem(), encoding="ascii")
        return {
            **API,
            "TELEGRAM_SERVER": f"127.0.0.1:{self.port}",
            "TELEGRAM_SERVER_KEY": str(key_file),
        }

    @property
    def bot_env(self) -> dict[str, str]:
        """The settings of a bot, which signs in without questions."""
        return self.server_env | {"TELEGRAM_BOT_TOKEN": BOT_TOKEN}

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.accepted.wait(BOUND)
        return self

    def __exit__(self, *_: object) -> None:
        def end() -> None:
            self._is_ending = True
            self._leave.set()
            self._return.set()

        self._loop.call_soon_threadsafe(end)
        self._thread.join(BOUND)
        self._port.close()
        assert not self._thread.is_alive(), "the sandbox does not end"


def free_port() -> socket.socket:
    """A port that is ours and that refuses connections; others who reuse addresses may listen."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.bind(("127.0.0.1", 0))
    return own


def port_of(own: socket.socket) -> int:
    return own.getsockname()[1]


def in_journal(home: Path) -> list[Delivered]:
    """What the sandbox below `home` has received, by its own record on disk."""
    world, path = World(), home / "sandbox" / "journal.jsonl"
    for record in Journal(path).replay() if path.exists() else ():
        if record.get("t") != "key":
            world.apply(record)
    return list(world.inbox())


def id_of(peer: str) -> int:
    """The sandbox's id of a peer of the contact list."""
    entry = phonebook.by_peer(parse_peer(peer))
    assert entry is not None
    return entry.id


class CuttingProxy:
    """Stands before a server and cuts each connection after so many bytes of answers.

    `limits` are those of the connections to come, in order; when they are used up it cuts nothing.
    """

    def __init__(self, target: int) -> None:
        self.limits: list[int] = []
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = port_of(self._listener)
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # one of the two is closed
                return
            limit = self.limits.pop(0) if self.limits else None
            self._sockets += [client, server]
            self._start(_carry, client, server, None)
            self._start(_carry, server, client, limit)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _hang_up(self._listener)
        self._listener.close()
        self._threads[0].join(BOUND)
        for end in self._sockets:
            _hang_up(end)
        for thread in self._threads:
            thread.join(BOUND)
            assert not thread.is_alive()
        for end in self._sockets:
            end.close()


def _carry(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    left = limit
    with suppress(OSError):
        while (left is None or left > 0) and (data := source.recv(2**14)):
            target.sendall(data[:left])
            left = None if left is None else left - len(data)
    _hang_up(source)
    _hang_up(target)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
