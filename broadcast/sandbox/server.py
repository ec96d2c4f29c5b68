"""The socket of the sandbox: a thin shell around protocol.py and a world. Never leaves loopback.

Everything that Telegram knows is in the world, everything that MTProto demands in the protocol.
Here bytes are carried between the two, and what changed is in the journal before any answer leaves.
"""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol, Self, cast

from broadcast.core.errors import SettingsError
from broadcast.sandbox.crypto import ServerKey
from broadcast.sandbox.protocol import Closed, Connection, KeyCreated
from broadcast.sandbox.session import Request
from broadcast.sandbox.world import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from types import TracebackType

    from telethon.tl import TLRequest

    from broadcast.sandbox.journal import Journal, Record

_log = logging.getLogger(__name__)

_READ_SIZE = 2**16


class World(Protocol):
    """What the server needs of the pretend Telegram (world.py)."""

    address: tuple[str, int]  # help.getConfig tells it; the server sets it once it listens

    def call(self, key_id: int, request: TLRequest, now: float) -> object:
        """Give the result of a request, or raise RpcError."""
        ...

    def drain(self) -> list[Record]:
        """Hand over the records of what changed since the last time."""
        ...

    def apply(self, record: Record) -> None:
        """Make one recorded change again."""
        ...


class SandboxServer:
    """A Telegram on `host`:`port`, while in its `async with`. Port 0 lets the system choose.

    `keys` are the auth keys by their ids: pass the same mapping to let clients stay signed in over
    a restart without a journal. With a `journal`, which must be open, keys and world are restored
    from it on entering. `clock` is unix time. Raises SettingsError when `host` is not loopback, or
    the port cannot be had.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: ServerKey | None = None,
        keys: MutableMapping[int, bytes] | None = None,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.world = world
        self.host = _loopback(host)
        self.port = port
        self.key = ServerKey.default() if key is None else key
        self._keys: MutableMapping[int, bytes] = {} if keys is None else keys
        self._journal = journal
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._listener: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_closing = False

    @property
    def address(self) -> str:
        """Where it listens: `127.0.0.1:40801`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        self._restore()
        try:
            self._listener = await asyncio.start_server(
                self._accept, self.host, self.port, start_serving=False
            )
        except OSError as error:
            raise SettingsError(
                f"the sandbox cannot listen on {self.address}: {error.strerror}"
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]
        self.world.address = (self.host, self.port)
        await self._tasks.__aenter__()
        await self._listener.start_serving()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing = True
        self._listener.close()
        self.drop_connections()
        # The group hears of a cancellation only, which may be its own doing. Any other error of the
        # caller's block goes on as itself, and not inside an ExceptionGroup.
        if isinstance(error, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)
        await self._listener.wait_closed()

    def drop_connections(self) -> None:
        """Cut every connection at once, without a word, as a network does that goes away."""
        for writer in self._writers:
            cast("asyncio.Transport", writer.transport).abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_closing:  # it was on its way when the listener closed
            cast("asyncio.Transport", writer.transport).abort()
            return
        self._writers.add(writer)
        task = self._tasks.create_task(self._serve(reader, writer))
        task.add_done_callback(lambda _: self._writers.discard(writer))

    def _restore(self) -> None:
        if self._journal is None:
            return
        for line, record in enumerate(self._journal.replay(), start=1):
            try:
                if record.get("t") == "key":
                    key = bytes.fromhex(cast("str", record["key"]))
                    self._keys[cast("int", record["id"])] = key
                else:
                    self.world.apply(record)
            except (LookupError, TypeError, ValueError) as error:
                raise SettingsError(
                    f"{self._journal.path}:{line}: this record of the sandbox cannot be replayed "
                    f"({error}): move the file away to start with an empty sandbox"
                ) from error

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Look after one client until it goes, breaks the protocol or the server closes."""
        connection = Connection(self.key, self._keys, os.urandom)
        is_open = True
        try:
            while is_open and (data := await reader.read(_READ_SIZE)):
                is_open = self._take(connection, data)
                writer.write(connection.data_to_send(self._clock()))
                await writer.drain()
        except ConnectionError as error:
            _log.debug("a client is gone: %s", error)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _take(self, connection: Connection, data: bytes) -> bool:
        """Do what the bytes ask for, and queue the answers; False when the client must go."""
        now = self._clock()
        changes: list[Record] = []
        is_open = True
        for event in connection.receive(data, now):
            match event:
                case Request():
                    self._answer(connection, event, now)
                case KeyCreated():
                    changes.append({"t": "key", "id": event.key_id, "key": event.auth_key.hex()})
                case Closed():
                    _log.info("hanging up on a client: %s", event.reason)
                    is_open = False
        changes += self.world.drain()
        if changes and self._journal is not None:
            self._journal.append(changes)
        return is_open

    def _answer(self, connection: Connection, request: Request, now: float) -> None:
        """Let the world answer one request. Faults that tests ask for belong around this."""
        try:
            connection.answer(request, self.world.call(request.key_id, request.body, now))
        except RpcError as error:
            connection.fail(request, error.code, error.name)
        except Exception:  # noqa: BLE001 - the edge: an odd request must not take the others down
            _log.exception("the sandbox failed to answer %s", type(request.body).__name__)
            connection.fail(request, 500, "INTERNAL")


def _loopback(host: str) -> str:
    """Check that only this machine can connect: the server's key is public, it protects nothing."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingsError(
            f"the sandbox listens on this machine only, {host} is not loopback: use 127.0.0.1"
        )
    return host
