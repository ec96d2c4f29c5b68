"""Outages of every kind: they are waited for with pauses, are told, end in time, double nothing."""

import resource
import signal
import time
from collections import Counter

import pytest

from broadcast.sandbox.faults import Faults, Pause
from tests.e2e.child import Cli
from tests.e2e.telegram import Telegram

pytestmark = pytest.mark.timeout(200)

TEXT = "I bought a car!"
PEOPLE = [str(100_010_000 + number) for number in range(10)]


def switch(telegram: Telegram, faults: Faults) -> None:
    telegram.inside(lambda: setattr(telegram.server, "faults", faults))


def assert_each_once(telegram: Telegram) -> None:
    received = [str(message.peer) for message in telegram.received()]
    assert Counter(received) == Counter(PEOPLE)


def test_connections_that_are_accepted_and_cut_at_once_are_no_endless_loop(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*PEOPLE)
    bot.run("whoami")
    switch(telegram, Faults(refuse_connections=Pause(after=3, seconds=100.0)))
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    ended = bot.run(TEXT, "--patience", "5s")
    assert ended.code == 3
    assert "OFFLINE" in ended.err
    assert "no connection to Telegram, since " in ended.err
    assert time.monotonic() - began < 30
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used < 5
    switch(telegram, Faults())
    assert bot.run("resume").code == 0
    assert_each_once(telegram)


def test_an_outage_shorter_than_the_patience_is_waited_for(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*PEOPLE)
    switch(telegram, Faults(refuse_connections=Pause(after=3, seconds=4.0)))
    ended = bot.run(TEXT, "--max-wait", "1s")  # which is for what Telegram asks, and not for this
    assert ended.code == 0
    assert "no connection to Telegram, since " in ended.err
    assert_each_once(telegram)


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_sigterm_in_an_outage_ends_the_run_soon(bot: Cli, telegram: Telegram, kind: str) -> None:
    bot.write_contacts(*PEOPLE)

    def cut() -> None:
        if kind == "refused":
            telegram.go_away()
        else:
            telegram.fall_silent()  # whoever connects again is accepted, and never hears a word
            telegram.drop_connections()

    telegram.world.at[3] = cut
    child = bot.start(TEXT, "--rate", "5")
    child.err.until("waiting .*: no connection to Telegram, since ")
    time.sleep(2)  # by now it tries to connect
    told = time.monotonic()
    child.signal(signal.SIGTERM)
    ended = child.wait()
    assert time.monotonic() - told < 8
    assert ended.code == 130


def test_a_server_that_never_answers_leaves_everybody_in_doubt_and_nobody_failed(
    bot: Cli, telegram: Telegram
) -> None:
    """What was asked has arrived, and nobody here can know: so it is neither sent nor failed."""
    bot.write_contacts(*PEOPLE)
    bot.run("whoami")
    switch(telegram, Faults(silent=1))
    ended = bot.run(TEXT, "--json", "--patience", "2s")  # after the 30 seconds of one request
    assert ended.code == 3
    assert {row["status"] for row in ended.deliveries.values()} <= {"pending", "sending"}
    shown = bot.run("show", "--json").deliveries
    assert shown.keys() == set(PEOPLE)
    assert {row["status"] for row in shown.values()} <= {"pending", "sending"}
    assert {row["error"] for row in shown.values()} <= {"NO_ANSWER", "IN_DOUBT"}
    assert list(map(ended.summary.get, ("sent", "failed"))) == [0, 0]
    assert_each_once(telegram)
    switch(telegram, Faults())
    resumed = bot.run("resume", "--json")
    assert resumed.code == 0
    assert {row["status"] for row in resumed.deliveries.values()} == {"sent"}
    assert_each_once(telegram)
