"""What is scheduled, on the command line: `run-due`, `list`, `status` and `cancel`.

In this process, against the sandbox, with a ledger in which time has passed.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broadcast import cli
from broadcast.core.model import Contact, Message, State, When
from broadcast.core.peers import parse_peer
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.message.when import moment_for
from broadcast.people.audience import Audience
from tests.clocks import SetClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broadcast.core.model import Broadcast

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
FINE, BLOCKED, FLOOD = "@ana_maria", "@blocked_bruno", "@peerflood_pia"
"""Whom the sandbox lets through, and for whom it answers an error of theirs."""


class Shell:
    """The command line, and a ledger of the sandbox in which something is due already."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path, self._capsys = home / "sandbox" / "ledger.db", capsys
        self._ids = (f"0000{number:06}" for number in itertools.count(1))

    def schedule(self, *names: str, at: datetime = NOW - HOUR, account: int = 0) -> str:
        """A broadcast by a bot, made two hours ago; begun as `account`, where one is given."""
        message = Message(f"I bought a car! {next(self._ids)}", when=When(_naive(at), "UTC"))
        return asyncio.run(self._schedule(message, names, account))

    async def _schedule(self, message: Message, names: tuple[str, ...], account: int) -> str:
        people = Audience([Contact(parse_peer(name)) for name in names])
        clock = SetClock(at=NOW - 2 * HOUR)
        assert message.when is not None
        with SqliteLedger(self._path, clock=clock) as ledger:
            due = partial(moment_for, message.when)
            broadcast = await ledger.create(next(self._ids), message, people, due=due)
            if account:
                async with ledger.start(broadcast, account=account, server="sandbox"):
                    pass
        return broadcast.id

    def find(self, identity: str) -> Broadcast:
        async def find() -> Broadcast:
            with SqliteLedger(self._path) as ledger:
                return await ledger.find(identity)

        return asyncio.run(find())

    def run(self, *arguments: str) -> int:
        self._capsys.readouterr()
        return cli.run([*arguments, "--sandbox"])

    def shown(self, *arguments: str) -> str:
        """All that a command shows, which ends well."""
        assert self.run(*arguments) == 0
        told = self._capsys.readouterr()
        return " ".join((told.out + told.err).split())

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        assert self.run(*arguments, "--json") == 0
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    monkeypatch.setenv("BROADCAST_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    thresholds = gc.get_threshold()
    yield Shell(tmp_path, capsys)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def by_bot(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "4242424242:" + "sandbox" * 5)
    return shell


# --- run-due


def test_when_nothing_is_due_nothing_is_said(
    by_bot: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert by_bot.run("run-due") == 0
    by_bot.schedule(FINE, at=NOW + HOUR)
    assert by_bot.run("run-due") == 0
    assert capsys.readouterr() == ("", "")


def kinds(shell: Shell, *names: str) -> list[str]:
    """Broadcasts that end so, in the order in which they were made."""
    made = {
        "done": lambda: shell.schedule(FINE),
        "failed": lambda: shell.schedule(BLOCKED),
        "halted": lambda: shell.schedule(FLOOD),
        "wrong": lambda: shell.schedule(FINE, account=1),
    }
    return [made[name]() for name in names]


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (("done", "done"), 0),
        (("done", "failed"), 1),
        (("failed", "halted"), 3),
        (("halted", "failed"), 3),
        (("halted", "done"), 3),
        (("wrong", "halted"), 2),
    ],
)
def test_the_exit_code_is_the_worst_of_all(by_bot: Shell, ends: tuple[str, str], code: int) -> None:
    kinds(by_bot, *ends)
    assert by_bot.run("run-due") == code


def test_what_is_wrong_with_one_is_told_and_the_others_are_sent(
    by_bot: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, right = kinds(by_bot, "wrong", "done")
    assert by_bot.run("run-due", "--wait") == 2
    assert f"{wrong}: broadcast {wrong} was started as account 1" in capsys.readouterr().err
    assert by_bot.find(right).counts.sent == 1


# --- list and status


@pytest.mark.parametrize("command", [("list",), ("status",), ("list", "--scheduled")])
def test_it_is_shown_for_when_it_is_scheduled(shell: Shell, command: tuple[str, ...]) -> None:
    moment = (NOW + 6 * HOUR).replace(second=0)
    shell.schedule(FINE, at=moment)
    assert f"scheduled for {moment.astimezone():%Y-%m-%d %H:%M}" in shell.shown(*command)


def test_the_list_of_what_is_to_come_holds_nothing_else(shell: Shell) -> None:
    assert "nothing is scheduled" in shell.shown("list", "--scheduled")
    later, soon, cancelled = (shell.schedule(FINE, at=NOW + hours * HOUR) for hours in (6, 2, 3))
    shell.run("cancel", cancelled)
    told = shell.shown("list", "--scheduled")
    assert told.index(soon) < told.index(later)  # the earliest first
    assert cancelled not in told
    assert soon in shell.shown("list", "--scheduled", "--limit", "1")
    assert later not in shell.shown("list", "--scheduled", "--limit", "1")


def test_what_waits_for_its_time_is_not_resumed(shell: Shell) -> None:
    identity = shell.schedule(FINE, at=NOW + HOUR)
    told = shell.shown("resume", identity)
    assert "nothing was sent" in told
    assert f"`broadcast cancel {identity} --sandbox` takes it back" in told


# --- cancel


def test_a_bots_is_just_cancelled(by_bot: Shell) -> None:
    identity = by_bot.schedule(FINE)
    assert by_bot.run("cancel", identity) == 0
    assert by_bot.find(identity).state is State.CANCELLED
    assert by_bot.run("run-due") == 0
    assert by_bot.find(identity).counts.sent == 0


def test_what_is_scheduled_at_telegram_is_deleted_there_by_a_recall(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "contacts.yaml").write_text(f"- '{FINE}'\n- '@ben_ruiz'\n")
    assert shell.run("Merry Christmas!", "--in", "2h", "--yes") == 0
    identity = shell.rows("list")[0]["broadcast"]
    assert "scheduled at Telegram for" in shell.shown("status")
    assert shell.run("cancel", identity[:9], "--yes") == 0
    recall, again = shell.rows("list")
    assert (again["broadcast"], recall["action"], recall["sent"]) == (identity, "recall", 2)
    assert shell.rows("list", "--scheduled") == []
    again = shell.shown("cancel", identity)
    assert f"nothing to stop: {identity} was recalled by {recall['broadcast']} already" in again
    assert "scheduled at Telegram" not in again
