"""Asks the person at the terminal; questions go to stderr, so that stdout stays a report."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from broadcast.core.asker import Ask
from broadcast.terminal.streams import can_ask

if TYPE_CHECKING:
    from collections.abc import Generator

    from broadcast.core.asker import Question

WORDS = {
    Ask.SEND: "Send it to {} people?",
    Ask.CANARY_FAILED: "Send to the other {}?",
    Ask.EDIT: "Replace its text for {} people?",
    Ask.RECALL: "Delete it for {} people?",
}


class TerminalAsker:
    """Asks while the event loop stands still: nothing is under way when a person is asked."""

    async def confirm(self, question: Question) -> bool:
        """See `Asker.confirm`."""
        with _ctrl_c():
            return click.confirm(WORDS[question.code].format(question.count), err=True)

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
        click.echo(message, err=True)


def _ask(question: str, *, hidden: bool = False) -> str:
    with _ctrl_c():
        return click.prompt(question, hide_input=hidden, err=True)


@contextmanager
def _ctrl_c() -> Generator[None]:
    """Ctrl-C ends the question: whoever stops a run on signals would keep the first one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def asker() -> TerminalAsker | None:
    """Whoever can be asked; None without a terminal."""
    return TerminalAsker() if can_ask() else None
