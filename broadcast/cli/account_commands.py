"""The commands about who sends: login, whoami, logout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.cli.parsing import DONE, USAGE, account_options, cli, place
from broadcast.cli.running import awaited, open_accounts, settings_for
from broadcast.terminal.streams import Output

if TYPE_CHECKING:
    from broadcast.core.model import Account


@cli.command()
@account_options
@awaited
async def login(**given: Any) -> int:
    """Sign in once, so that later runs need no questions."""
    from broadcast.terminal.questions import asker

    async with open_accounts(given).open(asker()) as connection:
        Output().line(f"signed in as {_named(connection.account)}")
    return DONE


@cli.command()
@account_options
@awaited
async def whoami(**given: Any) -> int:
    """Say who is signed in, and where."""
    settings = settings_for(given)
    account = await open_accounts(given).whoami()
    where = "Telegram" if settings.server is None else str(settings.server)
    session = settings.access().session
    if isinstance(session, str):
        session = "TELEGRAM_SESSION"
    if account is None:
        again = f"`broadcast login{place()}`"
        Output().line(f"nobody is signed in at {where} (session: {session}). Run {again}")
        return USAGE
    Output().line(f"{_named(account)}, at {where} (session: {session})")
    return DONE


@cli.command()
@account_options
@awaited
async def logout(**given: Any) -> int:
    """End the session, at Telegram and here."""
    ended = await open_accounts(given).logout()
    Output().line("signed out" if ended else "nobody was signed in")
    return DONE


def _named(account: Account) -> str:
    return f"{account.name}, {'bot' if account.is_bot else 'user'} {account.id}"
