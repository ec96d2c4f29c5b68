"""A sandbox that was opened for one run: what is left of it afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from telethon.crypto import rsa

from broadcast.core.clock import SystemClock
from broadcast.core.errors import LockedError, SettingsError
from broadcast.core.model import Action, Delivery, Failed, Message, When
from broadcast.people.lists import contact
from broadcast.sandbox.inbox import clear_inbox, read_inbox
from broadcast.sandbox.journal import Journal, journal_in
from broadcast.sandbox.virtual_time import VirtualLoop
from broadcast.sandbox_app import SandboxAccounts, open_sandbox
from tests.sandbox.asking import ME, NOW, at, user

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


async def test_the_key_of_a_sandbox_is_not_trusted_any_more_once_it_is_closed(monkeypatch):
    monkeypatch.setattr(rsa, "_server_keys", {})  # others in this process may have added it
    async with open_sandbox():
        assert len(rsa._server_keys) == 1
    assert rsa._server_keys == {}


@pytest.mark.parametrize("is_bot", [False, True])
async def test_an_account_is_opened_without_a_question_as_often_as_one_likes(tmp_path, is_bot):
    accounts = SandboxAccounts(tmp_path, SystemClock())
    for _ in range(2):
        async with accounts.open(is_bot=is_bot) as transport:
            assert transport.account.is_bot is is_bot
            assert accounts.expected(account=transport.account.id).is_bot is is_bot


async def test_two_runs_cannot_use_one_sandbox_at_the_same_time(tmp_path):
    accounts = SandboxAccounts(tmp_path, SystemClock())
    async with accounts.open():
        with pytest.raises(LockedError, match="is used by"):
            async with accounts.open():
                pass
        with pytest.raises(LockedError, match="is used by"):
            clear_inbox(tmp_path)


def test_an_inbox_shows_what_has_become_due_since_the_sandbox_ended(tmp_path: Path):
    client = user()
    client.send(ME, "later", schedule_date=at(NOW + 3600))
    with Journal(journal_in(tmp_path)) as journal:
        journal.append(client.world.drain())

    def inbox(seconds: float, *, scheduled: bool) -> list[str]:
        clock = VirtualLoop(at(NOW + seconds))
        try:
            return [row.text for row in read_inbox(tmp_path, clock, scheduled=scheduled)]
        finally:
            clock.close()

    assert (inbox(3599, scheduled=False), inbox(3599, scheduled=True)) == ([], ["later"])
    assert (inbox(3600, scheduled=False), inbox(3600, scheduled=True)) == (["later"], [])


def test_an_inbox_that_cannot_be_read_says_in_which_line(tmp_path: Path):
    with Journal(journal_in(tmp_path)) as journal:
        journal.append([{"t": "stars", "account": 1, "spent": "1"}])
    with pytest.raises(SettingsError, match=r"journal\.jsonl:1: this record .* cannot be replayed"):
        list(read_inbox(tmp_path, SystemClock()))


class AheadClock(SystemClock):
    """Goes before the one of the system."""

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=20)


async def test_what_sends_there_has_the_clock_of_the_sandbox():
    clock = AheadClock()
    when = When((clock.utc() - timedelta(seconds=10)).replace(tzinfo=None), "UTC")  # it is past
    recall = Delivery(
        "b1",
        0,
        contact("@ana"),
        Message("later", when=when),
        action=Action.RECALL,
        message_id=1,
        is_scheduled=True,
    )
    async with SandboxAccounts(None, clock).open(people=[recall.contact]) as transport:
        outcome = await transport.send(recall)
    assert isinstance(outcome, Failed)
    assert outcome.error == "SCHEDULE_PAST"
