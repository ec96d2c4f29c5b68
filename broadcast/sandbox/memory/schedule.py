"""Scheduled messages that wait, in the order in which they are due; it sends none.

Each chat of an account has a sequence of its own, numbered from 1: "with ID equal to the ID of the
message in the schedule queue for the current chat" (https://core.telegram.org/api/scheduled-messages).
In a channel it is the account's own too; Telegram's is common to all administrators.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broadcast.sandbox.memory.message_body import Body

Chat = tuple[int, int]  # an account and a peer


@dataclass(frozen=True, slots=True)
class ScheduledMessage:
    """A message that is to be sent `at` a time, and was scheduled when it was `made`."""

    account: int
    peer: int
    number: int
    random_id: int
    body: Body
    at: float
    made: float


class ScheduleQueue:
    """What waits, and what has waited: a random_id is remembered for ever."""

    def __init__(self) -> None:
        self._waiting: dict[Chat, dict[int, ScheduledMessage]] = {}
        self._last: dict[Chat, int] = {}
        self._numbers: dict[Chat, dict[int, int]] = {}  # by random_id; waiting, or cancelled
        # By the number that it was sent under: the scheduled number, and the random_id.
        self._sent: dict[tuple[Chat, int], tuple[int, int]] = {}
        self._due: list[tuple[float, int, int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._last)

    @property
    def next_at(self) -> float | None:
        """When the next one may be due; None when nothing waits."""
        return self._due[0][0] if self._due else None

    def next_number(self, account: int, peer: int) -> int:
        """The number of the next one to be put into this chat's queue."""
        return self._last.get((account, peer), 0) + 1

    def of_chat(self, account: int, peer: int) -> list[ScheduledMessage]:
        """What waits in this chat, in the order in which it will be sent."""
        waiting = self._waiting.get((account, peer), {}).values()
        return sorted(waiting, key=lambda each: (each.at, each.number))

    def find(self, account: int, peer: int, random_id: int) -> int | None:
        """The number of the message with this random_id that waits, or was cancelled."""
        return self._numbers.get((account, peer), {}).get(random_id)

    def get(self, account: int, peer: int, number: int) -> ScheduledMessage | None:
        """The message that waits under this number."""
        return self._waiting.get((account, peer), {}).get(number)

    def number_of_sent(self, account: int, peer: int, sent: int) -> int | None:
        """The scheduled number of what was sent as the message `sent`."""
        found = self._sent.get(((account, peer), sent))
        return found[0] if found else None

    def put(self, waiting: ScheduledMessage) -> None:
        """Let a message wait."""
        chat = waiting.account, waiting.peer
        self._waiting.setdefault(chat, {})[waiting.number] = waiting
        self._numbers.setdefault(chat, {})[waiting.random_id] = waiting.number
        self._last[chat] = max(self._last.get(chat, 0), waiting.number)
        heappush(self._due, (waiting.at, *chat, waiting.number))

    def take(self, account: int, peer: int, number: int, random_id: int, sent: int | None) -> None:
        """Take a message out: it was `sent` under this number or, with None, cancelled."""
        chat = account, peer
        self._waiting.get(chat, {}).pop(number, None)
        self._last[chat] = max(self._last.get(chat, 0), number)
        numbers = self._numbers.setdefault(chat, {})
        if sent is None:
            numbers[random_id] = number
        else:
            numbers.pop(random_id, None)
            self._sent[chat, sent] = number, random_id

    def pop_due(self, now: float) -> Iterator[ScheduledMessage]:
        """What is due, the first one first; take each out before asking for the next."""
        while self._due and self._due[0][0] <= now:
            at, account, peer, number = heappop(self._due)
            waiting = self.get(account, peer, number)
            if waiting and waiting.at == at:  # not cancelled, sent or moved meanwhile
                yield waiting

    def waiting(self) -> list[ScheduledMessage]:
        """Everything that waits, the next one first."""
        every = (each for of_chat in self._waiting.values() for each in of_chat.values())
        return sorted(every, key=lambda each: (each.at, each.account, each.peer, each.number))

    def past(self) -> list[tuple[int, int, int, int, int | None]]:
        """What has waited: account, peer, number, random_id, and the number it was sent under."""
        cancelled = [
            (*chat, number, random_id, None)
            for chat, numbers in self._numbers.items()
            for random_id, number in numbers.items()
            if number not in self._waiting.get(chat, {})
        ]
        sent = [(*chat, number, random_id, real) for (chat, real), (number, random_id) in
                self._sent.items()]  # fmt: skip
        return sorted([*cancelled, *sent], key=lambda each: each[:3])
