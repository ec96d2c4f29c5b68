"""What can go wrong in words for a person; it refuses to know about exit codes.

    BroadcastError
    ├── InputError             something the person wrote must be fixed; nothing was sent
    │   ├── SettingsError      options, environment, .env, files of the account
    │   ├── ContactsError      the contact list, with every complaint at once
    │   ├── SelectorError      --to or --exclude matches nobody
    │   ├── MessageError       the text cannot be sent as it is
    │   └── UnconfirmedError   it looks like a slip, and there is nobody to ask
    ├── DeclinedError          somebody was asked, and does not want it
    ├── LoginRequiredError     nobody is signed in, and there is no terminal to ask on
    ├── LockedError            another process uses this session
    └── HaltedError            the account or the network does not allow going on

Expected trouble with one recipient is never an exception: it is an `Outcome` (core/model.py).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from broadcast.core.asker import Question


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


@dataclass(frozen=True, slots=True)
class NextStep:
    """What helps, as a value: each front end words it, with what leads to the same ledger.

    `command` is one of the command line (`resume`, `show`), `id` a broadcast's, `options` follow
    it. `purpose` says what it does: "goes on with it".
    """

    command: str
    id: str | None = None
    options: tuple[str, ...] = ()
    purpose: str = ""

    def __str__(self) -> str:
        return " ".join(
            part for part in ("broadcast", self.command, self.id, *self.options) if part
        )


class BroadcastError(Exception):
    """Something failed in a way that a person can understand and fix.

    `code` names the kind of it for programs, `steps` are what helps.
    """

    default_code = "ERROR"

    def __init__(self, message: str, *steps: NextStep, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.steps = message, steps
        self.code = code or self.default_code

    def told(self, worded: Callable[[NextStep], str] = str) -> str:
        """The message, and what helps; `worded` says how this front end calls a step."""
        steps = [f"`{worded(step)}` {step.purpose}".rstrip() for step in self.steps]
        return ". ".join([self.message, *(["; ".join(steps)] if steps else [])])

    def __str__(self) -> str:
        return self.told()


class InputError(BroadcastError):
    """Something that the person wrote must be fixed first; nothing was sent."""

    default_code = "INPUT"


class SettingsError(InputError):
    """A setting is missing or wrong: an option, the environment, `.env` or a file they name."""

    default_code = "SETTINGS"


class ContactsError(InputError):
    """The contact list cannot be used. `problems` holds every complaint, in file order."""

    default_code = "CONTACTS"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class SelectorError(InputError):
    """A selector of `--to` or `--exclude` matches nobody."""

    default_code = "SELECTOR"


def unsent(told: str) -> str:
    """`told`, and that nothing was sent: after a question in a sentence of its own."""
    return f"{told} Nothing was sent" if told.endswith("?") else f"{told}; nothing was sent"


class MessageError(InputError):
    """The message cannot be sent as it is: empty, too long, or badly formatted."""

    default_code = "MESSAGE"


class UnconfirmedError(InputError):
    """It looks like a slip, and there is nobody who can be asked. `questions` say what does."""

    default_code = "UNCONFIRMED"

    def __init__(self, questions: Sequence[Question]) -> None:
        told = "; ".join(question.told for question in questions)
        super().__init__(f"{told}. Nobody can be asked whether that is meant; nothing was sent")
        self.questions = tuple(questions)


class DeclinedError(BroadcastError):
    """Somebody was asked, and does not want it; nothing was sent."""

    default_code = "DECLINED"


class LoginRequiredError(BroadcastError):
    """Nobody is signed in, and there is nobody to ask: `broadcast login` once in a terminal."""

    default_code = "LOGIN_REQUIRED"


class LockedError(BroadcastError):
    """Another process holds what this run needs; the message says which."""

    default_code = "LOCKED"


class HaltedError(BroadcastError):
    """The run cannot go on now. What was not sent stays pending."""

    default_code = "HALTED"


@contextmanager
def ungrouped() -> Generator[None]:
    """Raise bare what is raised inside as a group, such as by an asyncio.TaskGroup.

    Of several errors of ours a HaltedError goes first, as nothing goes on after it, else the first
    one. A group with a bug among several errors stays a group: all of it has to be read.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        found = _told_by(list(_leaves_of(group)))
        if found is None:
            raise
        context = found.__context__
        try:
            raise found
        finally:
            found.__context__ = context  # and not the group, which tells nothing more


def _told_by(leaves: list[BaseException]) -> BaseException | None:
    if len(leaves) == 1:
        return leaves[0]
    if not all(isinstance(leaf, BroadcastError) for leaf in leaves):
        return None
    return next((leaf for leaf in leaves if isinstance(leaf, HaltedError)), leaves[0])


def _leaves_of(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves_of(each)
    else:
        yield error
