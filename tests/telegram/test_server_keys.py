"""A server's key is trusted as long as an account needs it, and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from telethon.crypto import rsa

from broadcast.core.access import Access, Credentials, Server
from broadcast.core.errors import LoginRequiredError, SettingsError
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox_app import open_sandbox
from broadcast.telegram.account import open_account
from broadcast.telegram.session import trusted

if TYPE_CHECKING:
    from pathlib import Path

KEY = ServerKey.default()


@pytest.fixture(autouse=True)
def _only_telegrams_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name: key for name, key in rsa._server_keys.items() if name != KEY.fingerprint}
    monkeypatch.setattr(rsa, "_server_keys", own)


def is_trusted() -> bool:
    return KEY.fingerprint in rsa._server_keys


def test_a_key_is_trusted_until_the_last_who_needs_it_is_done() -> None:
    with trusted(KEY.public_pem()):
        with trusted(KEY.public_pem()):
            assert is_trusted()
        assert is_trusted()
    assert not is_trusted()


def test_a_key_is_forgotten_after_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), trusted(KEY.public_pem()):
        raise ZeroDivisionError
    assert not is_trusted()


def test_telegrams_own_keys_stay() -> None:
    rsa.add_key(KEY.public_pem(), old=False)
    with trusted(KEY.public_pem()):
        assert is_trusted()
    assert is_trusted()


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n", "ñ"])
def test_what_is_no_key_is_said_to_be_none(pem: str) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_SERVER_KEY"), trusted(pem):
        pass


async def test_a_sandbox_leaves_no_key_behind() -> None:
    async with open_sandbox():
        assert is_trusted()
    assert not is_trusted()


async def test_an_account_that_cannot_be_opened_leaves_no_key_behind(tmp_path: Path) -> None:
    access = Access(
        Credentials(1, "hash"),
        session=tmp_path / "one.session",
        addresses=tmp_path / "addresses.db",
        server=Server("127.0.0.1", 9, key=KEY.public_pem()),
    )
    with pytest.raises(LoginRequiredError):  # noqa: PT012
        async with open_account(access):
            assert is_trusted()
            raise LoginRequiredError("nobody is signed in")
    assert not is_trusted()
