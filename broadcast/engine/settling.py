"""Commits outcomes to the ledger, many at once; it decides nothing about them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadcast.core.clock import Clock
    from broadcast.core.model import Delivery, Outcome
    from broadcast.engine.ports import Run, Watcher

WINDOW = 0.25
"""Seconds for which outcomes are gathered: a commit costs the same for one as for hundreds."""


class Settling:
    """Gathers outcomes, and commits those of one WINDOW together. Run `work` as a task.

    `settled` is called after each commit, when the watcher knows of all that is in it.
    """

    def __init__(
        self, run: Run, watcher: Watcher, clock: Clock, settled: Callable[[], None]
    ) -> None:
        self._run, self._watcher, self._clock, self._settled = run, watcher, clock, settled
        self._outcomes: list[tuple[Delivery, Outcome]] = []
        self._arrived = asyncio.Event()  # there are outcomes to commit, or there will be none
        self._hurry = asyncio.Event()
        self._is_last = False
        self.open = 0
        """Deliveries that were started, and whose outcome is not committed yet."""

    def started(self) -> None:
        """A delivery is tried: `add` will be called with its outcome."""
        self.open += 1

    def add(self, delivery: Delivery, outcome: Outcome) -> None:
        """An outcome to be committed."""
        self._outcomes.append((delivery, outcome))
        self._arrived.set()

    def hurry(self) -> None:
        """Somebody waits for the commit: do not gather any longer."""
        self._hurry.set()

    def finish(self) -> None:
        """Nothing will be added any more: `work` commits the rest, and ends."""
        self._is_last = True
        self._arrived.set()
        self._hurry.set()

    async def work(self) -> None:
        """Commit until `finish`."""
        while not self._is_last or self._outcomes:
            await self._arrived.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(WINDOW):
                    await self._hurry.wait()
            self._arrived.clear()
            self._hurry.clear()
            group, self._outcomes = self._outcomes, []
            if group:
                now = self._clock.utc()
                beside = await self._run.settle(group, now)
                self.open -= len(group)
                for delivery, outcome in (*group, *beside):
                    self._watcher.settled(delivery, outcome, now)
                self._settled()
