"""An event loop on virtual time: its clock jumps to the next timer, so an hour passes in no time.

It waits for nothing from outside; it only looks now and then, so that signals are noticed.
"""

from __future__ import annotations

import asyncio
import selectors
from contextvars import Context, copy_context
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    _Timer = tuple[float, int, asyncio.TimerHandle, Callable[..., object], tuple[Any, ...], Context]

Arguments = TypeVarTuple("Arguments")

_LOOK = 64  # one look outside in so many turns of the loop: it costs as much as a turn


class _JumpingSelector(selectors.DefaultSelector):
    """Jumps instead of waiting: with a timeout of None nothing is left to do now."""

    loop: VirtualLoop

    def __init__(self) -> None:
        super().__init__()
        self._turns = count()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        if timeout is None:
            self.loop.jump()
        return [] if next(self._turns) % _LOOK else super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that is its own `Clock`: `now` starts at 0 seconds, and is then `starts_at` in UTC."""

    def __init__(self, starts_at: datetime) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 0.0
        self._starts_at = starts_at
        # Kept here and not by asyncio, which compares its timers in Python: a tenth of a rehearsal.
        self._timers: list[_Timer] = []
        self._numbers = count()  # timers of one moment fire in the order in which they were set
        super().__init__(selector)

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self.now

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self.now

    def utc(self) -> datetime:
        """See `Clock.utc`."""
        return self._starts_at + timedelta(seconds=self.now)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop.call_later`."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop.call_at`."""
        context = context or copy_context()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, next(self._numbers), timer, callback, args, context))
        return timer

    def jump(self) -> None:
        """Go to the moment of the next timer, and fire all timers of that moment."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not timers:
            raise AssertionError("deadlock: every task waits, and no timer is set")
        self.now = max(timers[0][0], self.now)
        while timers and timers[0][0] <= self.now:
            _, _, timer, callback, args, context = heappop(timers)
            if not timer.cancelled():
                self.call_soon(callback, *args, context=context)
