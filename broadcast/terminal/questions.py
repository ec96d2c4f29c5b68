"""Asks the person at the terminal; questions go to stderr, so that stdout stays a report."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from broadcast.core.asker import Ask
from broadcast.core.counted import counted, people
from broadcast.core.duration import duration
from broadcast.core.errors import DeclinedError, InputError
from broadcast.message.when import in_words
from broadcast.terminal.streams import can_ask, say, visible

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from broadcast.core.asker import Question, SendFacts

WORDS = {
    Ask.SEND: "Send it to {}?",
    Ask.CANARY_FAILED: "Send it to {} more?",
    Ask.EDIT: "Replace its text for {}?",
    Ask.RECALL: "Delete it for {}?",
}


def _about(sending: SendFacts) -> Iterator[str]:
    account, when = sending.account, sending.when
    kind = "bot" if account.is_bot else "user"
    facts = [
        f"as {account.name} ({kind} {account.id})",
        counted(sending.messages, "message"),
        f"about {duration(sending.seconds)}",
    ]
    if when is not None:
        facts.append(f"at {in_words(when)}")
    if sending.stars:
        facts.append(f"{sending.stars:,.1f} Stars at most")
    yield ", ".join(facts)
    if sending.strangers:
        yield (
            f"{people(sending.strangers)} of them neither in your contacts nor in a chat with you. "
            "Telegram limits accounts that write to people who do not know them: "
            "after some dozens it may stop you for days (PEER_FLOOD)"
        )


class TerminalAsker:
    """Asks at the terminal. The event loop waits meanwhile: nothing is under way then."""

    async def confirm(self, question: Question) -> bool:
        """See `Asker.confirm`."""
        if question.told:
            say(f"{question.told}.")
            words = "Send it all the same?"
        else:
            if question.sending is not None:
                say("\n".join(_about(question.sending)))
            if question.message is not None:
                lines = question.message.text.splitlines()
                say("\n".join(["the new text:", *(f"  {line}" for line in lines)]))
            words = WORDS[question.code].format(people(question.count))
        _forget_what_was_typed()
        with _ctrl_c():
            return click.confirm(words, err=True)

    async def phone(self) -> str:
        """See `Asker.phone`."""
        return _ask("Your phone number, with + and country code")

    async def code(self, where: str) -> str:
        """See `Asker.code`."""
        return _ask(f"The code that Telegram has sent {where}")

    async def password(self) -> str:
        """See `Asker.password`."""
        return _ask("Your two-step verification password", hidden=True)

    async def wrong(self, message: str) -> None:
        """See `Asker.wrong`."""
        say(message)


def _forget_what_was_typed() -> None:
    """What was typed before a question was to be read is no answer to it."""
    with suppress(ImportError, OSError, ValueError):  # no terminal of POSIX: nothing to forget
        import termios  # noqa: PLC0415 - not on Windows

        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _ask(question: str, *, hidden: bool = False) -> str:
    with _ctrl_c():
        return click.prompt(question, hide_input=hidden, err=True)


@contextmanager
def _ctrl_c() -> Generator[None]:
    """Ctrl-C ends the question, also where a run takes the first Ctrl-C as a wish to stop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def confirm_replacing(path: Path) -> None:
    """Ask whether the file is to be replaced.

    Raises DeclinedError when not, and InputError where nobody can be asked.
    """
    if not can_ask():
        raise InputError(f"{path} exists: --yes replaces it, another name keeps it")
    with _ctrl_c():
        if not click.confirm(visible(f"{path} exists. Replace it?"), err=True):
            raise DeclinedError(f"{path} was kept")


def asker() -> TerminalAsker | None:
    """The asker of this terminal; None without a terminal."""
    return TerminalAsker() if can_ask() else None
