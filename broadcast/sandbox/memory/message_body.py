"""What a message carries: its text, its file, its buttons and how it is sent; plain values.

memory/state.py keeps them, memory/records.py writes them down.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

Buttons = tuple[tuple[tuple[str, str], ...], ...]
"""Rows of buttons that open links, each a text and a URL."""


@dataclass(frozen=True, slots=True)
class File:
    """A photo or a document that can be sent, and sent again; its content is known by `sha256`.

    `kind` is photo, video, animation, audio, voice or document, `attributes` are TL's bytes, `date`
    is Unix time, `thumb` the hash of a thumbnail's content or empty.
    """

    kind: str
    name: str
    mime: str
    size: int
    sha256: str
    date: float
    attributes: tuple[bytes, ...] = ()
    thumb: str = ""
    thumb_size: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a forwarded message comes from: whose it was (a marked id), and when it was written.

    `message_id` is known of a channel's posts only, as on Telegram.
    """

    peer: int
    date: float
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """Everything that goes with a text. A plain message has none of it.

    `file` is the number of a file in State, `album` the place in an album, from 0. `topic_title` is
    the title of the topic that this message opened.
    """

    file: int | None = None
    spoiler: bool = False
    album: int | None = None
    silent: bool = False
    protected: bool = False
    no_webpage: bool = False
    invert_media: bool = False
    reply_to: int | None = None
    quote: str = ""
    topic: int | None = None
    send_as: int | None = None
    effect: int | None = None
    buttons: Buttons = ()
    origin: Origin | None = None
    from_scheduled: bool = False
    topic_title: str = ""


NO_EXTRA = Extra()


class Body(NamedTuple):
    """What a message says: `entities` are TL's bytes."""

    text: str
    entities: tuple[bytes, ...] = ()
    extra: Extra | None = None


def album_id(owner: int, number: int, place: int) -> int:
    """The number that an album's messages share: they follow each other, this one at `place`."""
    name = owner.to_bytes(8, "little", signed=True) + (number - place).to_bytes(8, "little")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little") >> 1
