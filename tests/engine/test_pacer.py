"""The laws of the pacer, for every rate, burst and rhythm of asking."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from benchmarks.simulation import Server, broadcast, groups, recovery
from broadcast.engine.gates import ChatPace
from broadcast.engine.pacer import Learned, Pacer

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
    for _ in range(count * 4):  # a wait may leave a tiny one behind
        wait = pacer.take(now)
        if wait == 0.0:
            times.append(now)
        else:
            now = max(now + wait, math.nextafter(now, math.inf))
    return times[:count]


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


def test_the_time_for_a_few_knows_that_their_burst_will_open() -> None:
    pacer = Pacer(1.0, 10, learns=True)
    assert pacer.seconds_for(8, 0.0) == 0.0
    assert pacer.seconds_for(70, 0.0) == pytest.approx(60.0)


@example(rate=768.0, burst=1, start=0.0, rhythm=[0.0, 0.00390625])
@given(rates, bursts, starts, gaps)
def test_whoever_waits_as_long_as_told_may_go(
    rate: float, burst: int, start: float, rhythm: list[float]
) -> None:
    pacer = Pacer(rate, burst)
    now = start + sum(rhythm)
    sent(pacer, start, rhythm)
    late = math.ceil(rate * 0.040)  # what a timer that came late makes up for, at most
    wait = max(pacer.take(now) for _ in range(burst + 1 + late))
    assert wait > 0
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


# -- what floods teach --


bot = Learned(30.0, 30)
learners = st.builds(
    Pacer,
    st.floats(0.1, 100),
    st.integers(1, 40),
    learns=st.just(True),
    ceiling=st.none() | st.floats(0.1, 200),
)
# What happens to somebody who sends: the seconds until then, and accepted (None) or a flood.
lives = st.lists(
    st.tuples(st.floats(0, 5), st.none() | st.integers(0, 30)), min_size=1, max_size=80
)


def live(pacer: Pacer, life: list[tuple[float, int | None]]) -> float:
    """Go through `life`, and return the time at its end."""
    now = 0.0
    for gap, flood in life:
        now += gap
        if pacer.take(now) == 0.0:
            if flood is None:
                pacer.accepted()
            else:
                pacer.flooded(now, flood)
    return now


@given(learners, lives)
def test_whatever_happens_nobody_starves(
    pacer: Pacer, life: list[tuple[float, int | None]]
) -> None:
    now = live(pacer, life)
    for _ in range(50):
        wait = pacer.take(now)
        if wait == 0.0:
            return
        assert math.isfinite(wait)
        now += wait
    pytest.fail("whoever waits as long as told still may not go")


@given(learners, lives, st.floats(0.001, 1e4), st.floats(0, 0.999))
def test_a_flood_silences_until_it_is_over(
    pacer: Pacer, life: list[tuple[float, int | None]], seconds: float, part: float
) -> None:
    now = live(pacer, life)
    pacer.flooded(now, seconds)
    assert pacer.take(now + seconds * part) >= seconds * (1 - part) - TINY


@given(st.floats(0.1, 100), st.integers(1, 40), lives)
def test_a_stated_rate_is_never_exceeded(
    rate: float, burst: int, life: list[tuple[float, int | None]]
) -> None:
    pacer = Pacer(rate, burst)
    times: list[float] = []
    now = 0.0
    for gap, flood in life * 3:
        now += gap / 50
        if pacer.take(now) == 0.0:
            if flood is None:
                times.append(now)
                pacer.accepted()
            else:
                pacer.flooded(now, flood / 10)
        assert pacer.rate is not None
        assert pacer.rate <= rate
    for first, begin in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= burst + rate * (end - begin) + TINY


@given(st.floats(0.1, 50), st.floats(0.1, 100), st.integers(1, 40), st.integers(1, 400))
def test_a_ceiling_is_never_passed(rate: float, ceiling: float, burst: int, accepted: int) -> None:
    pacer = Pacer(rate, burst, learns=True, ceiling=ceiling)
    now = 0.0
    for _ in range(accepted):
        while wait := pacer.take(now):
            now += wait
        pacer.accepted()
        assert pacer.rate is not None
        assert pacer.rate <= ceiling


@given(learners, lives)
def test_what_was_learned_is_where_the_next_broadcast_starts(
    pacer: Pacer, life: list[tuple[float, int | None]]
) -> None:
    live(pacer, life)
    learned = pacer.learned()
    if learned is not None:
        assert 0 < learned.rate < math.inf
        following = Pacer.starting(bot, learned, age=60.0)
        assert following.rate == pytest.approx(learned.rate)
        assert following.learned() is None  # it has seen nothing of its own yet


@given(st.floats(0.01, 1000), st.integers(1, 50), st.floats(-1e6, 1e7), st.floats(0, 1e6))
def test_what_was_learned_fades_towards_the_start(
    rate: float, burst: int, age: float, later: float
) -> None:
    def rate_after(seconds: float) -> float:
        pacer = Pacer.starting(bot, Learned(rate, burst), seconds)
        assert pacer.rate is not None
        return pacer.rate

    low, high = sorted([rate, bot.rate])
    sooner, afterwards = rate_after(age), rate_after(age + later)
    assert low * (1 - TINY) <= sooner <= high * (1 + TINY)
    assert abs(math.log(afterwards / bot.rate)) <= abs(math.log(sooner / bot.rate)) + TINY
    assert rate_after(86_400) == pytest.approx(rate)
    assert rate_after(7 * 86_400) == bot.rate


def test_three_friends_are_written_to_at_the_same_moment() -> None:
    pacer = Pacer.starting(Learned(1.0, 10), None, 0.0)
    assert [pacer.take(0.0) for _ in range(3)] == [0.0] * 3
    assert pacer.take(0.0) > 0


def test_a_burst_opens_as_answers_come() -> None:
    pacer = Pacer.starting(Learned(1.0, 10), None, 0.0)
    sent = 0
    for _ in range(9):
        while pacer.take(0.0) == 0.0:
            sent += 1
        pacer.accepted()
    assert sent == 10


def test_three_friends_teach_nothing() -> None:
    pacer = Pacer.starting(bot, None, 0.0)
    for _ in range(3):
        pacer.take(0.0)
        pacer.accepted()
    assert pacer.learned() is None


def test_a_stated_rate_teaches_nothing() -> None:
    pacer = Pacer(30, 30)
    live(pacer, [(0.1, None)] * 300 + [(0.1, 1)])
    assert pacer.learned() is None


def test_without_a_rate_a_flood_still_silences() -> None:
    pacer = Pacer(None)
    pacer.flooded(0.0, 3)
    assert pacer.take(1.0) == 2.0
    assert pacer.take(3.0) == 0.0


def test_floods_under_way_are_one_event() -> None:
    def rate_after(floods: int) -> float | None:
        pacer = Pacer.starting(bot, None, 0.0)
        now = 0.0
        for _ in range(100):
            while wait := pacer.take(now):
                now += wait
            pacer.accepted()
        for _ in range(floods):
            pacer.flooded(now, 1)
        pacer.take(now + 1)
        return pacer.rate

    assert rate_after(20) == rate_after(1)


def test_a_flood_before_anything_was_accepted_teaches_nothing() -> None:
    pacer = Pacer.starting(bot, None, 0.0)
    pacer.take(0.0)
    pacer.flooded(0.1, 300)
    assert pacer.take(300.1) == 0.0
    assert pacer.rate == 30


def test_a_flood_in_the_opening_of_a_burst_is_about_the_burst() -> None:
    pacer = Pacer.starting(bot, None, 0.0)
    for _ in range(3):
        pacer.take(0.0)
    pacer.accepted()
    pacer.flooded(0.1, 1)
    assert pacer.take(1.2) == 0.0
    assert pacer.learned() == Learned(30.0, 1)


# -- chats --


# -- on servers, in virtual time --


@pytest.mark.parametrize(
    ("server", "goodput", "floods"),
    [
        (Server(1, 1), 0.98, 2.0),
        (Server(1, 30), 0.98, 2.0),
        (Server(5, 1), 0.98, 2.0),
        (Server(5, 30), 0.98, 2.0),
        (Server(30, 1), 0.98, 2.0),
        (Server(30, 30), 0.98, 2.0),
        (Server(30, 30, closes=False), 0.98, 2.0),
    ],
    ids=str,
)
def test_it_finds_the_allowed_rate(server: Server, goodput: float, floods: float) -> None:
    took = broadcast(Pacer.starting(bot, None, 0.0), server, 10_000)
    assert took.goodput >= goodput
    assert took.per_thousand <= floods


@pytest.mark.parametrize("rate", [1, 5, 30])
def test_there_is_no_flood_at_a_stated_rate(rate: float) -> None:
    took = broadcast(Pacer(rate, 1), Server(rate, 1), 2000)
    assert took.floods == 0
    assert took.goodput >= 0.99


@pytest.mark.parametrize("burst", [1, 30])
def test_after_a_halving_it_is_back_within_a_minute(burst: int) -> None:
    server = Server(30, burst, change=(60.0, 15.0))
    broadcast(Pacer.starting(bot, None, 0.0), server, 4000)
    assert recovery(server) <= 60


@pytest.mark.parametrize("seed", range(2))
def test_floods_by_chance_do_not_drive_the_rate_down_for_long(seed: int) -> None:
    server = Server(30, 30, lies=0.01, seed=seed)
    took = broadcast(Pacer.starting(bot, None, 0.0), server, 10_000)
    assert took.goodput >= 0.6


def test_three_hundred_recipients_of_a_bot_take_the_ideal_time() -> None:
    took = broadcast(Pacer.starting(bot, None, 0.0), Server(30, 30, closes=False), 300)
    assert took.floods <= 1
    assert took.seconds <= 1.03 * (300 - 30) / 30 + 0.15  # and the last answer's way


def test_groups_are_written_to_as_fast_as_they_allow() -> None:
    lanes = ChatPace()
    took = groups(lambda now, chat: lanes.take(now, chat, is_group=True), 10, 50)
    assert took.floods == 0
    assert took.goodput >= 0.98
