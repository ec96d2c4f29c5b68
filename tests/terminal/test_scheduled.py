"""When a broadcast goes out, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcast.core.model import (
    Action,
    Broadcast,
    Counts,
    Message,
    Process,
    Schedule,
    State,
)
from broadcast.terminal.scheduled import show_not_yet, show_scheduled_rest, state_in_words
from tests.clocks import SetClock

NOON = datetime(2126, 12, 24, 12, 0, tzinfo=UTC)
SIX = NOON.replace(hour=18)
HOUR = timedelta(hours=1)


def kept(
    first: datetime = SIX,
    last: datetime = SIX,
    *,
    at_telegram: bool = False,
    state: State = State.OPEN,
    sent: int = 0,
) -> Broadcast:
    schedule = Schedule(first, last, at_telegram)
    counts = Counts(sent=sent, pending=2 - sent)
    return Broadcast(1, "abc123", Action.SEND, Message("x"), NOON, state, counts, schedule=schedule)


def local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


THERE = kept(at_telegram=True, state=State.DONE, sent=2)


@pytest.mark.parametrize(
    ("broadcast", "now", "words"),
    [
        (kept(), NOON, f"scheduled for {local(SIX)}"),
        (kept(SIX - HOUR), NOON, f"scheduled for {local(SIX - HOUR)} to {local(SIX)}"),
        (kept(SIX - HOUR), SIX - HOUR, f"scheduled until {local(SIX)}"),
        (kept(), SIX, "unfinished"),
        (kept(state=State.PAUSED), NOON, "paused"),
        (kept(state=State.CANCELLED), NOON, "cancelled"),
        (kept(at_telegram=True), NOON, "unfinished"),
        (THERE, NOON, f"scheduled at Telegram for {local(SIX)}"),
        (THERE, SIX, "done"),
        (replace(kept(), owner=Process("here", 7)), NOON, "running"),
        (replace(kept(), schedule=None), NOON, "unfinished"),
    ],
)
def test_each_state_of_a_schedule_has_its_words(
    broadcast: Broadcast, now: datetime, words: str
) -> None:
    assert state_in_words(broadcast, clock=SetClock(at=now)) == words


def test_what_was_recalled_is_not_scheduled_any_more() -> None:
    assert state_in_words(THERE, recalled=True, clock=SetClock(at=NOON)) == "done"


def test_what_waits_for_its_time_says_so_instead_of_being_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For `resume`, which shows it."""
    show_not_yet(kept(), " --sandbox")
    told = capsys.readouterr().err
    assert f"abc123 is scheduled for {local(SIX)}: nothing was sent" in told
    assert "`broadcast run-due --sandbox` sends it then" in told
    assert "`broadcast cancel abc123 --sandbox` takes it back" in told


def test_the_rest_that_is_to_come_is_told_with_what_sends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_scheduled_rest(3, " --sandbox")
    assert capsys.readouterr().err == "3 scheduled for later: broadcast run-due --sandbox\n"
