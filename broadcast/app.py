"""The composition root: the only place that chooses the real ledger, accounts and clock."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.core.clock import SystemClock
from broadcast.core.loading import loading
from broadcast.service.ports import Expected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager

    from broadcast.core.asker import Asker
    from broadcast.core.clock import Clock
    from broadcast.core.model import Account
    from broadcast.engine.ports import Connection
    from broadcast.ledger.port import Ledger
    from broadcast.service.ports import Accounts, People
    from broadcast.service.service import Service
    from broadcast.settings import Settings


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    sandbox: bool = False,
    unlimited: bool = False,
    asker: Asker | None = None,
    read_only: bool = False,
    clock: Clock | None = None,
) -> AsyncGenerator[Service]:
    """The use cases for the account of `settings`, or for the sandbox and its ledger.

    An `unlimited` sandbox has no limits. With `read_only` no file is created. Raises
    SettingsError or HaltedError when the ledger cannot be opened.
    """
    from broadcast.service.service import Service
    from broadcast.staging import RehearsalStages

    clock = clock or SystemClock()
    accounts: Accounts
    if sandbox:
        from broadcast.sandbox.limits import Limits
        from broadcast.sandbox_app import SandboxAccounts

        limits = Limits.none() if unlimited else None
        home = settings.sandbox_home
        accounts = SandboxAccounts(home, clock, limits=limits, is_bot=settings.has_bot_token)
    else:
        home = settings.home
        accounts = telegram_accounts(settings, clock)
    async with AsyncExitStack() as stack:
        yield Service(
            _open_ledger(stack, home / "ledger.db", clock, read_only=read_only),
            accounts,
            clock,
            asker,
            lists=(Path.cwd() / "contacts.yaml", settings.config_dir / "contacts.yaml"),
            stages=RehearsalStages(),
        )


def _open_ledger(stack: AsyncExitStack, path: Path, clock: Clock, *, read_only: bool) -> Ledger:
    """The durable ledger; one in memory if there is none and `read_only` forbids to create it."""
    if read_only and not path.exists():
        from broadcast.ledger.memory import in_memory

        return in_memory(clock=clock)
    from broadcast.ledger.sqlite.ledger import SqliteLedger

    return stack.enter_context(SqliteLedger(path, clock=clock))


def telegram_accounts(settings: Settings, clock: Clock | None = None) -> TelegramAccounts:
    """The account of `settings`; it is not signed in yet."""
    return TelegramAccounts(settings, clock or SystemClock())


class TelegramAccounts:
    """The account of `settings` at Telegram, or at their server; see `Accounts`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    @property
    def server(self) -> str | None:
        """See `Accounts.server`."""
        return None if self._settings.server is None else str(self._settings.server)

    def expected(self, *, account: int | None = None, paid: bool = False) -> Expected:
        """See `Accounts.expected`."""
        credentials = self._settings.access().credentials
        if credentials.bot_id is not None:
            return Expected(is_bot=True, id=credentials.bot_id)
        return Expected(is_bot=False if credentials.phone else None)

    def open(
        self, asker: Asker | None, *, people: People = (), is_bot: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """See `Accounts.open`."""
        access = self._settings.access()
        with loading():
            from broadcast.telegram.sender import open_transport

        return open_transport(access, asker, self._clock)

    async def whoami(self) -> Account | None:
        """See `Accounts.whoami`."""
        from broadcast.telegram.account import open_account

        async with open_account(self._settings.access(), self._clock) as opener:
            return await opener.signed_in()

    async def logout(self) -> bool:
        """See `Accounts.logout`."""
        from broadcast.telegram.account import open_account

        async with open_account(self._settings.access(), self._clock) as opener:
            return await opener.logout()
