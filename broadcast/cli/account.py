"""The commands about who sends: login, whoami, logout, and the questions of a first login."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from broadcast.cli.parsing import DONE, USAGE, account_options, cli, settings_of
from broadcast.cli.waiting import wait_for

if TYPE_CHECKING:
    from broadcast.core.asker import Question


class _TerminalPrompts:
    """Asks the person at the terminal; questions go to stderr, so that stdout stays a report."""

    async def confirm(self, question: Question) -> bool:
        raise NotImplementedError(question)  # nothing asks it here yet

    async def phone(self) -> str:
        return _ask("Your phone number, with + and country code")

    async def code(self, where: str) -> str:
        return _ask(f"The code that Telegram has sent {where}")

    async def password(self) -> str:
        return _ask("Your two-step verification password", hidden=True)

    async def wrong(self, message: str) -> None:
        click.echo(message, err=True)


def _ask(question: str, *, hidden: bool = False) -> str:
    """Ask while the event loop stands still: asyncio would keep the first Ctrl-C for the loop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.prompt(question, hide_input=hidden, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def prompts() -> _TerminalPrompts | None:
    """Whoever can be asked; None without a terminal."""
    from broadcast import terminal as console  # noqa: PLC0415

    return _TerminalPrompts() if console.can_ask() else None


@cli.command()
@account_options
def login(home: str | None, **overrides: str | None) -> int:
    """Sign in once, so that later runs need no questions."""
    from broadcast import app  # noqa: PLC0415

    settings = settings_of(home, **overrides)
    account = wait_for(app.login(settings, prompts()))
    click.echo(f"signed in as {account.name}, {_kind(account.is_bot)} {account.id}")
    return DONE


@cli.command()
@account_options
def whoami(home: str | None, **overrides: str | None) -> int:
    """Say who is signed in, and where."""
    from broadcast import app  # noqa: PLC0415

    settings = settings_of(home, **overrides)
    account = wait_for(app.whoami(settings))
    where = "Telegram" if settings.server is None else str(settings.server)
    session = settings.access().session
    if isinstance(session, str):
        session = "TELEGRAM_SESSION"
    if account is None:
        click.echo(f"nobody is signed in at {where} (session: {session}). Run `broadcast login`")
        return USAGE
    click.echo(
        f"{account.name}, {_kind(account.is_bot)} {account.id}, at {where} (session: {session})"
    )
    return DONE


@cli.command()
@account_options
def logout(home: str | None, **overrides: str | None) -> int:
    """End the session, at Telegram and here."""
    from broadcast import app  # noqa: PLC0415

    settings = settings_of(home, **overrides)
    ended = wait_for(app.logout(settings))
    click.echo("signed out" if ended else "nobody was signed in")
    return DONE


def _kind(is_bot: bool) -> str:  # noqa: FBT001 - a private word for a fact
    return "bot" if is_bot else "user"
