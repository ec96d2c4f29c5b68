"""One sequence of messages, and what happened to each; it knows neither texts nor requests.

Telegram counts every event of a sequence with a number, pts: a new message, an edit and a deletion
each adds one (https://core.telegram.org/api/updates#message-related-event-sequences). The count is
not kept: it follows from the messages and, where there are any, from the few columns of changes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PTS = 1
"""The pts of a sequence in which nothing has happened yet."""


class EventKind(IntEnum):
    """What happened to a message."""

    NEW = 0
    EDITED = 1
    DELETED = 2  # for everybody
    HIDDEN = 3  # by its sender, for the sender alone: the recipient still has it
    PINNED = 4
    PINNED_HERE = 5  # on the sender's side of a private chat only
    UNPINNED = 6


class Event(NamedTuple):
    """One step of the sequence: `number` is the message's, `date` Unix time."""

    pts: int
    kind: EventKind
    number: int
    date: float


class MessageLog:
    """One sequence of messages, numbered from 1: an account's private chats, or one channel.

    `others` holds the recipients in an account's log and the senders in a channel's.
    """

    __slots__ = (
        "bodies",
        "changed",
        "changed_at",
        "changed_when",
        "dates",
        "deletions",
        "drained",
        "edits",
        "kinds",
        "numbers",
        "others",
        "owner",
        "pins",
        "random_ids",
    )

    def __init__(self, owner: int) -> None:
        self.owner = owner
        # Of each message; `edits` and `deletions` hold the place of its last change, counted from
        # 1, or 0.
        self.others = array("q")
        self.random_ids = array("q")
        self.dates = array("d")
        self.bodies = array("q")
        self.edits = array("i")
        self.deletions = array("i")
        # Of each change: which message, what, when, and how many messages there were by then.
        self.changed = array("q")
        self.kinds = bytearray()
        self.changed_when = array("d")
        self.changed_at = array("q")
        self.numbers: dict[int, int] = {}
        self.pins: dict[int, EventKind] = {}  # the pinned ones: for whom
        self.drained = FIRST_PTS

    def __len__(self) -> int:
        return len(self.others)

    @property
    def is_channel(self) -> bool:
        """Whether this is a channel's or a supergroup's log."""
        return self.owner < 0

    @property
    def pts(self) -> int:
        """The number of the last event."""
        return FIRST_PTS + len(self.others) + len(self.changed)

    def pts_of(self, number: int) -> int:
        """The pts that the message's arrival has made."""
        return FIRST_PTS + number + bisect_left(self.changed_at, number)

    def find(self, other: int, random_id: int) -> int | None:
        """The number of the message that has this random_id, to or from `other`."""
        return self.numbers.get((other << 64) + random_id)

    def shows(self, number: int) -> bool:
        """Whether its sender still sees this message."""
        return 0 < number <= len(self.others) and not self.deletions[number - 1]

    def shows_in(self, peer: int, number: int) -> bool:
        """Whether the sender still sees this message, in the chat with this peer."""
        return self.shows(number) and (self.is_channel or self.others[number - 1] == peer)

    def sides(self, number: int) -> tuple[int, int]:
        """Who sent the message, and to which peer: marked ids."""
        other = self.others[number - 1]
        return (other, self.owner) if self.is_channel else (self.owner, other)

    def edited_at(self, number: int) -> float | None:
        """When the message was edited last, in Unix time."""
        place = self.edits[number - 1]
        return self.changed_when[place - 1] if place else None

    def deleted_at(self, number: int) -> float | None:
        """When the message was deleted for everybody, in Unix time."""
        place = self.deletions[number - 1]
        if not place or self.kinds[place - 1] != EventKind.DELETED:
            return None
        return self.changed_when[place - 1]

    def add(self, other: int, random_id: int, body: int, now: float) -> int:
        """Append a message and return its number."""
        self.others.append(other)
        self.random_ids.append(random_id)
        self.bodies.append(body)
        self.dates.append(now)
        self.edits.append(0)
        self.deletions.append(0)
        number = len(self.others)
        self.numbers[(other << 64) + random_id] = number
        return number

    def change(self, kind: EventKind, number: int, now: float) -> None:
        """Note that a message was edited, deleted, pinned or unpinned."""
        self.changed.append(number)
        self.kinds.append(kind)
        self.changed_when.append(now)
        self.changed_at.append(len(self.others))
        if kind is EventKind.EDITED:
            self.edits[number - 1] = len(self.changed)
        elif kind in (EventKind.DELETED, EventKind.HIDDEN):
            self.deletions[number - 1] = len(self.changed)
            self.pins.pop(number, None)
        elif kind is EventKind.UNPINNED:
            self.pins.pop(number, None)
        else:
            self.pins[number] = kind

    def newest_first(self, other: int | None = None) -> Iterator[int]:
        """The numbers of all messages, or of those to or from `other`; also of deleted ones."""
        others = self.others
        for index in range(len(others) - 1, -1, -1):
            if other is None or others[index] == other:
                yield index + 1

    def events(self, after: int = FIRST_PTS) -> Iterator[Event]:
        """What happened after this pts, in order."""
        done = after - FIRST_PTS
        # The change at `place` has changed_at[place] + place events before it.
        place = bisect_left(
            range(len(self.changed)), done, key=lambda place: self.changed_at[place] + place
        )
        number = done - place
        pts = after
        while place < len(self.changed):
            pts += 1
            if self.changed_at[place] == number:
                kind = EventKind(self.kinds[place])
                yield Event(pts, kind, self.changed[place], self.changed_when[place])
                place += 1
            else:
                number += 1
                yield Event(pts, EventKind.NEW, number, self.dates[number - 1])
        ahead = pts - number  # from here on only messages follow
        for last in range(number + 1, len(self.others) + 1):
            yield Event(last + ahead, EventKind.NEW, last, self.dates[last - 1])
