"""The laws of the pacer, for every rate, burst and rhythm of asking."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from broadcast.core.pace import Pacer

TINY = 1e-6  # seconds: what floating point may leave of a wait

rates = st.floats(0.01, 1000)
bursts = st.integers(1, 50)
starts = st.floats(0, 1e6)
gaps = st.lists(st.floats(0, 10), max_size=60)


def sent(pacer: Pacer, start: float, rhythm: list[float]) -> list[float]:
    """The times at which the pacer let somebody go who asks again after each of the gaps."""
    times: list[float] = []
    now = start
    for gap in rhythm:
        now += gap
        if pacer.take(now) == 0.0:
            times.append(now)
    return times


def greedy(pacer: Pacer, now: float, count: int) -> list[float]:
    """The times of somebody who goes as early as the pacer allows."""
    times: list[float] = []
    while len(times) < count:
        wait = pacer.take(now)
        if wait == 0.0:
            times.append(now)
        now = max(now + wait, math.nextafter(now, math.inf)) if wait else now
    return times


@given(rates, bursts, starts, gaps)
@example(rate=1.0, burst=1, start=0.0, rhythm=[0.0] * 10)
def test_no_window_holds_more_than_the_burst_and_the_rate(
    rate: float, burst: int, start: float, rhythm: list[float]
) -> None:
    times = sent(Pacer(rate, burst), start, rhythm)
    for first, begin in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= burst + rate * (end - begin) + TINY


@given(rates, bursts, starts)
def test_the_burst_goes_at_once_and_then_one_at_a_time(
    rate: float, burst: int, start: float
) -> None:
    times = greedy(Pacer(rate, burst), start, burst + 5)
    expected = [start] * burst + [start + number / rate for number in range(1, 6)]
    assert times == pytest.approx(expected, abs=TINY)


@given(rates, bursts, starts, gaps)
def test_whoever_waits_as_long_as_told_may_go(
    rate: float, burst: int, start: float, rhythm: list[float]
) -> None:
    pacer = Pacer(rate, burst)
    now = start + sum(rhythm)
    sent(pacer, start, rhythm)
    while (wait := pacer.take(now)) == 0.0:
        pass
    assert pacer.take(now + wait) < TINY


@given(rates, bursts, starts)
def test_a_refusal_costs_nothing(rate: float, burst: int, start: float) -> None:
    patient, pushy = Pacer(rate, burst), Pacer(rate, burst)
    for _ in range(burst):
        patient.take(start)
        pushy.take(start)
    waits = {pushy.take(start) for _ in range(10)}
    assert waits == {patient.take(start)}


@given(rates | st.none(), bursts, starts, st.floats(0.001, 1e4), st.floats(0, 0.999))
def test_a_hold_silences_until_it_is_over(
    rate: float | None, burst: int, start: float, seconds: float, part: float
) -> None:
    pacer = Pacer(rate, burst)
    until = start + seconds
    pacer.hold(until)
    now = start + seconds * part
    assume(now < until)
    assert pacer.take(now) == until - now


@given(rates, bursts, starts, st.floats(0, 1e4))
def test_after_a_hold_there_is_no_burst(
    rate: float, burst: int, start: float, seconds: float
) -> None:
    pacer = Pacer(rate, burst)
    until = start + seconds
    pacer.hold(until)
    times = greedy(pacer, until, 4)
    assert times == pytest.approx([until + number / rate for number in range(4)], abs=TINY)


@given(starts, st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_shorter_hold_does_not_end_a_longer_one(start: float, one: float, two: float) -> None:
    pacer = Pacer(None)
    pacer.hold(start + one)
    pacer.hold(start + two)
    assert pacer.take(start) == max(start + one, start + two) - start


@given(starts)
def test_without_a_rate_nobody_waits(start: float) -> None:
    pacer = Pacer(None)
    assert [pacer.take(start) for _ in range(1000)] == [0.0] * 1000


@pytest.mark.parametrize("rate", [0, -1, 0.0, -0.5, math.inf, math.nan])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="a rate is a number above 0"):
        Pacer(rate)


@pytest.mark.parametrize("burst", [0, -1])
def test_a_burst_of_nobody_is_refused(burst: int) -> None:
    with pytest.raises(ValueError, match="a burst is at least 1"):
        Pacer(1, burst)
