"""A message that has arrived, as one value: for people who look into the sandbox, and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadcast.sandbox.memory.message_body import Buttons, File, Origin


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that arrived: `peer` is a marked id, `entities` TL's bytes, the times Unix time.

    `edited` and `deleted` say when that was done last, for everybody. The text is the latest.
    `album` is the same number for all messages of one album, `pinned` means that the
    recipient sees it pinned, too. `scheduled` is the time for which a message was scheduled,
    whether it still waits or not.
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
