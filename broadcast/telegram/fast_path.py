"""The one place that leans on Telethon's inside, for what a message costs.

With `client(request)` a message costs a task, a chain of coroutines and a copy of the rest of its
container (what that comes to: benchmarks/README.md). Worse, memory grows: Telethon queues every
answer as an update, also with `receive_updates=False`, and its update loop does not keep up. Here
Telethon's sender, state and packer are subclassed: they pack serialised messages into containers,
take the plain answers to them out of containers by the codec of mtproto/, and leave all else to
Telethon.

What they need of Telethon is in telethon_shape.py. Where it is not there, everything goes the
public way. tests/telegram/test_fast_path.py holds both ways to the same bytes and outcomes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from telethon import TelegramClient, errors
from telethon.errors import rpc_message_to_error
from telethon.extensions import BinaryReader
from telethon.extensions.messagepacker import MessagePacker
from telethon.network import MTProtoSender
from telethon.network.mtprotostate import MTProtoState
from telethon.network.requeststate import RequestState
from telethon.tl import TLRequest, functions, types
from telethon.tl.core import GzipPacked, MessageContainer, TLMessage

from broadcast.core.classify import NO_ANSWER, NOT_CONNECTED
from broadcast.core.model import Outcome
from broadcast.mtproto.containers import (
    BAD_MSG_NOTIFICATION,
    BAD_SERVER_SALT,
    OVERHEAD,
    RPC_RESULT,
    ContainerError,
    Message,
    constructor_of,
    contained,
    container_of,
    is_container,
)
from broadcast.mtproto.encryption import (
    CLIENT,
    SERVER,
    EncryptionError,
    opened_message,
    sealed_message,
)
from broadcast.mtproto.received import IgnoredError, ServerMessages
from broadcast.telegram.error_translation import UNREADABLE, outcome_of
from broadcast.telegram.message_requests import outcome_in

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from broadcast.core.clock import Clock

ACK_DELAY = 5.0
"""Seconds for which an acknowledgement may wait for company."""

_LOG = logging.getLogger("broadcast.telegram")  # names no message, no person and no bytes

_KEY_ID = struct.Struct("<Q")
_SALT_AND_SESSION = struct.Struct("<qq")
_RESULT = struct.Struct("<IqI")  # an rpc_result, the request it answers, and what it begins with
_ANSWER_AT = 12  # where the answer begins in an rpc_result
_NOT_PLAIN = (types.RpcError.CONSTRUCTOR_ID, GzipPacked.CONSTRUCTOR_ID)


class _Serialised(TLRequest):
    """Stands for a request of which only the bytes are kept: Telethon looks at its type."""


_SERIALISED = _Serialised()


class _OutcomeFuture(asyncio.Future[Outcome]):
    """The outcome of a message: an error that Telethon sets becomes one, and a bug stays a bug."""

    __slots__ = ("_sender",)

    def __init__(self, sender: FastSender) -> None:
        super().__init__()
        self._sender = sender

    def set_exception(self, exception: type[BaseException] | BaseException, /) -> None:
        if self.done():  # nobody waits for it any more
            return
        error = exception() if isinstance(exception, type) else exception
        outcome = outcome_of(error)
        if outcome is None:
            super().set_exception(error)
            return
        self.set_result(outcome)
        if outcome is NOT_CONNECTED:  # what is wrong is wrong with the connection
            self._sender.end_connection(error)


class PostedMessage(RequestState):
    """One try to send one message, as it waits for its answer; `until` is by the clock."""

    __slots__ = ("random_id", "until")

    def __init__(self, data: bytes, random_id: int, until: float, sender: FastSender) -> None:
        self.container_id = self.msg_id = self.after = None
        self.request = _SERIALISED
        self.data, self.random_id, self.until = data, random_id, until
        self.future: Any = _OutcomeFuture(sender)


class FastState(MTProtoState):
    """Telethon's state of a session, with the encryption and all checks of mtproto/."""

    def __init__(self, auth_key: Any, loggers: Any, clock: Clock) -> None:
        self._clock = clock
        self._received = ServerMessages()
        super().__init__(auth_key, loggers)

    def reset(self) -> None:
        """Begin a new session."""
        super().reset()
        self._received = ServerMessages()

    def encrypt_message_data(self, data: bytes) -> bytes:
        """The packet of a message, or of a container of them."""
        key = self.auth_key
        plain = _SALT_AND_SESSION.pack(self.salt, self.id) + data
        return _KEY_ID.pack(key.key_id) + sealed_message(key.key, plain, CLIENT, os.urandom)

    def decrypt_message_data(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, body: bytes
    ) -> Message | None:
        """The message in a packet, for our sender to read; None when it must be ignored.

        Raises SecurityError where it is not from the server of this key, and InvalidBufferError
        for what the server says without encryption: that it does not want us.
        """
        if len(body) < _KEY_ID.size:
            raise errors.InvalidBufferError(body)
        if _KEY_ID.unpack_from(body)[0] != self.auth_key.key_id:
            raise errors.SecurityError("the packet is of another key")
        try:
            envelope = opened_message(self.auth_key.key, body[_KEY_ID.size :], SERVER)
        except EncryptionError as error:
            raise errors.SecurityError(str(error)) from None
        now, is_first = self._clock.utc().timestamp(), self._received.is_empty
        try:
            self._received.take(envelope, self.id or 0, now + self.time_offset)
        except IgnoredError as ignored:
            _LOG.info("a message of the server is ignored: %s", ignored)
            return None
        _, _, msg_id, seq_no, inner = envelope
        about_time = constructor_of(inner) in (BAD_SERVER_SALT, BAD_MSG_NOTIFICATION)
        if about_time and is_first and not self.time_offset:
            self.update_time_offset(msg_id)  # the first answer tells what time it is there
        return Message(msg_id, seq_no, inner)

    def next_msg_ids(self, count: int) -> range:
        """So many ids, for messages that leave together."""
        first = self._get_new_msg_id()
        ids = range(first, first + 4 * count, 4)
        self._last_msg_id = ids[-1]
        return ids

    def next_seq_no(self, *, is_content: bool) -> int:
        """The number of the next message, and whether it must be acknowledged is in it."""
        return self._get_seq_no(is_content)


