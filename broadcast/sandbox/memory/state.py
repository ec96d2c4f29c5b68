"""What the pretend Telegram knows, and every way to change it; each change becomes a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.peers import CHANNEL_OFFSET
from broadcast.sandbox.limits.token_buckets import Traffic
from broadcast.sandbox.memory import records, replay
from broadcast.sandbox.memory.member import Account
from broadcast.sandbox.memory.message_log import MessageLog
from broadcast.sandbox.memory.storage import Storage
from broadcast.sandbox.memory.stored_files import StoredFiles
from broadcast.sandbox.people import behaviour, phonebook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.core.model import Peer
    from broadcast.sandbox.limits.numbers import Limits
    from broadcast.sandbox.memory.message_body import File
    from broadcast.sandbox.memory.records import Record
    from broadcast.sandbox.memory.schedule import ScheduledMessage


class State(Storage):
    """The memory of a World. Every change is also kept as a record for `drain`.

    Not so `traffic`, which counts the last seconds and is gone after a restart. `now` is when the
    request arrived that is being answered, in Unix time; `contents` are the bytes of `files`. With
    `only_names` the digits of an id do not decide how somebody behaves.
    """

    def __init__(
        self, contacts: Sequence[Peer], limits: Limits, *, only_names: bool = False
    ) -> None:
        super().__init__()
        self.limits = limits
        self.only_names = only_names
        self.traffic = Traffic(limits)
        self.contents = StoredFiles()
        self.now = 0.0
        self._notes: list[Record] = []
        self._peers = contacts
        self._contact_list: dict[int, phonebook.Entry] | None = None

    def contact_list(self) -> dict[int, phonebook.Entry]:
        """The contact list that the world was made with, by marked id."""
        if self._contact_list is None:
            entries = (phonebook.by_peer(peer) for peer in self._peers)
            known = {entry.id: entry for entry in entries if entry and entry.exists}
            for entry in known.values():
                self.learn(entry)
            self._contact_list = known
        return self._contact_list

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
        return account.is_bot if account else self.rule_of(user_id) is behaviour.BOT

    def rule_of(self, peer: int) -> behaviour.Rule | None:
        """The rule for messages to this peer; None: they are delivered."""
        spelling = self.spellings.get(peer, "")
        if not self.only_names or spelling.startswith("@"):
            return behaviour.rule_of(peer)
        return None

    def is_protected(self, peer: int) -> bool:
        """Whether nothing can be forwarded from this chat."""
        return peer < 0 and self.rule_of(peer) is behaviour.PROTECTED

    def is_forum(self, peer: int) -> bool:
        """Whether this is a supergroup with topics."""
        return (
            peer < -CHANNEL_OFFSET
            and self.rule_of(peer) is behaviour.FORUM
            and self.entry(peer).kind is phonebook.Kind.SUPERGROUP
        )

    def add_file(self, file: File) -> int:
        """Make a file known, whose content is kept, and return its number."""
        number = len(self.files)
        self._note(records.file_record(number, file))
        return number

    def count_upload(self, size: int) -> None:
        """Note that so many bytes more were accepted."""
        self._note({"t": "uploaded", "bytes": self.uploaded + size})

    def schedule(self, waiting: ScheduledMessage) -> None:
        """Let a message wait for its time."""
        self._note(records.schedule_record(waiting))

    def unschedule(self, waiting: ScheduledMessage, sent: int | None = None) -> None:
        """Take a message out of the queue: it was sent under this number, or is cancelled."""
        self._note(
            records.unschedule_record(
                waiting.account, waiting.peer, waiting.number, waiting.random_id, sent
            )
        )

    def learn(self, entry: phonebook.Entry) -> None:
        """Remember how somebody was found: an id does not tell it."""
        spelling = entry.spelling
        if spelling and entry.id not in self.spellings:
            self._note({"t": "spelling", "peer": entry.id, "spelling": spelling})

    def open_account(
        self, user_id: int, phone: str | None, first_name: str, last_name: str, *, is_bot: bool
    ) -> Account:
        """The account of this user; it is opened now if it is not open yet."""
        if user_id not in self.accounts:
            account = Account(user_id, phone, first_name, last_name, is_bot, MessageLog(user_id))
            self._note(records.account_record(account))
        return self.accounts[user_id]

    def sign_in(self, key_id: int, account: Account, *, let_in: bool) -> None:
        """This key is the account's from now on; it is not `let_in` before the password."""
        self._note({"t": "login", "key": key_id, "account": account.id, "let_in": let_in})

    def sign_out(self, key_id: int) -> None:
        """This key belongs to nobody any more."""
        self._note({"t": "logout", "key": key_id})

    def import_contact(
        self, account: Account, user_id: int, first_name: str, last_name: str
    ) -> None:
        """Somebody is in the account's address book, under this name."""
        if account.contacts.get(user_id) != (first_name, last_name):
            self._note(records.contact_record(account, user_id, first_name, last_name))

    def fails_first(self, account: Account, peer: int) -> bool:
        """Whether this is the account's first attempt at a peer that fails once."""
        if (account.id, peer) in self.failed_once:
            return False
        self._note({"t": "tripped", "account": account.id, "peer": peer})
        return True

    def meet(self, account: Account, stranger: int, now: float) -> None:
        """Remember when the account first wrote to somebody who is no contact."""
        self._note(records.stranger_record(account, stranger, now))

    def charge(self, account: Account, count: int) -> None:
        """Take the price of so many paid messages."""
        spent = account.stars_spent + count * self.limits.paid_stars_per_message
        self._note(records.stars_record(account, spent))

    def drain(self) -> list[Record]:
        """All changes since the last drain, in an order in which they can be applied."""
        changes, self._notes = self._notes, []
        logs, self._changed = self._changed, {}
        for log in logs.values():
            changes += replay.events(self, log, log.drained)
            log.drained = log.pts
        return changes

    def discard(self) -> None:
        """Forget what `drain` would return: there is no journal."""
        self._notes.clear()
        for log in self._changed.values():
            log.drained = log.pts
        self._changed.clear()

    def dump(self) -> list[Record]:
        """The whole state as records: two worlds are equal when their dumps are."""
        return replay.dump(self)

    def apply(self, record: Record) -> None:
        """Make the change of a record again, not to be drained. Raises ValueError."""
        replay.apply(self, record)

    def _note(self, record: Record) -> None:
        self.apply(record)
        self._notes.append(record)
