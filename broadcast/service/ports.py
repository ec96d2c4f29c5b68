"""What the use cases need from outside: accounts to sign in to, and somebody who looks on."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from broadcast.core.asker import Asker
    from broadcast.core.model import Account, Broadcast, Contact, Counts, Peer
    from broadcast.engine.pacer import Pacer
    from broadcast.engine.ports import Connection, Watcher
    from broadcast.service.reports import Report
    from broadcast.service.stop import Stop


@dataclass(frozen=True, slots=True)
class Expected:
    """Who will be signed in, as far as the settings tell. None: they do not tell."""

    is_bot: bool | None = None
    id: int | None = None


People = Iterable["Contact"] | AsyncIterable["Contact"]
"""Some contacts, in memory or in a ledger."""


async def peers_of(people: People) -> list[Peer]:
    """How the list names them."""
    if isinstance(people, AsyncIterable):
        return [contact.peer async for contact in people]
    return [contact.peer for contact in people]


class Accounts(Protocol):
    """The account of the settings, at one server."""

    @property
    def server(self) -> str | None:
        """The name under which the ledger keeps the server; None is Telegram itself."""
        ...

    def expected(self, *, account: int | None = None, paid: bool = False) -> Expected:
        """Who will sign in. `account` started an earlier broadcast; only a bot sends a paid one.

        Raises SettingsError when the settings do not suffice to sign in at all.
        """
        ...

    def open(
        self, asker: Asker | None, *, people: People = (), is_bot: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """Sign in, asking `asker` what is needed; without one nothing can be asked.

        A sandbox makes `people` known there, and signs in a bot or a person; Telegram has both, and
        they are not even looked at.
        Raises SettingsError, LoginRequiredError, LockedError or HaltedError; nothing was sent.
        """
        ...

    async def whoami(self) -> Account | None:
        """Who is signed in; None when nobody is."""
        ...

    async def logout(self) -> bool:
        """End the session; False when nobody was signed in."""
        ...


class Reporter(Protocol):
    """A front end that looks on, and may want the end."""

    @property
    def stop(self) -> Stop:
        """What it asks for the end with."""
        ...

    def cost(self, messages: int, budget: int, spent: int) -> None:
        """A paid run of `messages` begins, with a `budget` of Stars.

        So many as are `spent` were paid in earlier runs.
        """
        ...

    async def canary(self, report: Report, *, is_good: bool) -> None:
        """The first are done: few of them failed or, when it is not good, a person is asked now."""
        ...

    def asking_to_stop(self, broadcast: Broadcast) -> None:
        """The process that runs `broadcast` is asked to stop."""
        ...

    def watch(self, total: int, pacer: Pacer, before: Counts) -> AbstractContextManager[Watcher]:
        """A run of `total` deliveries begins, at the pace of `pacer`.

        The broadcast stands at `before`: what earlier runs and the canary have done.
        """
        ...
