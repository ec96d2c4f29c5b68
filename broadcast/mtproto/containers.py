"""Puts messages into a container and takes them out; refuses to read what is in them.

https://core.telegram.org/mtproto/service_messages#simple-container
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# Constructors of the protocol's own messages: https://core.telegram.org/schema/mtproto
MSG_CONTAINER: Final = 0x73F1F8DC
RPC_RESULT: Final = 0xF35C6D01
BAD_MSG_NOTIFICATION: Final = 0xA7EFF811
BAD_SERVER_SALT: Final = 0xEDAB447B

MOST_MESSAGES: Final = 1020
"""Of one container, as Telegram takes it from a client: service_messages#simple-container."""

_HEAD = struct.Struct("<Ii")
_MESSAGE = struct.Struct("<qii")
_CONSTRUCTOR = struct.Struct("<I")
_TAG = _CONSTRUCTOR.pack(MSG_CONTAINER)

OVERHEAD: Final = _MESSAGE.size
"""Bytes that a message takes beside its body."""


class ContainerError(Exception):
    """A container that lies about its contents, or holds another container."""


class Message(NamedTuple):
    """A message as it travels: with its envelope off, and outside of any container."""

    msg_id: int
    seq_no: int
    body: bytes

    def packed(self) -> bytes:
        """As it stands in a container, or alone."""
        msg_id, seq_no, body = self
        return _MESSAGE.pack(msg_id, seq_no, len(body)) + body


def constructor_of(body: bytes) -> int | None:
    """What `body` begins with: the constructor of an object. None when it is too short."""
    return _CONSTRUCTOR.unpack_from(body)[0] if len(body) >= 4 else None


def is_container(body: bytes) -> bool:
    """Whether `body` is to be read by `contained`."""
    return body.startswith(_TAG)


def container_of(messages: Collection[tuple[int, int, bytes]]) -> bytes:
    """The body of a container of `messages`: `Message`s, or what one consists of."""
    pieces = [_HEAD.pack(MSG_CONTAINER, len(messages))]
    for msg_id, seq_no, body in messages:
        pieces += _MESSAGE.pack(msg_id, seq_no, len(body)), body
    return b"".join(pieces)


def contained(body: bytes) -> Iterator[Message]:
    """The messages in a container, of which `body` is all.

    Raises ContainerError where it is wrong, which may be after its first messages.
    """
    if len(body) < _HEAD.size:
        raise ContainerError("the container is cut off")
    _, count = _HEAD.unpack_from(body)
    if not 0 < count <= MOST_MESSAGES:
        raise ContainerError(f"no container holds {count} messages")
    position, size = _HEAD.size, len(body)
    for _ in range(count):
        start = position + OVERHEAD
        if size < start:
            raise ContainerError("the container is cut off")
        msg_id, seq_no, length = _MESSAGE.unpack_from(body, position)
        position = start + length
        if length < 4 or size < position:
            raise ContainerError(f"a message of {length} bytes does not fit into its container")
        inner = body[start:position]
        if inner.startswith(_TAG):
            raise ContainerError("a container within a container")
        yield Message(msg_id, seq_no, inner)
