"""One session of one client: which messages are new, and what the protocol itself answers.

Pure, and past the encryption already: protocol/connection.py opens and seals. Refuses to know what
a request asks for. The sections in the comments are those of https://core.telegram.org/mtproto.
"""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from telethon.tl import TLObject, TLRequest
from telethon.tl.functions import (
    DestroySessionRequest,
    GetFutureSaltsRequest,
    InitConnectionRequest,
    InvokeAfterMsgRequest,
    InvokeAfterMsgsRequest,
    InvokeWithLayerRequest,
    InvokeWithoutUpdatesRequest,
    PingDelayDisconnectRequest,
    PingRequest,
    RpcDropAnswerRequest,
)
from telethon.tl.types import (
    BadMsgNotification,
    BadServerSalt,
    DestroySessionNone,
    DestroySessionOk,
    FutureSalts,
    HttpWait,
    MsgResendReq,
    MsgsAck,
    MsgsAllInfo,
    MsgsStateInfo,
    MsgsStateReq,
    NewSessionCreated,
    Pong,
    RpcAnswerUnknown,
    RpcError,
)

from broadcast.mtproto.containers import (
    RPC_RESULT,
    ContainerError,
    Message,
    constructor_of,
    contained,
    is_container,
)
from broadcast.mtproto.encryption import Envelope
from broadcast.mtproto.received import TOO_NEW, TOO_OLD, SeenIds
from broadcast.sandbox.protocol import tl
from broadcast.sandbox.protocol.outgoing import ANSWER, NOTICE, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from broadcast.sandbox.protocol.salts import Salts

# The codes of service_messages_about_messages#notice-of-ignored-error-message.
_MSG_ID_TOO_LOW = 16
_MSG_ID_TOO_HIGH = 17
_MSG_ID_NOT_OF_A_CLIENT = 18
_CANNOT_TELL_IF_DOUBLE = 20
_WRONG_SALT = 48
_INVALID_CONTAINER = 64

_RESULT = struct.Struct("<Iq")
_MSGS_ACK = MsgsAck.CONSTRUCTOR_ID

# What only says how a request is to be run, around the request itself. invokeAfterMsg needs no
# more than its query: messages are handled in the order in which they came.
_WRAPPERS = (
    InvokeWithLayerRequest,
    InitConnectionRequest,
    InvokeWithoutUpdatesRequest,
    InvokeAfterMsgRequest,
    InvokeAfterMsgsRequest,
)


class Request(NamedTuple):
    """A client asks for something. Whoever answers gives this back with the answer."""

    key_id: int
    session_id: int
    msg_id: int
    body: TLRequest


