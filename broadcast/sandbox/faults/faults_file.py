"""Reads a file of faults, and reads it again when it changes."""

from __future__ import annotations

import asyncio
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, NoReturn

from broadcast.core.errors import SettingsError
from broadcast.sandbox.faults.switches import PLAIN, Duplicate, Faults, Late, Pause
from broadcast.sandbox.named_values import (
    Reader,
    bytes_of,
    number,
    parse_as,
    read_named,
    whole,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broadcast.forms.entries import Value

POLL_SECONDS = 0.5


class FaultsFile:
    """The file at `path`. A file that is not there, or not yet, means no faults."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = (-1, -1)  # no file has these

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
            look = -2, error.errno or 0  # reported below, once
        if look == self._seen:
            return None
        self._seen = look
        if look is None:
            return Faults()
        return parse_faults(bytes_of(self.path), str(self.path))

    async def follow(
        self, switch: Callable[[Faults], None], told: Callable[[str], None]
    ) -> NoReturn:
        """Call `switch` whenever the file changes, until cancelled; a wrong one changes nothing."""
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


def parse_faults(raw: bytes, source: str) -> Faults:
    """Read faults from YAML or JSON; nothing means that all are off.

    Raises SettingsError, which names `source`, the line and the key.
    """
    return parse_as(Faults, raw, source, "the faults", _READERS)


def _parts(made: type[Late | Pause | Duplicate], **readers: Reader) -> Reader:
    def read(value: Value, source: str, name: str) -> Any:
        values = read_named(value, source, name, readers)
        for field in fields(made):
            if field.default is MISSING and field.name not in values:
                raise SettingsError(f"{source}:{value.line}: {name}: {field.name} is missing")
        try:
            return made(**values)
        except ValueError as error:
            raise SettingsError(f"{source}:{value.line}: {name}: {error}") from None

    return read


_READERS: dict[str, Reader] = {
    **dict.fromkeys((*PLAIN, "seed"), whole),
    "late": _parts(Late, every=whole, seconds=number),
    "duplicate": _parts(Duplicate, answer=word, seconds=number, times=whole),
    "freeze": _parts(Pause, after=whole, seconds=number),
    "refuse_connections": _parts(Pause, after=whole, seconds=number),
}
