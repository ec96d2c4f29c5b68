"""Opens the session of an account, a file or a text, for this user alone; it does not connect."""

from __future__ import annotations

import sqlite3
import struct
from typing import TYPE_CHECKING

from telethon.sessions import SQLiteSession, StringSession

from broadcast.core.errors import LockedError, NextStep, SettingsError
from broadcast.disk.private import cannot_write

if TYPE_CHECKING:
    from pathlib import Path

    from broadcast.core.access import Access


def open_session(access: Access) -> StringSession | SQLiteSession:
    """The session of `access`, at its server where nobody has signed in yet.

    Raises SettingsError when it is none, or cannot be written, LockedError when another program
    writes to it.
    """
    session = _opened(access.session)
    server = access.server
    if server is not None and not session.auth_key:  # signing in may have moved it since
        session.set_dc(server.dc, server.host, server.port)
    return session


def _opened(session: Path | str) -> StringSession | SQLiteSession:
    if isinstance(session, str):
        try:
            return StringSession(session)
        except (ValueError, struct.error):
            raise SettingsError(
                "TELEGRAM_SESSION is long enough for a string session but is not one; make a new "
                "one, or use the name of a session file"
            ) from None
    try:
        if not session.exists() or session.stat().st_size == 0:
            _make(session)
        session.chmod(0o600)
        opened = SQLiteSession(str(session))
    except OSError as error:
        raise SettingsError(cannot_write(session, error)) from error
    except (sqlite3.Error, ValueError, TypeError) as error:  # its tables are not Telethon's
        if is_held(error):
            raise LockedError(
                f"{session}: another program holds this session ({error}). Close that program"
            ) from error
        raise SettingsError(
            f"{session}: not a session file that this version can read ({error}). Move it away",
            NextStep("login"),
        ) from error
    # Telethon would write entities after each answer: a locked file then turns a delivered
    # message into an exception. Addresses are kept in addresses.py instead.
    opened.save_entities = False
    return opened


def _make(session: Path) -> None:
    """A session file is there at once or not at all: whoever is killed leaves none half made."""
    made = session.with_name(f"{session.stem}.new{session.suffix}")
    made.unlink(missing_ok=True)
    made.touch(mode=0o600)
    SQLiteSession(str(made)).close()
    made.replace(session)


def is_held(error: Exception) -> bool:
    """Whether another program writes to the session file right now."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.OperationalError) else None
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
