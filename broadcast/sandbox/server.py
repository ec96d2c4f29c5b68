"""The socket of the sandbox: a thin shell around protocol.py and a world. Never leaves loopback.

Everything that Telegram knows is in the world, everything that MTProto demands in the protocol.
Here bytes are carried between the two, and what changed is in the journal before any answer leaves.
What goes wrong on purpose is decided in faults.py and done here, around `_answer`.
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
from broadcast.sandbox.faults.decision import AS_USUAL, COUNTED, Action, Decider, Ending
from broadcast.sandbox.faults.switches import Faults
from broadcast.sandbox.protocol.connection import Closed, Connection, KeyCreated
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox.protocol.session import Request
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from pathlib import Path
    from types import TracebackType

    from telethon.tl import TLRequest

    from broadcast.sandbox.journal import Journal, Record
    from broadcast.sandbox.memory.arrived import Delivered

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

    def discard(self) -> None:
        """Forget what changed since the last time: there is no journal."""
        ...

    def apply(self, record: Record) -> None:
        """Make one recorded change again."""
        ...

    def keep_files(self, directory: Path) -> None:
        """Keep the uploaded files below this directory, beside the journal."""
        ...

    def repeats(self, key_id: int, request: TLRequest) -> Delivered | None:
        """Find the message that a request sends once more; asked only while a fault needs it."""
        ...


class _DroppedError(Exception):
    """The connection is to be cut now, without an answer to the request at hand."""


class SandboxServer:
    """A Telegram on `host`:`port`, while in its `async with`. Port 0 lets the system choose.

    `keys` are the auth keys by their ids: pass the same mapping to let clients stay signed in over
    a restart without a journal. With a `journal`, which must be open, keys and world are restored
    from it on entering. `clock` is unix time. `faults` may also be set while it runs, from the
    event loop that it runs on. Raises SettingsError when `host` is not loopback, or the port cannot
    be had.
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
        faults: Faults | None = None,
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
        self._writers: dict[Connection, asyncio.StreamWriter] = {}
        self._is_closing = False
        self._new_keys: list[Record] = []
        self._schedule: Decider | None = None
        self._thawed = asyncio.Event()
        self._thawing: asyncio.TimerHandle | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._refuses_until = 0.0
        self.faults = faults or Faults()

    @property
    def address(self) -> str:
        """Where it listens: `127.0.0.1:40801`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def faults(self) -> Faults:
        """What goes wrong. Setting it starts the counts anew, and ends whatever lasts."""
        return self._schedule.faults if self._schedule else Faults()

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._schedule = None if faults == Faults() else Decider(faults)
        self._refuses_until = 0.0
        self._thaw()

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
        for task in self._late:
            task.cancel()
        self._thaw()
        # The group hears of a cancellation only, which may be its own doing. Any other error of the
        # caller's block goes on as itself, and not inside an ExceptionGroup.
        if isinstance(error, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)
        await self._listener.wait_closed()

    def drop_connections(self) -> None:
        """Cut every connection at once, without a word, as a network does that goes away."""
        for writer in self._writers.values():
            _abort(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The first may have been on its way when the listener closed.
        if self._is_closing or self._refuses_until > asyncio.get_running_loop().time():
            _abort(writer)
            return
        connection = Connection(self.key, self._keys, os.urandom)
        self._writers[connection] = writer
        task = self._tasks.create_task(self._serve(connection, reader, writer))
        task.add_done_callback(lambda _: self._writers.pop(connection))

    def _restore(self) -> None:
        if self._journal is None:
            return
        self.world.keep_files(files_beside(self._journal.path))
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

    async def _serve(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Look after one client until it goes, breaks the protocol or the server closes."""
        is_open = True
        try:
            while is_open and (data := await reader.read(_READ_SIZE)):
                await self._thawed.wait()
                is_open = await self._take(connection, data)
                writer.write(connection.data_to_send(self._clock()))
                await writer.drain()
        except ConnectionError as error:
            _log.debug("a client is gone: %s", error)
        except _DroppedError:
            self._save()
            writer.write(connection.data_to_send(self._clock()))  # what was answered before
            _abort(writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _take(self, connection: Connection, data: bytes) -> bool:
        """Do what the bytes ask for, and queue the answers; False when the client must go."""
        now = self._clock()
        is_open = True
        for event in connection.receive(data, now):
            match event:
                case Request():
                    self._answer(connection, event, now)
                    if not self._thawed.is_set():
                        self._save()
                        await self._thawed.wait()
                case KeyCreated():
                    self._new_keys.append(
                        {"t": "key", "id": event.key_id, "key": event.auth_key.hex()}
                    )
                case Closed():
                    _log.info("hanging up on a client: %s", event.reason)
                    is_open = False
        self._save()
        return is_open

    def _save(self) -> None:
        """Write down what changed: no answer leaves before."""
        if self._journal is None:
            self.world.discard()
            self._new_keys.clear()
            return
        changes = self._new_keys + self.world.drain()
        self._new_keys.clear()
        if changes:
            self._journal.append(changes)

    def _answer(self, connection: Connection, request: Request, now: float) -> None:
        """Let the world answer one request, with the faults that are switched on.

        Raises _DroppedError when the connection is to be cut instead.
        """
        if self._schedule is None:
            self._reply(connection, request, self._result(request, now))
            return
        action = self._action(request, now)
        result = self._result(request, now) if action.is_done else None
        if action.error:
            result = RpcError(*action.error)
        if action.freeze:
            self._freeze(action.freeze)
        if action.refuse:
            self._refuses_until = asyncio.get_running_loop().time() + action.refuse
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

    def _action(self, request: Request, now: float) -> Action:
        schedule = self._schedule
        if schedule is None or not isinstance(request.body, COUNTED):
            return AS_USUAL
        repeated = None
        if schedule.wants_repeats:
            with suppress(RpcError):  # the world will say it again
                repeated = self.world.repeats(request.key_id, request.body)
        return schedule.next(now, repeated)

    def _result(self, request: Request, now: float) -> object:
        """Ask the world; an RpcError is a result like any other."""
        try:
            return self.world.call(request.key_id, request.body, now)
        except RpcError as error:
            return error
        except Exception:  # noqa: BLE001 - the edge: an odd request must not take the others down
            _log.exception("the sandbox failed to answer %s", type(request.body).__name__)
            return RpcError(500, "INTERNAL")

    def _reply(self, connection: Connection, request: Request, result: object) -> None:
        try:
            if isinstance(result, RpcError):
                connection.fail(request, result.code, result.name)
            else:
                connection.answer(request, result)
        except Exception:  # noqa: BLE001 - the edge: what cannot be written is our mistake, too
            _log.exception("the sandbox failed to answer %s", type(request.body).__name__)
            connection.fail(request, 500, "INTERNAL")

    async def _reply_late(
        self, seconds: float, connection: Connection, request: Request, result: object
    ) -> None:
        await asyncio.sleep(seconds)
        await self._thawed.wait()
        writer = self._writers.get(connection)
        if writer is not None and not writer.is_closing():
            self._reply(connection, request, result)
            writer.write(connection.data_to_send(self._clock()))

    def _freeze(self, seconds: float) -> None:
        self._thawed.clear()
        self._thawing = asyncio.get_running_loop().call_later(seconds, self._thaw)

    def _thaw(self) -> None:
        if self._thawing is not None:
            self._thawing.cancel()
            self._thawing = None
        self._thawed.set()


def files_beside(journal: Path) -> Path:
    """Where the files are that were uploaded to a sandbox with this journal."""
    return journal.with_name(f"{journal.name}.files")


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
