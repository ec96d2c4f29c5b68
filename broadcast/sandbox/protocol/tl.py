"""Telethon's TL reader and writer behind a few typed functions; refuses to know what they mean.

The one place where the sandbox meets the untyped half of Telethon, and where whatever a reader
raises on garbage becomes `UnreadableError`.
"""

# Telethon carries no types for BinaryReader and TLObject, so everything they return is unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import struct
import zlib
from typing import Final

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import TLObject
from telethon.tl.core.gzippacked import GzipPacked

GZIP_PACKED: Final = GzipPacked.CONSTRUCTOR_ID
_VECTOR: Final = struct.Struct("<Ii")
_TRUE, _FALSE = struct.pack("<I", 0x997275B5), struct.pack("<I", 0xBC799737)

# Telethon's own threshold (GzipPacked.gzip_if_smaller): below it packing costs more than it saves.
_WORTH_PACKING = 512
_GZIP = 16 + zlib.MAX_WBITS
# A client's message is at most 1 MB before it is packed; a bomb of zeros is much more.
_MAX_UNPACKED = 16 * 2**20

# What the generated readers raise on bytes that are no such object: found by hypothesis, not by
# documentation. RuntimeError includes the RecursionError of an endless nesting.
_GARBAGE = (
    ArithmeticError, AttributeError, BufferError, EOFError, LookupError, OSError, RuntimeError,
    TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip


class UnreadableError(Exception):
    """The bytes are not one TL object."""


class UnknownConstructorError(UnreadableError):
    """The bytes start, or go on, with a constructor that Telethon's layer does not have."""

    def __init__(self, constructor: int) -> None:
        super().__init__(f"unknown constructor {constructor:#010x}")
        self.constructor = constructor


def read(data: bytes) -> tuple[TLObject, int]:
    """Read the object that `data` starts with, and how many bytes it took. UnreadableError."""
    reader = BinaryReader(data)
    try:
        value = reader.tgread_object()
    except TypeNotFoundError as error:
        raise UnknownConstructorError(error.invalid_constructor_id) from None
    except _GARBAGE as error:
        raise UnreadableError(f"not a TL object: {type(error).__name__}") from None
    if not isinstance(value, TLObject):
        raise UnreadableError("not a TL object: a bare value")
    return value, reader.tell_position()


def write(value: object) -> bytes:
    """Serialise an object, a bool, an int (32 bits) or a list of these (a vector)."""
    if isinstance(value, TLObject):
        return bytes(value)
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int):
        return struct.pack("<i", value)
    if isinstance(value, list):
        return _VECTOR.pack(0x1CB5C415, len(value)) + b"".join(map(write, value))
    raise TypeError(f"{type(value).__name__} has no TL form")


def pack_if_smaller(data: bytes) -> bytes:
    """Turn the bytes of a big object into gzip_packed when that makes them fewer."""
    if len(data) <= _WORTH_PACKING:
        return data
    packed = struct.pack("<I", GZIP_PACKED) + TLObject.serialize_bytes(
        zlib.compress(data, wbits=_GZIP)
    )
    return packed if len(packed) < len(data) else data


def unpack(data: bytes) -> bytes:
    """Return what a gzip_packed carries; `data` starts with its constructor. UnreadableError."""
    inflate = zlib.decompressobj(wbits=_GZIP)
    try:
        reader = BinaryReader(data)
        reader.seek(4)
        unpacked = inflate.decompress(reader.tgread_bytes(), _MAX_UNPACKED)
    except _GARBAGE as error:
        raise UnreadableError(f"not gzip_packed: {type(error).__name__}") from None
    if not inflate.eof:
        raise UnreadableError("gzip_packed is cut off, or too big")
    return unpacked
