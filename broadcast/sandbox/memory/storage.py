"""Where the pretend Telegram keeps accounts, logins, messages and files: no rules, only storage.

Messages are kept as columns of numbers: a million of them to a million people take about 240 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.sandbox.memory.message_log import EventKind, MessageLog
from broadcast.sandbox.memory.schedule import ScheduleQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.message_body import Body, File


class Storage:
    """All that is remembered over a restart, but for the bytes of files.

    `logins` are by key id: the account, and whether it is let in yet. `spellings` are how somebody
    was found. `failed_once` are accounts with peers that fail at the first attempt only. `uploaded`
    is how many bytes were accepted in parts of files.
    """

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.logins: dict[int, tuple[int, bool]] = {}
        self.channel_logs: dict[int, MessageLog] = {}
        self.spellings: dict[int, str] = {}
        self.failed_once: set[tuple[int, int]] = set()
        self.queue = ScheduleQueue()
        self.files: list[File] = []
        self.uploaded = 0
        self._changed: dict[int, MessageLog] = {}  # since the last drain, by owner
        self._bodies: list[Body] = []
        self._body_numbers: dict[Body, int] = {}

    def body(self, log: MessageLog, number: int) -> Body:
        """What a message says, in its latest form."""
        return self._bodies[log.bodies[number - 1]]

    def log_of_owner(self, owner: int) -> MessageLog:
        """The messages of an account, or of a channel, by its marked id. Raises KeyError."""
        return self.accounts[owner].log if owner > 0 else self.log_of_channel(owner)

    def log_of_channel(self, channel: int) -> MessageLog:
        """The messages of a channel or a supergroup: none, if nobody has looked yet."""
        log = self.channel_logs.get(channel)
        if log is None:
            log = self.channel_logs[channel] = MessageLog(channel)
        return log

    def all_logs(self) -> Iterable[MessageLog]:
        """The messages of all accounts, then of all channels, each in the order of ids."""
        yield from (account.log for _, account in sorted(self.accounts.items()))
        yield from (log for _, log in sorted(self.channel_logs.items()))

    def store(self, log: MessageLog, other: int, random_id: int, body: Body, now: float) -> int:
        """Keep a message and return its number. Equal bodies are kept once."""
        self._changed[log.owner] = log
        return log.add(other, random_id, self._body_number(body), now)

    def edit(self, log: MessageLog, number: int, body: Body, now: float) -> None:
        """Give a message another body."""
        log.bodies[number - 1] = self._body_number(body)
        self.change(log, EventKind.EDITED, number, now)

    def change(self, log: MessageLog, kind: EventKind, number: int, now: float) -> None:
        """Note that a message was deleted, hidden, pinned or unpinned, as `kind` says."""
        self._changed[log.owner] = log
        log.change(kind, number, now)

    def _body_number(self, body: Body) -> int:
        number = self._body_numbers.get(body)
        if number is None:
            number = self._body_numbers[body] = len(self._bodies)
            self._bodies.append(body)
        return number
