from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.model import Deferred, Failed, Outcome, Sent
from broadcast.engine.breaker import Breaker

SENT, LATER = Sent(1), Deferred("FLOOD_WAIT", "wait", 3.0)
GONE = Failed("PEER_ID_INVALID", "no such person")
OUTCOMES = st.lists(st.sampled_from([SENT, LATER, GONE]), max_size=300)


def opens_at(breaker: Breaker, outcomes: list[Outcome]) -> int | None:
    for position, outcome in enumerate(outcomes):
        if breaker.took(outcome) is not None:
            return position
    return None


def test_failures_in_a_row_open_it() -> None:
    assert opens_at(Breaker(in_a_row=5), [SENT] * 10 + [GONE] * 9) == 14


def test_a_success_in_between_starts_the_row_anew() -> None:
    assert opens_at(Breaker(in_a_row=5), ([GONE] * 4 + [SENT] * 8) * 10) is None


def test_more_than_the_share_opens_it_once_there_are_enough() -> None:
    outcomes: list[Outcome] = [GONE, GONE, SENT] * 100
    assert opens_at(Breaker(0.5, in_a_row=99, at_least=50), outcomes) == 49


def test_a_share_of_everything_never_opens() -> None:
    assert opens_at(Breaker(1.0), [GONE] * 1000) is None


def test_the_halt_says_what_failed_and_can_be_resumed() -> None:
    breaker = Breaker(in_a_row=2)
    breaker.took(GONE)
    halted = breaker.took(GONE)
    assert halted is not None
    assert halted.resumable
    assert "PEER_ID_INVALID" in halted.reason


@given(OUTCOMES)
def test_waits_count_for_nothing(outcomes: list[Outcome]) -> None:
    without = [outcome for outcome in outcomes if outcome is not LATER]
    assert (opens_at(Breaker(), outcomes) is None) == (opens_at(Breaker(), without) is None)


@given(OUTCOMES)
def test_it_opens_at_a_failure_only(outcomes: list[Outcome]) -> None:
    position = opens_at(Breaker(0.1, in_a_row=3, at_least=5), outcomes)
    assert position is None or outcomes[position] is GONE
