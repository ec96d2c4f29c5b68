"""What a log says while a broadcast runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from broadcast.core.model import Contact, Counts, Delivery, Message, Sent
from broadcast.core.peers import parse_peer
from broadcast.engine.pacer import Pacer
from broadcast.terminal.progress import PLAIN_INTERVAL, Lines
from tests.clocks import SetClock

if TYPE_CHECKING:
    import pytest

ASKED = "Telegram asks this account to wait"


def one_more(lines: Lines) -> None:
    """One more message has arrived."""
    delivery = Delivery("6", 0, Contact(parse_peer("@ana")), Message("hi"))
    lines.settled(delivery, Sent(1), datetime.now(UTC))


def test_short_waits_are_told_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(1000, Pacer(30.0), SetClock())
    for _ in range(5):
        lines.held(1.0, ASKED)
        one_more(lines)
    assert capsys.readouterr().err == f"waiting 1 s: {ASKED}\n"


def test_a_long_wait_is_told_even_after_a_short_one(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(1000, Pacer(30.0), SetClock())
    lines.held(1.0, ASKED)
    one_more(lines)
    lines.held(300.0, ASKED)
    assert "waiting 5 min 00 s, until " in capsys.readouterr().err


def test_an_outage_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(1000, Pacer(30.0), SetClock())
    for seconds in (1.0, 2.0, 4.0, 30.0):
        lines.held(seconds, "no connection to Telegram, since 12:00:00")
    assert capsys.readouterr().err.count("waiting") == 1


def test_what_earlier_runs_did_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clock = SetClock()
    lines = Lines(3, Pacer(30.0), clock, Counts(sent=6, failed=1, pending=3))
    clock.seconds += PLAIN_INTERVAL
    one_more(lines)
    assert capsys.readouterr().err.startswith("8 of 10: 7 sent, 1 failed, 0.1/s")
