"""Who exists in the sandbox, and what becomes of a message to them; it stores nothing.

Everybody exists: any username, phone, id or invitation names somebody, the same in every run.
**The name decides** what happens: `@blocked_bruno` has blocked us, so has `@bruno_blocked`, the
phone +34600009401 and the user 123459401. `RULES` is the whole table, and docs/sandbox.md shows it.

A rule lives in the last four digits of the id, also when the person was found by username: so
whoever holds an id knows the rule, and a million recipients need no memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from broadcast.core.model import PeerKind

if TYPE_CHECKING:
    from broadcast.core.model import Peer

CHANNEL_MARK = 1_000_000_000_000
"""Marked ids are Telethon's: a user's id, minus a group's, minus (this plus a channel's)."""

SLOWMODE_SECONDS = 10
FLOOD_SECONDS = 3
PAID_STARS = 10

_PERSON = 9400  # the last four digits of an id are this plus the rule's number ...
_SUPERGROUP = 9500  # ... or, where the id is a supergroup's, this
_USER_ID_BITS = 52  # https://core.telegram.org/bots/api#user: "at most 52 significant bits"
_CHAT_IDS = 900_000_000_000  # below https://core.telegram.org/api/bots/ids: -997852516352

_USERNAME = re.compile(r"[a-z][a-z0-9_]{2,31}\Z")
_PHONE = re.compile(r"\+[0-9]{7,15}\Z")
_INVITE = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_USERNAME_OF_AN_ID = re.compile(r"id_([1-9][0-9]{0,15})(?:_bot)?\Z")

# fmt: off
_FIRST_NAMES = (
    "Ada", "Alma", "Anton", "Aria", "Bela", "Bruno", "Carla", "Cosmo", "Dana", "Dario", "Edda",
    "Elio", "Emma", "Enzo", "Fay", "Felix", "Gina", "Gus", "Hana", "Hugo", "Ida", "Ivan",
    "Jana", "Jonas", "Kira", "Kurt", "Lea", "Leo", "Lina", "Luca", "Mara", "Max", "Mila",
    "Nico", "Nora", "Olga", "Oscar", "Pia", "Pablo", "Rita", "Rosa", "Sara", "Sven", "Tara",
    "Theo", "Uma", "Vera", "Viktor", "Wanda", "Xenia", "Yara", "Yuri", "Zoe",
)
# fmt: on


class Kind(StrEnum):
    """What a peer is."""

    USER = "user"
    BOT = "bot"
    GROUP = "group"
    SUPERGROUP = "supergroup"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a name means for a message to it: Telegram's code and error, for each sort of peer.

    None means that the message is delivered. `once` errors are met at the first attempt only.
    """

    word: str
    number: int
    user: tuple[int, str] | None = None
    chat: tuple[int, str] | None = None
    once: bool = False
    remark: str = ""

    @property
    def digits(self) -> int:
        """The last four digits of a phone or an id that mean the same as the word."""
        return _PERSON + self.number


BLOCKED = Rule("blocked", 1, user=(403, "USER_IS_BLOCKED"))
DEACTIVATED = Rule("deactivated", 2, user=(400, "INPUT_USER_DEACTIVATED"))
PRIVATE = Rule("private", 3, user=(403, "USER_PRIVACY_RESTRICTED"), chat=(400, "CHANNEL_PRIVATE"))
UNKNOWN = Rule(
    "unknown",
    4,
    user=(400, "PEER_ID_INVALID"),
    chat=(400, "CHANNEL_INVALID"),
    remark="does not exist: USERNAME_NOT_OCCUPIED, PHONE_NOT_OCCUPIED",
)
PREMIUM = Rule("premium", 5, user=(406, "PRIVACY_PREMIUM_REQUIRED"))
PAID = Rule(
    "paid",
    6,
    user=(403, f"ALLOW_PAYMENT_REQUIRED_{PAID_STARS}"),
    chat=(403, f"ALLOW_PAYMENT_REQUIRED_{PAID_STARS}"),
    remark=f"delivered with allow_paid_stars of {PAID_STARS} or more",
)
FLOOD = Rule(
    "flood",
    7,
    user=(420, f"FLOOD_WAIT_{FLOOD_SECONDS}"),
    chat=(420, f"FLOOD_WAIT_{FLOOD_SECONDS}"),
    once=True,
)
BUSY = Rule(
    "busy",
    8,
    user=(500, "WORKER_BUSY_TOO_LONG_RETRY"),
    chat=(500, "WORKER_BUSY_TOO_LONG_RETRY"),
    once=True,
)
PEERFLOOD = Rule("peerflood", 9, user=(400, "PEER_FLOOD"))
BOT = Rule(
    "bot", 10, user=(400, "USER_IS_BOT"), remark="a bot: only another bot cannot write to it"
)
READONLY = Rule("readonly", 11, chat=(403, "CHAT_WRITE_FORBIDDEN"))
FORBIDDEN = Rule("forbidden", 12, chat=(403, "CHAT_WRITE_FORBIDDEN"))
SLOWMODE = Rule(
    "slowmode",
    13,
    chat=(420, f"SLOWMODE_WAIT_{SLOWMODE_SECONDS}"),
    remark=f"a supergroup: one message in {SLOWMODE_SECONDS} seconds",
)
FORUM = Rule(
    "forum", 14, remark="a supergroup with [topics](#topics): of a username, or an id in 9514"
)
PROTECTED = Rule(
    "protected", 15, remark="what is in a chat of this name cannot be forwarded from it"
)
NOPIN = Rule("nopin", 16, remark="only others may pin there: 400 `CHAT_ADMIN_REQUIRED`")
NOMEDIA = Rule(
    "nomedia",
    17,
    remark="texts only: 403 `CHAT_SEND_PHOTOS_FORBIDDEN` and its like; a person takes all but "
    "voice messages: 403 `VOICE_MESSAGES_FORBIDDEN`",
)

