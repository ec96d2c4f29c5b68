"""Clocks for tests: one that is set by hand, and that of the virtual loop."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from broadcast.sandbox.virtual_time import VirtualLoop

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class SetClock:
    """Stands still until `seconds`, which `monotonic` tells, is set; `at` is `utc` at 0 seconds."""

    def __init__(self, seconds: float = 0.0, at: datetime = START) -> None:
        self.seconds, self.at = seconds, at

    def utc(self) -> datetime:
        return self.at + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class RunningClock:
    """The clock of the virtual loop that runs."""

    def utc(self) -> datetime:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return loop.utc()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
