"""What the engine needs from outside, declared by the side that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from datetime import datetime

    from broadcast.core.model import Delivery, Outcome


class Transport(Protocol):
    """Sends one delivery."""

    def send(self, delivery: Delivery) -> Awaitable[Outcome]:
        """Try once, and say what became of it. Expected trouble is a value; only bugs raise.

        Whatever happened to an earlier try, a repeat never makes a second message: the transport
        uses the same `random_id` for the same broadcast, account, recipient and part.

        An `async def` will do. Where nothing is to be waited for but an answer, an asyncio.Future
        of it spares a task. Whoever cancels either does not know whether the message arrives.
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
        ...


class Run(Protocol):
    """The ledger's side of one process that works on one broadcast."""

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        """Mark up to `limit` deliveries `sending`, durably, and return them.

        Those that were deferred and are due at `now` come first, then the rest in order of
        position. Empty when none can be sent at `now`.
        """
        ...

    async def settle(self, results: Sequence[tuple[Delivery, Outcome]], now: datetime) -> None:
        """Record what became of claimed deliveries, in one commit.

        A deferred one is pending again from `now` + `retry_after` on, a halted one at once.
        """
        ...

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give back claimed deliveries that were certainly not sent."""
        ...

    def has_lapsed(self, now: datetime) -> bool:
        """Whether no sign of life was given for so long that another may have taken over."""
        ...

    async def renew(self, now: datetime) -> None:
        """Give a sign of life. Raises LockedError when another process has taken over."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next deferred delivery may be tried; None when none is deferred."""
        ...


class Watcher(Protocol):
    """Somebody who looks on while a broadcast runs."""

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """`outcome` is recorded in the ledger, at the UTC time `at`."""
        ...

    def held(self, seconds: float, reason: str) -> None:
        """Nothing is sent for `seconds`, because of `reason`."""
        ...
