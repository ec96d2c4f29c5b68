"""Virtual time: what hears nothing from outside still hears signals, and never waits for ever."""

from __future__ import annotations

import asyncio
import signal

import pytest

from broadcast.sandbox.virtual_time import VirtualLoop
from tests import virtual


def test_a_virtual_loop_hears_signals() -> None:
    async def sleep_until_told() -> bool:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
        signal.raise_signal(signal.SIGUSR1)
        for _ in range(1000):
            await asyncio.sleep(3600)
            if told.is_set():
                return True
        return False

    assert virtual.run(sleep_until_told())


def test_a_virtual_loop_says_so_when_nothing_can_happen_any_more() -> None:
    loop = VirtualLoop(virtual.START)
    with pytest.raises(AssertionError, match="deadlock"):
        loop.run_until_complete(loop.create_future())
    loop.close()
