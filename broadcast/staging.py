"""Builds the stage of a rehearsal: a pretend Telegram, called directly, on virtual time.

The real engine, pacer and transport work there. Nothing is written and no socket is opened.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from broadcast.core.model import Account
from broadcast.service.ports import Expected, peers_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime

    from broadcast.core.asker import Asker
    from broadcast.core.model import Peer
    from broadcast.engine.pacer import Known
    from broadcast.engine.ports import Connection
    from broadcast.sandbox.limits import Limits
    from broadcast.sandbox.virtual_time import VirtualLoop
    from broadcast.sandbox.world import World
    from broadcast.service.ports import People


class RehearsalStages:
    """Builds stages; see `Stages`. Without `limits` those count that were learned of the account,
    or else those that Telegram publishes.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits

    def build(self, *, is_bot: bool, known: Known, starts_at: datetime) -> RehearsalStage:
        """See `Stages.build`."""
        from broadcast.sandbox.virtual_time import VirtualLoop

        return RehearsalStage(self._limits or _limits(known), VirtualLoop(starts_at), is_bot=is_bot)


class RehearsalStage:
    """A pretend Telegram with one account; see `Stage`."""

    def __init__(self, limits: Limits, loop: VirtualLoop, *, is_bot: bool) -> None:
        self.loop = self.clock = loop
        self.accounts = _StageAccounts(limits, loop, is_bot=is_bot)

    @property
    def floods(self) -> int:
        """See `Stage.floods`."""
        world = self.accounts.world
        return 0 if world is None else world.floods

    @property
    def stars(self) -> Decimal:
        """See `Stage.stars`."""
        return self.accounts.stars()


class _StageAccounts:
    """Signs in to a pretend Telegram of its own, where everybody knows everybody."""

    server = "rehearsal"

    def __init__(self, limits: Limits, loop: VirtualLoop, *, is_bot: bool) -> None:
        self._limits, self._loop, self._is_bot = limits, loop, is_bot
        self._connection: Connection | None = None
        self.world: World | None = None

    def expected(self, *, account: int | None = None, paid: bool = False) -> Expected:
        """See `Accounts.expected`."""
        return Expected(is_bot=self._is_bot)

    @asynccontextmanager
    async def open(
        self, asker: Asker | None, *, people: People = (), is_bot: bool = False
    ) -> AsyncGenerator[Connection]:
        """See `Accounts.open`: the same account each time."""
        if self._connection is None:
            self.world, self._connection = self._sign_in(await peers_of(people))
        yield self._connection

    def _sign_in(self, people: list[Peer]) -> tuple[World, Connection]:
        from broadcast.sandbox.in_process import DirectClient
        from broadcast.sandbox.world import World
        from broadcast.telegram.addresses import Addresses
        from broadcast.telegram.sender import TelethonTransport

        friends = () if self._is_bot else people
        world = World(contacts=friends, limits=self._limits, only_names=True)
        loop = self._loop
        client = DirectClient(world, loop, is_bot=self._is_bot)
        # Whether a person has Premium is told when they sign in: the plan takes it so, too.
        name, is_premium = client.me.first_name or "", not self._is_bot
        account = Account(client.me.id, self._is_bot, name, is_premium)
        addresses = Addresses(account, None, loop)
        return world, TelethonTransport(client, account, addresses, clock=loop)

    def stars(self) -> Decimal:
        """What the account was charged."""
        if self.world is None or self._connection is None:
            return Decimal(0)
        return self.world.stars_spent(self._connection.account.id)

    async def whoami(self) -> Account | None:
        """See `Accounts.whoami`."""
        return None if self._connection is None else self._connection.account

    async def logout(self) -> bool:
        """See `Accounts.logout`: there is nothing to end."""
        return False


def _limits(known: Known) -> Limits:
    """The limits that were learned; without any, those that Telegram publishes."""
    from broadcast.sandbox.limits import Limits

    if known.learned is None:
        return Limits()
    rate, burst = known.learned.rate, known.learned.burst
    return Limits(
        bot_messages_per_second=rate,
        bot_burst=burst,
        user_messages_per_second=rate,
        user_burst=burst,
    )
