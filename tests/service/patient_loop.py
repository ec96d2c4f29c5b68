"""Virtual time for what also works in threads: a ledger in a file, a rehearsal."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from broadcast.sandbox.virtual_time import VirtualLoop
from tests.clocks import START

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

T = TypeVar("T")


class PatientClock:
    """The clock of the patient loop that was made last, for its threads, too."""

    loop: PatientLoop

    def utc(self) -> datetime:
        return self.loop.utc()

    def monotonic(self) -> float:
        return self.loop.monotonic()


class PatientLoop(VirtualLoop):
    """Its time stands still as long as a thread works for it, and jumps when none does."""

    def __init__(self, starts_at: datetime = START) -> None:
        self._at_work = 0
        super().__init__(starts_at)
        PatientClock.loop = self

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._at_work += 1
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._at_work += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._at_work -= 1

    def _came_back(self, _: object) -> None:
        self._at_work -= 1

    def jump(self) -> None:
        if self._at_work:  # a thread wakes the loop when it is done
            self._process_events(selectors.DefaultSelector.select(self._selector, 10.0))
        else:
            super().jump()


def run(main: Coroutine[Any, Any, T], starts_at: datetime = START) -> T:
    """Run `main` to its end on a fresh patient loop."""
    with asyncio.Runner(loop_factory=lambda: PatientLoop(starts_at)) as runner:
        return runner.run(main)
