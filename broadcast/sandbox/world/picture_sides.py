"""Reads how wide and how high an uploaded picture is, and whether Telegram takes it as a photo."""

from __future__ import annotations

import re

from broadcast.sandbox.world.rpc_error import RpcError

MOST_IN_ALL, MOST_TIMES = 10_000, 20
"""Width and height together in pixels, and one to the other:
https://core.telegram.org/bots/api#sendphoto"""

_PNG = re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR(.{4})(.{4})", re.DOTALL)
_GIF = re.compile(rb"GIF8[79]a(..)(..)", re.DOTALL)
_WEBP = re.compile(
    rb"RIFF.{4}WEBP(?:"
    rb"VP8 .{7}\x9d\x01\x2a(?P<lossy>....)|VP8L.{4}\x2f(?P<lossless>....)|VP8X.{8}(?P<more>.{6}))",
    re.DOTALL,
)
_FRAME = re.compile(rb"\xff+([\xc0-\xcf])..[\x01-\x10](..)(..)", re.DOTALL)
_SEGMENT = re.compile(rb"\xff+[\xc0-\xfe](..)", re.DOTALL)


def require_sides(content: bytes) -> None:
    """Raise RpcError PHOTO_INVALID_DIMENSIONS; a picture that does not tell its sides passes."""
    sides = _jpeg(content) if content.startswith(b"\xff\xd8") else _other(content)
    if sides and (
        sum(sides) > MOST_IN_ALL or min(sides) == 0 or max(sides) > MOST_TIMES * min(sides)
    ):
        raise RpcError(400, "PHOTO_INVALID_DIMENSIONS")


def _other(content: bytes) -> tuple[int, int] | None:
    if found := _PNG.match(content):
        return int.from_bytes(found[1], "big"), int.from_bytes(found[2], "big")
    if found := _GIF.match(content):
        return _bits(found[1], 0, 16), _bits(found[2], 0, 16)
    if found := _WEBP.match(content):
        if lossy := found["lossy"]:
            return _bits(lossy, 0, 14), _bits(lossy, 16, 14)
        if lossless := found["lossless"]:
            return 1 + _bits(lossless, 0, 14), 1 + _bits(lossless, 14, 14)
        return 1 + _bits(found["more"], 0, 24), 1 + _bits(found["more"], 24, 24)
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Of the frame, which comes after some segments: https://www.w3.org/Graphics/JPEG/itu-t81.pdf"""
    at = 2
    while segment := _SEGMENT.match(content, at):
        frame = _FRAME.match(content, at)
        if frame and frame[1] not in (b"\xc4", b"\xc8", b"\xcc"):
            return int.from_bytes(frame[3], "big"), int.from_bytes(frame[2], "big")
        at = segment.end() - 2 + int.from_bytes(segment[1], "big")
    return None


def _bits(data: bytes, first: int, count: int) -> int:
    """So many bits of `data` from bit `first` on, the low ones first."""
    return int.from_bytes(data, "little") >> first & (1 << count) - 1
