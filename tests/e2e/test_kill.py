"""SIGKILL at any moment: resumed, a broadcast ends with one message per recipient.

Two sandboxes: one in a thread, which kills the sender at an exact moment (a message is stored, its
answer has not left); and one in a process of its own, where the moment is a matter of chance.
"""

from __future__ import annotations

import random
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from broadcast.core.model import Sent, Status
from tests.e2e.child import Child, Cli, Ended
from tests.e2e.telegram import API, BOT_TOKEN, Telegram, in_journal
from tests.ledger.opened import opened

if TYPE_CHECKING:
    from pathlib import Path

RECIPIENTS = 120
IDS = [str(100_010_000 + number) for number in range(RECIPIENTS)]
NOTHING_YET, UNFINISHED, FINISHED = "nothing yet", "unfinished", "finished"


def serve(sandbox: Cli, *options: str, port: int = 0) -> tuple[Child, dict[str, str]]:
    """Start a sandbox process; and the settings of a bot there."""
    child = sandbox.start("sandbox", "serve", "--port", str(port), "--limits", "none", *options)
    assert child.out is not None
    server = child.out.until(r"TELEGRAM_SERVER=(\S+)")[1]
    key = child.out.until(r"TELEGRAM_SERVER_KEY=(\S+)")[1]
    child.out.until("Ctrl-C")
    return child, {
        **API,
        "TELEGRAM_SERVER": server,
        "TELEGRAM_SERVER_KEY": key,
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
    }


def state_of(cli: Cli) -> str:
    """How far the ledger says that it is."""
    path = cli.home / "ledger.db"
    if not path.exists():
        return NOTHING_YET
    with opened(path) as ledger:
        found = ledger.newest()
    if not found:
        return NOTHING_YET
    return UNFINISHED if found[0].counts.pending else FINISHED


def start(cli: Cli, *options: str) -> Child:
    """Send, or go on with what was begun."""
    if state_of(cli) == NOTHING_YET:
        return cli.start("I bought a car!", "--json", *options)
    return cli.start("resume", "--json", *options)


def finish(cli: Cli) -> Ended:
    """Go on until it is done."""
    ended = start(cli, "--rate", "max").wait()
    assert ended.code == 0, ended.err
    return ended


def assert_each_exactly_once(cli: Cli, received: list[tuple[str, int]]) -> None:
    """`received` are (peer, message id): the ledger agrees with them row by row."""
    assert Counter(peer for peer, _ in received) == Counter(IDS)
    with opened(cli.home / "ledger.db") as ledger:
        (broadcast,) = ledger.newest()
        records = list(ledger.records(broadcast))
    assert [record.status for record in records] == [Status.SENT] * RECIPIENTS
    recorded = {
        (record.delivery.contact.peer.text, record.outcome.message_id)
        for record in records
        if isinstance(record.outcome, Sent)
    }
    assert recorded == set(received)


@pytest.mark.parametrize("seed", range(5))
def test_killed_when_a_message_is_stored_and_not_answered(
    bot: Cli, telegram: Telegram, seed: int
) -> None:
    chance = random.Random(seed)
    bot.write_contacts(*IDS)
    kills = 0
    while kills < 5:
        at = telegram.world.sends + chance.randint(1, 10)  # few enough that five kills fit
        running: list[Child] = []
        telegram.world.at = {at: lambda: running[0].signal(signal.SIGKILL)}  # noqa: B023
        rate = chance.choice(["200", "max"])
        running.append(child := start(bot, "--rate", rate, "--concurrency", "10"))
        assert child.process.wait(60) == -signal.SIGKILL
        kills += 1
    finish(bot)
    received = [(str(message.peer), message.message_id) for message in telegram.received()]
    assert_each_exactly_once(bot, received)


def kill_at_random(cli: Cli, chance: random.Random, *rates: str) -> int:
    """Start, and kill at a moment that `chance` chooses; 1 when it was killed before its end."""
    child = start(cli, "--rate", chance.choice(rates))
    assert child.out is not None
    moment = chance.choice(["starting", "row", "row", "later"])
    if moment != "starting":
        for _ in range(chance.randint(1, 20)):
            try:
                child.out.until(r"\n")
            except AssertionError:  # it has ended before
                break
    if moment != "row":
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(chance.uniform(0.0, 0.9 if moment == "starting" else 0.1))
    child.signal(signal.SIGKILL)
    return int(child.process.wait(60) == -signal.SIGKILL)


def kill_until_done(cli: Cli, tmp_path: Path, seed: int, most: int) -> int:
    chance = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201 - for whoever reads a failure
    with Cli(tmp_path / "sandbox") as sandbox:
        (tmp_path / "sandbox").mkdir(exist_ok=True)
        _, settings = serve(sandbox)
        cli.env |= settings
        cli.write_contacts(*IDS)
        kills = 0
        while kills < most and state_of(cli) != FINISHED:
            # First so slowly that none comes to its end before.
            kills += kill_at_random(cli, chance, *(["20"] if kills < 2 else ["60", "300", "max"]))
        if state_of(cli) != FINISHED:
            finish(cli)
        received = [(str(m.peer), m.message_id) for m in in_journal(sandbox.home)]
    assert_each_exactly_once(cli, received)
    return kills


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments(cli: Cli, tmp_path: Path, seed: int) -> None:
    assert kill_until_done(cli, tmp_path, seed, most=6) >= 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 160))
def test_killed_at_random_moments_for_long(cli: Cli, tmp_path: Path, seed: int) -> None:
    kill_until_done(cli, tmp_path, seed, most=12)
