"""Ctrl-C and SIGTERM in mid-run: what is in flight settles, and the report is the truth."""

import re
import signal
from collections import Counter

import pytest

from tests.e2e.child import Cli
from tests.e2e.telegram import Telegram

TEXT = "I bought a car!"
MANY = [str(7_000_000_000 + number) for number in range(200)]
STOP = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@STOP
def test_the_first_signal_settles_what_is_in_flight(
    bot: Cli, telegram: Telegram, number: signal.Signals
) -> None:
    bot.write_contacts(*MANY)
    child = bot.start(TEXT, "--json", "--rate", "20")
    assert child.out is not None
    child.out.until('"status": "sent"(.|\n)*"status": "sent"')
    child.signal(number)
    ended = child.wait()
    assert ended.code == 130
    assert set(ended.deliveries) == set(MANY)  # also those that were not sent have their row
    statuses = Counter(row["status"] for row in ended.deliveries.values())
    assert set(statuses) == {"sent", "pending"}
    assert statuses == {"sent": ended.summary["sent"], "pending": ended.summary["pending"]}
    sent = {peer for peer, row in ended.deliveries.items() if row["status"] == "sent"}
    assert Counter(str(message.peer) for message in telegram.received()) == Counter(sent)
    for row in ended.deliveries.values():
        assert (row["message_id"] is None) == (row["status"] == "pending")
    assert re.search(rf"interrupted\W+{ended.summary['pending']} not sent", ended.err)


@STOP
def test_the_first_signal_waits_for_the_answer_and_the_second_does_not(
    bot: Cli, telegram: Telegram, number: signal.Signals
) -> None:
    bot.write_contacts(*MANY)
    telegram.world.at[5] = telegram.fall_silent
    child = bot.start(TEXT, "--json", "--rate", "max", "--concurrency", "1")
    assert child.out is not None
    for _ in range(5):
        child.out.until('"status": "sent"')
    child.signal(number)
    child.err.until("stopping: ")
    assert child.process.poll() is None
    child.signal(number)
    ended = child.wait()
    assert ended.code == 130
    assert len(telegram.received()) == 5


def test_a_stop_ends_a_long_wait(person: Cli, telegram: Telegram) -> None:
    """A flood wait of three seconds, then a server that is away: neither delays the end."""
    person.write_contacts("@ana_maria", "@flood_flora", "@last_friend")
    child = person.start(TEXT, "--json", "--concurrency", "1")
    child.err.until("waiting 3 s")
    child.signal(signal.SIGTERM)
    ended = child.wait()
    assert ended.code == 130
    assert ended.deliveries["@flood_flora"]["status"] == "pending"
    assert ended.deliveries["@flood_flora"]["error"] == "FLOOD_WAIT"
    assert ended.deliveries["@last_friend"]["error"] is None
    assert len(telegram.received()) == 1


@STOP
def test_a_sandbox_that_stays_ends_with_a_signal(cli: Cli, number: signal.Signals) -> None:
    sandbox = cli.start("sandbox", "serve", "--port", "0")
    assert sandbox.out is not None
    sandbox.out.until("Ctrl-C ends the sandbox\n")
    sandbox.signal(number)
    ended = sandbox.wait()
    assert (ended.code, ended.err) == (0, "")
