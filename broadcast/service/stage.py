"""Where a rehearsal happens: a pretend Telegram, and an event loop whose time is virtual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from datetime import datetime
    from decimal import Decimal

    from broadcast.core.clock import Clock
    from broadcast.engine.pacer import Known
    from broadcast.service.ports import Accounts


class Stage(Protocol):
    """One rehearsal's. Everything on it happens in `loop`, on `clock`."""

    @property
    def loop(self) -> AbstractEventLoop:
        """The event loop, on virtual time."""
        ...

    @property
    def clock(self) -> Clock:
        """The same time, as a clock."""
        ...

    @property
    def accounts(self) -> Accounts:
        """The account that sends there."""
        ...

    @property
    def floods(self) -> int:
        """How often Telegram has asked to wait."""
        ...

    @property
    def stars(self) -> Decimal:
        """What it has charged."""
        ...


class Stages(Protocol):
    """Builds stages."""

    def build(self, *, is_bot: bool, known: Known, starts_at: datetime) -> Stage:
        """A stage whose clock begins at `starts_at`, with the limits that are `known`."""
        ...
