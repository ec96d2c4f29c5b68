from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.engine.first_rate import BOT, PAID, PERSON, pacer_for
from broadcast.engine.pacer import Known, Learned, Pacer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOTHING = Known()


def known(rate: float, *, days: float = 0.0) -> Known:
    return Known(Learned(rate, 30), NOW - timedelta(days=days))


def at_once(pacer: Pacer, now: float = 0.0) -> int:
    count = 0
    while count < 1000 and pacer.take(now) == 0.0:
        pacer.accepted()
        count += 1
    return count


def test_a_bot_starts_with_what_is_published_and_a_person_gently() -> None:
    bot, person = (
        pacer_for(None, NOTHING, NOW, is_bot=True),
        pacer_for(None, NOTHING, NOW, is_bot=False),
    )
    assert (bot.rate, at_once(bot)) == (BOT.rate, BOT.burst)
    assert (person.rate, at_once(person)) == (PERSON.rate, PERSON.burst)


def test_three_friends_are_written_to_at_the_same_moment() -> None:
    pacer = pacer_for(None, NOTHING, NOW, is_bot=False)
    assert [pacer.take(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("is_bot", [True, False])
def test_the_next_broadcast_starts_where_the_last_one_ended(is_bot: bool) -> None:
    assert pacer_for(None, known(12.0), NOW, is_bot=is_bot).rate == 12.0


def test_what_was_learned_decays_over_days() -> None:
    rates = [
        pacer_for(None, known(5.0, days=days), NOW, is_bot=True).rate or 0.0
        for days in (0.5, 2, 4, 6, 8)
    ]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (5.0, 30.0)


def test_a_rate_is_a_cap_and_evenly_spaced() -> None:
    pacer = pacer_for(20.0, NOTHING, NOW, is_bot=False)
    assert (pacer.rate, at_once(pacer)) == (20.0, 1)


def test_a_limit_that_was_met_today_holds_against_a_higher_rate() -> None:
    assert pacer_for(20.0, known(5.0), NOW, is_bot=True).rate == 5.0
    assert pacer_for(20.0, known(5.0, days=2), NOW, is_bot=True).rate == 20.0
    assert pacer_for(20.0, known(25.0), NOW, is_bot=True).rate == 20.0


def test_max_is_no_limit() -> None:
    assert pacer_for(0.0, known(5.0), NOW, is_bot=True).rate is None


def test_who_pays_starts_at_the_paid_rate_whatever_the_free_one_was() -> None:
    assert pacer_for(None, known(12.0), NOW, is_bot=True, paid=True).rate == PAID.rate
    assert pacer_for(200.0, NOTHING, NOW, is_bot=True, paid=True).rate == 200.0
