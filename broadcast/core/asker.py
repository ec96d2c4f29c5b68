"""Whoever can be asked: at a terminal, on a page, or by the script of a test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from broadcast.core.model import Account, Message, When


class Ask(StrEnum):
    """What is asked before something is done that cannot be undone."""

    SEND = "SEND"  # to so many people
    CANARY_FAILED = "CANARY_FAILED"  # too many of the first failed: to the others all the same?
    EDIT = "EDIT"
    RECALL = "RECALL"
    SAME_AGAIN = "SAME_AGAIN"  # some of them have just got the very same
    OTHER_MARKUP = "OTHER_MARKUP"  # the text has the marks of another format than its own
    BARE_NUMBERS = "BARE_NUMBERS"  # peers that are ids as written, and perhaps phone numbers
    SPREADSHEET_WORDS = "SPREADSHEET_WORDS"  # values such as #N/A that a table left behind
    EXCLUDED_TOGETHER = "EXCLUDED_TOGETHER"  # `--exclude a,b` leaves out only who is both
    PRIVATE_FILE = "PRIVATE_FILE"  # the contact list itself, or keys, is attached


DOUBTS = frozenset({Ask.OTHER_MARKUP, Ask.BARE_NUMBERS, Ask.SPREADSHEET_WORDS, Ask.PRIVATE_FILE})
"""What is most likely a mistake: where nobody can be asked it is refused, unless it was confirmed
beforehand. All other questions count as answered with yes there, since a timer cannot answer."""


@dataclass(frozen=True, slots=True)
class SendFacts:
    """What somebody must know who is asked whether to send.

    It goes out as `account`, in so many `messages`, in about `seconds`, for `stars` Telegram Stars
    at most, at the time `when`, if it has one. So many as are `strangers` to the account neither
    are its contacts nor have a chat with it; None: of a bot, or not known.
    """

    account: Account
    messages: int
    seconds: float
    stars: float = 0.0
    when: When | None = None
    strangers: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `count` is how many people it is about, `broadcast` the id it is about.

    `told` says what makes it one, in a sentence without an end: "2 peers are bare numbers of 11
    digits: 34600000001 (line 4), …". Where it is empty, front ends word the question by its code.
    SEND has `sending` once somebody is signed in. EDIT has the new `message`.
    """

    code: Ask
    count: int
    broadcast: str | None = None
    told: str = ""
    sending: SendFacts | None = None
    message: Message | None = None

    @property
    def is_doubt(self) -> bool:
        """Whether it has to be confirmed, also where nobody can be asked."""
        return self.code in DOUBTS


class Asker(Protocol):
    """Asks a person. Each method waits for the answer, and is cancelled with its task."""

    async def confirm(self, question: Question) -> bool:
        """Whether it is to be done."""
        ...

    async def phone(self) -> str:
        """The phone number of the account, with + and country code."""
        ...

    async def code(self, where: str) -> str:
        """The code that Telegram has sent; `where` says to which place."""
        ...

    async def password(self) -> str:
        """The two-step verification password."""
        ...

    async def wrong(self, message: str) -> None:
        """The last answer was wrong, and is asked for again."""
        ...
