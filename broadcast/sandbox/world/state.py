"""What the pretend Telegram remembers: accounts, logins, messages; it knows no requests.

All of it can be written down as small JSON-able records and played back. Messages are kept as
columns of numbers: a million of them to a million people take about 240 MB.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from broadcast.sandbox.limits.buckets import Traffic
from broadcast.sandbox.people import phonebook
from broadcast.sandbox.world import records
from broadcast.sandbox.world.due import Queue, Waiting
from broadcast.sandbox.world.message_log import FIRST_PTS, Box, Kind
from broadcast.sandbox.world.posts import open_topics
from broadcast.sandbox.world.records import Record
from broadcast.sandbox.world.stored_files import Files
from broadcast.sandbox.world.values import Account, Body, Delivered, File, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broadcast.core.model import Peer
    from broadcast.sandbox.limits.published import Limits

__all__ = ["Account", "Body", "Delivered", "Record", "RpcError", "State"]


class State:
    """The memory of a World. Whatever changes it is also noted for `drain`.

    But for `traffic`, which counts the last seconds and is gone after a restart. `now` is when the
    request arrived that is being answered, in Unix time; `contents` are the bytes of `files`, and
    `uploaded` is how many bytes were accepted in parts of files.
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
        self.queue = Queue()
        self.files: list[File] = []
        self.contents = Files()
        self.uploaded = 0
        self.now = 0.0
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

    def is_protected(self, peer: int) -> bool:
        """Whether nothing can be forwarded from this chat."""
        return peer < 0 and self.rule_of(peer) is phonebook.PROTECTED

    def is_forum(self, peer: int) -> bool:
        """Whether this is a supergroup with topics."""
        return (
            peer < -phonebook.CHANNEL_MARK
            and self.rule_of(peer) is phonebook.FORUM
            and self.entry(peer).kind is phonebook.Kind.SUPERGROUP
        )

    def body(self, box: Box, number: int) -> Body:
        """The text and the entities of a message."""
        return self._bodies[box.bodies[number - 1]]

    # -- changing --

    def box_of(self, account: Account, peer: int) -> Box:
        """Where messages of this account to this peer are kept."""
        if peer >= -phonebook.CHANNEL_MARK:
            return account.box
        box = self._channel_box(peer)
        if not box and self.is_forum(peer):
            open_topics(self, box)
        return box

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

    def pin(self, box: Box, number: int, kind: Kind, now: float) -> None:
        """Pin a message, or unpin it, as `kind` says."""
        self._change_message(box, kind, number, now)

    def add_file(self, file: File) -> int:
        """Make a file known, whose content is kept, and return its number."""
        number = len(self.files)
        self._change(records.file_record(number, file))
        return number

    def count_upload(self, size: int) -> None:
        """Note that so many bytes more were accepted."""
        self._change({"t": "uploaded", "bytes": self.uploaded + size})

    def schedule(self, waiting: Waiting) -> None:
        """Let a message wait for its time."""
        self._change(records.schedule_record(waiting))

    def unschedule(self, waiting: Waiting, sent: int | None = None) -> None:
        """Take a message out of the queue: it was sent under this number, or is cancelled."""
        self._change(
            records.unschedule_record(
                waiting.account, waiting.peer, waiting.number, waiting.random_id, sent
            )
        )

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
            self._change(records.account_record(account))
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
            self._change(records.contact_record(account, user_id, first_name, last_name))

    def trip(self, account: Account, peer: int) -> bool:
        """Whether this is the account's first attempt at a peer that fails once."""
        if (account.id, peer) in self.tripped:
            return False
        self._change({"t": "tripped", "account": account.id, "peer": peer})
        return True

    def meet(self, account: Account, stranger: int, now: float) -> None:
        """Remember when the account first wrote to somebody who is no contact."""
        self._change(records.stranger_record(account, stranger, now))

    def charge(self, account: Account, count: int) -> None:
        """Take the price of so many paid messages."""
        spent = account.stars_spent + count * self.limits.paid_stars_per_message
        self._change(records.stars_record(account, spent))

    # -- records --

    def drain(self) -> list[Record]:
        """All changes since the last drain, in an order in which they can be applied."""
        changes, self._notes = self._notes, []
        boxes, self._unsaved = self._unsaved, {}
        for box in boxes.values():
            changes += self._events(box, box.drained)
            box.drained = box.pts
        return changes

    def discard(self) -> None:
        """Forget what a drain would tell: nobody keeps it."""
        self._notes.clear()
        for box in self._unsaved.values():
            box.drained = box.pts
        self._unsaved.clear()

    def dump(self) -> list[Record]:
        """The whole state as records: two worlds are equal when their dumps are."""
        whole: list[Record] = [
            {"t": "spelling", "peer": peer, "spelling": spelling}
            for peer, spelling in sorted(self.spellings.items())
        ]
        for _, account in sorted(self.accounts.items()):
            whole.append(records.account_record(account))
            whole += (
                records.contact_record(account, user, *names)
                for user, names in sorted(account.contacts.items())
            )
            whole += (
                records.stranger_record(account, stranger, met)
                for stranger, met in sorted(account.strangers.items())
            )
            if account.stars_spent:
                whole.append(records.stars_record(account, account.stars_spent))
        whole += (
            {"t": "login", "key": key_id, "account": account, "let_in": let_in}
            for key_id, (account, let_in) in sorted(self.logins.items())
        )
        whole += (
            {"t": "tripped", "account": account, "peer": peer}
            for account, peer in sorted(self.tripped)
        )
        if self.uploaded:
            whole.append({"t": "uploaded", "bytes": self.uploaded})
        whole += (records.file_record(number, file) for number, file in enumerate(self.files))
        whole += (records.schedule_record(waiting) for waiting in self.queue.waiting())
        whole += (records.unschedule_record(*past) for past in self.queue.past())
        for box in self.all_boxes():
            whole += self._events(box, FIRST_PTS)
        return whole

    def all_boxes(self) -> Iterable[Box]:
        """The boxes of all accounts, then of all channels, each in the order of ids."""
        yield from (account.box for _, account in sorted(self.accounts.items()))
        yield from (box for _, box in sorted(self.boxes.items()))

    def apply(self, record: Record) -> None:
        """Play back one record; it is not drained again. Raises ValueError for a strange one."""
        match record:
            case {"t": "message" | "edit" | "delete" | "pin", "owner": owner, "id": number}:
                box = self.accounts[owner].box if owner > 0 else self._channel_box(owner)
                self._replay(box, number, record)
                box.drained = box.pts
            case _ if self._apply_to_people(record) or self._apply_to_files(record):
                pass
            case _:
                raise ValueError(f"not a record of the sandbox: {record!r}")

    def _apply_to_people(self, record: Record) -> bool:
        match record:
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
                return False
        return True

    def _apply_to_files(self, record: Record) -> bool:
        """Those of files, and of messages that wait."""
        match record:
            case {"t": "uploaded", "bytes": size}:
                self.uploaded = size
            case {"t": "file", "id": number}:
                if number != len(self.files):
                    raise ValueError(f"file {number} follows file {len(self.files)}")
                self.files.append(records.file_of(record))
            case {"t": "schedule", "account": account, "peer": peer, "id": number, "at": at}:
                random_id, made = record["random_id"], record["date"]
                body = records.body_of(record)
                self.queue.put(Waiting(account, peer, number, random_id, body, at, made))
            case {"t": "unschedule", "account": account, "peer": peer, "id": number}:
                self.queue.take(account, peer, number, record["random_id"], record["sent"])
            case _:
                return False
        return True

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
        if record["t"] == "pin":
            self.pin(box, number, records.pin_kind(record), record["date"])
            return
        body = records.body_of(record)
        if is_new:
            self.store(box, record["other"], record["random_id"], body, record["date"])
        else:
            self.edit(box, number, body, record["date"])

    def _events(self, box: Box, after: int) -> Iterator[Record]:
        """What happened after this pts. A message comes with its latest text from the first on."""
        for event in box.events(after):
            if event.kind not in (Kind.NEW, Kind.EDITED):
                yield records.change_record(box.owner, event)
                continue
            number = event.number
            record: Record = {"t": "edit", "owner": box.owner, "id": number}
            if event.kind is Kind.NEW:
                record["t"] = "message"
                record["other"] = box.others[number - 1]
                record["random_id"] = box.random_ids[number - 1]
            yield record | records.body_fields(self.body(box, number)) | {"date": event.date}
