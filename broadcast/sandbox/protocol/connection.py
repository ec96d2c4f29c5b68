"""One connection of a server: bytes in and events out, answers in and bytes out.

No sockets, no clock, no randomness of its own, in the manner of h11. mtproto/ cuts the bytes into
packets, and opens and seals them; handshake.py agrees on keys, server_session.py knows messages.
Here they are put together (https://core.telegram.org/mtproto/description).
"""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broadcast.mtproto.containers import Message
from broadcast.mtproto.encryption import (
    BLOCK,
    CLIENT,
    SERVER,
    EncryptionError,
    opened_message,
    sealed_message,
)
from broadcast.mtproto.framing import FramingError, PacketStream
from broadcast.sandbox.protocol import handshake, tl
from broadcast.sandbox.protocol.outgoing import ANSWER, MessageIds
from broadcast.sandbox.protocol.salts import Salts
from broadcast.sandbox.protocol.server_session import Request, Session

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from telethon.tl import TLObject

    from broadcast.sandbox.protocol.crypto import ServerKey

# The key is unknown, or the key exchange went wrong: mtproto-transports#transport-errors.
AUTH_KEY_NOT_FOUND = 404

_KEY_ID = struct.Struct("<Q")
_PLAIN = struct.Struct("<Qqi")
_TRANSPORT_ERROR = struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class KeyCreated:
    """A key exchange ended well; the key is in the store already."""

    key_id: int
    auth_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Closed:
    """The client broke the protocol, and nothing it sends is read any more: send, then hang up."""

    reason: str


Event = Request | KeyCreated | Closed


class ProtocolError(Exception):
    """The client broke the protocol. It becomes a `Closed`, and is not raised to callers."""

    def __init__(self, reason: str, *, transport_error: int | None = None) -> None:
        super().__init__(reason)
        self.transport_error = transport_error


class Connection:
    """One TCP connection. `keys` holds the auth key of each key id, for all connections together.

    `randomness` gives that many random bytes; `now` is always unix time in seconds.
    """

    def __init__(
        self,
        key: ServerKey,
        keys: MutableMapping[int, bytes],
        randomness: Callable[[int], bytes],
    ) -> None:
        self._key = key
        self._keys = keys
        self._randomness = randomness
        self._packets = PacketStream()
        self._exchange: handshake.State = handshake.Start()
        self._sessions: dict[int, dict[int, Session]] = {}
        self._salts: dict[int, Salts] = {}
        self._plain_answers: list[bytes] = []
        self._plain_ids = MessageIds()
        self._last_words: bytes | None = None
        self._is_closed = False

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take what the socket gave, in pieces of any size, and tell what it means.

        Never raises because of what the client sent. After `Closed`, which is always the last
        event, everything is ignored.
        """
        events: list[Event] = []
        if self._is_closed:
            return events
        self._packets.feed(data)
        try:
            while (packet := self._packets.next_packet()) is not None:
                self._take(packet, now, events)
        except FramingError as error:
            self._close(str(error), events)
        except ProtocolError as error:
            if error.transport_error is not None:
                self._last_words = _TRANSPORT_ERROR.pack(-error.transport_error)
            self._close(str(error), events)
        return events

    def answer(self, request: Request, result: object) -> None:
        """Queue a request's result: an object, a bool, an int or a list of these."""
        if session := self._session_of(request):
            session.answer(request.msg_id, result)

    def fail(self, request: Request, code: int, name: str) -> None:
        """Queue an error instead of a result: 420, "FLOOD_WAIT_31"."""
        if session := self._session_of(request):
            session.fail(request.msg_id, code, name)

    def push(self, update: TLObject) -> None:
        """Queue an update for every session of this connection."""
        for sessions in self._sessions.values():
            for session in sessions.values():
                session.push(update)

    def data_to_send(self, now: float) -> bytes:
        """Take everything that is queued, as the bytes to put on the socket."""
        packets, self._plain_answers = self._plain_answers, []
        for key_id, sessions in self._sessions.items():
            auth_key = self._keys[key_id]
            for session in sessions.values():
                for plain in session.outgoing(now):
                    sealed = sealed_message(auth_key, plain, SERVER, self._randomness)
                    packets.append(_KEY_ID.pack(key_id) + sealed)
        if self._last_words is not None:
            packets.append(self._last_words)
            self._last_words = None
        return b"".join(map(self._packets.wrap, packets))

    def _session_of(self, request: Request) -> Session | None:
        """Find whom to answer; nobody when the client destroyed the session meanwhile."""
        return self._sessions.get(request.key_id, {}).get(request.session_id)

    def _close(self, reason: str, events: list[Event]) -> None:
        self._is_closed = True
        events.append(Closed(reason))

    def _take(self, packet: bytes, now: float, events: list[Event]) -> None:
        if len(packet) < 8:
            raise ProtocolError("the packet is too short for a key id")
        (key_id,) = _KEY_ID.unpack_from(packet)
        if key_id == 0:
            self._take_plain(packet, now, events)
        else:
            self._take_encrypted(key_id, packet, now, events)

    def _take_plain(self, packet: bytes, now: float, events: list[Event]) -> None:
        """description#unencrypted-message: only the key exchange goes without encryption."""
        if len(packet) < _PLAIN.size:
            raise ProtocolError("the unencrypted message is cut off")
        _, _, length = _PLAIN.unpack_from(packet)
        body = packet[_PLAIN.size : _PLAIN.size + max(length, 0)]
        if len(body) != length:
            raise ProtocolError("the unencrypted message is shorter than it says")
        try:
            request, _ = tl.read(body)
            answer, self._exchange = handshake.step(
                self._exchange, request, key=self._key, randomness=self._randomness, now=now
            )
        except (tl.UnreadableError, handshake.HandshakeError) as error:
            raise ProtocolError(str(error), transport_error=AUTH_KEY_NOT_FOUND) from None
        if isinstance(self._exchange, handshake.Agreed):
            agreed = self._exchange
            self._keys[agreed.key_id] = agreed.auth_key
            events.append(KeyCreated(agreed.key_id, agreed.auth_key))
        written = tl.write(answer)
        msg_id = self._plain_ids.next(ANSWER, now)
        self._plain_answers.append(_PLAIN.pack(0, msg_id, len(written)) + written)

    def _take_encrypted(self, key_id: int, packet: bytes, now: float, events: list[Event]) -> None:
        """description#encrypted-message."""
        auth_key = self._keys.get(key_id)
        if auth_key is None:
            raise ProtocolError("the auth key is unknown", transport_error=AUTH_KEY_NOT_FOUND)
        # What is left of a block is the padding of the padded intermediate transport.
        sealed = packet[8 : len(packet) - (len(packet) - 24) % BLOCK]
        try:
            salt, session_id, msg_id, seq_no, body = opened_message(auth_key, sealed, CLIENT)
        except EncryptionError as error:
            raise ProtocolError(str(error)) from None
        session = self._session(key_id, auth_key, session_id)
        events += session.receive(salt, Message(msg_id, seq_no, body), now)

    def _session(self, key_id: int, auth_key: bytes, session_id: int) -> Session:
        sessions = self._sessions.setdefault(key_id, {})
        session = sessions.get(session_id)
        if session is None:
            salts = self._salts.setdefault(key_id, Salts(auth_key))
            session = Session(key_id, session_id, salts, sessions, self._randomness)
            sessions[session_id] = session
        return session