class FastPacker(MessagePacker):
    """Telethon's queue of what is to be sent. Posted messages are packed in one go, uncompressed.

    Acknowledgements leave with them: Telethon sends them in packets of their own, so that there are
    twice as many.
    """

    _state: FastState

    async def get(self) -> Any:
        """What leaves next: states of requests, and the bytes of them all."""
        if all(map(_is_ack, self._deque)):
            self._ready.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(ACK_DELAY if self._deque else None):
                    await self._ready.wait()
        batch = self._next_batch()
        return (batch, self._packed(batch)) if batch else await super().get()

    def _next_batch(self) -> list[Any]:
        """What is ours at the head of the queue, as much as one container holds."""
        batch, size, queue = list[Any](), 0, self._deque
        while queue and len(batch) < MessageContainer.MAXIMUM_LENGTH and _is_ours(queue[0]):
            size += len(queue[0].data) + OVERHEAD
            if batch and size > MessageContainer.MAXIMUM_SIZE:
                break
            batch.append(queue.popleft())
        return batch

    def _packed(self, batch: list[Any]) -> bytes:
        numbered = self._state
        messages: list[tuple[int, int, bytes]] = []
        for state, msg_id in zip(batch, numbered.next_msg_ids(len(batch)), strict=True):
            state.msg_id = msg_id
            seq_no = numbered.next_seq_no(is_content=isinstance(state, PostedMessage))
            messages.append((msg_id, seq_no, state.data))
        if len(messages) == 1:
            batch[0].container_id = None  # it may have been in one before
            return Message(*messages[0]).packed()
        (container_id,) = numbered.next_msg_ids(1)
        for state in batch:
            state.container_id = container_id
        seq_no = numbered.next_seq_no(is_content=False)
        return Message(container_id, seq_no, container_of(messages)).packed()


def _is_ack(state: RequestState) -> bool:
    return isinstance(state.request, types.MsgsAck)


def _is_ours(state: RequestState) -> bool:
    return isinstance(state, PostedMessage) or _is_ack(state)


class _FirstRequest(functions.InvokeWithLayerRequest):
    """What a connection begins with. It asks for Telegram's configuration, which nobody here needs.

    So one that is newer than Telethon stops nobody.
    """

    @staticmethod
    def read_result(reader: BinaryReader) -> None:
        """Pass over it."""
        reader.read()


class _Nowhere:
    """Takes the place of Telethon's queue of updates."""

    def put_nowait(self, _: object) -> None:
        """Forget it: nobody reads updates here."""


