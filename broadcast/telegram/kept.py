"""Keeps for the next run what Telegram has answered, in one small file; it asks Telegram nothing.

One file is for all accounts, and an access hash is valid only for the account that received it: so
the account is part of each key.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from broadcast.core.errors import SettingsError
from broadcast.disk.private import cannot_write, make_private

if TYPE_CHECKING:
    from pathlib import Path

V = TypeVar("V")


class Kept(Generic[V]):
    """A table of values, which are dataclasses of what SQLite can hold, by account and key.

    A file that fails in mid-run costs a question to Telegram and never the run.
    """

    table: ClassVar[str]
    key: ClassVar[str]
    value: ClassVar[type[Any]]

    def __init__(self, path: Path) -> None:
        """Raises SettingsError when the file cannot be used."""
        columns = ", ".join(field.name for field in fields(self.value))
        where = f"WHERE account = ? AND {self.key} = ?"
        self._select = f"SELECT {columns} FROM {self.table} {where}"  # noqa: S608 - names of ours
        self._delete = f"DELETE FROM {self.table} {where}"  # noqa: S608 - the same
        try:
            make_private(path.parent)
            path.touch(mode=0o600)
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(
                f"CREATE TABLE IF NOT EXISTS {self.table} "
                f"(account, {self.key}, {columns}, PRIMARY KEY (account, {self.key}))"
            )
        except OSError as error:
            raise SettingsError(cannot_write(path.parent, error)) from error
        except sqlite3.Error as error:
            raise SettingsError(
                f"{path}: cannot be used ({error}). It only keeps what was looked up: move it away"
            ) from error

    def get(self, account: int, key: str) -> V | None:
        """What was kept, if anything."""
        row = self._execute(self._select, account, key)
        return None if row is None else self.value(*row)

    def put(self, account: int, key: str, value: Any) -> None:
        """Keep `value`."""
        row = account, key, *astuple(value)
        places = ", ".join("?" * len(row))
        self._execute(f"INSERT OR REPLACE INTO {self.table} VALUES ({places})", *row)  # noqa: S608

    def forget(self, account: int, key: str) -> None:
        """Drop what was kept: it has turned out to be stale."""
        self._execute(self._delete, account, key)

    def _execute(self, statement: str, *values: object) -> Any | None:
        """The first row."""
        with suppress(sqlite3.Error):
            return self._file.execute(statement, values).fetchone()
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
