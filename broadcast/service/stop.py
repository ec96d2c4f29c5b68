"""The wish to end early, which every wait hears."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Stop:
    """Once asked for, it stays asked for. What is under way is finished and recorded first."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._then: list[Callable[[], None]] = []

    @property
    def is_asked(self) -> bool:
        """Whether somebody wants the end."""
        return self._asked.is_set()

    @property
    def is_heard(self) -> bool:
        """Whether something is under way that ends well when it is asked to."""
        return bool(self._then)

    def ask(self) -> None:
        """Want the end: from a signal, a button, or another process."""
        self._asked.set()
        for call in self._then:
            call()

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Generator[None]:
        """Within this, `call` is called when the end is asked for, at once if it was before."""
        self._then.append(call)
        if self.is_asked:
            call()
        try:
            yield
        finally:
            self._then.remove(call)

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until the end is asked for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._asked.wait()
