"""The one place that leans on Telethon's inside, for what a message costs; it decides nothing.

Measured at 5,000 messages (benchmarks/README.md): `client(request)` costs 80 µs and more a message,
and, worse, its memory grows: Telethon queues every answer as an update, also with
`receive_updates=False`, and its update loop does not keep up. This module serialises a text once,
puts peer and random_id into the bytes, and hands them to Telethon's own sender.

With another version of Telethon than the tested one `wire_of` answers None, and everything goes the
public way. tests/transport/test_wire.py holds both ways to the same bytes and the same outcomes.
"""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from telethon import version
from telethon.network.requeststate import RequestState
from telethon.tl import TLRequest, functions, types

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable, Sequence

    from telethon import TelegramClient
    from telethon.extensions import BinaryReader

    from broadcast.transport.addresses import Address

TESTED_VERSION = "1.45.0"

# What stands in a request for the peer and the random_ids: bytes that stand in no UTF-8 text.
_MARK = struct.unpack("<q", b"\xff\xfe" * 4)[0]
_NOBODY = types.InputPeerUser(_MARK, _MARK)
_PEER = struct.Struct("<Iqq")
GATHER = 0.003
"""Seconds for which a request waits for others. At 100 under way most of them share a container."""

_SHORT_ANSWER = types.UpdateShortSentMessage.CONSTRUCTOR_ID


class Template:
    """A request serialised once: only the peer and the random_ids differ.

    `make` builds it from an input peer and `count` random_ids.
    """

    def __init__(self, make: Callable[[Any, Sequence[int]], TLRequest], count: int = 1) -> None:
        marks = [_MARK - 1 - index for index in range(count)]
        whole = bytes(functions.InvokeWithoutUpdatesRequest(make(_NOBODY, marks)))
        slots = [bytes(_NOBODY), *(_number(mark) for mark in marks)]
        places = sorted((whole.index(slot), index) for index, slot in enumerate(slots))
        self._pieces: list[bytes] = []
        self._order = [index for _, index in places]
        start = 0
        for place, index in places:
            self._pieces.append(whole[start:place])
            start = place + len(slots[index])
        self._tail = whole[start:]

    def fill(self, peer: bytes, random_ids: Sequence[int]) -> bytes:
        """The bytes of the request to `peer`, a serialised InputPeer."""
        values = [peer, *map(_number, random_ids)]
        filled: list[bytes] = []
        for piece, index in zip(self._pieces, self._order, strict=True):
            filled += (piece, values[index])
        filled.append(self._tail)
        return b"".join(filled)


def _number(random_id: int) -> bytes:
    return random_id.to_bytes(8, "little", signed=True)


def peer_bytes(address: Address) -> bytes:
    """`address` as a serialised InputPeer."""
    match address.kind:
        case "user":
            return _PEER.pack(types.InputPeerUser.CONSTRUCTOR_ID, address.id, address.access_hash)
        case "channel":
            return _PEER.pack(
                types.InputPeerChannel.CONSTRUCTOR_ID, address.id, address.access_hash
            )
        case _:
            return bytes(address.input_peer())


class ShortAnswer:
    """What is read of an UpdateShortSentMessage: the id of the message."""

    __slots__ = ("id",)

    def __init__(self, number: int) -> None:
        self.id = number


class _Request(TLRequest):
    """Bytes that are a request already."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data

    @staticmethod
    def read_result(reader: BinaryReader) -> Any:
        """The first answer to a user is short, and only its id is of interest."""
        constructor = reader.read_int(signed=False)
        if constructor == _SHORT_ANSWER:
            reader.read_int()  # flags
            return ShortAnswer(reader.read_int())
        reader.seek(-4)
        return reader.tgread_object()


class _Nowhere:
    """Takes the place of Telethon's queue of updates."""

    def put_nowait(self, _: object) -> None:
        """Forget it: nobody reads updates here."""


class Wire:
    """Sends serialised requests through the sender of a connected client."""

    def __init__(self, client: TelegramClient) -> None:
        self._sender: Any = client._sender  # noqa: SLF001 - what this module is for
        self._sender._updates_queue = _Nowhere()  # noqa: SLF001
        self._loop = client.loop
        self._gathered: list[RequestState] = []

    def send(self, data: bytes) -> Future[Any]:
        """Queue a request; the future ends with its answer, or is cancelled with the connection.

        Requests that come within GATHER seconds leave together, as one container: encrypting,
        sending and being answered cost as much for a hundred as for one. Raises ConnectionError
        when the client is not connected any more.
        """
        if not self._sender._user_connected:  # noqa: SLF001
            raise ConnectionError("Cannot send requests while disconnected")
        state = RequestState(_Request(data))
        if not self._gathered:
            self._loop.call_later(GATHER, self._leave)
        self._gathered.append(state)
        return state.future

    def _leave(self) -> None:
        self._sender._send_queue.extend(self._gathered)  # noqa: SLF001
        self._gathered.clear()


class TimeLimits:
    """Cancels futures that take longer than `seconds`: one timer for all, not one for each."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[Future[Any], float] = {}  # in the order of their ends
        self._over: set[Future[Any]] = set()
        self._has_timer = False

    def watch(self, future: Future[Any]) -> None:
        """From now on `future` has `seconds` left."""
        loop = future.get_loop()
        self._ends[future] = loop.time() + self._seconds
        if not self._has_timer:
            self._has_timer = True
            loop.call_later(self._seconds, self._sweep, loop)

    def is_over(self, future: Future[Any]) -> bool:
        """Whether `future` was cancelled by its limit."""
        return future in self._over

    def forget(self, future: Future[Any]) -> None:
        """`future` has ended."""
        self._ends.pop(future, None)
        self._over.discard(future)

    def cancel_all(self) -> None:
        """Cancel whatever is watched, and not because of its limit: its connection is gone."""
        for future in list(self._ends):
            future.cancel()

    def _sweep(self, loop: AbstractEventLoop) -> None:
        now = loop.time()
        for future, end in list(self._ends.items()):
            if end > now:
                loop.call_at(end, self._sweep, loop)
                return
            del self._ends[future]
            self._over.add(future)
            future.cancel()
        self._has_timer = False


def wire_of(client: TelegramClient) -> Wire | None:
    """The short way for `client`; None when its inside is not the one that was tested."""
    return Wire(client) if version.__version__ == TESTED_VERSION else None
