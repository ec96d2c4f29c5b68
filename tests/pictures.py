"""Small real pictures, and the smallest files of other kinds."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 8, height: int = 8) -> bytes:
    """A picture of one colour."""
    rows = b"".join(b"\0" + b"\x80\x10\x30" * width for _ in range(height))
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def jpeg(width: int = 8, height: int = 8) -> bytes:
    """A grey picture: each block of it is two bits, \"as the one before\" and \"no details\"."""
    blocks = -(-width // 8) * -(-height // 8)
    segments = (
        (0xDB, b"\0" + b"\1" * 64),
        (0xC0, struct.pack(">BHHB3B", 8, height, width, 1, 1, 0x11, 0)),
        (0xC4, b"\x00\1" + bytes(15) + b"\0"),
        (0xC4, b"\x10\1" + bytes(15) + b"\0"),
        (0xDA, bytes([1, 1, 0, 0, 63, 0])),
    )
    head = b"".join(
        struct.pack(">BBH", 0xFF, code, len(body) + 2) + body for code, body in segments
    )
    return b"\xff\xd8" + head + bytes(-(-blocks // 4)) + b"\xff\xd9"


def webp(width: int = 8, height: int = 8) -> bytes:
    """The head of a picture: nobody could draw it."""
    sides = (side.to_bytes(3, "little") for side in (width - 1, height - 1))
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"".join(sides)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(width: int = 8, height: int = 8) -> bytes:
    """The head of a picture."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3) + b";"


def mp4(brand: bytes = b"isom") -> bytes:
    """A film without pictures."""
    boxes = (b"ftyp", brand + bytes(4)), (b"mdat", b"film" * 20), (b"moov", bytes(16))
    return b"".join(struct.pack(">I", len(body) + 8) + kind + body for kind, body in boxes)
