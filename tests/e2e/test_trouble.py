"""A broadcast among other processes, and on a disk, that do what they should not.

What the sandbox has stored is compared with the audience: nobody missed, nobody twice.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.child import BOUND, Child, Cli
from tests.e2e.telegram import Telegram, in_journal
from tests.e2e.test_kill import serve
from tests.test_cli import obey_permissions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.child import Ended

TEXT = "I bought a car!"
MANY = [str(100_010_000 + number) for number in range(60)]
FAST = ("--rate", "max", "--concurrency", "4")
STEADY = ("--rate", "30", "--concurrency", "4")
OTHER_SESSION = {"TELEGRAM_SESSION": "other"}  # the same account, signed in a second time
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is of Linux")


def ledger_of(cli: Cli) -> Path:
    return cli.home / "ledger.db"


def execute(cli: Cli, statement: str) -> None:
    with closing(sqlite3.connect(ledger_of(cli), timeout=BOUND)) as connection, connection:
        connection.execute(statement)


def assert_each_once(cli: Cli, telegram: Telegram, *peers: str) -> None:
    """The sandbox has one message for each, and the ledger agrees with it row by row."""
    received = {(str(message.peer), message.message_id) for message in telegram.received()}
    assert Counter(peer for peer, _ in received) == Counter(peers or MANY)
    assert len(telegram.received()) == len(received)
    rows = cli.run("show", "--json").deliveries
    assert {(peer, row["message_id"]) for peer, row in rows.items()} == received
    assert {row["status"] for row in rows.values()} == {"sent"}


def assert_halted(ended: Ended, *words: str) -> None:
    """It says what is wrong with which file and what to do, and that it can go on."""
    assert ended.code == 3, ended.err
    for word in words:
        assert word in ended.err, ended.err


def started(cli: Cli, telegram: Telegram, at: int, do: object, *options: str) -> Child:
    """Send to MANY; when the sandbox has stored message number `at`, call `do(child)`."""
    assert callable(do)
    cli.write_contacts(*MANY)
    child: list[Child] = []
    telegram.world.at[at] = lambda: do(child[0])
    child.append(cli.start(TEXT, "--json", *(options or STEADY)))
    return child[0]


# --- two processes


def test_a_broadcast_that_is_being_sent_is_not_resumed(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*MANY)
    child = bot.start(TEXT, "--json", "--rate", "5")
    assert child.out is not None
    child.out.until('"status": "sent"')
    for extra in ({}, OTHER_SESSION):
        ended = bot.run("resume", *FAST, **extra)
        assert (ended.code, ended.out) == (4, "")
        assert f"is being sent by process {child.pid} on " in ended.err
        assert "`broadcast pause " in ended.err
    child.signal(signal.SIGTERM)
    assert child.wait().code == 130
    assert bot.run("resume", *FAST).code == 0
    assert_each_once(bot, telegram)


def test_two_sessions_of_one_account_do_not_send_at_the_same_time(
    bot: Cli, telegram: Telegram
) -> None:
    """Each would send as fast as the account may. What was made waits for a resume."""
    bot.write_contacts(*MANY)
    child = bot.start(TEXT, "--json", "--rate", "5")
    assert child.out is not None
    child.out.until('"status": "sent"')
    ended = bot.run("Another text", *FAST, **OTHER_SESSION)
    assert (ended.code, ended.out) == (4, "")
    assert f"is in use: process {child.pid} on " in ended.err
    waiting = re.search(r"`broadcast resume (\w+)` sends this one afterwards", ended.err)
    assert waiting is not None
    child.signal(signal.SIGTERM)
    assert child.wait().code == 130
    assert {message.text for message in telegram.received()} == {TEXT}
    assert bot.run("resume", waiting[1], *FAST, **OTHER_SESSION).code == 0
    texts = Counter(message.text for message in telegram.received())
    assert texts["Another text"] == len(MANY)


@pytest.mark.parametrize("at", [1, 17, 40])
def test_a_process_that_froze_stops_when_it_wakes_up_after_another_took_over(
    bot: Cli, telegram: Telegram, at: int
) -> None:
    """SIGSTOP for longer than the lease: the test ends the lease instead of waiting for it."""
    child = started(bot, telegram, at, lambda child: child.signal(signal.SIGSTOP), *FAST)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    ended = bot.run("resume", *FAST, **OTHER_SESSION)
    assert (ended.code, ended.out) == (4, "")
    execute(bot, "UPDATE broadcast SET alive_until = 0")
    ended = bot.run("resume", "--json", *FAST, **OTHER_SESSION)
    assert ended.code == 0
    assert ended.summary["sent"] == len(MANY)
    child.signal(signal.SIGCONT)
    ended = child.wait()
    assert ended.code == 4
    assert "was taken over by another process" in ended.err
    assert "gave no sign of life for 15 seconds" in ended.err
    assert_each_once(bot, telegram)


def test_a_frozen_process_that_nobody_replaced_goes_on(bot: Cli, telegram: Telegram) -> None:
    child = started(bot, telegram, 17, lambda child: child.signal(signal.SIGSTOP))
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    execute(bot, "UPDATE broadcast SET alive_until = 0")
    child.signal(signal.SIGCONT)
    assert child.wait().code == 0
    assert_each_once(bot, telegram)


# --- the disk


def fill_the_disk(cli: Cli, pid: int, spare: int = 0) -> None:
    """From now on no file of the process may grow beyond the journal of its ledger."""
    import resource  # noqa: PLC0415 - Windows has none

    size = ledger_of(cli).with_name("ledger.db-wal").stat().st_size + spare
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


@ON_LINUX
def test_a_full_disk_stops_the_run_before_it_sends_what_it_cannot_record(
    bot: Cli, telegram: Telegram
) -> None:
    child = started(bot, telegram, 17, lambda child: fill_the_disk(bot, child.pid))
    ended = child.wait()
    assert_halted(ended, str(ledger_of(bot)), "disk is full", "Free some space", "broadcast resume")
    there = len(telegram.received())
    assert 17 <= there < len(MANY)
    shown = bot.run("show", "--json")
    known = [row for row in shown.deliveries.values() if row["status"] == "sent"]
    perhaps = [row for row in shown.deliveries.values() if row["error"] == "IN_DOUBT"]
    assert len(known) <= there <= len(known) + len(perhaps)
    assert bot.run("resume", *FAST).code == 0
    assert_each_once(bot, telegram)


@ON_LINUX
@pytest.mark.parametrize("later", [1, 3, 8])
def test_killed_while_the_disk_is_full(bot: Cli, telegram: Telegram, later: int) -> None:
    def fill(child: Child) -> None:
        fill_the_disk(bot, child.pid)
        telegram.world.at[17 + later] = lambda: child.signal(signal.SIGKILL)

    child = started(bot, telegram, 17, fill, *FAST)
    assert child.wait().code in (-signal.SIGKILL, 3)
    assert len(telegram.received()) < len(MANY)
    assert bot.run("resume", *FAST).code == 0
    assert_each_once(bot, telegram)


@ON_LINUX
def test_a_disk_that_is_full_from_the_start_sends_nothing(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*MANY)
    command = ["sh", sys.executable, "-m", "broadcast"]
    limited = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 40; exec "$@"', *command, TEXT * 100, *FAST],
        env=bot.env,
        cwd=bot.directory,
        capture_output=True,
        timeout=BOUND,
        check=False,
        text=True,
    )
    assert (limited.returncode, limited.stdout) == (3, ""), limited.stderr
    assert "the disk is full" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert telegram.received() == []
    assert bot.run("list", "--json").out == ""


# --- the ledger


def test_a_ledger_that_another_program_holds_stops_the_run(bot: Cli, telegram: Telegram) -> None:
    with ExitStack() as stack:

        def hold(_child: Child) -> None:
            other = sqlite3.connect(
                ledger_of(bot), isolation_level=None, check_same_thread=False, timeout=BOUND
            )
            stack.enter_context(closing(other))
            other.execute("BEGIN IMMEDIATE")

        ended = started(bot, telegram, 17, hold).wait()
        assert_halted(ended, str(ledger_of(bot)), "another program holds it", "Close that program")
        there = len(telegram.received())
        assert there < len(MANY)
        assert bot.run("list").code == 0  # to look on is possible all the time
    assert bot.run("resume", *FAST).code == 0
    assert_each_once(bot, telegram)


def test_a_ledger_that_is_damaged_in_mid_run(bot: Cli, telegram: Telegram) -> None:
    def damage(_child: Child) -> None:
        for path in (ledger_of(bot), ledger_of(bot).with_name("ledger.db-wal")):
            with path.open("r+b") as file:
                file.write(b"\xff" * path.stat().st_size)

    ended = started(bot, telegram, 17, damage).wait()
    assert_halted(ended, str(ledger_of(bot)), "the file is damaged", "Restore a copy")
    received = Counter(str(message.peer) for message in telegram.received())
    assert set(received) <= set(MANY)
    assert set(received.values()) == {1}
    for command in (["resume"], ["list"], ["show"], ["status"], ["other text"], ["cancel"]):
        ended = bot.run(*command)
        assert_halted(ended, str(ledger_of(bot)), "the file is damaged")
        assert ended.out == ""
    assert Counter(str(message.peer) for message in telegram.received()) == received


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are of POSIX")
def test_a_ledger_that_may_not_be_written_sends_nothing(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*MANY[:1])
    assert bot.run("send", "first", *FAST).code == 0
    ledger_of(bot).chmod(0o400)
    for arguments in ([TEXT, *FAST], ["send", "soup", "--once", "menu", *FAST]):
        ended = subprocess.run(
            [sys.executable, "-m", "broadcast", *arguments],
            env=bot.env,
            cwd=bot.directory,
            capture_output=True,
            timeout=BOUND,
            check=False,
            text=True,
            preexec_fn=obey_permissions,
        )
        assert (ended.returncode, ended.stdout) == (3, "")
        assert f"{ledger_of(bot)}: it cannot be written" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert len(telegram.received()) == 1
    ledger_of(bot).chmod(0o600)
    assert bot.run(TEXT, *FAST).code == 0


# --- the other side


@pytest.mark.parametrize("kills", [1, 3])
def test_the_sandbox_is_killed_and_comes_back(cli: Cli, tmp_path: Path, kills: int) -> None:
    """It keeps what it has stored, and who has signed in, in its journal."""
    (tmp_path / "sandbox").mkdir()
    with Cli(tmp_path / "sandbox") as sandbox:
        running, settings = serve(sandbox)
        port = int(settings["TELEGRAM_SERVER"].rpartition(":")[2])
        cli.env |= settings
        cli.write_contacts(*MANY)
        child = cli.start(TEXT, "--json", "--rate", "20")
        assert child.out is not None
        for _ in range(kills):
            for _ in range(6):
                child.out.until('"status": "sent"')
            running.signal(signal.SIGKILL)
            assert running.wait().code == -signal.SIGKILL
            running, _ = serve(sandbox, port=port)
        ended = child.wait()
        assert ended.code == 0
        assert ended.summary["sent"] == len(MANY)
        received = [(str(m.peer), m.message_id) for m in in_journal(sandbox.home)]
    assert Counter(peer for peer, _ in received) == Counter(MANY)
    shown = {(peer, row["message_id"]) for peer, row in ended.deliveries.items()}
    assert shown == set(received)
