"""Files for this user and this process alone; it never waits for another process."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from broadcast.core.errors import LockedError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def only_process(path: Path, what: str) -> Generator[None]:
    """Hold `path` for this process alone; `what` names it for a person.

    The lock is the operating system's, on `path`.lock, so it ends with the process, however that
    ends. The holder's pid stands in `path`.pid. Raises LockedError with that pid, and
    SettingsError when the directory cannot be written.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - who only looks on locks nothing

    lock = FileLock(f"{path}.lock", timeout=0, mode=0o600)
    holder = path.with_name(f"{path.name}.pid")
    try:
        make_private(path.parent)
        lock.acquire()
        holder.write_text(f"{os.getpid()}\n", encoding="ascii")
    except Timeout:
        try:
            pid = holder.read_text(encoding="ascii").strip()
        except OSError:
            pid = "unknown"
        raise LockedError(
            f"{what} is in use by process {pid} ({path}). Wait until it ends, or look at it with "
            f"`ps -p {pid}`"
        ) from None
    except OSError as error:
        lock.release()
        raise SettingsError(cannot_write(path.parent, error)) from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def make_private(directory: Path) -> None:
    """Make `directory`, and whatever is missing above it, for this user alone (0700)."""
    if not directory.exists():
        make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def cannot_write(path: Path, error: OSError) -> str:
    """What to tell a person whose BROADCAST_HOME cannot be written."""
    return (
        f"{path}: cannot be written ({error.strerror}). Make it writable, or set BROADCAST_HOME "
        "to a directory that is"
    )
