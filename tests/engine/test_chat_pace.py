"""What one chat gets in a second, and one group in a minute."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from broadcast.engine.gates import ChatPace

TINY = 1e-6  # seconds: what floating point may leave of a wait
starts = st.floats(0, 1e6)


@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=200
    )
)
def test_no_chat_gets_more_than_telegram_allows_it(life: list[tuple[float, str, bool]]) -> None:
    pace = ChatPace()
    now = 0.0
    times: dict[tuple[str, bool], list[float]] = {}
    for gap, chat, is_group in life:
        now += gap
        if pace.take(now, chat, is_group=is_group) == 0.0:
            times.setdefault((chat, is_group), []).append(now)
    for (_, is_group), sends in times.items():
        least = 3.0 if is_group else 1.0
        assert all(later - then >= least - TINY for then, later in pairwise(sends))


@given(st.text(), st.booleans(), starts)
def test_a_chat_is_free_when_its_wait_is_over(chat: str, is_group: bool, now: float) -> None:
    pace = ChatPace()
    assert pace.take(now, chat, is_group=is_group) == 0.0
    wait = pace.take(now, chat, is_group=is_group)
    assert wait > 0
    assert pace.take(now + wait + TINY, chat, is_group=is_group) == 0.0


def test_one_slow_chat_does_not_hold_the_others() -> None:
    pace = ChatPace()
    pace.hold(0.0, "slow", 60.0)
    assert pace.take(1.0, "slow", is_group=True) == 59.0
    assert pace.take(1.0, "other", is_group=True) == 0.0
    assert pace.take(60.0, "slow", is_group=True) == 0.0


def test_chats_whose_time_is_over_are_forgotten() -> None:
    pace = ChatPace()
    for number in range(10_000):
        pace.take(number / 30, str(number), is_group=False)
        pace.hold(number / 30, str(number), number / 30 + 1)
        assert len(pace) < 300
