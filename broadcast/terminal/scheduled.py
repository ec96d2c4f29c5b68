"""When a broadcast is to go out, in words; it does not know how that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.clock import SystemClock
from broadcast.core.model import State
from broadcast.report.rows import state_of
from broadcast.terminal.streams import say

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast


_CLOCK = SystemClock()


def state_in_words(broadcast: Broadcast, *, recalled: bool = False, clock: Clock = _CLOCK) -> str:
    """The state of a broadcast; until its time, that it is scheduled, where and for when."""
    schedule, now = broadcast.schedule, clock.utc()
    if schedule is None or broadcast.owner is not None or recalled or now >= schedule.last:
        return state_of(broadcast)
    times = f"{_local(schedule.first)} to {_local(schedule.last)}"
    if now >= schedule.first:
        times = f"until {_local(schedule.last)}"
    elif schedule.first == schedule.last:
        times = f"for {_local(schedule.first)}"
    else:
        times = f"for {times}"
    if schedule.at_telegram:
        lies_there = broadcast.state is State.DONE and broadcast.counts.sent
        return f"scheduled at Telegram {times}" if lies_there else state_of(broadcast)
    return f"scheduled {times}" if broadcast.state is State.OPEN else state_of(broadcast)


def show_not_yet(broadcast: Broadcast, place: str) -> None:
    """That nothing is sent before its time, and what sends it then.

    `place` are the options that lead to the same ledger.
    """
    say(
        f"{broadcast.id} is {state_in_words(broadcast)}: nothing was sent. `broadcast run-due"
        f"{place}` sends it then, `broadcast cancel {broadcast.id}{place}` takes it back"
    )


def show_scheduled_rest(count: int, place: str = "") -> None:
    """That a run has ended well, although so many are left: their time is still to come.

    `place` are the options that lead to the same ledger.
    """
    say(f"{count} scheduled for later: broadcast run-due{place}")


def _local(moment: datetime) -> str:
    """A moment on the clock of who looks on, as `list` shows all of them."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}".removesuffix(":00")
