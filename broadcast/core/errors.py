"""What can go wrong in words for a person; it refuses to know about exit codes.

    BroadcastError
    ├── InputError             something the person wrote must be mended; nothing was sent
    │   ├── SettingsError      options, environment, .env, files of the account
    │   ├── ContactsError      the contact list, with every complaint at once
    │   ├── SelectorError      --to or --exclude matches nobody
    │   └── MessageError       the text cannot be sent as it is
    ├── LoginRequiredError     nobody is signed in, and there is no terminal to ask on
    ├── LockedError            another process uses this session
    └── HaltedError            the account or the network does not allow going on

Expected trouble with one recipient is never an exception: it is an `Outcome` (core/model.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint about a contact list. Only an error forbids the broadcast.

    `line` is 0 for a contact that stands in no file.
    """

    source: str
    line: int
    message: str
    is_error: bool = True

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{place}: {self.message}"


class BroadcastError(Exception):
    """Something failed in a way that a person can understand and mend."""


class InputError(BroadcastError):
    """Something that the person wrote must be mended first; nothing was sent."""


class SettingsError(InputError):
    """A setting is missing or wrong: an option, the environment, `.env` or a file they name."""


class ContactsError(InputError):
    """The contact list cannot be used. `problems` holds every complaint, in file order."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class SelectorError(InputError):
    """A selector of `--to` or `--exclude` matches nobody."""


class MessageError(InputError):
    """The message cannot be sent as it is: empty, too long, or badly formatted."""


class LoginRequiredError(BroadcastError):
    """Nobody is signed in, and there is no terminal to ask on: run `broadcast login` once."""


class LockedError(BroadcastError):
    """Another process holds what this run needs; the message says which."""


class HaltedError(BroadcastError):
    """The run cannot go on now. What was not sent stays pending."""
