"""The one place that leans on Telethon's inside, for what a message costs.

With `client(request)` a message costs a task, a chain of coroutines and a copy of the rest of its
container (what that comes to: benchmarks/README.md). Worse, memory grows: Telethon queues every
answer as an update, also with `receive_updates=False`, and its update loop does not keep up. Here
serialised requests are packed into containers, and plain answers to them taken out of containers,
by Telethon's own sender, encryption and checks, and nothing else of it.

With another version of Telethon than the tested one `wire_of` answers None, and everything goes the
public way. tests/transport/test_wire.py holds both ways to the same bytes and the same outcomes.
"""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from io import BytesIO
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from telethon import errors, version
from telethon.extensions import BinaryReader
from telethon.extensions.messagepacker import MessagePacker
from telethon.network.mtprotostate import MTProtoState
from telethon.network.requeststate import RequestState
from telethon.tl import TLRequest, functions, types
from telethon.tl.core import GzipPacked, MessageContainer, RpcResult, TLMessage

from broadcast.core.model import Sent
from broadcast.telegram.errors import NO_ANSWER, NOT_CONNECTED, outcome_of

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Sequence

    from telethon import TelegramClient

    from broadcast.core.model import Outcome

TESTED_VERSION = "1.45.0"

ACK_DELAY = 5.0
"""Seconds for which an acknowledgement may wait for company."""

_INT = struct.Struct("<i")
_HEADER = struct.Struct("<qii")  # of a message in a container: its id, its number, its length
_RESULT = struct.Struct("<IqI")  # an rpc_result, the request it answers, and what it begins with
_RPC_RESULT, _SHORTEST_RESULT = RpcResult.CONSTRUCTOR_ID, _RESULT.size
_NOT_PLAIN = {types.RpcError.CONSTRUCTOR_ID, GzipPacked.CONSTRUCTOR_ID}
_CONTAINER = struct.pack("<I", MessageContainer.CONSTRUCTOR_ID)
# An UpdateShortSentMessage begins with its constructor, its flags and the id of the message.
_SHORT_ANSWER = struct.pack("<I", types.UpdateShortSentMessage.CONSTRUCTOR_ID)
_ID = struct.Struct("<8xi")


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
        *,
        until: float,
        under_way: dict[Future[Outcome], Try],
        lost: Callable[[], None],
    ) -> None:
        self.data, self.random_id, self.answer, self.until = data, random_id, answer, until
        self._under_way, self._lost = under_way, lost
        under_way[answer] = self

    @property
    def request(self) -> Self:
        """What Telethon asks of the state of a request."""
        return self

    future = request

    def read_result(self, reader: BinaryReader) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Of a short answer only the id is of interest, and it is at a fixed place.

        An answer that Telethon cannot read is no error, so the message was accepted.
        """
        number: int | None = None
        with suppress(errors.TypeNotFoundError, BufferError, struct.error):
            if reader.stream.startswith(_SHORT_ANSWER, reader.position):
                (number,) = _ID.unpack_from(reader.stream, reader.position)
            else:
                number, *_ = *message_ids_of(reader.tgread_object(), [self.random_id]), None
        self._end(Sent(number))
        return self

    def cancelled(self) -> bool:
        """What Telethon asks a future before it sets a result."""
        return self.answer.done()

    done = cancelled

    def set_result(self, _: Self) -> None:
        """See `read_result`."""

    def set_exception(self, error: Exception) -> None:
        """Telegram has refused it, or nobody knows; or it is a bug, which the engine raises."""
        try:
            outcome = outcome_of(error)
        except Exception:  # noqa: BLE001 - for whoever waits
            self._under_way.pop(self.answer, None)
            if not self.answer.done():
                self.answer.set_exception(error)
            return
        self._end(outcome)
        if outcome is NOT_CONNECTED:  # what is wrong is wrong with the connection
            self._lost()

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


class _Packer(MessagePacker):
    """Telethon's queue of what is to be sent. Tries are packed in one go, and not compressed.

    Acknowledgements leave with them: Telethon sends them in packets of their own, so that there are
    twice as many.
    """

    async def get(self) -> Any:
        """What leaves next: states of requests, and the bytes of them all."""
        if all(map(_is_ack, self._deque)):
            self._ready.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(ACK_DELAY if self._deque else None):
                    await self._ready.wait()
        if not self._deque or not _is_ours(self._deque[0]):
            return await super().get()
        ids, batch, pieces, size = self._state, list[Any](), list[bytes](), 0
        msg_id = ids._get_new_msg_id()  # noqa: SLF001
        while self._deque and len(batch) < MessageContainer.MAXIMUM_LENGTH:
            state: Any = self._deque[0]
            size += len(state.data) + _HEADER.size
            if not _is_ours(state) or (batch and size > MessageContainer.MAXIMUM_SIZE):
                break
            batch.append(self._deque.popleft())
            number = ids._get_seq_no(isinstance(state, Try))  # noqa: SLF001
            pieces += _HEADER.pack(msg_id, number, len(state.data)), state.data
            state.msg_id = ids._last_msg_id = msg_id  # noqa: SLF001
            msg_id += 4
        if len(batch) == 1:
            return batch, b"".join(pieces)
        buffer, count = BytesIO(), _INT.pack(len(batch))
        data = b"".join((_CONTAINER, count, *pieces))
        container_id = ids.write_data_as_message(buffer, data, content_related=False)
        for state in batch:
            state.container_id = container_id
        return batch, buffer.getvalue()


def _is_ack(state: RequestState | Try) -> bool:
    return isinstance(state.request, types.MsgsAck)


def _is_ours(state: RequestState | Try) -> bool:
    return isinstance(state, Try) or _is_ack(state)


class _Container(NamedTuple):
    """A container as it came: of each message in it Telethon would copy all that follows."""

    stream: bytes
    position: int
    CONSTRUCTOR_ID: int = MessageContainer.CONSTRUCTOR_ID


class _Reader(BinaryReader):
    """Telethon's reader, that leaves containers to `Wire`."""

    def tgread_object(self) -> Any:
        """The next object."""
        if self.stream.startswith(_CONTAINER, self.position):
            return _Container(self.stream, self.position)
        return super().tgread_object()


