"""Puts a sandbox in the place of Telegram: an account to send from, for one run.

It is to the sandbox what app.py is to Telegram; nothing here is needed to send for real.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from broadcast.app import open_access, stop_on_signals
from broadcast.core.access import Access, Credentials, Server
from broadcast.core.clock import Clock, SystemClock
from broadcast.sandbox.people.logins import API_HASH, API_ID, BOT_TOKEN, CODE, PASSWORD, PHONE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from broadcast.core.asker import Asker, Question
    from broadcast.core.model import Contact
    from broadcast.sandbox.limits import Limits
    from broadcast.settings import Settings
    from broadcast.telegram.sender import TelethonTransport

_PERSON = Credentials(API_ID, API_HASH, phone=PHONE)
_BOT = Credentials(API_ID, API_HASH, bot_token=BOT_TOKEN)


class _SandboxPrompts:
    """Answers for the person who signs in to the sandbox, where the code is always the same."""

    async def confirm(self, question: Question) -> bool:
        return True

    async def phone(self) -> str:
        return PHONE

    async def code(self, where: str) -> str:
        return CODE

    async def password(self) -> str:
        return PASSWORD

    async def wrong(self, message: str) -> None:
        raise AssertionError(message)


def sandbox_has_bot(account: int) -> bool:
    """Whether a sandbox signs this account in as a bot."""
    return account == _BOT.bot_id


class SandboxAccounts:
    """An account in a sandbox of its own, in this process: a person, or a bot.

    With a `home` the sandbox keeps there what it received, for `broadcast sandbox inbox`; without,
    everything is gone when the account is closed. `limits` are Telegram's, as published, unless
    others are given.
    """

    server = "sandbox"
    """The name under which the ledger keeps it."""

    def __init__(self, home: Path | None, clock: Clock, *, limits: Limits | None = None) -> None:
        self._home, self._clock, self._limits = home, clock, limits

    @asynccontextmanager
    async def open(
        self, asker: Asker | None = None, *, people: Iterable[Contact] = (), is_bot: bool = False
    ) -> AsyncGenerator[TelethonTransport]:
        """Sign in, without a question to anybody. `people` are known there.

        Raises LockedError while another process uses the same home.
        """
        from broadcast.sandbox.journal import Journal, journal_in  # noqa: PLC0415 - see below
        from broadcast.sandbox.server import SandboxServer  # noqa: PLC0415 - Telethon costs 0.3 s
        from broadcast.sandbox.world import World  # noqa: PLC0415

        async with AsyncExitStack() as stack:
            home, journal = self._home, None
            if home is None:
                home = Path(stack.enter_context(TemporaryDirectory(prefix="broadcast-")))
            else:
                journal = stack.enter_context(Journal(journal_in(home)))
            world = World(contacts=[person.peer for person in people], limits=self._limits)
            server = await stack.enter_async_context(
                SandboxServer(world, journal=journal, clock=self._clock)
            )
            access = Access(
                _BOT if is_bot else _PERSON,
                session="",
                addresses=home / "addresses.db",
                server=Server("127.0.0.1", server.port, key=server.key.public_pem()),
            )
            yield await stack.enter_async_context(open_access(access, _SandboxPrompts()))


@asynccontextmanager
async def open_sandbox(
    contacts: Iterable[Contact] = (),
    settings: Settings | None = None,
    *,
    is_bot: bool = False,
    limits: Limits | None = None,
) -> AsyncGenerator[TelethonTransport]:
    """A transport to a sandbox of its own, in this process, where `contacts` are known people.

    A person sends there, or a bot. With `settings` the sandbox keeps what it received below their
    home, for `broadcast sandbox inbox`; without, everything is gone afterwards. `limits` are
    Telegram's, as published, unless others are given.
    """
    home = None if settings is None else settings.sandbox_home
    accounts = SandboxAccounts(home, SystemClock(), limits=limits)
    async with accounts.open(people=contacts, is_bot=is_bot) as transport:
        yield transport


async def serve_sandbox(
    settings: Settings,
    contacts: Iterable[Contact],
    host: str,
    port: int,
    *,
    faults: Path | None = None,
    limits: Limits | None = None,
    told: Callable[[str], None],
) -> None:
    """Run a sandbox until Ctrl-C or SIGTERM: `broadcast.sandbox.serving.serve`."""
    from broadcast.sandbox.serving import serve  # noqa: PLC0415 - Telethon costs 0.3 s

    stopped = asyncio.Event()
    with stop_on_signals(stopped.set, lambda: None):
        await serve(
            settings.sandbox_home,
            [contact.peer for contact in contacts],
            host,
            port,
            stopped=stopped,
            clock=SystemClock(),
            faults=faults,
            limits=limits,
            told=told,
        )
