"""Looks at a file that is to be sent: is it there, what is it, has it changed? It uploads nothing.

Telethon is not needed for that, so a dry run need not wait until it is imported.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.core.errors import MessageError, NextStep
from broadcast.core.model import Attachment, Media
from broadcast.message.contents import JPEG, MP4, PNG, WEBM, WEBP, Content, content_of
from broadcast.message.schema import ContentError

if TYPE_CHECKING:
    from broadcast.message.schema import Look

PHOTO_LIMIT = 10 * 2**20
"""Bytes: https://core.telegram.org/bots/api#sending-files"""

FILE_LIMIT, PREMIUM_FILE_LIMIT = 4000 * 2**19, 8000 * 2**19
"""Bytes: `upload_max_fileparts` of https://core.telegram.org/api/config parts of 512 KiB."""

_GO_ON = NextStep("resume", purpose="goes on")

MOST_PIXELS, MOST_RATIO = 10_000, 20
"""Of a photo: width and height together, and one to the other:
https://core.telegram.org/bots/api#sendphoto"""

THUMBNAIL_LIMIT, THUMBNAIL_SIDE = 200_000, 320
"""Bytes and pixels: https://core.telegram.org/bots/api#sending-files"""

_EXPECTED = {
    ".jpg": (JPEG,),
    ".jpeg": (JPEG,),
    ".png": (PNG,),
    ".webp": (WEBP,),
    ".webm": (WEBM,),
    **dict.fromkeys((".mp4", ".m4v", ".mov"), (MP4,)),
    ".m4a": (MP4, ""),
    ".mp3": ("MP3", ""),
    ".flac": ("FLAC", "MP3", ""),
    ".aac": (MP4, "MP3", ""),
    ".wav": ("WAV", ""),
    **dict.fromkeys((".ogg", ".oga", ".opus"), ("Ogg", "")),
}
"""What is in a file of that name. Tags, whose name is MP3 here, stand before other sounds, too;
sounds have many forms, so one that is not known is left to Telegram."""

_MEDIA = {
    Media.PHOTO: "jpg jpeg png webp",
    Media.VIDEO: "mp4 mov m4v webm",
    Media.AUDIO: "mp3 m4a flac aac wav",
    Media.VOICE: "ogg oga opus",
}
_BY_SUFFIX = {f".{suffix}": media for media, all_of in _MEDIA.items() for suffix in all_of.split()}


def look_from(base: Path) -> Look:
    """A function that looks at files; relative paths start at `base`."""
    return partial(_look, base)


def _look(base: Path, written: str, *, as_document: bool, is_thumbnail: bool = False) -> Attachment:
    key = "thumbnail" if is_thumbnail else "files"
    try:
        path = (base / Path(written).expanduser()).resolve()
        is_file = path.is_file() or not path.exists()
        digest, size, content = _facts_of(path) if is_file else ("", 0, Content())
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ContentError(key, f"{written}: cannot be read: {reason}") from error
    media = Media.DOCUMENT if as_document else _media_of(path)
    wrong = ""
    if not is_file:
        wrong = "is not a regular file"
    elif size == 0:
        wrong = "is empty, and Telegram accepts no empty files"
    elif is_thumbnail:
        wrong = _wrong_thumbnail(content, size)
    elif size > PREMIUM_FILE_LIMIT:
        wrong = (
            f"{megabytes(size)} is more than Telegram accepts: {megabytes(FILE_LIMIT)}, or "
            f"{megabytes(PREMIUM_FILE_LIMIT)} with Premium"
        )
    elif media is not Media.DOCUMENT and (wrong := _wrong_content(path, content, media, size)):
        wrong += ", or send it with {as_document}"
    if wrong:
        raise ContentError(key, f"{path}: {wrong}")
    return Attachment(str(path), media, digest, size)


def _media_of(path: Path) -> Media:
    return _BY_SUFFIX.get(path.suffix.lower(), Media.DOCUMENT)


def _wrong_content(path: Path, content: Content, media: Media, size: int) -> str:
    """Why Telegram would not show the file as `media`, and what to do; empty where it would."""
    expected = _EXPECTED[path.suffix.lower()]
    if content.kind not in expected:
        what = "picture" if media is Media.PHOTO else media
        told = f"but is {content.kind}" if content.kind else f"but is not such a {what}"
        return f"is named {path.suffix}, {told}. Fix the file"
    if media is Media.PHOTO and size > PHOTO_LIMIT:
        return (
            f"a photo can have {megabytes(PHOTO_LIMIT)}, and this one has {megabytes(size)}. "
            "Make it smaller"
        )
    if not content.has_end:
        return f"is not a whole {content.kind}: the end of it is missing. Fix the file"
    if media is not Media.PHOTO:
        return ""
    width, height = content.width, content.height
    if not (width and height):
        return f"is not a {content.kind} that can be shown: it has no size. Fix the file"
    if width + height > MOST_PIXELS:
        return (
            f"a photo can have {MOST_PIXELS:,} pixels, width and height together, and this one has "
            f"{width:,} x {height:,}. Make it smaller"
        )
    if max(width, height) > MOST_RATIO * min(width, height):
        return (
            f"a photo can be {MOST_RATIO} times as wide as it is high, or as high as wide, and "
            f"this one has {width:,} x {height:,}. Crop it"
        )
    return ""


def _wrong_thumbnail(content: Content, size: int) -> str:
    width, height = content.width, content.height
    if content.kind != JPEG or not (content.has_end and width and height):
        return "is not a JPEG picture, which a thumbnail must be"
    if size < THUMBNAIL_LIMIT and max(width, height) <= THUMBNAIL_SIDE:
        return ""
    return (
        f"a thumbnail has less than {THUMBNAIL_LIMIT // 1000} kB, and at most {THUMBNAIL_SIDE} x "
        f"{THUMBNAIL_SIDE} pixels; this one has {size // 1000} kB and {width:,} x {height:,}. "
        "Make it smaller"
    )


def _facts_of(path: Path) -> tuple[str, int, Content]:
    """The sha256 in hex, the size in bytes, and what it is. Raises OSError."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
        size = stream.tell()
        return digest.hexdigest(), size, content_of(stream, size)


def require_unchanged(file: Attachment, *, may_be_gone: bool = False) -> None:
    """Raise MessageError when `file` is gone, or not the one that the broadcast was made with."""
    try:
        digest, _, _ = _facts_of(Path(file.path))
    except OSError as error:
        if may_be_gone:
            return
        raise MessageError(
            f"{file.path}: can no longer be read: {error.strerror}; nothing more was sent. Put it "
            "back as it was",
            _GO_ON,
        ) from error
    if digest != file.sha256:
        raise MessageError(
            f"{file.path}: has changed since the broadcast was made, and everybody must get the "
            "same; nothing more was sent. Put the file back as it was",
            _GO_ON,
        )


def require_allowed(file: Attachment, *, is_premium: bool) -> None:
    """Raise MessageError when `file` is too big for this account."""
    limit = PREMIUM_FILE_LIMIT if is_premium else FILE_LIMIT
    if file.size > limit:
        raise MessageError(
            f"{file.path}: has {megabytes(file.size)}, and this account may send "
            f"{megabytes(limit)}; nothing was sent"
        )


def megabytes(size: int) -> str:
    """A size in bytes for a person."""
    return f"{size / 2**20:,.1f} MB" if size >= 2**20 else f"{max(size / 1024, 0.1):,.1f} KB"
