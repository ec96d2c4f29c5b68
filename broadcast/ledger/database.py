"""The file of the ledger: one thread writes it, readers never wait; it knows no broadcast."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self, TypeVar

from broadcast.core.errors import HaltedError, SettingsError
from broadcast.lock import cannot_write

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

T = TypeVar("T")
BUSY_TIMEOUT = 5.0  # seconds to wait for another program that holds the file


def _read_statements() -> dict[str, str]:
    text = files("broadcast.ledger").joinpath("statements.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _read_migrations() -> list[str]:
    """The numbered scripts, in order: the first makes version 1."""
    folder = files("broadcast.ledger").joinpath("migrations")
    scripts = sorted(script.name for script in folder.iterdir() if script.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in scripts]


_SQL = _read_statements()


class Statements:
    """The named statements of statements.sql, on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, name: str, **values: object) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(_SQL[name], values)

    def one(self, name: str, **values: object) -> Any | None:
        """The first row, if any."""
        return self.run(name, **values).fetchone()

    def rows(self, name: str, **values: object) -> list[Any]:
        """All rows."""
        return self.run(name, **values).fetchall()

    def many(self, name: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute one statement for each of `rows`."""
        self._connection.executemany(_SQL[name], rows)


class Database:
    """The file at `path`, migrated; use it in a `with`.

    Every method raises HaltedError, with what to do, when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
        except OSError as error:
            raise SettingsError(cannot_write(self.path.parent, error)) from error
        with self._explained():
            self._writer = self._connect()
            self._migrate()
            self._reader = self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def write(self, work: Callable[[Statements], T]) -> T:
        """Do `work` in the writer's thread, as one durable transaction."""

        def transaction() -> T:
            with self._explained():
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    result = work(Statements(self._writer))
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
                return result

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    def read(self, name: str, **values: object) -> list[Any]:
        """The rows of one statement, as they are now."""
        with self._explained():
            return Statements(self._reader).rows(name, **values)

    def stream(self, name: str, **values: object) -> Iterator[Any]:
        """The same one by one, for results that are large."""
        with self._explained():
            yield from Statements(self._reader).run(name, **values)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit has reached the disk when it returns, also when the machine loses power.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _migrate(self) -> None:
        scripts = _read_migrations()
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > len(scripts):
            raise SettingsError(
                f"{self.path}: this ledger was written by a newer broadcast (its version is "
                f"{version}, this program knows {len(scripts)}). Upgrade: "
                "pip install --upgrade broadcast"
            )
        if 0 < version < len(scripts):
            backup = self.path.with_name(f"{self.path.name}.v{version}.bak")
            backup.touch(mode=0o600)
            copy = sqlite3.connect(backup)
            try:
                self._writer.backup(copy)
            finally:
                copy.close()
        for number, script in enumerate(scripts[version:], start=version + 1):
            self._writer.executescript(f"BEGIN;{script};PRAGMA user_version = {number};COMMIT")

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turn SQLite's words into what a person can do."""
        try:
            yield
        except sqlite3.Error as error:
            raise HaltedError(f"the ledger {self.path}: {_advice(error)}") from error


def _advice(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorname", "")
    text = str(error)
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return (
            f"the disk is full or failing ({text}). Nothing more was sent. Free some space, then "
            "`broadcast resume`"
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"it cannot be written ({text}). Mend its permissions, then `broadcast resume`"
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another program holds it ({text}). Close that program, then `broadcast resume`"
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return (
            f"the file is damaged ({text}). Restore a copy of it; or move it away, and what it "
            "held cannot be resumed"
        )
    return f"it cannot be used ({text})"
