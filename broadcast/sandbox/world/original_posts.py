"""What was in a chat before anybody sent anything: a channel's posts, and the topics of a forum.

They are the same in every run. A public channel gets its posts when somebody reads it first, but
not if somebody has posted there before; a forum always has its topics.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.memory.message_body import Body, Extra, File
from broadcast.sandbox.memory.message_log import EventKind
from broadcast.sandbox.people.phonebook import Kind

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_log import MessageLog
    from broadcast.sandbox.memory.state import State

FOUNDED = 1_704_067_200.0  # 2024-01-01


class Topic(NamedTuple):
    """A topic. Its number is that of the message that opened it; 1 is always General."""

    number: int
    title: str
    is_closed: bool = False
    is_deleted: bool = False


TOPICS = (
    Topic(1, "General"),
    Topic(2, "News"),
    Topic(3, "Offers"),
    Topic(4, "Archive", is_closed=True),
    Topic(5, "Gone", is_deleted=True),
)
"""The topics of every forum."""

_TEXTS = ("Welcome to {title}!", "We are open every day.", "A picture of today.")


def log_of(state: State, account: Account, peer: int) -> MessageLog:
    """The messages of a chat: the account's own log for people and groups, or the channel's.

    The topics of a forum are opened when somebody asks first.
    """
    if peer >= -CHANNEL_OFFSET:
        return account.log
    log = state.log_of_channel(peer)
    if not log and state.is_forum(peer):
        open_topics(state, log)
    return log


def has_posts(state: State, peer: int) -> bool:
    """Whether there are posts before anybody sends one: in channels with a username."""
    entry = state.entry(peer)
    return entry.kind is Kind.CHANNEL and entry.username is not None


def publish(state: State, log: MessageLog) -> None:
    """Put the posts into a channel that has none: three, the last with a photo."""
    title = state.entry(log.owner).title
    for number, text in enumerate(_TEXTS, start=1):
        extra = None
        if number == len(_TEXTS):
            stored = state.contents.add(_picture())
            file = File("photo", "photo.png", "image/png", stored.size, stored.sha256, FOUNDED)
            extra = Extra(file=state.add_file(file))
        body = Body(text.format(title=title), (), extra)
        state.store(log, log.owner, number, body, FOUNDED + number)


def open_topics(state: State, log: MessageLog) -> None:
    """Put the messages into a forum that opened its topics."""
    for topic in TOPICS:
        extra = Extra(topic=topic.number, topic_title=topic.title)
        state.store(log, log.owner, topic.number, Body("", (), extra), FOUNDED)
    for topic in TOPICS:
        if topic.is_deleted:
            state.change(log, EventKind.DELETED, topic.number, FOUNDED)


def _picture() -> bytes:
    """A PNG of one green pixel: https://www.w3.org/TR/png-3/#11Chunks."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0\x80\0", 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
