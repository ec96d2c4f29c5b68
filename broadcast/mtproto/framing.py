"""Cuts the bytes of one TCP connection into MTProto packets and back; refuses to look inside.

The transports of https://core.telegram.org/mtproto/mtproto-transports except the obfuscated ones:
full, abridged, intermediate and padded intermediate. A connection's first bytes say which it is.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol
from zlib import crc32

# Telethon's largest container is 1,044,448 bytes; whoever announces twice that is no client.
MAX_PACKET: Final = 2 * 2**20

_LENGTH = struct.Struct("<I")
_LENGTH_AND_SEQUENCE = struct.Struct("<II")


class FramingError(Exception):
    """The bytes are not of any transport known here; nothing after them can be read."""


class Framing(Protocol):
    """One transport. Takes whole packets off the front of a buffer, and wraps packets."""

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove the first packet; None when it is not all there yet. Raises FramingError."""
        ...

    def wrap(self, packet: bytes) -> bytes:
        """Give the packet the form that `take` of the other side expects."""
        ...


class Full:
    """Length, sequence number, packet, CRC-32: mtproto-transports#full."""

    def __init__(self) -> None:
        self._taken = 0
        self._wrapped = 0

    def take(self, buffer: bytearray) -> bytes | None:
        if len(buffer) < 8:
            return None
        length, sequence = _LENGTH_AND_SEQUENCE.unpack_from(buffer)
        if not 12 <= length <= MAX_PACKET + 12 or length % 4:
            raise FramingError(f"no packet has {length} bytes")
        if sequence != self._taken:
            raise FramingError(f"packet number {sequence} came instead of {self._taken}")
        if len(buffer) < length:
            return None
        body = bytes(buffer[: length - 4])
        (checksum,) = _LENGTH.unpack_from(buffer, length - 4)
        if crc32(body) != checksum:
            raise FramingError("the checksum of the packet is wrong")
        del buffer[:length]
        self._taken += 1
        return body[8:]

    def wrap(self, packet: bytes) -> bytes:
        body = _LENGTH_AND_SEQUENCE.pack(len(packet) + 12, self._wrapped) + packet
        self._wrapped += 1
        return body + _LENGTH.pack(crc32(body))


class Abridged:
    """The length in words, in one byte or in four: mtproto-transports#abridged."""

    def take(self, buffer: bytearray) -> bytes | None:
        if not buffer:
            return None
        head, words = 1, buffer[0]
        if words > 0x7F:
            raise FramingError("quick acknowledgements are not supported")
        if words == 0x7F:
            if len(buffer) < 4:
                return None
            head, words = 4, int.from_bytes(buffer[1:4], "little")
        return _take(buffer, head, words * 4)

    def wrap(self, packet: bytes) -> bytes:
        words = len(packet) // 4
        if words < 0x7F:
            return bytes([words]) + packet
        return b"\x7f" + words.to_bytes(3, "little") + packet


class Intermediate:
    """The length in four bytes: mtproto-transports#intermediate.

    Padded intermediate too: a packet's length tells where its padding starts (protocol.py), and
    padding of no bytes is one of those allowed for our packets.
    """

    def take(self, buffer: bytearray) -> bytes | None:
        if len(buffer) < 4:
            return None
        return _take(buffer, 4, _LENGTH.unpack_from(buffer)[0])

    def wrap(self, packet: bytes) -> bytes:
        return _LENGTH.pack(len(packet)) + packet


def _take(buffer: bytearray, head: int, length: int) -> bytes | None:
    if not 0 < length <= MAX_PACKET:
        raise FramingError(f"no packet has {length} bytes")
    if len(buffer) < head + length:
        return None
    packet = bytes(buffer[head : head + length])
    del buffer[: head + length]
    return packet


class PacketStream:
    """The packets of one TCP connection, whichever transport its client chose."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._framing: Framing | None = None

    def feed(self, data: bytes) -> None:
        """Add what the socket gave, in pieces of any size."""
        self._buffer += data

    def next_packet(self) -> bytes | None:
        """Remove the next packet; None when more bytes are needed. Raises FramingError."""
        if self._framing is None:
            self._framing = _detect(self._buffer)
            if self._framing is None:
                return None
        return self._framing.take(self._buffer)

    def wrap(self, packet: bytes) -> bytes:
        """Frame a packet as the client frames its own; there must have been one of these."""
        if self._framing is None:
            raise FramingError("the client has not chosen a transport yet")
        return self._framing.wrap(packet)


def _detect(buffer: bytearray) -> Framing | None:
    """Choose by the tag, and take it off; full has none and starts with a length."""
    if buffer.startswith(b"\xef"):
        del buffer[:1]
        return Abridged()
    if len(buffer) < 4:
        return None
    if buffer.startswith((b"\xee\xee\xee\xee", b"\xdd\xdd\xdd\xdd")):
        del buffer[:4]
        return Intermediate()
    return Full()
