"""When everybody waits for Telegram, for how long, and when to give up."""

from __future__ import annotations

import math

from broadcast.engine.outage import GRACE, LONGEST, Outage


def lost(outage: Outage, now: float, asked_at: float = 0.0) -> float | None:
    return outage.troubled(now, asked_at, reached=False)


def test_a_lost_answer_holds_everybody_as_long_as_nothing_went_through() -> None:
    outage = Outage(patience=600.0, crowd=4)
    assert lost(outage, 0.5) == 1.0
    assert lost(outage, 8.0) == 8.0
    assert lost(outage, 500.0) == LONGEST
    assert lost(outage, 590.0) == 10.0
    assert lost(outage, 600.0) == 0.0


def test_trouble_that_telegram_tells_of_is_one_recipient_s_until_it_is_everybody_s() -> None:
    outage = Outage(patience=600.0, crowd=3)
    held = [outage.troubled(now, 0.0, reached=True) for now in (1.0, 2.0, 3.0)]
    assert held == [None, None, 3.0]


def test_an_outage_begins_when_telegram_was_last_heard() -> None:
    outage = Outage(patience=600.0, crowd=4)
    outage.heard(10.0)
    assert outage.since is None
    lost(outage, 20.0, asked_at=5.0)
    assert outage.since == 10.0
    assert outage.lasted(25.0) == 15.0
    outage.heard(30.0)
    assert (outage.since, outage.lasted(40.0)) == (None, 0.0)
    assert outage.answers_until == math.inf


def test_answers_are_waited_for_until_patience_ends_or_soon_after_somebody_stops() -> None:
    outage = Outage(patience=600.0, crowd=4)
    outage.stopping(5.0)
    assert outage.answers_until == math.inf
    lost(outage, 20.0, asked_at=10.0)
    assert outage.answers_until == 610.0 + GRACE
    outage.stopping(50.0)
    assert outage.answers_until == 50.0 + GRACE
    assert not outage.is_given_up(51.9)
    assert outage.is_given_up(52.0)
    assert not outage.is_given_up(53.0)  # what was given up needs some time to end
