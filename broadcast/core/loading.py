"""Imports what is large and slow to import, without the collector of cycles."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


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
