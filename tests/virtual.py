"""Runs a test on virtual time, from a fixed moment on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from broadcast.sandbox.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a fresh virtual loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(START)) as runner:
        return runner.run(main)


def utc() -> datetime:
    """The virtual wall clock of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.utc()


class LoopClock:
    """The clock of the running loop, for what is given one."""

    def utc(self) -> datetime:
        return utc()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