def _decryption(state: MTProtoState) -> Callable[[bytes], Any]:
    """Telethon's own decryption, with all that it checks, and our reader."""
    theirs = MTProtoState.decrypt_message_data
    names = {**theirs.__globals__, "BinaryReader": _Reader}
    return MethodType(FunctionType(theirs.__code__, names), state)


class _Nowhere:
    """Takes the place of Telethon's queue of updates."""

    def put_nowait(self, _: object) -> None:
        """Forget it: nobody reads updates here."""


class Wire:
    """Sends serialised requests through the sender of a connected client.

    What is sent in one turn of the event loop leaves together, in one container: encrypting,
    sending and being answered cost as much for a hundred as for one. `timeout` is in seconds, and
    `lost` is called when a try ends with an error of the connection.
    """

    def __init__(self, client: TelegramClient, timeout: float, lost: Callable[[], None]) -> None:
        self._sender: Any = client._sender  # noqa: SLF001 - what this module is for
        self._take_over()
        self._loop = client.loop
        self._timeout, self._lost = timeout, lost
        self._gathered: list[RequestState | Try] = []
        self._under_way: dict[Future[Outcome], Try] = {}  # in the order in which they are given up
        self._has_timer = False

    def _take_over(self) -> None:
        """Put our own in the place of what costs most."""
        sender = self._sender
        sender._updates_queue = _Nowhere()  # noqa: SLF001
        sender._state.decrypt_message_data = _decryption(sender._state)  # noqa: SLF001
        sender._handlers[MessageContainer.CONSTRUCTOR_ID] = self._open  # noqa: SLF001
        theirs = sender._send_queue  # noqa: SLF001
        ours = _Packer(sender._state, sender._loggers)  # noqa: SLF001
        ours.extend(theirs._deque)  # noqa: SLF001
        theirs._deque.clear()  # noqa: SLF001
        sender._send_queue = ours  # noqa: SLF001
        theirs._ready.set()  # noqa: SLF001 - whoever waits there finds nothing, and comes to ours

    async def _open(self, message: TLMessage) -> None:
        """Take what is in a container: answers to tries here, all else Telethon's way.

        One message that cannot be read, or that nobody waits for any more, takes no other with it.
        """
        if not isinstance(message.obj, _Container):  # it came compressed, and is read already
            return await self._sender._handle_container(message)  # noqa: SLF001
        stream, at = message.obj.stream, message.obj.position + 4
        (count,) = _INT.unpack_from(stream, at)
        at += 4
        for _ in range(count):
            msg_id, number, length = _HEADER.unpack_from(stream, at)
            at += _HEADER.size
            inner = stream[at : at + length]
            at += length
            if not self._is_answer(msg_id, inner):
                with suppress(Exception):
                    obj = BinaryReader(inner).tgread_object()
                    await self._sender._process_message(TLMessage(msg_id, number, obj))  # noqa: SLF001
        return None

    def _is_answer(self, msg_id: int, inner: bytes) -> bool:
        """Whether it is the plain answer to a try, which has it then."""
        if len(inner) < _SHORTEST_RESULT:
            return False
        constructor, request_id, kind = _RESULT.unpack_from(inner)
        if constructor != _RPC_RESULT or kind in _NOT_PLAIN:
            return False
        attempt = self._sender._pending_state.get(request_id)  # noqa: SLF001
        if not isinstance(attempt, Try):
            return False
        del self._sender._pending_state[request_id]  # noqa: SLF001
        self._sender._pending_ack.add(msg_id)  # noqa: SLF001
        attempt.read_result(BinaryReader(inner[12:]))
        return True

    @property
    def is_open(self) -> bool:
        """Whether the client is connected: what is sent now may arrive."""
        return self._sender._user_connected  # noqa: SLF001

    def post(self, data: bytes, random_id: int) -> Future[Outcome]:
        """The outcome of a request that sends one message."""
        answer: Future[Outcome] = self._loop.create_future()
        until = self._loop.time() + self._timeout
        attempt = Try(
            data, random_id, answer, until=until, under_way=self._under_way, lost=self._lost
        )
        self._gather(attempt)
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


def wire_of(client: TelegramClient, timeout: float, lost: Callable[[], None]) -> Wire | None:
    """The short way for `client`; None when its inside is not the one that was tested."""
    return Wire(client, timeout, lost) if version.__version__ == TESTED_VERSION else None
