"""What the pretend Telegram remembers: accounts, logins, messages; it knows no requests.

All of it can be written down as small JSON-able records and played back. Messages are kept as
columns of numbers: a million of them to a million people take about 240 MB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from broadcast.sandbox import phonebook
from broadcast.sandbox.box import FIRST_PTS, Box, Kind
from broadcast.sandbox.lanes import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadcast.core.model import Peer
    from broadcast.sandbox.limits import Limits

Record = dict[str, Any]  # one line of JSON


class RpcError(Exception):
    """What Telegram answers instead of a result: `RpcError(420, "FLOOD_WAIT_31")`."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(code, name)
        self.code = code
        self.name = name


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that arrived: `peer` is a marked id, `entities` TL's bytes, the times Unix time.

    `edited` and `deleted` say when that was done last, for everybody. The text is the latest.
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


Body = tuple[str, tuple[bytes, ...]]


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


class State:
    """The memory of a World. Whatever changes it is also noted for `drain`.

    But for `traffic`, which counts the last seconds and is gone after a restart.
    """

    def __init__(
        self, contacts: Sequence[Peer], limits: Limits, *, only_names: bool = False
    ) -> None:
        self.limits = limits
        self.only_names = only_names
        self.traffic = Traffic(limits)
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

    def is_bot(self, user_id: int) -> bool:
        """Whether this user is a bot: by how it signed in, or else by its name."""
        account = self.accounts.get(user_id)
        return account.is_bot if account else self.rule_of(user_id) is phonebook.BOT

    def rule_of(self, peer: int) -> phonebook.Rule | None:
        """What a message to this peer meets; None: it is delivered."""
        spelling = self.spellings.get(peer, "")
        if not self.only_names or spelling.startswith("@"):
            return phonebook.rule_of(peer)
        return None

    def body(self, box: Box, number: int) -> Body:
        """The text and the entities of a message."""
        return self._bodies[box.bodies[number - 1]]

    def delivered(self, box: Box, number: int) -> Delivered:
        """What arrived with this message."""
        other = box.others[number - 1]
        sender, peer = (other, box.owner) if box.is_channel else (box.owner, other)
        text, entities = self.body(box, number)
        return Delivered(
            sender=sender,
            peer=peer,
            title=self.title(peer),
            message_id=number,
            random_id=box.random_ids[number - 1],
            text=text,
            entities=entities,
            date=box.dates[number - 1],
            edited=box.edited_at(number),
            deleted=box.deleted_at(number),
        )

    def inbox(self, box: Box, *, deleted: bool) -> Iterator[Delivered]:
        """The messages of one box, oldest first; with `deleted` also those that are gone."""
        for number in range(1, len(box) + 1):
            if deleted or box.deleted_at(number) is None:
                yield self.delivered(box, number)

    # -- changing --

    def box_of(self, account: Account, peer: int) -> Box:
        """Where messages of this account to this peer are kept."""
        if peer >= -phonebook.CHANNEL_MARK:
            return account.box
        return self._channel_box(peer)

    def store(self, box: Box, other: int, random_id: int, body: Body, now: float) -> int:
        """Keep a message and return its number. Equal texts are kept once."""
        self._unsaved[box.owner] = box
        return box.add(other, random_id, self._body_number(body), now)

    def edit(self, box: Box, number: int, body: Body, now: float) -> None:
        """Give a message another text."""
        box.bodies[number - 1] = self._body_number(body)
        self._change_message(box, Kind.EDITED, number, now)

    def delete(self, box: Box, number: int, now: float, *, for_all: bool) -> None:
        """Take a message away: from everybody, or from its sender's own view."""
        kind = Kind.DELETED if for_all else Kind.HIDDEN
        self._change_message(box, kind, number, now)

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

    def meet(self, account: Account, stranger: int, now: float) -> None:
        """Remember when the account first wrote to somebody who is no contact."""
        self._change(_stranger_record(account, stranger, now))

    def charge(self, account: Account) -> None:
        """Take the price of one paid message."""
        spent = account.stars_spent + self.limits.paid_stars_per_message
        self._change(_stars_record(account, spent))

    # -- records --

    def drain(self) -> list[Record]:
        """All changes since the last drain, in an order in which they can be applied."""
        records, self._notes = self._notes, []
        boxes, self._unsaved = self._unsaved, {}
        for box in boxes.values():
            records += self._events(box, box.drained)
            box.drained = box.pts
        return records

    def discard(self) -> None:
        """Forget what a drain would tell: nobody keeps it."""
        self._notes.clear()
        for box in self._unsaved.values():
            box.drained = box.pts
        self._unsaved.clear()

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
                _stranger_record(account, stranger, met)
                for stranger, met in sorted(account.strangers.items())
            )
            if account.stars_spent:
                records.append(_stars_record(account, account.stars_spent))
        records += (
            {"t": "login", "key": key_id, "account": account, "let_in": let_in}
            for key_id, (account, let_in) in sorted(self.logins.items())
        )
        records += (
            {"t": "tripped", "account": account, "peer": peer}
            for account, peer in sorted(self.tripped)
        )
        for box in self.all_boxes():
            records += self._events(box, FIRST_PTS)
        return records

    def all_boxes(self) -> Iterable[Box]:
        """The boxes of all accounts, then of all channels, each in the order of ids."""
        yield from (account.box for _, account in sorted(self.accounts.items()))
        yield from (box for _, box in sorted(self.boxes.items()))

    def apply(self, record: Record) -> None:
        """Play back one record; it is not drained again. Raises ValueError for a strange one."""
        match record:
            case {"t": "message" | "edit" | "delete", "owner": owner, "id": number}:
                box = self.accounts[owner].box if owner > 0 else self._channel_box(owner)
                self._replay(box, number, record)
                box.drained = box.pts
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
            case {"t": "stranger", "account": account, "user": user, "date": met}:
                self.accounts[account].strangers[user] = met
            case {"t": "stars", "account": account, "spent": spent}:
                self.accounts[account].stars_spent = Decimal(spent)
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

    def _change_message(self, box: Box, kind: Kind, number: int, now: float) -> None:
        self._unsaved[box.owner] = box
        box.change(kind, number, now)

    def _body_number(self, body: Body) -> int:
        number = self._body_numbers.get(body)
        if number is None:
            number = self._body_numbers[body] = len(self._bodies)
            self._bodies.append(body)
        return number

    def _replay(self, box: Box, number: int, record: Record) -> None:
        is_new = record["t"] == "message"
        if number != len(box) + 1 if is_new else not box.shows(number):
            raise ValueError(f"{record['t']} {number} of {box.owner} follows message {len(box)}")
        if record["t"] == "delete":
            self.delete(box, number, record["date"], for_all=record["for_all"])
            return
        body = record["text"], tuple(bytes.fromhex(entity) for entity in record["entities"])
        if is_new:
            self.store(box, record["other"], record["random_id"], body, record["date"])
        else:
            self.edit(box, number, body, record["date"])

    def _events(self, box: Box, after: int) -> Iterator[Record]:
        """What happened after this pts. A message comes with its latest text from the first on."""
        owner = box.owner
        for _, kind, number, date in box.events(after):
            if kind is Kind.DELETED or kind is Kind.HIDDEN:
                for_all = kind is Kind.DELETED
                yield {
                    "t": "delete",
                    "owner": owner,
                    "id": number,
                    "for_all": for_all,
                    "date": date,
                }
                continue
            text, entities = self._bodies[box.bodies[number - 1]]
            record: Record = {"t": "edit", "owner": owner, "id": number}
            if kind is Kind.NEW:
                record["t"] = "message"
                record["other"] = box.others[number - 1]
                record["random_id"] = box.random_ids[number - 1]
            record["text"] = text
            record["entities"] = [entity.hex() for entity in entities]
            record["date"] = date
            yield record


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


def _stranger_record(account: Account, user_id: int, met: float) -> Record:
    return {"t": "stranger", "account": account.id, "user": user_id, "date": met}


def _stars_record(account: Account, spent: Decimal) -> Record:
    return {"t": "stars", "account": account.id, "spent": str(spent)}
