"""Who exists in the sandbox: everybody. People and chats are made from their names, not stored.

Any username, phone, id or invitation leads to somebody, the same in every run. The ids made here
also say how somebody behaves: people/behaviour.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from broadcast.core.model import PeerKind
from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.people.behaviour import (
    BOT,
    FORBIDDEN,
    FORUM,
    NOPIN,
    PERSON_DIGITS,
    PROTECTED,
    READONLY,
    RULES,
    SLOWMODE,
    SUPERGROUP_DIGITS,
    UNKNOWN,
    Rule,
    rule_in,
    rule_of,
)

if TYPE_CHECKING:
    from broadcast.core.model import Peer

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


KIND_WORDS = {
    "group": Kind.SUPERGROUP,  # a username is never a basic group's: only -ids and invitations are
    "supergroup": Kind.SUPERGROUP,
    "channel": Kind.CHANNEL,
}


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
        """How they behave."""
        return rule_of(self.id)

    @property
    def exists(self) -> bool:
        """Whether somebody is there: the name may say that nobody is."""
        return self.rule is not UNKNOWN


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
    rule = rule_in(words)
    kind = _kind_in(words) or _kind_made_by(rule) or Kind.USER
    spelling = f"@{username}"
    return Entry(_made_up_id(spelling, kind, rule), kind, _title(words), spelling)


def by_phone(phone: str) -> Entry | None:
    """Who has this number, with its +; None when it cannot be a number."""
    if not _PHONE.match(phone):
        return None
    rule = rule_of(int(phone))
    kind = Kind.BOT if rule is BOT else Kind.USER
    return Entry(_made_up_id(phone, kind, rule), kind, _first_name(phone), phone)


def by_id(marked_id: int) -> Entry:
    """Who has this marked id. An id does not tell the username it may have been found by."""
    rule = rule_of(marked_id)
    if marked_id > 0:
        kind = Kind.BOT if rule is BOT else Kind.USER
        return Entry(marked_id, kind, _first_name(str(marked_id)))
    if marked_id >= -CHANNEL_OFFSET:
        return Entry(marked_id, Kind.GROUP, f"Group {-marked_id}")
    number = -marked_id - CHANNEL_OFFSET
    if rule is SLOWMODE or SUPERGROUP_DIGITS <= number % 10_000 <= SUPERGROUP_DIGITS + len(RULES):
        return Entry(marked_id, Kind.SUPERGROUP, f"Supergroup {number}")
    return Entry(marked_id, Kind.CHANNEL, f"Channel {number}")


def by_invite(invite: str) -> Entry | None:
    """The chat behind an invitation's hash: a basic group unless a word says something else."""
    if not _INVITE.match(invite):
        return None
    written = re.split("[_-]+", invite)
    words = [word.lower() for word in written]
    rule = rule_in(words)
    kind = Kind.GROUP
    if "group" not in words:
        kind = _kind_in(words) or (Kind.SUPERGROUP if rule in (SLOWMODE, FORUM) else Kind.GROUP)
    return Entry(_made_up_id(f"invite:{invite}", kind, rule), kind, _title(written), invite)


def by_peer(peer: Peer) -> Entry | None:
    """Whom an entry of a contact list names; None for `me`, and when nobody can have that name."""
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
    """Who was found with this `Entry.spelling`, which is not empty."""
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


def _kind_in(words: list[str]) -> Kind | None:
    return next((KIND_WORDS[word] for word in words if word in KIND_WORDS), None)


def _kind_made_by(rule: Rule | None) -> Kind | None:
    if rule in (READONLY, FORBIDDEN, PROTECTED):
        return Kind.CHANNEL
    if rule in (SLOWMODE, FORUM, NOPIN):
        return Kind.SUPERGROUP
    return Kind.BOT if rule is BOT else None


def _made_up_id(name: str, kind: Kind, rule: Rule | None) -> int:
    """An id that ends in the digits of the rule; without a rule, in no rule's digits."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "little")
    ids = 1 << _USER_ID_BITS if kind in (Kind.USER, Kind.BOT) else _CHAT_IDS
    start, ending = 1 + digest % (ids // 10_000 - 1), (digest >> 64) % PERSON_DIGITS
    if kind is Kind.SUPERGROUP:
        ending = SUPERGROUP_DIGITS + (rule.number if rule else 0)
    elif rule:
        ending = rule.digits
    number = start * 10_000 + ending
    if kind in (Kind.CHANNEL, Kind.SUPERGROUP):
        return -CHANNEL_OFFSET - number
    return -number if kind is Kind.GROUP else number


def _title(words: list[str]) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in words if word)


def _first_name(number: str) -> str:
    digest = blake2b(number.encode(), digest_size=8).digest()
    return _FIRST_NAMES[int.from_bytes(digest, "little") % len(_FIRST_NAMES)]
