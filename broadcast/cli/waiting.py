"""How a command waits for what takes its time, and loads what is slow to load; it does no work."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end. Raises KeyboardInterrupt when it was cancelled."""
    import asyncio  # noqa: PLC0415 - `--help` and `list` need none

    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextmanager
def loading() -> Generator[None]:
    """While large modules are imported: nothing of them is garbage, now or ever.

    The collector is kept from looking for it while they are loaded, whenever it runs later, and
    when the process ends: with Telethon that is a third of 0.26 s, and 20 ms each time. Only the
    first time: later there is garbage of earlier runs, which would be kept for ever.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
