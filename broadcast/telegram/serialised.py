"""A request serialised once for all who get the same: what differs between them is put in."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from telethon.tl import TLObject, functions, types

from broadcast.message.text import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telethon.tl import TLRequest

    from broadcast.core.model import Message
    from broadcast.telegram.addresses import Address

# What stands in a request for the peer and the random_id: bytes that stand in no UTF-8 text.
_MARK = struct.unpack("<q", b"\xff\xfe" * 4)[0]
_NOBODY = types.InputPeerUser(_MARK, _MARK)
_NUMBER = struct.Struct("<q")
_PEER = struct.Struct("<Iqq")
_VECTOR = struct.Struct("<Ii")


class SerialisedRequest:
    """The request that `make` builds from a message, an input peer and a random_id.

    For everybody the message is the same but for `values`, those of its placeholders.
    """

    def __init__(self, message: Message, make: Callable[[Message, Any, int], TLRequest]) -> None:
        self.message, self._make = message, make
        # Values are no part of what stays: here the text has its placeholders in their place.
        bare = replace(message, values=()) if message.values else message
        whole = _whole(make(bare, _NOBODY, _MARK - 1))
        marks = [bytes(_NOBODY), _NUMBER.pack(_MARK - 1)]
        self._has_entities = False
        if message.values:
            text, entities = parse(bare)
            self._has_entities = bool(entities)
            marks += [_text(text), *([_vector(entities)] if entities else ())]
        places = sorted((whole.index(mark), index) for index, mark in enumerate(marks))
        self._order = [index for _, index in places]
        self._pieces: list[bytes] = []
        start = 0
        for place, index in places:
            self._pieces.append(whole[start:place])
            start = place + len(marks[index])
        self._tail = whole[start:]

    def filled(self, peer: bytes, random_id: int, message: Message) -> bytes:
        """The bytes of the request that sends `message` to `peer`, a serialised InputPeer."""
        parts = [peer, _NUMBER.pack(random_id)]
        if message.values:
            text, entities = parse(message)
            if bool(entities) != self._has_entities:  # a value that is empty was all there was
                whole = _whole(self._make(message, _NOBODY, random_id))
                return whole.replace(bytes(_NOBODY), peer, 1)
            parts += (_text(text), _vector(entities)) if entities else (_text(text),)
        filled: list[bytes] = []
        for piece, index in zip(self._pieces, self._order, strict=True):
            filled += piece, parts[index]
        filled.append(self._tail)
        return b"".join(filled)


def _whole(request: TLRequest) -> bytes:
    return bytes(functions.InvokeWithoutUpdatesRequest(request))


def _text(text: str) -> bytes:
    return TLObject.serialize_bytes(text)


def _vector(entities: Sequence[Any]) -> bytes:
    return b"".join((_VECTOR.pack(0x1CB5C415, len(entities)), *map(bytes, entities)))


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
