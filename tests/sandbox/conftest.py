"""What every test of the sandbox begins with."""

from __future__ import annotations

import pytest
from telethon.crypto import rsa


@pytest.fixture(autouse=True)
def trusted_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telethon trusts a key for the whole process: what a test adds ends with it."""
    monkeypatch.setattr(rsa, "_server_keys", dict(rsa._server_keys))
