"""Whoever can be asked: at a terminal, on a page, or by the script of a test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Ask(StrEnum):
    """What is asked before something is done that cannot be undone. Front ends word it."""

    SEND = "SEND"  # to so many people
    CANARY_FAILED = "CANARY_FAILED"  # too many of the first failed: to the others all the same?
    EDIT = "EDIT"
    RECALL = "RECALL"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `count` is how many people it is about, `broadcast` the id it is about."""

    code: Ask
    count: int
    broadcast: str | None = None


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