class Session:
    """A session: description#session. It lives as long as its connection.

    The protocol lets a server forget a session at any time, new_session_created tells the client;
    Telethon starts a new one with every connection anyway. `siblings` are the sessions of the same
    key, this one included, for destroy_session.
    """

    def __init__(
        self,
        key_id: int,
        session_id: int,
        salts: Salts,
        siblings: MutableMapping[int, Session],
        randomness: Callable[[int], bytes],
    ) -> None:
        self.key_id = key_id
        self.session_id = session_id
        self._salts = salts
        self._siblings = siblings
        self._randomness = randomness
        self._seen = SeenIds()
        self._is_new = True
        self._now = 0.0
        self._queue = Outgoing()

    # What comes in

    def receive(self, salt: int, message: Message, now: float) -> list[Request]:
        """Take one decrypted message, maybe a container; answer what the protocol itself asks.

        Returns the requests that are left for others to answer, in order and each only once.
        """
        self._now = now
        msg_id = message.msg_id
        refusal = self._refusal(msg_id, now)
        if refusal is not None:
            self._refuse(message, refusal)
            return []
        if not self._salts.accepts(salt, now):
            current = self._salts.current(now)
            self._say(BadServerSalt(msg_id, message.seq_no, _WRONG_SALT, current))
            return []
        message = _unpacked(message)
        is_many = is_container(message.body)
        try:
            contents = _contained(message.body) if is_many else [message]
        except ContainerError:
            self._refuse(message, _INVALID_CONTAINER)
            return []
        if self._is_new:
            self._is_new = False
            self._announce(min(inner.msg_id for inner in contents))
        if is_many and not self._is_first_time(message):
            return []
        requests: list[Request] = []
        for inner in contents:
            if self._is_first_time(inner):
                request = self._handle(inner)
                if request is not None:
                    requests.append(request)
        return requests

    def _refusal(self, msg_id: int, now: float) -> int | None:
        """description#message-identifier-msg-id: which bad_msg_notification the id earns."""
        if msg_id < int((now - TOO_OLD) * 2**32):
            return _MSG_ID_TOO_LOW
        if msg_id > int((now + TOO_NEW) * 2**32):
            return _MSG_ID_TOO_HIGH
        if msg_id % 4:
            return _MSG_ID_NOT_OF_A_CLIENT
        return None

    def _refuse(self, message: Message, code: int) -> None:
        self._say(BadMsgNotification(message.msg_id, message.seq_no, code))

    def _announce(self, first_msg_id: int) -> None:
        """service_messages#new-session-creation-notification."""
        unique_id = int.from_bytes(self._randomness(8), "little", signed=True)
        created = NewSessionCreated(first_msg_id, unique_id, self._salts.current(self._now))
        self._queue.put(NOTICE, tl.write(created))

    def _is_first_time(self, message: Message) -> bool:
        """Remember the message. One that comes again is acknowledged again, and no more."""
        if message.msg_id in self._seen:
            self._say(MsgsAck([message.msg_id]))
            return False
        if self._seen.is_forgotten(message.msg_id):
            self._refuse(message, _CANNOT_TELL_IF_DOUBLE)
            return False
        self._seen.add(message.msg_id)
        return True

    def _handle(self, message: Message) -> Request | None:
        msg_id = message.msg_id
        if constructor_of(message.body) == _MSGS_ACK:  # the most frequent; nothing is sent twice
            return None
        try:
            body = _read_request(message.body)
        except tl.UnknownConstructorError as error:
            self.fail(msg_id, 400, f"INPUT_METHOD_INVALID_{error.constructor}")
            return None
        except tl.UnreadableError:
            self.fail(msg_id, 400, "INPUT_FETCH_ERROR")
            return None
        if self._serve(msg_id, body):
            return None
        if not isinstance(body, TLRequest):
            self.fail(msg_id, 400, f"INPUT_METHOD_INVALID_{body.CONSTRUCTOR_ID}")
            return None
        return Request(self.key_id, self.session_id, msg_id, body)

    def _serve(self, msg_id: int, body: TLObject) -> bool:
        """Answer the protocol's own messages; False when `body` is none of them."""
        match body:
            case PingRequest() | PingDelayDisconnectRequest():
                # The delay is not kept: on loopback a client that is gone has closed its socket.
                self._say(Pong(msg_id, body.ping_id))
            case GetFutureSaltsRequest():
                salts: Any = self._salts.coming(self._now, max(1, min(body.num, 64)))
                self._say(FutureSalts(msg_id, int(self._now), salts))
            case DestroySessionRequest():
                self._say(self._destroy(body.session_id))
            case RpcDropAnswerRequest():
                # Requests are answered at once: an answer has always left before it is dropped.
                self.answer(msg_id, RpcAnswerUnknown())
            case MsgsStateReq():
                states = "".join(map(self._state_of, body.msg_ids))
                self._say(MsgsStateInfo(msg_id, states))
            case MsgResendReq():
                # What is gone is answered with its state; TCP lost nothing, so nothing is kept.
                # service_messages_about_messages#explicit-request-to-re-send-messages
                self._say(MsgsStateInfo(msg_id, "\x01" * len(body.msg_ids)))
            case MsgsAck() | MsgsStateInfo() | MsgsAllInfo() | HttpWait():
                pass
            case _:
                return False
        return True

    def _destroy(self, session_id: int) -> DestroySessionOk | DestroySessionNone:
        """service_messages#request-to-destroy-session: any of the key's, but not itself."""
        if session_id != self.session_id and self._siblings.pop(session_id, None):
            return DestroySessionOk(session_id)
        return DestroySessionNone(session_id)

    def _state_of(self, msg_id: int) -> str:
        """service_messages_about_messages#informational-message-regarding-status-of-messages."""
        if msg_id in self._seen:
            return "\x04"
        if self._seen.is_forgotten(msg_id):
            return "\x01"
        return "\x03" if msg_id > int((self._now + TOO_NEW) * 2**32) else "\x02"

    # What goes out

    def answer(self, msg_id: int, result: object) -> None:
        """Queue the result of the request with this id; a big one is packed."""
        body = tl.pack_if_smaller(tl.write(result))
        self._queue.put(ANSWER, _RESULT.pack(RPC_RESULT, msg_id) + body)

    def fail(self, msg_id: int, code: int, name: str) -> None:
        """Queue an rpc_error for the request with this id."""
        body = tl.write(RpcError(code, name))
        self._queue.put(ANSWER, _RESULT.pack(RPC_RESULT, msg_id) + body)

    def push(self, update: TLObject) -> None:
        """Queue what the client did not ask for."""
        self._queue.put(NOTICE, tl.pack_if_smaller(tl.write(update)))

    def _say(self, service: TLObject) -> None:
        """Queue an answer of the protocol itself, which needs no acknowledgement."""
        self._queue.put(ANSWER, tl.write(service), is_content=False)

    def outgoing(self, now: float) -> Iterator[bytes]:
        """Empty the queue into as few unpadded plaintexts as the limits of a container allow."""
        salt = self._salts.current(now)
        for message in self._queue.messages(now):
            yield Envelope(salt, self.session_id, *message).packed()


def _contained(body: bytes) -> list[Message]:
    """The messages of a client in a container. Raises ContainerError."""
    messages = list(contained(body))
    if any(message.msg_id % 4 for message in messages):
        raise ContainerError("an id in the container is not one of a client's")
    return messages


def _unpacked(message: Message) -> Message:
    """Unpack what is gzipped as a whole; what cannot be is answered as any unreadable request."""
    if constructor_of(message.body) == tl.GZIP_PACKED:
        with suppress(tl.UnreadableError):
            return message._replace(body=tl.unpack(message.body))
    return message


def _read_request(body: bytes) -> TLObject:
    """Take off whatever is wrapped around a request. Raises tl.UnreadableError."""
    if constructor_of(body) == tl.GZIP_PACKED:
        body = tl.unpack(body)
    request, _ = tl.read(body)
    while isinstance(request, _WRAPPERS):
        query: object = cast("object", request.query)
        if not isinstance(query, TLObject):
            raise tl.UnreadableError("a wrapper around no request")
        request = query
    return request
