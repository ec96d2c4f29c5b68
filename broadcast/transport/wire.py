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
from typing import TYPE_CHECKING, Any, Self

from telethon import errors, version
from telethon.network.requeststate import RequestState
from telethon.tl import TLRequest, functions, types

from broadcast.core.model import Sent
from broadcast.transport.translate import NO_ANSWER, NOT_CONNECTED, outcome_of

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Sequence

    from telethon import TelegramClient
    from telethon.extensions import BinaryReader

    from broadcast.core.model import Outcome
    from broadcast.transport.addresses import Address

TESTED_VERSION = "1.45.0"

# What stands in a request for the peer and the random_ids: bytes that stand in no UTF-8 text.
_MARK = struct.unpack("<q", b"\xff\xfe" * 4)[0]
_NOBODY = types.InputPeerUser(_MARK, _MARK)
_PEER = struct.Struct("<Iqq")
# An UpdateShortSentMessage begins with its constructor, its flags and the id of the message.
_SHORT_ANSWER = struct.pack("<I", types.UpdateShortSentMessage.CONSTRUCTOR_ID)
_ID = struct.Struct("<8xi")


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


def message_ids_of(answer: Any, numbers: Sequence[int]) -> list[int]:
    """The ids of the messages that `numbers`, their random_ids, made; empty when none is told.

    The first send to a user is answered by UpdateShortSentMessage, a repeat and any send to a
    chat by Updates: https://core.telegram.org/api/updates
    """
    if isinstance(answer, types.UpdateShortSentMessage):
        return [answer.id]
    told = {
        update.random_id: update.id
        for update in getattr(answer, "updates", ())
        if isinstance(update, types.UpdateMessageID)
    }
    return [told[number] for number in numbers if number in told]


class Try(TLRequest):
    """One try to send one message. It is what Telethon calls a request, its state and its future.

    One object instead of three, and none but `answer`, the outcome, wakes anybody up.
    """

    after = container_id = msg_id = None

    def __init__(
        self,
        data: bytes,
        random_id: int,
        answer: Future[Outcome],
        until: float,
        under_way: dict[Future[Outcome], Try],
    ) -> None:
        self.data, self.random_id, self.answer, self.until = data, random_id, answer, until
        self._under_way = under_way
        under_way[answer] = self

    @property
    def request(self) -> Self:
        """What Telethon asks of the state of a request."""
        return self

    future = request

    def read_result(self, reader: BinaryReader) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Of a short answer only the id is of interest, and it is at a fixed place."""
        if reader.stream.startswith(_SHORT_ANSWER, reader.position):
            self._end(Sent(*_ID.unpack_from(reader.stream, reader.position)))
        else:
            ids = message_ids_of(reader.tgread_object(), [self.random_id])
            self._end(Sent(ids[0] if ids else None))
        return self

    def cancelled(self) -> bool:
        """What Telethon asks a future before it sets a result."""
        return self.answer.done()

    done = cancelled

    def set_result(self, _: Self) -> None:
        """See `read_result`."""

    def set_exception(self, error: Exception) -> None:
        """Telegram has refused it, or nobody knows."""
        if isinstance(error, (errors.TypeNotFoundError, BufferError)):
            self._end(Sent())  # no error, so accepted; Telethon cannot read what else it says
        else:
            self._end(outcome_of(error))

    def cancel(self) -> None:
        """The connection has ended."""
        self._end(NOT_CONNECTED)

    def expire(self) -> None:
        """No answer has come in time."""
        self._end(NO_ANSWER)

    def _end(self, outcome: Outcome) -> None:
        self._under_way.pop(self.answer, None)
        if not self.answer.done():
            self.answer.set_result(outcome)


class _Nowhere:
    """Takes the place of Telethon's queue of updates."""

    def put_nowait(self, _: object) -> None:
        """Forget it: nobody reads updates here."""


class Wire:
    """Sends serialised requests through the sender of a connected client.

    What is sent in one turn of the event loop leaves together, in one container: encrypting,
    sending and being answered cost as much for a hundred as for one. `timeout` is in seconds.
    """

    def __init__(self, client: TelegramClient, timeout: float) -> None:
        self._sender: Any = client._sender  # noqa: SLF001 - what this module is for
        self._sender._updates_queue = _Nowhere()  # noqa: SLF001
        self._loop = client.loop
        self._timeout = timeout
        self._gathered: list[RequestState | Try] = []
        self._under_way: dict[Future[Outcome], Try] = {}  # in the order in which they are given up
        self._has_timer = False

    @property
    def is_open(self) -> bool:
        """Whether the client is connected: what is sent now may arrive."""
        return self._sender._user_connected  # noqa: SLF001

    def post(self, data: bytes, random_id: int) -> Future[Outcome]:
        """The outcome of a request that sends one message."""
        answer: Future[Outcome] = self._loop.create_future()
        until = self._loop.time() + self._timeout
        self._gather(Try(data, random_id, answer, until, self._under_way))
        if not self._has_timer:  # one for all, and not one for each
            self._has_timer = True
            self._loop.call_at(until, self._give_up)
        return answer

    def call(self, request: TLRequest) -> Future[Any]:
        """The answer to any request; cancelled with the connection, and without a time limit.

        Raises ConnectionError when the client is not connected any more.
        """
        if not self.is_open:
            raise ConnectionError("Cannot send requests while disconnected")
        state = RequestState(functions.InvokeWithoutUpdatesRequest(request))
        self._gather(state)
        return state.future

    def end(self) -> None:
        """The connection has ended: Telethon forgets those in its queue, and nobody else may."""
        for attempt in list(self._under_way.values()):
            attempt.cancel()

    def _give_up(self) -> None:
        """End those whose time is over."""
        now = self._loop.time()
        for attempt in list(self._under_way.values()):
            if attempt.until > now:
                self._loop.call_at(attempt.until, self._give_up)
                return
            attempt.expire()
        self._has_timer = False

    def _gather(self, state: RequestState | Try) -> None:
        if not self._gathered:
            self._loop.call_soon(self._leave)
        self._gathered.append(state)

    def _leave(self) -> None:
        self._sender._send_queue.extend(self._gathered)  # noqa: SLF001
        self._gathered.clear()


def wire_of(client: TelegramClient, timeout: float) -> Wire | None:
    """The short way for `client`; None when its inside is not the one that was tested."""
    return Wire(client, timeout) if version.__version__ == TESTED_VERSION else None