RULES = (
    BLOCKED,
    DEACTIVATED,
    PRIVATE,
    UNKNOWN,
    PREMIUM,
    PAID,
    FLOOD,
    BUSY,
    PEERFLOOD,
    BOT,
    READONLY,
    FORBIDDEN,
    SLOWMODE,
    FORUM,
    PROTECTED,
    NOPIN,
    NOMEDIA,
)
"""The table. The first word of a name that stands here decides."""

KIND_WORDS = {
    "group": Kind.SUPERGROUP,  # a username is never a basic group's: only -ids and invitations are
    "supergroup": Kind.SUPERGROUP,
    "channel": Kind.CHANNEL,
}

_BY_WORD = {rule.word: rule for rule in RULES}
_BY_DIGITS = {rule.digits: rule for rule in RULES}
_BY_CHANNEL_DIGITS = _BY_DIGITS | {_SUPERGROUP + rule.number: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Entry:
    """One peer. `id` is marked; `spelling` is how it was found, `by_spelling` finds it again:

    a username with its @, a phone with its +, an invitation's hash, or "" for an id.
    """

    id: int
    kind: Kind
    title: str
    spelling: str = ""

    @property
    def username(self) -> str | None:
        """Without its @."""
        return self.spelling[1:] if self.spelling.startswith("@") else None

    @property
    def phone(self) -> str | None:
        """With its +."""
        return self.spelling if self.spelling.startswith("+") else None

    @property
    def rule(self) -> Rule | None:
        """What the name decides."""
        return rule_of(self.id)

    @property
    def exists(self) -> bool:
        """False for those whose name says that nobody is there."""
        return self.rule is not UNKNOWN


def rule_of(marked_id: int) -> Rule | None:
    """What a message to this id meets; None: it is delivered."""
    if marked_id < -CHANNEL_MARK:
        return _BY_CHANNEL_DIGITS.get(-marked_id % 10_000)
    return _BY_DIGITS.get(abs(marked_id) % 10_000)


def by_username(username: str) -> Entry | None:
    """Who has this username, in lower case and without @; None when it cannot be a username.

    `@id_123456789` is the very user 123456789: two spellings of one person.
    """
    if not _USERNAME.match(username):
        return None
    if alias := _USERNAME_OF_AN_ID.match(username):
        same = by_id(int(alias[1]))
        return Entry(same.id, same.kind, same.title, f"@{username}")
    words = username.split("_")
    rule = _rule_in(words)
    kind = _kind_in(words) or _kind_made_by(rule) or Kind.USER
    spelling = f"@{username}"
    return Entry(_made_up_id(spelling, kind, rule), kind, _title(words), spelling)


def by_phone(phone: str) -> Entry | None:
    """Who has this number, with its +; None when it cannot be a number."""
    if not _PHONE.match(phone):
        return None
    rule = _BY_DIGITS.get(int(phone[-4:]))
    kind = Kind.BOT if rule is BOT else Kind.USER
    return Entry(_made_up_id(phone, kind, rule), kind, _first_name(phone), phone)


def by_id(marked_id: int) -> Entry:
    """Who has this marked id. An id does not tell the username it may have been found by."""
    rule = rule_of(marked_id)
    if marked_id > 0:
        kind = Kind.BOT if rule is BOT else Kind.USER
        return Entry(marked_id, kind, _first_name(str(marked_id)))
    if marked_id >= -CHANNEL_MARK:
        return Entry(marked_id, Kind.GROUP, f"Group {-marked_id}")
    number = -marked_id - CHANNEL_MARK
    if rule is SLOWMODE or _SUPERGROUP <= number % 10_000 <= _SUPERGROUP + len(RULES):
        return Entry(marked_id, Kind.SUPERGROUP, f"Supergroup {number}")
    return Entry(marked_id, Kind.CHANNEL, f"Channel {number}")


def by_invite(invite: str) -> Entry | None:
    """The chat behind an invitation's hash: a basic group unless a word in it says otherwise."""
    if not _INVITE.match(invite):
        return None
    written = re.split("[_-]+", invite)
    words = [word.lower() for word in written]
    rule = _rule_in(words)
    kind = Kind.GROUP
    if "group" not in words:
        kind = _kind_in(words) or (Kind.SUPERGROUP if rule in (SLOWMODE, FORUM) else Kind.GROUP)
    return Entry(_made_up_id(f"invite:{invite}", kind, rule), kind, _title(written), invite)


def by_peer(peer: Peer) -> Entry | None:
    """Who is meant by an entry of a contact list; None for `me` and for what names nobody."""
    match peer.kind:
        case PeerKind.USERNAME:
            return by_username(peer.value)
        case PeerKind.PHONE:
            return by_phone(peer.value)
        case PeerKind.ID:
            return by_id(int(peer.value))
        case PeerKind.INVITE:
            return by_invite(peer.value)
        case PeerKind.ME:
            return None


def by_spelling(spelling: str) -> Entry | None:
    """Who was found like this: the inverse of `Entry.spelling`, which is not empty."""
    if spelling.startswith("@"):
        return by_username(spelling[1:])
    return by_phone(spelling) if spelling.startswith("+") else by_invite(spelling)


def is_expired(invite: str) -> bool:
    """Whether an invitation no longer works: its hash says so."""
    return invite.lower().startswith("expired")


def access_hash(account: int, marked_id: int) -> int:
    """The key to a peer, different for each account, as on Telegram. Never 0."""
    name = account.to_bytes(8, "little") + marked_id.to_bytes(8, "little", signed=True)
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little", signed=True) or 1


def table() -> str:
    """`RULES` as the table of docs/sandbox.md; a test holds the page to it."""
    lines = [
        "| word in the name | last four digits | to a person | to a group or channel | |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES:
        cells = [_cell(rule, rule.user), _cell(rule, rule.chat), rule.remark]
        lines.append(f"| `{rule.word}` | {rule.digits} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(rule: Rule, error: tuple[int, str] | None) -> str:
    if error is None:
        return "delivered"
    return f"{error[0]} `{error[1]}`" + (", once" if rule.once else "")


def _rule_in(words: list[str]) -> Rule | None:
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), None)


def _kind_in(words: list[str]) -> Kind | None:
    return next((KIND_WORDS[word] for word in words if word in KIND_WORDS), None)


def _kind_made_by(rule: Rule | None) -> Kind | None:
    if rule in (READONLY, FORBIDDEN, PROTECTED):
        return Kind.CHANNEL
    if rule in (SLOWMODE, FORUM, NOPIN):
        return Kind.SUPERGROUP
    return Kind.BOT if rule is BOT else None


def _made_up_id(name: str, kind: Kind, rule: Rule | None) -> int:
    """An id that ends in the digits of its rule, and in no rule's digits when it has none."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "little")
    ids = 1 << _USER_ID_BITS if kind in (Kind.USER, Kind.BOT) else _CHAT_IDS
    start, ending = 1 + digest % (ids // 10_000 - 1), (digest >> 64) % _PERSON
    if kind is Kind.SUPERGROUP:
        ending = _SUPERGROUP + (rule.number if rule else 0)
    elif rule:
        ending = rule.digits
    number = start * 10_000 + ending
    if kind in (Kind.CHANNEL, Kind.SUPERGROUP):
        return -CHANNEL_MARK - number
    return -number if kind is Kind.GROUP else number


def _title(words: list[str]) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in words if word)


def _first_name(number: str) -> str:
    digest = blake2b(number.encode(), digest_size=8).digest()
    return _FIRST_NAMES[int.from_bytes(digest, "little") % len(_FIRST_NAMES)]
