"""How a command waits for what takes its time; asyncio is slow to import, and loaded only here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end. Raises KeyboardInterrupt when it was cancelled."""
    import asyncio  # noqa: PLC0415 - `--help` and `list` need none

    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
