"""Which sessions are opened, and that a foreign one is said to be that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from telethon.sessions import SQLiteSession, StringSession

from broadcast.core.access import Access, Credentials, Server
from broadcast.core.clock import SystemClock
from broadcast.core.errors import SettingsError
from broadcast.telegram.account import AccountOpener
from broadcast.telegram.session import open_session

if TYPE_CHECKING:
    from pathlib import Path


def access_to(session: Path | str, tmp_path: Path, server: Server | None = None) -> Access:
    return Access(Credentials(1, "hash"), session, tmp_path / "addresses.db", server)


def test_a_session_file_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "one.session"
    with closing(open_session(access_to(path, tmp_path))):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["1" + "A" * 352, "not base64!", "1AAAA"])
def test_a_text_that_is_no_session_is_refused(text: str, tmp_path: Path) -> None:
    if text.startswith("1AAAAAAAA"):
        text = text[:-1]
    with pytest.raises(SettingsError, match="is not one"):
        open_session(access_to(text, tmp_path))


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.session"
    path.write_bytes(b"no database, and long enough to be read as one" * 100)
    with pytest.raises(SettingsError, match="not a session file") as refused:
        open_session(access_to(path, tmp_path))
    assert "`broadcast login`" in str(refused.value)


def test_a_session_file_of_a_newer_telethon_is_refused_and_no_bug(tmp_path: Path) -> None:
    path = tmp_path / "one.session"
    with closing(SQLiteSession(str(path))) as made:
        made.set_dc(2, "127.0.0.1", 1)
        made.save()
    with closing(sqlite3.connect(path)) as file, file:
        for name in ("one", "two", "three"):
            file.execute(f"ALTER TABLE sessions ADD COLUMN {name} TEXT")
    with pytest.raises(SettingsError, match="not a session file that this version can read"):
        open_session(access_to(path, tmp_path))


def test_a_process_that_is_killed_leaves_no_session_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(_session: SQLiteSession) -> None:
        raise Killed

    path = tmp_path / "one.session"
    with monkeypatch.context() as patched:
        patched.setattr(SQLiteSession, "save", kill)  # its tables are there, and empty
        with pytest.raises(Killed):
            open_session(access_to(path, tmp_path))
    assert not path.exists()
    for _ in range(2):
        with closing(open_session(access_to(path, tmp_path))):
            assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.glob("*.session")] == ["one.session"]


def test_a_session_that_was_left_half_made_is_no_bug(tmp_path: Path) -> None:
    path = tmp_path / "one.session"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE version (version integer primary key)")
    with pytest.raises(SettingsError, match="not a session file that this version can read"):
        open_session(access_to(path, tmp_path))


def test_a_server_with_an_ipv6_address_is_where_the_client_would_go(tmp_path: Path) -> None:
    """Else Telethon takes the address for a mistake, and goes to Telegram itself."""
    access = access_to("", tmp_path, Server("::1", 4430))
    opener = AccountOpener(access, SystemClock())
    assert isinstance(opener._session, StringSession)
    assert (opener._session.server_address, opener._session.port) == ("::1", 4430)
    assert opener._options()["use_ipv6"] is True
    plain = AccountOpener(access_to("", tmp_path, Server("127.0.0.1", 4430)), SystemClock())
    assert plain._options()["use_ipv6"] is False
