"""Says when a broadcast is scheduled; it does not know how the ledger keeps that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.clock import SystemClock
from broadcast.core.model import State
from broadcast.report.json_rows import state_of
from broadcast.terminal.streams import say

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast


_CLOCK = SystemClock()


def state_in_words(broadcast: Broadcast, *, recalled: bool = False, clock: Clock = _CLOCK) -> str:
    """The state of a broadcast; before its time, where it is scheduled and for when."""
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
        is_there = broadcast.state is State.DONE and broadcast.counts.sent
        return f"scheduled at Telegram {times}" if is_there else state_of(broadcast)
    return f"scheduled {times}" if broadcast.state is State.OPEN else state_of(broadcast)


def show_not_yet(broadcast: Broadcast, place: str) -> None:
    """Say that nothing is sent before its time, and what sends it then.

    `place` are the options with which a command finds the same ledger.
    """
    say(
        f"{broadcast.id} is {state_in_words(broadcast)}: nothing was sent. `broadcast run-due"
        f"{place}` sends it then, `broadcast cancel {broadcast.id}{place}` takes it back"
    )


def show_scheduled_rest(count: int, place: str = "") -> None:
    """Say that the `count` that are left of a run are not due yet.

    `place` are the options with which a command finds the same ledger.
    """
    say(f"{count} scheduled for later: broadcast run-due{place}")


def _local(moment: datetime) -> str:
    """A moment in the time zone of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}".removesuffix(":00")
