"""The composition root: what it hands on, and what it does while it loads what is large."""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING

import pytest

from broadcast.app import loading, telegram_accounts
from broadcast.core.access import Credentials, Server
from broadcast.core.clock import SystemClock
from broadcast.sandbox.people.logins import API_HASH, API_ID, BOT_TOKEN
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import World
from broadcast.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from broadcast.service.ports import Accounts


def test_what_is_loaded_is_never_looked_through_again() -> None:
    try:
        gc.unfreeze()
        with loading():
            assert not gc.isenabled()
            kept = [{} for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(kept)
    finally:
        gc.unfreeze()


def test_what_an_earlier_run_has_left_is_not_kept() -> None:
    try:
        with loading():
            pass
        before = gc.get_freeze_count()
        kept = [{} for _ in range(1000)]
        with loading():
            assert gc.isenabled()
        assert gc.get_freeze_count() < before + len(kept)
    finally:
        gc.unfreeze()


def test_a_failure_while_loading_leaves_the_collector_on() -> None:
    try:
        with pytest.raises(ImportError), loading():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()


class CountingClock(SystemClock):
    """Counts how often it is asked."""

    asked = 0

    def utc(self) -> datetime:
        self.asked += 1
        return super().utc()


async def _open(accounts: Accounts) -> None:
    async with accounts.open(None):
        pass


async def test_an_account_of_the_settings_has_the_clock_that_was_given(tmp_path: Path) -> None:
    clock = CountingClock()
    async with SandboxServer(World()) as server:
        settings = Settings(
            home=tmp_path,
            config_dir=tmp_path,
            credentials=Credentials(API_ID, API_HASH, bot_token=BOT_TOKEN),
            server=Server("127.0.0.1", server.port, key=server.key.public_pem()),
        )
        accounts = telegram_accounts(settings, clock)
        for use in (accounts.whoami, accounts.logout, partial(_open, accounts)):
            before = clock.asked
            await use()
            assert clock.asked > before
