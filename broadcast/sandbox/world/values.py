"""What the pretend Telegram remembers, as values: people, texts, files, what goes with a message.

They know neither requests nor how they are kept: state.py keeps them, records.py writes them down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from broadcast.sandbox.world.message_log import Box

Buttons = tuple[tuple[tuple[str, str], ...], ...]
"""Rows of buttons that open links, each a text and a URL."""


class RpcError(Exception):
    """What Telegram answers instead of a result: `RpcError(420, "FLOOD_WAIT_31")`."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(code, name)
        self.code = code
        self.name = name


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
    """Whence a message was forwarded: from whom (a marked id), when it was written there.

    `message_id` is known of a channel's posts only, as on Telegram.
    """

    peer: int
    date: float
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """All that goes with a text; equal ones are kept once. A plain message has none.

    `file` is the number of a file in State, `album` the place in an album, from 0. `topic_title` is
    that of the topic which this very message has opened.
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


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that arrived: `peer` is a marked id, `entities` TL's bytes, the times Unix time.

    `edited` and `deleted` say when that was done last, for everybody. The text is the latest.
    `album` is the same number for all messages of one album, `pinned` means for the recipient, too.
    `scheduled` is for when a message was scheduled, that waits or that has come from the schedule.
    """

    sender: int
    peer: int
    title: str
    message_id: int
    random_id: int
    text: str
    entities: tuple[bytes, ...]
    date: float
    edited: float | None = None
    deleted: float | None = None
    file: File | None = None
    spoiler: bool = False
    album: int | None = None
    buttons: Buttons = ()
    silent: bool = False
    protected: bool = False
    no_webpage: bool = False
    invert_media: bool = False
    pinned: bool = False
    topic: int | None = None
    reply_to: int | None = None
    quote: str = ""
    forwarded_from: Origin | None = None
    effect: int | None = None
    send_as: int | None = None
    scheduled: float | None = None


@dataclass(slots=True, eq=False)
class Account:
    """Somebody who signed in at least once. `contacts` are those imported, with their names.

    `strangers` are the people who were written to without being contacts, and when they first were,
    in Unix time; `stars_spent` is what paid messages have cost.
    """

    id: int
    phone: str | None
    first_name: str
    last_name: str
    is_bot: bool
    box: Box
    contacts: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    strangers: dict[int, float] = field(default_factory=dict[int, float])
    stars_spent: Decimal = Decimal(0)

    @property
    def is_premium(self) -> bool:
        """Whether Telegram Premium was bought: by people whose number ends in 0008."""
        return self.phone is not None and self.phone.endswith("0008")


def album_id(owner: int, number: int, place: int) -> int:
    """The number that the messages of one album share: they lie in a row, this one at `place`."""
    name = owner.to_bytes(8, "little", signed=True) + (number - place).to_bytes(8, "little")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little") >> 1
