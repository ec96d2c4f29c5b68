from __future__ import annotations

import pytest

from broadcast.engine.pacer import Pacer
from broadcast.terminal.progress import TimeLeft, waiting
from tests.clocks import SetClock


def go_on(left: TimeLeft, pacer: Pacer, start: float, count: int, rate: float) -> float:
    """`count` more are done from `start` on, so many a second; the moment of the last."""
    now = start
    for number in range(count):
        now = start + number / rate
        pacer.take(now)
        left.settled(now)
    return now


def test_at_the_start_it_is_the_pace_that_tells() -> None:
    left = TimeLeft(330, Pacer(30.0, 30), SetClock())
    assert left.seconds(0.0) == pytest.approx(10.0)


def test_the_burst_is_not_taken_for_the_pace() -> None:
    pacer = Pacer(1.0, 30)
    left = TimeLeft(130, pacer, SetClock())
    now = go_on(left, pacer, 0.0, 30, 1000.0)
    assert left.seconds(now) == pytest.approx(100.0, abs=1.0)


def test_a_hold_that_is_known_is_counted() -> None:
    pacer = Pacer(10.0)
    left = TimeLeft(1000, pacer, SetClock())
    now = go_on(left, pacer, 0.0, 100, 10.0)
    pacer.hold(now + 60.0)
    left.held(now, 60.0)
    assert left.seconds(now) == pytest.approx(150.0, abs=1.0)
    assert left.seconds(now + 30.0) == pytest.approx(120.0, abs=1.0)


def test_a_network_that_is_slower_than_the_pace_is_what_tells() -> None:
    pacer = Pacer(100.0)
    left = TimeLeft(200, pacer, SetClock())
    now = go_on(left, pacer, 0.0, 100, 5.0)
    assert left.seconds(now) == pytest.approx(20.0, rel=0.05)


def test_the_slowness_from_before_a_hold_is_forgotten() -> None:
    pacer = Pacer(100.0)
    left = TimeLeft(200, pacer, SetClock())
    now = go_on(left, pacer, 0.0, 100, 5.0)
    left.held(now, 0.0)
    assert left.seconds(now) == pytest.approx(1.0, abs=0.1)


def test_what_ends_during_a_hold_is_no_measure() -> None:
    pacer = Pacer(10.0)
    left = TimeLeft(1000, pacer, SetClock())
    now = go_on(left, pacer, 0.0, 100, 10.0)
    pacer.hold(now + 60.0)
    left.held(now, 60.0)
    left.settled(now + 0.1)  # was under way
    left.settled(now + 0.4)
    told = [left.seconds(now + later) or 0.0 for later in (1.0, 20.0, 40.0, 59.0)]
    assert told == sorted(told, reverse=True)
    assert told[-1] == pytest.approx(90.0, abs=2.0)


def test_holds_that_come_again_and_again_are_expected_to_go_on() -> None:
    pacer = Pacer(30.0, 30)
    left = TimeLeft(62, pacer, SetClock())
    now = go_on(left, pacer, 0.0, 10, 100.0)
    for _ in range(4):  # one message in ten seconds is what Telegram allows
        pacer.hold(now + 10.0)
        left.held(now, 10.0)
        left.held(now + 0.1, 9.9)  # another answer of the same moment
        now = go_on(left, pacer, now + 10.1, 1, 1.0)
    pacer.hold(now + 10.0)
    left.held(now, 10.0)
    assert left.seconds(now) == pytest.approx(10.0 + 48 * 10.0, rel=0.05)


def test_holds_that_do_not_come_again_are_forgotten() -> None:
    pacer = Pacer(30.0, 30)
    left = TimeLeft(500, pacer, SetClock())
    now = 0.0
    for _ in range(3):
        pacer.hold(now + 10.0)
        left.held(now, 10.0)
        now = go_on(left, pacer, now + 10.1, 5, 30.0)
    now = go_on(left, pacer, now + 0.1, 185, 30.0)
    assert left.seconds(now) == pytest.approx(10.0, rel=0.1)


def test_what_has_to_wait_for_its_chat_is_counted() -> None:
    left = TimeLeft(2, Pacer(30.0, 30), SetClock())
    left.deferred(9.0)
    left.settled(1.0)
    assert left.seconds(1.0) == pytest.approx(8.0)


def test_without_a_limit_nothing_is_said_until_something_was_measured() -> None:
    pacer = Pacer(None)
    left = TimeLeft(200, pacer, SetClock())
    assert (left.seconds(0.0), str(left)) == (None, "")
    now = go_on(left, pacer, 0.0, 100, 20.0)
    assert left.seconds(now) == pytest.approx(5.0, rel=0.05)


def test_a_long_wait_also_says_when_it_ends() -> None:
    assert (
        waiting(31.0, "Telegram asks to wait", SetClock()) == "waiting 31 s: Telegram asks to wait"
    )
    assert "waiting 10 min 00 s, until " in waiting(600.0, "Telegram asks to wait", SetClock())
