"""The socket of the sandbox: bytes between clients and what answers them; on loopback only.

Everything that Telegram knows is in world/, everything that MTProto demands in protocol/. faults/
decides what goes wrong on purpose; it is done here, in `_answer`.
"""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import errno
import logging
import os
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self, cast

from broadcast.core.clock import Clock, SystemClock
from broadcast.core.errors import SettingsError
from broadcast.sandbox.answering import Answering, WorldPort, failed_to_answer
from broadcast.sandbox.faults.decision import Ending
from broadcast.sandbox.faults.in_effect import FaultsInEffect
from broadcast.sandbox.faults.switches import Faults
from broadcast.sandbox.protocol.connection import Closed, Connection, KeyCreated
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox.protocol.server_session import Request
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

    from broadcast.sandbox.journal import Journal

_log = logging.getLogger(__name__)

_READ_SIZE = 2**16


class _DroppedError(Exception):
    """The connection is to be cut now, without an answer to the request at hand."""


class SandboxServer:
    """A Telegram on `host`:`port`, while in its `async with`. Port 0 takes a free one.

    `keys` are the auth keys by their ids: pass the same mapping to let clients stay signed in over
    a restart without a journal. With a `journal`, which must be open, keys and world are restored
    from it on entering. `clock` is the machine's unless another is given. `faults` may also be set
    while it runs, from the event loop that it runs on. Raises SettingsError when `host` is not
    loopback, or the port cannot be had.
    """

    def __init__(
        self,
        world: WorldPort,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: ServerKey | None = None,
        keys: MutableMapping[int, bytes] | None = None,
        journal: Journal | None = None,
        faults: Faults | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.world = world
        self.host = _loopback(host)
        self.port = port
        self.key = ServerKey.default() if key is None else key
        self._clock = clock or SystemClock()
        self._answering = Answering(world, journal, {} if keys is None else keys)
        self._faults = FaultsInEffect(faults or Faults(), self._clock)
        self._tasks = asyncio.TaskGroup()
        self._listener: asyncio.Server
        self._writers: dict[Connection, asyncio.StreamWriter] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._is_closing = False

    @property
    def address(self) -> str:
        """Where it listens: `127.0.0.1:40801`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def faults(self) -> Faults:
        """What goes wrong. Setting it starts counting again, and ends a freeze or a refusal."""
        return self._faults.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults.switch(faults)

    async def __aenter__(self) -> Self:
        self._answering.restore()
        try:
            self._listener = await asyncio.start_server(
                self._accept, self.host, self.port, start_serving=False
            )
        except OSError as error:
            taken = "another program does. Take another port, or 0 for any that is free"
            why = taken if error.errno == errno.EADDRINUSE else error.strerror
            raise SettingsError(f"the sandbox cannot listen on {self.address}: {why}") from error
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
        for task in self._late:
            task.cancel()
        self._faults.thaw()
        # The group hears of a cancellation only, which may be its own doing. Any other error of the
        # caller's block goes on as itself, and not inside an ExceptionGroup.
        if isinstance(error, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)
        await self._listener.wait_closed()

    def drop_connections(self) -> None:
        """Cut every connection at once, without a goodbye, like a network that fails."""
        for writer in self._writers.values():
            _abort(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The first may have been on its way when the listener closed.
        if self._is_closing or self._faults.refuses_connections:
            _abort(writer)
            return
        connection = Connection(self.key, self._answering.keys, os.urandom)
        self._writers[connection] = writer
        task = self._tasks.create_task(self._serve(connection, reader, writer))
        task.add_done_callback(lambda _: self._writers.pop(connection))

    async def _serve(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one client until it leaves, breaks the protocol or the server closes."""
        is_open = True
        try:
            while is_open and (data := await reader.read(_READ_SIZE)):
                await self._faults.wait_until_thawed()
                is_open = await self._take(connection, data)
                writer.write(connection.data_to_send(self._now()))
                await writer.drain()
        except ConnectionError as error:
            _log.debug("a client is gone: %s", error)
        except _DroppedError:
            self._answering.save()
            writer.write(connection.data_to_send(self._now()))  # what was answered before
            _abort(writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _take(self, connection: Connection, data: bytes) -> bool:
        """Do what the bytes ask for, and queue the answers; False when the client must go."""
        now = self._now()
        is_open = True
        for event in connection.receive(data, now):
            match event:
                case Request():
                    self._answer(connection, event, now)
                    if self._faults.is_frozen:
                        self._answering.save()
                        await self._faults.wait_until_thawed()
                case KeyCreated():
                    self._answering.note_key(event.key_id, event.auth_key)
                case Closed():
                    _log.info("hanging up on a client: %s", event.reason)
                    is_open = False
        self._answering.save()
        return is_open

    def _answer(self, connection: Connection, request: Request, now: float) -> None:
        """Let the world answer one request, with the faults that are switched on.

        Raises _DroppedError when the connection is to be cut instead.
        """
        key_id, body = request.key_id, request.body
        if self._faults.are_off:
            self._reply(connection, request, self._answering.result(key_id, body, now))
            return
        action = self._faults.action(body, now, lambda: self._answering.repeated(key_id, body))
        result = self._answering.result(key_id, body, now) if action.is_done else None
        if action.error:
            result = RpcError(*action.error)
        if action.freeze:
            self._faults.freeze(action.freeze)
        if action.refuse:
            self._faults.refuse_connections(action.refuse)
            self.drop_connections()
        if action.ending is Ending.DROPPED:
            raise _DroppedError
        if action.ending is Ending.ANSWERED and action.late:
            task = self._tasks.create_task(
                self._reply_late(action.late, connection, request, result)
            )
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        elif action.ending is Ending.ANSWERED:
            self._reply(connection, request, result)

    def _reply(self, connection: Connection, request: Request, result: object) -> None:
        try:
            if isinstance(result, RpcError):
                connection.fail(request, result.code, result.name)
            else:
                connection.answer(request, result)
        except Exception:  # noqa: BLE001 - the edge: what cannot be written is our mistake, too
            error = failed_to_answer(request.body)
            connection.fail(request, error.code, error.name)

    async def _reply_late(
        self, seconds: float, connection: Connection, request: Request, result: object
    ) -> None:
        await asyncio.sleep(seconds)
        await self._faults.wait_until_thawed()
        writer = self._writers.get(connection)
        if writer is not None and not writer.is_closing():
            self._reply(connection, request, result)
            writer.write(connection.data_to_send(self._now()))

    def _now(self) -> float:
        return self._clock.utc().timestamp()


def _abort(writer: asyncio.StreamWriter) -> None:
    cast("asyncio.Transport", writer.transport).abort()


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
