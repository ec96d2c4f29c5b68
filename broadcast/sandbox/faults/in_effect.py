"""The faults of a running server: those that hit one request, and those that last for a while.

faults/decision.py decides, request by request. What lasts is kept here: that the server is frozen,
or refuses connections.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from broadcast.sandbox.faults.decision import AS_USUAL, COUNTED, Action, Decider
from broadcast.sandbox.faults.switches import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from telethon.tl import TLRequest

    from broadcast.core.clock import Clock
    from broadcast.sandbox.memory.arrived import Delivered


class FaultsInEffect:
    """The faults that are switched on. Use it on the event loop of the server only.

    `are_off` when there are none. While the server `is_frozen` it neither reads nor answers.
    """

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self._clock = clock
        self._decider: Decider | None = None
        self.are_off = True
        self.is_frozen = False
        self._thawed = asyncio.Event()
        self._thawing: asyncio.TimerHandle | None = None
        self._refuses_until = 0.0
        self.switch(faults)

    @property
    def faults(self) -> Faults:
        """What is switched on."""
        return self._decider.faults if self._decider else Faults()

    def switch(self, faults: Faults) -> None:
        """Switch these faults on, and no others: counting starts again, and what lasts ends."""
        self.are_off = faults == Faults()
        self._decider = None if self.are_off else Decider(faults)
        self._refuses_until = 0.0
        self.thaw()

    def action(
        self, request: TLRequest, now: float, repeated: Callable[[], Delivered | None]
    ) -> Action:
        """What happens to a request that arrives at `now`, in Unix time.

        `repeated` says which message it sends again; it is called only if a fault needs it.
        """
        decider = self._decider
        if decider is None or not isinstance(request, COUNTED):
            return AS_USUAL
        return decider.next(now, repeated() if decider.wants_repeats else None)

    @property
    def refuses_connections(self) -> bool:
        """Whether new connections are cut."""
        return self._refuses_until > self._clock.monotonic()

    def refuse_connections(self, seconds: float) -> None:
        """Cut new connections for so long."""
        self._refuses_until = self._clock.monotonic() + seconds

    def freeze(self, seconds: float) -> None:
        """Neither read nor answer for so long."""
        self.is_frozen = True
        self._thawed.clear()
        self._thawing = asyncio.get_running_loop().call_later(seconds, self.thaw)

    def thaw(self) -> None:
        """Read and answer again."""
        if self._thawing is not None:
            self._thawing.cancel()
            self._thawing = None
        self.is_frozen = False
        self._thawed.set()

    async def wait_until_thawed(self) -> None:
        """Wait while the server is frozen."""
        await self._thawed.wait()
