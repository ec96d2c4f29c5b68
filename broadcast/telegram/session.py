"""Opens the session of an account, and says whose server is trusted; it does not connect.

The session is a file or a text, for this user alone.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telethon.crypto import rsa
from telethon.sessions import SQLiteSession, StringSession

from broadcast.core.errors import LockedError, NextStep, SettingsError
from broadcast.disk.private import cannot_write

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from broadcast.core.access import Access

_key_uses: Counter[int] = Counter()  # of each key that is trusted, by its fingerprint


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


@contextmanager
def trusted(pem: str) -> Generator[None]:
    """Trust the key `pem`, a PKCS#1 `RSA PUBLIC KEY`, until the last who asked for it is done.

    Telethon keeps such keys for the whole process: one that stayed would let whoever has its
    private half, and for the sandbox that is everybody, pass for Telegram. Raises SettingsError.
    """
    try:
        key = rsa.rsa.PublicKey.load_pkcs1(pem.encode("ascii"))
    except Exception as error:  # PEM, base64 and ASN.1 have each their own
        raise SettingsError(
            "TELEGRAM_SERVER_KEY: the file is not a valid RSA public key"
        ) from error
    fingerprint = rsa._compute_fingerprint(key)  # noqa: SLF001 - its key in that dictionary
    was_there = fingerprint in rsa._server_keys and not _key_uses[fingerprint]  # noqa: SLF001
    if was_there:  # it is one of Telegram's own, and stays
        yield
        return
    rsa.add_key(pem, old=False)
    _key_uses[fingerprint] += 1
    try:
        yield
    finally:
        _key_uses[fingerprint] -= 1
        if not _key_uses[fingerprint]:
            del _key_uses[fingerprint]
            rsa._server_keys.pop(fingerprint, None)  # noqa: SLF001
