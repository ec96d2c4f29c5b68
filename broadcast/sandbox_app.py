"""Opens accounts in a sandbox instead of at Telegram; nothing here is needed to send for real."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from broadcast.core.access import Access, Credentials, Server
from broadcast.core.clock import Clock, SystemClock
from broadcast.core.loading import loading
from broadcast.sandbox.people.logins import API_HASH, API_ID, BOT_TOKEN, CODE, PASSWORD, PHONE
from broadcast.service.ports import Expected, peers_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from broadcast.core.asker import Asker, Question
    from broadcast.core.model import Account, Contact
    from broadcast.engine.ports import Connection
    from broadcast.sandbox.limits import Limits
    from broadcast.service.ports import People
    from broadcast.settings import Settings

_PERSON = Credentials(API_ID, API_HASH, phone=PHONE)
_BOT = Credentials(API_ID, API_HASH, bot_token=BOT_TOKEN)


class _SandboxAsker:
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


class SandboxAccounts:
    """An account in a sandbox of its own, in this process: a person, or a bot. See `Accounts`.

    With a `home` the sandbox keeps there what it received, for `broadcast sandbox inbox`; without,
    everything is gone when the account is closed. `limits` are Telegram's, as published, unless
    others are given. With `is_bot` a bot sends, unless `open` says something else.
    """

    server = "sandbox"
    """The name of the server in the ledger."""

    def __init__(
        self,
        home: Path | None,
        clock: Clock,
        *,
        limits: Limits | None = None,
        is_bot: bool = False,
    ) -> None:
        self._home, self._clock, self._limits, self._is_bot = home, clock, limits, is_bot

    def expected(self, *, account: int | None = None, paid: bool = False) -> Expected:
        """See `Accounts.expected`: an earlier broadcast goes on as the account that began it."""
        is_bot = paid or self._is_bot if account is None else account == _BOT.bot_id
        return Expected(is_bot, account or (_BOT.bot_id if is_bot else None))

    @asynccontextmanager
    async def open(
        self, asker: Asker | None = None, *, people: People = (), is_bot: bool = False
    ) -> AsyncGenerator[Connection]:
        """Sign in, without a question to anybody. `people` are known there.

        Raises LockedError while another process uses the same home.
        """
        with loading():
            from broadcast.sandbox.journal import Journal, journal_in
            from broadcast.sandbox.server import SandboxServer
            from broadcast.sandbox.world import World
            from broadcast.telegram.sender import open_transport

        async with AsyncExitStack() as stack:
            home, journal = self._home, None
            if home is None:
                home = Path(stack.enter_context(TemporaryDirectory(prefix="broadcast-")))
            else:
                journal = stack.enter_context(Journal(journal_in(home)))
            world = World(contacts=await peers_of(people), limits=self._limits)
            server = await stack.enter_async_context(
                SandboxServer(world, journal=journal, clock=self._clock)
            )
            access = Access(
                _BOT if is_bot else _PERSON,
                session="",
                addresses=home / "addresses.db",
                server=Server("127.0.0.1", server.port, key=server.key.public_pem()),
            )
            transport = open_transport(access, _SandboxAsker(), self._clock)
            yield await stack.enter_async_context(transport)

    async def whoami(self) -> Account | None:
        """See `Accounts.whoami`: each run signs in anew."""
        return None

    async def logout(self) -> bool:
        """See `Accounts.logout`."""
        return False


@asynccontextmanager
async def open_sandbox(
    contacts: Iterable[Contact] = (),
    settings: Settings | None = None,
    *,
    is_bot: bool = False,
    limits: Limits | None = None,
) -> AsyncGenerator[Connection]:
    """A transport to a sandbox of its own, in this process, where `contacts` are known people.

    A person sends there, or a bot. With `settings` the sandbox keeps what it received below their
    home, for `broadcast sandbox inbox`; without, everything is gone afterwards. `limits` are
    Telegram's, as published, unless others are given.
    """
    home = None if settings is None else settings.sandbox_home
    accounts = SandboxAccounts(home, SystemClock(), limits=limits)
    async with accounts.open(people=contacts, is_bot=is_bot) as transport:
        yield transport
