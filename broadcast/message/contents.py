"""Reads from its bytes what a file is, how large its picture is, and whether its end is there.

It decodes nothing: a few bytes of each part of a file say that. Names of kinds are for a person.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

JPEG, PNG, WEBP, MP4, WEBM = "JPEG", "PNG", "WebP", "MP4", "WebM"

_STARTS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\x1aE\xdf\xa3", WEBM),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
)
_RIFF = {b"WEBP": WEBP, b"WAVE": "WAV", b"AVI ": "AVI"}
_PICTURES = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}  # of before there was ftyp


@dataclass(frozen=True, slots=True)
class Content:
    """`kind` is empty where it is not known; `width` and `height` are in pixels, 0 where not known.

    `has_end` is False when the file says itself that there is more of it.
    """

    kind: str = ""
    width: int = 0
    height: int = 0
    has_end: bool = True


def content_of(stream: BinaryIO, size: int) -> Content:
    """What is in a file of `size` bytes. Raises OSError."""
    stream.seek(0)
    kind = _kind_of(stream.read(512))
    read = {JPEG: _jpeg, PNG: _png, WEBP: _webp, MP4: _mp4}.get(kind)
    try:
        return read(stream, size) if read else Content(kind)
    except struct.error:  # it ends where a number is expected
        return Content(kind, has_end=False)


def _kind_of(start: bytes) -> str:
    for magic, kind in _STARTS:
        if start.startswith(magic):
            return kind
    if start.startswith(b"RIFF"):
        return _RIFF.get(start[8:12], "")
    if start[4:8] == b"ftyp":
        if start[8:12] == b"avif":
            return "AVIF"
        return "HEIC" if start[8:12] in _PICTURES else MP4
    if start[4:8] in _QUICKTIME:
        return MP4
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "HTML"
    if text.startswith((b"<?xml", b"<svg")):
        return "XML"
    return ""


def _jpeg(stream: BinaryIO, _size: int) -> Content:
    """https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B."""
    width = height = 0
    stream.seek(2)
    while True:
        mark = stream.read(1)
        if mark != b"\xff":
            return Content(JPEG, width, height, has_end=False)
        while (code := stream.read(1)) == b"\xff":
            pass  # any number of them may stand before a marker
        if code == b"\xda":  # the picture follows
            break
        if code in (b"\xd9", b""):
            return Content(JPEG, width, height, has_end=False)
        (length,) = struct.unpack(">H", stream.read(2))
        body = stream.read(max(length - 2, 0))
        if 0xC0 <= code[0] <= 0xCF and code not in (b"\xc4", b"\xc8", b"\xcc"):
            height, width = struct.unpack_from(">HH", body, 1)
    return Content(JPEG, width, height, has_end=b"\xff\xd9" in stream.read())


def _png(stream: BinaryIO, size: int) -> Content:
    """https://www.w3.org/TR/png-3/#5Chunk-layout"""
    width, height = struct.unpack(">16x2I", _at(stream, 0, 24))
    at, kind = 8, b""
    while at < size and kind != b"IEND":
        length, kind = struct.unpack(">I4s", _at(stream, at, 8))
        at += length + 12
    return Content(PNG, width, height, has_end=kind == b"IEND" and at <= size)


def _webp(stream: BinaryIO, size: int) -> Content:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    start = _at(stream, 0, 30)
    (length,) = struct.unpack_from("<I", start, 4)
    width = height = 0
    match start[12:16]:
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", start, 26))
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", start, 21)
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width, height = (1 + int.from_bytes(start[at : at + 3], "little") for at in (24, 27))
        case _:
            pass
    return Content(WEBP, width, height, has_end=length + 8 <= size)


def _mp4(stream: BinaryIO, size: int) -> Content:
    """ISO/IEC 14496-12, 4.2: boxes one after the other; `moov` tells what there is to play."""
    ends = dict(_boxes(stream, size))
    needed = (ends.get(kind, 0) for kind in (b"moov", b"mdat", b"moof"))
    return Content(MP4, has_end=b"moov" in ends and max(needed) <= size)


def _boxes(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """The kind of each box and where it ends, up to the first that is none: what is appended."""
    at = 0
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", _at(stream, at, 8))
        if length == 1:
            (length,) = struct.unpack(">Q", _at(stream, at + 8, 8))
        elif length == 0:
            length = size - at
        if length < 8 or not kind.isalnum():
            return
        at += length
        yield kind, at


def _at(stream: BinaryIO, at: int, count: int) -> bytes:
    stream.seek(at)
    return stream.read(count)
