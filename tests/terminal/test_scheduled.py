"""When a broadcast goes out, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcast.core.model import (
    Action,
    Broadcast,
    Counts,
    Halted,
    Message,
    Process,
    Recalled,
    Schedule,
    State,
)
from broadcast.core.moments import local
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
    waiting: int = 2,
) -> Broadcast:
    return Broadcast(
        1,
        "abc123",
        Action.SEND,
        Message("x"),
        NOON,
        state,
        Counts(sent=sent, pending=2 - sent),
        schedule=Schedule(first, last, at_telegram),
        waiting=waiting,
    )


THERE = kept(at_telegram=True, state=State.DONE, sent=2)
OVER = replace(THERE, waiting=0)
OFFLINE = Halted("OFFLINE", "no net", ends_by_itself=True)


def recalled(at: datetime, *, is_done: bool = True) -> Recalled:
    return Recalled("zzz999", at, is_done, 2)


@pytest.mark.parametrize(
    ("broadcast", "now", "words"),
    [
        (kept(), NOON, f"scheduled for {local(SIX)}"),
        (kept(SIX - HOUR), NOON, f"scheduled for {local(SIX - HOUR)} to {local(SIX)}"),
        (kept(SIX - HOUR), SIX - HOUR, f"scheduled until {local(SIX)}"),
        (kept(waiting=0), SIX, f"unfinished, due since {local(SIX)}"),
        (replace(kept(), halted=OFFLINE), NOON, f"scheduled for {local(SIX)}"),
        (replace(kept(), halted=Halted("PEER_FLOOD", "limited")), NOON, "unfinished"),
        (kept(state=State.PAUSED), NOON, "paused"),
        (kept(state=State.CANCELLED, waiting=0), NOON, "cancelled"),
        (kept(at_telegram=True, waiting=0), NOON, "unfinished"),
        (THERE, NOON, f"scheduled at Telegram for {local(SIX)}"),
        (OVER, SIX, "done"),
        (replace(kept(), owner=Process("here", 7)), NOON, "running"),
        (replace(kept(), schedule=None, waiting=0), NOON, "unfinished"),
        (replace(OVER, recalled=recalled(NOON)), NOON, f"cancelled by zzz999, {local(NOON)}"),
        (replace(OVER, recalled=recalled(SIX)), SIX, f"recalled by zzz999, {local(SIX)}"),
        (
            replace(OVER, schedule=None, recalled=recalled(NOON)),
            SIX,
            f"recalled by zzz999, {local(NOON)}",
        ),
        (
            replace(OVER, schedule=None, recalled=recalled(NOON, is_done=False)),
            SIX,
            f"being recalled by zzz999, {local(NOON)}",
        ),
    ],
)
def test_each_state_of_a_broadcast_has_its_words(
    broadcast: Broadcast, now: datetime, words: str
) -> None:
    assert state_in_words(broadcast, clock=SetClock(at=now)) == words


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
    show_scheduled_rest(kept(), " --sandbox")
    assert capsys.readouterr().err == (
        f"2 scheduled for {local(SIX)}: sent by `broadcast run-due --sandbox`, which must run "
        "then: from cron, or with --wait\n"
    )