class FastSender(MTProtoSender):
    """Telethon's sender, that also takes serialised messages: see `post`.

    What is posted in one turn of the event loop leaves together, in one container: encrypting,
    sending and being answered cost as much for a hundred as for one.
    """

    def __init__(
        self, auth_key: Any, *, loggers: Any, clock: Clock, answer_timeout: float, **options: Any
    ) -> None:
        super().__init__(auth_key, loggers=loggers, updates_queue=_Nowhere(), **options)
        self._state: Any = FastState(self.auth_key, loggers, clock)
        self._send_queue: Any = FastPacker(self._state, loggers)
        self._clock, self._answer_timeout = clock, answer_timeout
        self._under_way: dict[PostedMessage, None] = {}  # in the order in which they are given up
        self._timer: asyncio.TimerHandle | None = None

    def post(self, data: bytes, random_id: int) -> asyncio.Future[Outcome]:
        """The outcome of `data`, a serialised request that sends one message."""
        until = self._clock.monotonic() + self._answer_timeout
        posted = PostedMessage(data, random_id, until, self)
        self._under_way[posted] = None
        self._send_queue.append(posted)
        if self._timer is None:  # one for all, and not one for each
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._answer_timeout, self._give_up)
        return posted.future

    def send(self, request: Any, ordered: Any = False) -> Any:  # noqa: FBT002 - as Telethon has it
        """See Telethon."""
        if isinstance(request, functions.InvokeWithLayerRequest):
            request = _FirstRequest(request.layer, request.query)
        return super().send(request, ordered)

    def ask(self, request: TLRequest) -> Awaitable[Any]:
        """The answer to any request; cancelled with the connection, and without a time limit.

        Raises ConnectionError when the client is not connected any more.
        """
        answer: Any = self.send(functions.InvokeWithoutUpdatesRequest(request))
        return answer

    def end_posted(self) -> None:
        """The connection is over: whether what is under way arrives is not known."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for posted in list(self._under_way):
            self._settle(posted, NOT_CONNECTED)

    def end_connection(self, error: BaseException) -> None:
        """Disconnect as after a failure, since nothing more can be sent here."""
        self._start_reconnect(error)  # of which there is none with auto_reconnect=False

    async def _disconnect(self, error: Exception | None = None) -> None:
        self.end_posted()  # Telethon knows only those that have left its queue
        await super()._disconnect(error)

    def _give_up(self) -> None:
        """End those whose time is over."""
        now = self._clock.monotonic()
        self._timer = None
        for posted in list(self._under_way):
            if posted.until > now:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(posted.until - now, self._give_up)
                return
            self._settle(posted, NO_ANSWER)

    def _settle(self, posted: PostedMessage, outcome: Outcome) -> None:
        self._under_way.pop(posted, None)
        if not posted.future.done():
            posted.future.set_result(outcome)

    async def _process_message(self, message: Message | TLMessage) -> None:
        """Take what has come: answers to posted messages here, all else Telethon's way."""
        if isinstance(message, TLMessage):  # Telethon has read it: it was compressed
            await super()._process_message(message)
        elif not is_container(message.body):
            await self._process(message)
        else:
            try:
                for inner in contained(message.body):
                    await self._process(inner)
            except ContainerError as error:
                _LOG.warning("the rest of a container cannot be read: %s", error)

    async def _process(self, message: Message) -> None:
        """Take one message. One that cannot be read takes no other with it."""
        if self._is_plain_answer(message):
            return
        msg_id, seq_no, body = message
        try:
            whole = TLMessage(msg_id, seq_no, BinaryReader(body).tgread_object())
            await super()._process_message(whole)
        except UNREADABLE as error:
            kind = type(error).__name__
            _LOG.warning("a message of Telegram cannot be read: %s %#x", kind, constructor_of(body))
        except asyncio.InvalidStateError:
            _LOG.info("nobody waits any more for an answer that has come")

    def _is_plain_answer(self, message: Message) -> bool:
        """Whether it is the plain answer to a posted message, which has it then."""
        body = message.body
        if len(body) < _RESULT.size:
            return False
        constructor, request_id, kind = _RESULT.unpack_from(body)
        if constructor != RPC_RESULT or kind in _NOT_PLAIN:
            return False
        posted = self._pending_state.get(request_id)
        if not isinstance(posted, PostedMessage):
            return False
        del self._pending_state[request_id]
        self._pending_ack.add(message.msg_id)
        self._settle(posted, outcome_in(body, posted.random_id, _ANSWER_AT))
        return True

    async def _handle_rpc_result(self, message: Any) -> None:
        """Take a refusal of a posted message, or an answer that came compressed."""
        result = message.obj
        posted = self._pending_state.get(result.req_msg_id)
        if not isinstance(posted, PostedMessage):
            await super()._handle_rpc_result(message)
            return
        del self._pending_state[result.req_msg_id]
        self._under_way.pop(posted, None)
        if result.error:
            posted.future.set_exception(rpc_message_to_error(result.error, posted.request))
        else:
            self._settle(posted, outcome_in(result.body, posted.random_id))


class FastClient(TelegramClient):
    """Telethon's client with our sender."""

    def __init__(
        self, session: Any, api_id: int, api_hash: str, *, clock: Clock, answer_timeout: float,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(session, api_id, api_hash, **options)
        self.fast_sender = FastSender(
            session.auth_key,
            loggers=self._log,
            clock=clock,
            answer_timeout=answer_timeout,
            retries=self._connection_retries,
            delay=self._retry_delay,
            auto_reconnect=self._auto_reconnect,
            connect_timeout=self._timeout,
            auth_key_callback=self._auth_key_callback,
        )
        self._sender = self.fast_sender
