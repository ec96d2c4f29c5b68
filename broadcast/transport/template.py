"""A request serialised once for all who get the same: only peer and random_id are put in."""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from telethon.tl import functions, types

if TYPE_CHECKING:
    from collections.abc import Callable

    from telethon.tl import TLRequest

    from broadcast.transport.addresses import Address

# What stands in a request for the peer and the random_id: bytes that stand in no UTF-8 text.
_MARK = struct.unpack("<q", b"\xff\xfe" * 4)[0]
_NOBODY = types.InputPeerUser(_MARK, _MARK)
_NUMBER = struct.Struct("<q")
_PEER = struct.Struct("<Iqq")


class Template:
    """`make` builds the request from an input peer and a random_id."""

    def __init__(self, make: Callable[[Any, int], TLRequest]) -> None:
        whole = bytes(functions.InvokeWithoutUpdatesRequest(make(_NOBODY, _MARK - 1)))
        head, _, rest = whole.partition(bytes(_NOBODY))
        number = _NUMBER.pack(_MARK - 1)
        self._peer_first = number in rest
        if self._peer_first:
            self._head, (self._middle, _, self._tail) = head, rest.partition(number)
        else:
            (self._head, _, self._middle), self._tail = head.partition(number), rest

    def fill(self, peer: bytes, random_id: int) -> bytes:
        """The bytes of the request to `peer`, a serialised InputPeer."""
        number = _NUMBER.pack(random_id)
        first, second = (peer, number) if self._peer_first else (number, peer)
        return b"".join((self._head, first, self._middle, second, self._tail))


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
