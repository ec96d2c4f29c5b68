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
from broadcast.message.schema import ContentError

if TYPE_CHECKING:
    from broadcast.message.schema import Look

PHOTO_LIMIT = 10 * 2**20
"""Bytes: https://core.telegram.org/bots/api#sending-files"""

FILE_LIMIT, PREMIUM_FILE_LIMIT = 4000 * 2**19, 8000 * 2**19
"""Bytes: `upload_max_fileparts` of https://core.telegram.org/api/config parts of 512 KiB."""

_GO_ON = NextStep("resume", purpose="goes on")

_PICTURES = {
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
    ".png": b"\x89PNG\r\n\x1a\n",
    ".webp": b"RIFF",
}
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


def _look(base: Path, written: str, *, as_document: bool) -> Attachment:
    try:
        path = (base / Path(written).expanduser()).resolve()
        is_file = path.is_file() or not path.exists()
        digest, size, start = _facts_of(path) if is_file else ("", 0, b"")
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ContentError("files", f"{written}: cannot be read: {reason}") from error
    suffix = path.suffix.lower()
    media = Media.DOCUMENT if as_document else _BY_SUFFIX.get(suffix, Media.DOCUMENT)
    wrong = ""
    if not is_file:
        wrong = "is not a regular file"
    elif size == 0:
        wrong = "is empty, and Telegram accepts no empty files"
    elif media is Media.PHOTO and not start.startswith(_PICTURES[suffix]):
        wrong = (
            f"is named {path.suffix}, but is not such a picture. Fix the file, or send it with "
            "as_document"
        )
    elif media is Media.PHOTO and size > PHOTO_LIMIT:
        wrong = (
            f"a photo can have {megabytes(PHOTO_LIMIT)}, and this one has {megabytes(size)}. "
            "Make it smaller, or send it with as_document"
        )
    elif size > PREMIUM_FILE_LIMIT:
        wrong = (
            f"{megabytes(size)} is more than Telegram accepts: {megabytes(FILE_LIMIT)}, or "
            f"{megabytes(PREMIUM_FILE_LIMIT)} with Premium"
        )
    if wrong:
        raise ContentError("files", f"{path}: {wrong}")
    return Attachment(str(path), media, digest, size)


def _facts_of(path: Path) -> tuple[str, int, bytes]:
    """The sha256 in hex, the size in bytes, and the first bytes. Raises OSError."""
    with path.open("rb") as stream:
        start = stream.read(16)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256")
        return digest.hexdigest(), stream.tell(), start


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
