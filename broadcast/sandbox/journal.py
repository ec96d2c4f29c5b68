"""The file from which a killed sandbox starts again: JSON Lines, only ever appended to.

It survives the end of the process (SIGKILL), not of the machine: it flushes to the operating system
and never calls fsync. Two processes cannot use it, and a damaged line is an error.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from filelock import FileLock, Timeout

from broadcast.core.errors import HaltedError, LockedError, NextStep, SettingsError
from broadcast.disk.private import make_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = dict[str, object]


class Journal:
    """The file at `path`, with a lock beside it. Use it in a `with`; both files are private (0600).

    Opening raises LockedError when another process uses it and SettingsError when the file cannot
    be opened. An incomplete last line is cut off then: its process was killed before it answered.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock_path = self.path.with_name(self.path.name + ".lock")
        self._lock = FileLock(self._lock_path, mode=0o600)
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            make_private(self.path.parent)
            self._acquire()
            self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            self.path.chmod(0o600)  # a copied file may be readable for everybody
            self._cut_torn_line(self._file)
        except OSError as error:
            self.__exit__()
            raise SettingsError(
                f"the sandbox's journal {self.path} cannot be opened: {error.strerror}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # `append` has reported it already
                self._file.close()
            self._file = None
        self._lock.release()

    def replay(self) -> Iterator[Record]:
        """Read all records in order. Raises SettingsError with the line that is damaged."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield self._record(line, number)

    def append(self, records: Iterable[Record]) -> None:
        """Write the records at once; when this returns, they survive a SIGKILL.

        Raises HaltedError when the disk is full or failing.
        """
        if self._file is None:
            raise RuntimeError("the journal is not open")
        lines = [json.dumps(record, separators=(",", ":")) + "\n" for record in records]
        try:
            self._file.write("".join(lines).encode())
            self._file.flush()
        except OSError as error:
            raise HaltedError(
                f"the sandbox's journal {self.path} cannot be written: {error.strerror}. "
                "Free some space first",
                NextStep("resume", purpose="goes on with the broadcast"),
            ) from error

    def _acquire(self) -> None:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise LockedError(
                f"the sandbox's journal {self.path} is used by {self._holder()}: "
                "wait until it ends, or give this run another --home"
            ) from None
        self._lock_path.write_text(f"{os.getpid()}\n", encoding="ascii")

    def _holder(self) -> str:
        """Who has the lock; for a moment its pid is not written yet."""
        try:
            pid = self._lock_path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):  # Windows lets nobody read a locked file
            pid = ""
        return f"process {pid}" if pid else "another process"

    def _cut_torn_line(self, file: BinaryIO) -> None:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 2**16)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)
        file.seek(end)

    def _record(self, line: bytes, number: int) -> Record:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise SettingsError(
                f"{self.path}:{number}: the sandbox's journal is damaged here: "
                "move the file away to start with an empty sandbox"
            )
        return cast("Record", record)


def journal_in(home: Path) -> Path:
    """Where a sandbox that keeps its files in `home` has its journal."""
    return home / "journal.jsonl"


def files_beside(journal: Path) -> Path:
    """Where a sandbox with this journal keeps the uploaded files."""
    return journal.with_name(f"{journal.name}.files")
