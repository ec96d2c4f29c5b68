"""The words of docs/architecture.md as frozen values; it does nothing with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from broadcast.core.fast_init import fast_init

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NO_FIELDS: Mapping[str, str] = MappingProxyType({})
NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})


class PeerKind(StrEnum):
    """The ways to name a recipient to Telegram."""

    USERNAME = "username"
    PHONE = "phone"
    ID = "id"
    INVITE = "invite"
    ME = "me"


@fast_init
@dataclass(frozen=True, slots=True)
class Peer:
    """How the contact list names a recipient.

    `text` is as it was written, `value` is normalised: a username in lower case without its @,
    a phone with its + and no spaces, an id in decimal, an invitation's hash, or `me`. `topic` is
    that of a forum (`@group/42`), by the id of the message that began it.
    """

    text: str
    kind: PeerKind
    value: str
    topic: int | None = None

    @property
    def chat(self) -> Peer:
        """The peer without its topic: what has an address."""
        return self if self.topic is None else replace(self, topic=None)

    @property
    def key(self) -> str:
        """The same for two spellings of one peer: `@Ana` and `https://t.me/ana`."""
        return f"{self.kind}:{self.value}" + (f"/{self.topic}" if self.topic else "")


@fast_init
@dataclass(frozen=True, slots=True)
class Contact:
    """An entry of the contact list. `line` is where the entry starts, from 1.

    `overrides` are fields of `Message` that are different for this contact (message/personal.py).
    """

    peer: Peer
    name: str = ""
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS, repr=False)
    line: int = 0
    overrides: Mapping[str, object] = field(default_factory=lambda: NO_OVERRIDES, repr=False)

    @property
    def called(self) -> str:
        """What a complaint calls them: the name, else the peer."""
        return self.name or self.peer.text


class Format(StrEnum):
    """How the text of a message is marked up."""

    MARKDOWN = "md"
    HTML = "html"
    PLAIN = "plain"


class LinkPreview(StrEnum):
    """What is shown of the first link in a text."""

    BELOW = "below"
    ABOVE = "above"
    OFF = "off"


class Media(StrEnum):
    """How a file is shown."""

    PHOTO = "photo"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is sent. `path` is absolute, `sha256` in hex and `size` in bytes: both frozen."""

    path: str
    media: Media
    sha256: str
    size: int
    spoiler: bool = False
    thumbnail: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button under the message of a bot; it opens a link."""

    text: str = field(repr=False)  # like a message's text, it never reaches a log
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Forward:
    """An existing message, in the chat `peer` with the id `message_id`."""

    peer: Peer
    message_id: int
    with_author: bool = True


@dataclass(frozen=True, slots=True)
class When:
    """When a message goes out: `at` is a local time, a naive datetime, in the zone `zone`.

    With `of_recipient` the zone is that of each recipient, from the field `tz`.
    """

    at: datetime
    zone: str
    of_recipient: bool = False


@fast_init
@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the text as written, how to read it, and all that goes with it.

    `late` is in seconds: a message that is later than that is not sent any more.

    With `literal` the braces in a message that is no template are meant as they are.

    The last two are filled in by rendering. `values` are the values of the template: the text has a
    placeholder for each (message/templates.py), so that no value is ever read as markup. `origin`
    is the message it was made from, when that is the one for all.
    """

    text: str = field(repr=False)  # a message's text never reaches a log
    format: Format = Format.MARKDOWN
    template: bool = False
    split: bool = False
    files: tuple[Attachment, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    link_preview: LinkPreview = LinkPreview.BELOW
    silent: bool = False
    protect: bool = False
    pin: bool = False
    reply_to: int | None = None
    send_as: Peer | None = None
    effect: int | None = None
    forward: Forward | None = None
    when: When | None = None
    late: float | None = None
    literal: bool = field(default=False, compare=False)
    values: tuple[str, ...] = field(default=(), repr=False)
    origin: Message | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in. `name` is for a person; the id is Telegram's."""

    id: int
    is_bot: bool
    name: str
    is_premium: bool = False


class Status(StrEnum):
    """The states of a delivery. Only pending and sending are not final."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"


TRANSITIONS: Mapping[tuple[Status, Status], str] = MappingProxyType(
    {
        (Status.PENDING, Status.SENDING): "claim",
        (Status.PENDING, Status.SKIPPED): "cancel",
        (Status.PENDING, Status.FAILED): "a part before it fails",
        (Status.SENDING, Status.SENT): "settle",
        (Status.SENDING, Status.FAILED): "settle",
        (Status.SENDING, Status.PENDING): "defer, release, crash",
        (Status.FAILED, Status.PENDING): "retry",
    }
)
"""Every step that a delivery can take, and what takes it; README draws this table."""


class Scope(StrEnum):
    """What a wait is for."""

    ACCOUNT = "account"
    DELIVERY = "delivery"


@fast_init
@dataclass(frozen=True, slots=True)
class Sent:
    """Telegram has the message. `message_id` is None when it accepted it without telling the id.

    `paid` messages cost Stars (engine/gates.py). `others` are the ids of the rest of an album,
    and `note` says what else was asked for and could not be done. Until `scheduled_until` it waits
    in Telegram's schedule, and the ids are those of the schedule.
    """

    message_id: int | None = None
    paid: bool = field(default=False, repr=False)
    others: tuple[int, ...] = field(default=(), repr=False)
    note: str = field(default="", repr=False)
    scheduled_until: datetime | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: try again, with the same random_id, after `retry_after` seconds.

    `retry_after` is None when Telegram named no time: the engine then waits a growing while.
    `reached` is False when Telegram said nothing at all. `perhaps_sent` tells that the message may
    have arrived all the same. `counts` is set by the engine on a try that makes the next wait
    longer: one that Telegram answered, and without naming a time.
    """

    error: str
    reason: str
    retry_after: float | None = None
    scope: Scope = Scope.DELIVERY
    reached: bool = True
    perhaps_sent: bool = False
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot be sent to this recipient: Telegram's error, and the reason in words.

    `perhaps_sent` tells that an earlier try may have arrived all the same.
    """

    error: str
    reason: str
    perhaps_sent: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class Halted:
    """The whole broadcast must stop; this delivery was not made.

    `resumable` is False when going on later cannot help: the message itself is wrong. What
    `ends_by_itself` needs nobody: a broadcast that is sent unattended goes on when it is over.
    """

    error: str
    reason: str
    resumable: bool = True
    ends_by_itself: bool = False


Outcome = Sent | Deferred | Failed | Halted


class Action(StrEnum):
    """What a broadcast does: send a message, or change the sent messages of another broadcast."""

    SEND = "send"
    EDIT = "edit"
    RECALL = "recall"


@fast_init
@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient's share of a broadcast. `position` counts from 0 within its audience.

    `message_id` is the message that an edit or a recall changes; None when it is not known. `part`
    counts from 0 within a message that was split: each part is a delivery of its own. `others` are
    the ids of the rest of an album that an edit or a recall changes. With `is_scheduled` these ids
    are not of messages, but of Telegram's schedule. `perhaps_sent` tells that an earlier try may
    have arrived.
    """

    broadcast: str
    position: int
    contact: Contact
    message: Message
    attempts: int = 0
    action: Action = Action.SEND
    message_id: int | None = None
    part: int = 0
    others: tuple[int, ...] = ()
    is_scheduled: bool = False
    perhaps_sent: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one delivery. `at` is the UTC time of its outcome.

    `outcome` is the last one; None when there was no attempt yet, or none is known to have ended. A
    recall deleted the message at `deleted_at`. With `went_out` it has left Telegram's schedule.
    """

    delivery: Delivery
    status: Status = Status.PENDING
    outcome: Outcome | None = None
    at: datetime | None = None
    deleted_at: datetime | None = None
    went_out: bool = False

    @property
    def is_scheduled(self) -> bool:
        """Whether Telegram has it, and keeps it for later."""
        is_kept = isinstance(self.outcome, Sent) and self.outcome.scheduled_until is not None
        return is_kept and not self.went_out


@dataclass(frozen=True, slots=True)
class Counts:
    """How many deliveries of a broadcast are in each state; `pending` includes the unsettled.

    Of the pending so many as are `in_doubt` were perhaps sent by a run that ended before Telegram
    answered; while a process is at work none is.
    """

    sent: int = 0
    failed: int = 0
    skipped: int = 0
    pending: int = 0
    in_doubt: int = 0

    @property
    def total(self) -> int:
        """The size of the audience."""
        return self.sent + self.failed + self.skipped + self.pending


class State(StrEnum):
    """The states of a broadcast. An open one that no process runs can be resumed."""

    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a broadcast goes out, in UTC; `last` is another moment where each has their own.

    With `at_telegram` Telegram keeps the messages until then; else the ledger keeps them.
    """

    first: datetime
    last: datetime
    at_telegram: bool = False


@dataclass(frozen=True, slots=True)
class Recalled:
    """What has recalled a broadcast, since when, and how many messages it has deleted so far."""

    by: str
    at: datetime
    is_done: bool
    deleted: int


@dataclass(frozen=True, slots=True)
class Selection:
    """How an audience was chosen: the selectors, as they are compared, and the absolute path of
    the contact list."""

    to: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is at work: its id on the machine of that name."""

    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A broadcast as the ledger keeps it. `target` is the number of the broadcast that an edit or
    recall changes, `target_id` its id.

    `account` and `server` say as whom and where it was started, `owner` which process runs it
    now, `halted` why the last run stopped early by itself, and `paid` how many messages cost Stars.
    Of the deliveries `later_parts` are not the first to their recipient. `selection` is how its
    audience was chosen, where that is known. So many as are `waiting` are kept for later: of the
    sent where Telegram keeps them, else of the pending.
    """

    number: int
    id: str
    action: Action
    message: Message
    created_at: datetime
    state: State
    counts: Counts
    target: int | None = None
    once: str | None = None
    server: str | None = None
    account: int | None = None
    owner: Process | None = None
    halted: Halted | None = None
    paid: int = 0
    schedule: Schedule | None = None
    later_parts: int = 0
    selection: Selection | None = None
    target_id: str | None = None
    recalled: Recalled | None = None
    waiting: int = 0

    @property
    def at_telegram(self) -> int:
        """How many of the sent wait in Telegram's schedule."""
        return self.waiting if self.schedule is not None and self.schedule.at_telegram else 0

    @property
    def not_due(self) -> int:
        """How many of the pending only wait for their time, which is still to come."""
        return self.waiting - self.at_telegram
