"""What the pretend Telegram remembers: accounts, logins, messages; it knows no requests.

All of it can be written down as small JSON-able records and played back. Messages are kept as
columns of numbers: a million of them to a million people take about 240 MB.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broadcast.sandbox import phonebook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadcast.core.model import Peer

Record = dict[str, Any]  # one line of JSON


class RpcError(Exception):
    """What Telegram answers instead of a result: `RpcError(420, "FLOOD_WAIT_31")`."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(code, name)
        self.code = code
        self.name = name


@dataclass(frozen=True, slots=True)
class Limits:
    """What the sandbox allows, beside the rules of the names. None: as much as arrives.

    More than `messages_per_second` from one account, bursts of a second's worth excepted, is
    answered with FLOOD_WAIT_x.
    """

    messages_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that arrived: `peer` is a marked id, `entities` TL's bytes, `date` Unix time."""

    sender: int
    peer: int
    title: str
    message_id: int
    random_id: int
    text: str
    entities: tuple[bytes, ...]
    date: float


Body = tuple[str, tuple[bytes, ...]]


class Box:
    """One sequence of messages, numbered from 1: an account's private chats, or one channel.

    `others` holds the recipients in an account's box and the senders in a channel's.
    """

    __slots__ = ("bodies", "dates", "drained", "numbers", "others", "owner", "random_ids")

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.others = array("q")
        self.random_ids = array("q")
        self.dates = array("d")
        self.bodies = array("q")
        self.numbers: dict[int, int] = {}
        self.drained = 0

    def __len__(self) -> int:
        return len(self.others)

    @property
    def is_channel(self) -> bool:
        """Whether this is a channel's or a supergroup's box."""
        return self.owner < 0

    def find(self, other: int, random_id: int) -> int | None:
        """The number of the message that has this random_id, to or from `other`."""
        return self.numbers.get((other << 64) + random_id)

    def add(self, other: int, random_id: int, body: int, now: float) -> int:
        """Append a message and return its number."""
        self.others.append(other)
        self.random_ids.append(random_id)
        self.bodies.append(body)
        self.dates.append(now)
        number = len(self.others)
        self.numbers[(other << 64) + random_id] = number
        return number

    def newest_first(self, other: int | None = None) -> Iterator[int]:
        """The numbers of all messages, or of those to or from `other`."""
        others = self.others
        for index in range(len(others) - 1, -1, -1):
            if other is None or others[index] == other:
                yield index + 1


@dataclass(slots=True, eq=False)
class Account:
    """Somebody who signed in at least once. `contacts` are those imported, with their names."""

    id: int
    phone: str | None
    first_name: str
    last_name: str
    is_bot: bool
    box: Box
    contacts: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    next_free: float = 0.0


