"""What the engine needs from outside, declared by the side that needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from datetime import datetime

    from broadcast.core.model import Account, Attachment, Delivery, Halted, Outcome, Peer


@dataclass(frozen=True, slots=True)
class Terms:
    """What a transport must know of the run that it works for.

    With `pays` a bot's messages above the free rate cost Stars instead of a wait. `held` tells for
    how many seconds nobody may send: after a look-up or an upload it is asked again. `uploaded` is
    told how many bytes of a file have arrived.
    """

    pays: bool = False
    held: Callable[[], float] = lambda: 0.0
    uploaded: Callable[[Attachment, int], None] = lambda _file, _bytes: None


class Transport(Protocol):
    """Sends one delivery, as one account."""

    @property
    def account(self) -> Account | None:
        """Who sends; None for a fake, to which no limit applies."""
        return None

    def begin(self, terms: Terms) -> None:
        """A run begins: until the next one these are its terms."""

    def is_group(self, peer: Peer) -> bool:
        """Whether `peer` is known by now to be no single person: a group, or a channel."""
        return False

    def send(self, delivery: Delivery) -> Coroutine[Any, Any, Outcome] | Future[Outcome]:
        """Try once, and say what became of it. Expected trouble is a value; only bugs raise.

        Whatever happened to an earlier try, a repeat never makes a second message: the transport
        uses the same `random_id` for the same broadcast, account, recipient and part.

        An `async def` will do. Where nothing is to be waited for but an answer, an asyncio.Future
        of it spares a task. Whoever cancels either does not know whether the message arrives.
        """
        ...


class Recovery(Protocol):
    """Finds out what became of messages whose answer was lost."""

    async def update_state(self) -> str | None:
        """Where the account's updates stand now; None when Telegram does not tell."""
        ...

    async def find_ids(
        self, since: str, deliveries: Iterable[Delivery]
    ) -> Mapping[int, Sequence[int]]:
        """The message ids, by position, of `deliveries` that arrived; `since` is an update state.

        What is not found is left out.
        """
        ...


class Connection(Transport, Recovery, Protocol):
    """An account that is signed in."""

    @property
    def account(self) -> Account:
        """Who is signed in."""
        ...

    async def strangers(self, peers: Iterable[Peer]) -> int | None:
        """How many of `peers` neither are contacts of this person nor have a chat with them.

        None: a bot is signed in, whom nobody can be a stranger to, or Telegram does not tell.
        """
        ...


class Gate(Protocol):
    """What a delivery passes on its way to the transport, and its outcome on the way back."""

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        """The delivery as it is to be sent; or an outcome, and it is not sent.

        Of an outcome that a gate makes no gate hears in `after`.
        """
        ...

    def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        """The outcome as it is to be recorded, of what was sent for `delivery`."""
        return outcome


class Run(Protocol):
    """The ledger's side of one process that works on one broadcast."""

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        """Mark up to `limit` deliveries `sending`, durably, and return them.

        Those that were deferred and are due at `now` come first, then the rest in order of
        position. Empty when none can be sent at `now`.
        """
        ...

    async def settle(
        self, results: Sequence[tuple[Delivery, Outcome]], now: datetime
    ) -> Sequence[tuple[Delivery, Outcome]]:
        """Record what became of claimed deliveries, in one commit.

        A deferred one is pending again from `now` + `retry_after` on, a halted one at once.
        Returns what was recorded beside them: the parts that failed with the part before them.
        """
        ...

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give back claimed deliveries that were certainly not sent."""

    def has_lapsed(self, now: datetime) -> bool:
        """Whether no sign of life was given for so long that another may have taken over."""
        ...

    async def renew(self, now: datetime) -> None:
        """Give a sign of life. Raises LockedError when another process has taken over."""

    async def next_due(self) -> datetime | None:
        """When the next deferred delivery may be tried; None when none is deferred."""
        ...

    def stopped_by(self, halted: Halted) -> None:
        """Why the run ends early by itself: it is recorded when the run ends."""


class Watcher(Protocol):
    """Somebody who looks on while a broadcast runs."""

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """`outcome` is recorded in the ledger, at the UTC time `at`."""

    def held(self, seconds: float, reason: str) -> None:
        """Nothing is sent for `seconds`, because of `reason`."""

    def uploaded(self, file: Attachment, done: int) -> None:
        """`done` bytes of a file have arrived."""
