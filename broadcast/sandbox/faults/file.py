"""Reads a file of faults, and reads it again whenever it changes; faults.py says what it means."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from broadcast.core.errors import SettingsError
from broadcast.sandbox.faults.schedule import Faults, parse_faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_SECONDS = 0.5


class FaultsFile:
    """The file at `path`. A file that is not there, or not yet, means no faults."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = (-1, -1)  # what no file looks like

    def news(self) -> Faults | None:
        """Read the faults if the file has changed since the last time; None if it has not.

        Raises SettingsError when the file is wrong: once, until it changes again.
        """
        try:
            status = self.path.stat()
            look = status.st_mtime_ns, status.st_size
        except FileNotFoundError:
            look = None
        except OSError as error:
            look = -2, error.errno or 0  # complained of below, once
        if look == self._seen:
            return None
        self._seen = look
        if look is None:
            return Faults()
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SettingsError(f"{self.path}: not UTF-8: {error}") from error
        except OSError as error:
            raise SettingsError(f"{self.path}: cannot be read: {error.strerror}") from error
        return parse_faults(text, str(self.path))

    async def follow(
        self, switch: Callable[[Faults], None], told: Callable[[str], None]
    ) -> NoReturn:
        """Hand over the faults at every change, until cancelled; a wrong file changes nothing."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                faults = self.news()
            except SettingsError as error:
                told(f"# {error}; the faults stay as they were")
                continue
            if faults is not None:
                switch(faults)
                told(f"# faults: {faults}")