class State:
    """The memory of a World. Whatever changes it is also noted for `drain`."""

    def __init__(self, contacts: Sequence[Peer], limits: Limits) -> None:
        self.limits = limits
        self.accounts: dict[int, Account] = {}
        self.logins: dict[int, tuple[int, bool]] = {}  # key id: account, and whether it is let in
        self.boxes: dict[int, Box] = {}
        self.spellings: dict[int, str] = {}
        self.tripped: set[tuple[int, int]] = set()
        self._bodies: list[Body] = []
        self._body_numbers: dict[Body, int] = {}
        self._notes: list[Record] = []
        self._unsaved: dict[int, Box] = {}
        self._peers = contacts
        self._given: dict[int, phonebook.Entry] | None = None

    # -- reading --

    def given(self) -> dict[int, phonebook.Entry]:
        """The contact list that the world was made with, by marked id."""
        if self._given is None:
            entries = (phonebook.by_peer(peer) for peer in self._peers)
            known = {entry.id: entry for entry in entries if entry and entry.exists}
            for entry in known.values():
                self.learn(entry)
            self._given = known
        return self._given

    def entry(self, marked_id: int) -> phonebook.Entry:
        """Who this is, with the username or phone they were found by, if they were."""
        spelling = self.spellings.get(marked_id)
        found = phonebook.by_spelling(spelling) if spelling else None
        return found or phonebook.by_id(marked_id)

    def title(self, marked_id: int) -> str:
        """What a peer is called: an account by the name it signed up with."""
        account = self.accounts.get(marked_id)
        return account.first_name if account else self.entry(marked_id).title

    def body(self, box: Box, number: int) -> Body:
        """The text and the entities of a message."""
        return self._bodies[box.bodies[number - 1]]

    def inbox(self, box: Box) -> Iterator[Delivered]:
        """The messages of one box, oldest first."""
        for number in range(1, len(box) + 1):
            other = box.others[number - 1]
            sender, peer = (other, box.owner) if box.is_channel else (box.owner, other)
            text, entities = self.body(box, number)
            yield Delivered(
                sender=sender,
                peer=peer,
                title=self.title(peer),
                message_id=number,
                random_id=box.random_ids[number - 1],
                text=text,
                entities=entities,
                date=box.dates[number - 1],
            )

    # -- changing --

    def box_of(self, account: Account, peer: int) -> Box:
        """Where messages of this account to this peer are kept."""
        if peer >= -phonebook.CHANNEL_MARK:
            return account.box
        return self._channel_box(peer)

    def store(self, box: Box, other: int, random_id: int, body: Body, now: float) -> int:
        """Keep a message and return its number. Equal texts are kept once."""
        number = self._body_numbers.get(body)
        if number is None:
            number = self._body_numbers[body] = len(self._bodies)
            self._bodies.append(body)
        self._unsaved[box.owner] = box
        return box.add(other, random_id, number, now)

    def learn(self, entry: phonebook.Entry) -> None:
        """Remember how somebody was found: an id does not tell it."""
        spelling = entry.spelling
        if spelling and entry.id not in self.spellings:
            self._change({"t": "spelling", "peer": entry.id, "spelling": spelling})

    def open_account(
        self, user_id: int, phone: str | None, first_name: str, last_name: str, *, is_bot: bool
    ) -> Account:
        """The account of this user; it is opened now if it is not open yet."""
        if user_id not in self.accounts:
            account = Account(user_id, phone, first_name, last_name, is_bot, Box(user_id))
            self._change(_account_record(account))
        return self.accounts[user_id]

    def sign_in(self, key_id: int, account: Account, *, let_in: bool) -> None:
        """This key is the account's from now on; not `let_in` while a password is due."""
        self._change({"t": "login", "key": key_id, "account": account.id, "let_in": let_in})

    def sign_out(self, key_id: int) -> None:
        """This key is nobody's any more."""
        self._change({"t": "logout", "key": key_id})

    def import_contact(
        self, account: Account, user_id: int, first_name: str, last_name: str
    ) -> None:
        """Somebody is in the account's address book, under this name."""
        if account.contacts.get(user_id) != (first_name, last_name):
            self._change(_contact_record(account, user_id, first_name, last_name))

    def trip(self, account: Account, peer: int) -> bool:
        """Whether this is the account's first attempt at a peer that fails once."""
        if (account.id, peer) in self.tripped:
            return False
        self._change({"t": "tripped", "account": account.id, "peer": peer})
        return True

    # -- records --

    def drain(self) -> list[Record]:
        """All changes since the last drain, in an order in which they can be applied."""
        records, self._notes = self._notes, []
        boxes, self._unsaved = self._unsaved, {}
        for box in boxes.values():
            records += self._messages(box, box.drained)
            box.drained = len(box)
        return records

    def dump(self) -> list[Record]:
        """The whole state as records: two worlds are equal when their dumps are."""
        records: list[Record] = [
            {"t": "spelling", "peer": peer, "spelling": spelling}
            for peer, spelling in sorted(self.spellings.items())
        ]
        for _, account in sorted(self.accounts.items()):
            records.append(_account_record(account))
            records += (
                _contact_record(account, user, *names)
                for user, names in sorted(account.contacts.items())
            )
        records += (
            {"t": "login", "key": key_id, "account": account, "let_in": let_in}
            for key_id, (account, let_in) in sorted(self.logins.items())
        )
        records += (
            {"t": "tripped", "account": account, "peer": peer}
            for account, peer in sorted(self.tripped)
        )
        for box in self.all_boxes():
            records += self._messages(box, 0)
        return records

    def all_boxes(self) -> Iterable[Box]:
        """The boxes of all accounts, then of all channels, each in the order of ids."""
        yield from (account.box for _, account in sorted(self.accounts.items()))
        yield from (box for _, box in sorted(self.boxes.items()))

    def apply(self, record: Record) -> None:
        """Play back one record; it is not drained again. Raises ValueError for a strange one."""
        match record:
            case {"t": "message", "owner": owner, "id": number}:
                box = self.accounts[owner].box if owner > 0 else self._channel_box(owner)
                if number != len(box) + 1:
                    raise ValueError(f"message {number} of {owner} follows message {len(box)}")
                entities = tuple(bytes.fromhex(entity) for entity in record["entities"])
                text, date = record["text"], record["date"]
                self.store(box, record["other"], record["random_id"], (text, entities), date)
                box.drained = number
            case {"t": "spelling", "peer": peer, "spelling": spelling}:
                self.spellings[peer] = spelling
            case {"t": "account", "account": user_id}:
                names = record["first_name"], record["last_name"]
                self.accounts[user_id] = Account(
                    user_id, record["phone"], *names, record["is_bot"], Box(user_id)
                )
            case {"t": "contact", "account": account, "user": user}:
                self.accounts[account].contacts[user] = record["first_name"], record["last_name"]
            case {"t": "login", "key": key_id, "account": account, "let_in": let_in}:
                self.logins[key_id] = account, let_in
            case {"t": "logout", "key": key_id}:
                self.logins.pop(key_id, None)
            case {"t": "tripped", "account": account, "peer": peer}:
                self.tripped.add((account, peer))
            case _:
                raise ValueError(f"not a record of the sandbox: {record!r}")

    def _change(self, record: Record) -> None:
        self.apply(record)
        self._notes.append(record)

    def _channel_box(self, channel: int) -> Box:
        box = self.boxes.get(channel)
        if box is None:
            box = self.boxes[channel] = Box(channel)
        return box

    def _messages(self, box: Box, start: int) -> Iterator[Record]:
        for number in range(start + 1, len(box) + 1):
            text, entities = self.body(box, number)
            yield {
                "t": "message",
                "owner": box.owner,
                "id": number,
                "other": box.others[number - 1],
                "random_id": box.random_ids[number - 1],
                "text": text,
                "entities": [entity.hex() for entity in entities],
                "date": box.dates[number - 1],
            }


def _account_record(account: Account) -> Record:
    return {
        "t": "account",
        "account": account.id,
        "phone": account.phone,
        "first_name": account.first_name,
        "last_name": account.last_name,
        "is_bot": account.is_bot,
    }


def _contact_record(account: Account, user_id: int, first_name: str, last_name: str) -> Record:
    return {
        "t": "contact",
        "account": account.id,
        "user": user_id,
        "first_name": first_name,
        "last_name": last_name,
    }
