"""The file of the ledger: a thread writes it, another reads it and never waits for the first."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self, TypeVar

from broadcast.core.errors import HaltedError, InputError, NextStep, SettingsError
from broadcast.disk.private import cannot_write, make_private

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

T = TypeVar("T")
BUSY_TIMEOUT = 5.0  # seconds to wait for another program that holds the file


def _read_statements() -> dict[str, str]:
    text = files("broadcast.ledger.sqlite").joinpath("statements.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def read_migrations() -> list[str]:
    """The numbered scripts, in order: the first makes version 1."""
    folder = files("broadcast.ledger.sqlite").joinpath("migrations")
    scripts = sorted(script.name for script in folder.iterdir() if script.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in scripts]


def _split(script: str) -> Iterator[str]:
    """The statements of a script; each ends at the end of a line."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


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

    def many(self, name: str, rows: Iterable[tuple[object, ...]]) -> int:
        """Execute one statement for each of `rows`; how many rows of the table it changed."""
        return self._connection.executemany(_SQL[name], rows).rowcount


class Database:
    """The file at `path`, migrated; use it in a `with`.

    Without a path it is a temporary one, on disk only as far as it is large, and gone with this
    object. All is done at once then, and not in threads, so that it can be used on virtual time.

    Every method raises HaltedError, with what to do, when the file cannot be read or written, or
    when another program holds it for more than `busy_timeout` seconds.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        migrations: Sequence[str] | None = None,
    ) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self._migrations = read_migrations() if migrations is None else migrations
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-write")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-read")

    def __enter__(self) -> Self:
        if self.path is not None:
            self._make(self.path)
        with self._explained(), ExitStack() as stack:
            self._writer = self._connect(stack)
            self._migrate()
            self._reader = self._connect(stack) if self.path else self._writer
            self._connections = stack.pop_all()
        if self.path is None:
            weakref.finalize(self, self._connections.close)
        return self

    def __exit__(self, *error: object) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        try:
            with self._explained():
                self._connections.close()
        except HaltedError:
            if error[0] is None:  # else there is something worse to tell
                raise

    async def write(self, work: Callable[[Statements], T]) -> T:
        """Do `work` in the writer's thread, as one durable transaction."""

        def transaction() -> T:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                return work(Statements(self._writer))

        return await self.aside(transaction, self._writing)

    async def read(self, work: Callable[[Statements], T]) -> T:
        """Do `work`, which writes nothing, in the reader's thread: short, so that others may read.

        Each of its statements sees what is committed by then.
        """
        return await self.aside(lambda: work(Statements(self._reader)), self._reading)

    async def aside(self, work: Callable[[], T], thread: Executor | None = None) -> T:
        """Do `work` in a thread, while the event loop goes on."""

        def explained() -> T:
            with self._explained():
                return work()

        if self.path is None:
            return explained()
        return await asyncio.get_running_loop().run_in_executor(thread, explained)

    async def rows(self, name: str, **values: object) -> list[Any]:
        """What one statement reads."""
        return await self.read(lambda sql: sql.rows(name, **values))

    @staticmethod
    def _make(path: Path) -> None:
        """Make the file, for this user alone."""
        try:
            make_private(path.parent)
            path.touch(mode=0o600)
        except OSError as error:
            raise SettingsError(cannot_write(path.parent, error)) from error

    def _connect(self, stack: ExitStack) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path or "",
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        stack.enter_context(closing(connection))
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit has reached the disk when it returns, also when the machine loses power.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _version(self) -> int:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise SettingsError(
                f"{self.path}: this ledger was written by a newer broadcast (its version is "
                f"{version}, this program knows {len(self._migrations)}). Upgrade: "
                "pip install --upgrade broadcast"
            )
        return version

    def _migrate(self) -> None:
        if self._version() == len(self._migrations):
            return  # without the lock of a writer: to look on must be possible at any time
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            version = self._version()  # again: another process may have been faster
            if self.path is not None and 0 < version < len(self._migrations):
                self._back_up(self.path, version)
            for script in self._migrations[version:]:
                for statement in _split(script):
                    self._writer.execute(statement)
            self._writer.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _back_up(self, path: Path, version: int) -> None:
        """Copy the file as it is before a migration."""
        backup = path.with_name(f"{path.name}.v{version}.bak")
        self._make(backup)
        with closing(sqlite3.connect(backup)) as copy, closing(sqlite3.connect(path)) as source:
            source.backup(copy)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turn SQLite's words into what a person can do."""
        try:
            yield
        except UnicodeEncodeError:  # it names the text, which is nobody's business
            raise InputError(
                "the message, the key or a contact has bytes that are not UTF-8; nothing was sent",
                code="NOT_TEXT",
            ) from None
        except sqlite3.Error as error:
            code, advice, steps = _advice(error)
            place = self.path or f"in {tempfile.gettempdir()}"
            if self.path is None:  # nothing of it is kept, so nothing can be resumed
                steps = ()
            raise HaltedError(f"the ledger {place}: {advice}", *steps, code=code) from error


_RESUME = (NextStep("resume", purpose="then goes on"),)


def _advice(error: sqlite3.Error) -> tuple[str, str, tuple[NextStep, ...]]:
    """The code of an error, what happened and what to do, and the steps after that."""
    name = getattr(error, "sqlite_errorname", "")
    text = str(error)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        told = f"the disk is full or failing ({text}). Nothing more was sent. Free some space"
        return "DISK_FULL", told, _RESUME
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return "LEDGER_READ_ONLY", f"it cannot be written ({text}). Fix its permissions", _RESUME
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "LEDGER_HELD", f"another program holds it ({text}). Close that program", _RESUME
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        told = (
            f"the file is damaged ({text}). Restore a copy of it; or move it away, and what it "
            "held cannot be resumed: sending the same again would reach people twice"
        )
        return "LEDGER_DAMAGED", told, ()
    return "LEDGER_UNUSABLE", f"it cannot be used ({text})", ()
