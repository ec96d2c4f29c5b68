"""Says how a broadcast stands, and when it goes out; it does not know how the ledger keeps that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.clock import SystemClock
from broadcast.core.moments import local
from broadcast.report.json_rows import state_of
from broadcast.terminal.streams import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast, Schedule


_CLOCK = SystemClock()


def state_in_words(broadcast: Broadcast, *, clock: Clock = _CLOCK) -> str:
    """The state of a broadcast: recalled by what and when, scheduled where and for when."""
    word, recalled, schedule = state_of(broadcast), broadcast.recalled, broadcast.schedule
    if recalled is not None and word in {"recalled", "cancelled", "recalling"}:
        word = "being recalled" if word == "recalling" else word
        return f"{word} by {recalled.by}, {local(recalled.at)}"
    if schedule is None:
        return word
    if word == "scheduled":
        where = " at Telegram" if schedule.at_telegram else ""
        return f"scheduled{where} {_times(schedule, clock)}"
    if is_overdue(broadcast, clock=clock):
        return f"{word}, due since {local(schedule.first)}"
    return word


def is_overdue(broadcast: Broadcast, *, clock: Clock = _CLOCK) -> bool:
    """Whether something of it is due that the ledger keeps, and nobody sends it."""
    schedule = broadcast.schedule
    is_here = schedule is not None and not schedule.at_telegram and clock.utc() >= schedule.first
    return is_here and state_of(broadcast) == "unfinished"


def sent_by(broadcast: Broadcast, place: str) -> str | None:
    """What sends a scheduled broadcast at its time; None when it is not scheduled.

    `place` are the options with which a command finds the same ledger.
    """
    if broadcast.at_telegram:
        return "Telegram; this machine may be off"
    if state_of(broadcast) == "scheduled" or is_overdue(broadcast):
        return f"`broadcast run-due{place}`, which must run then: from cron, or with --wait"
    return None


def _times(schedule: Schedule, clock: Clock) -> str:
    if schedule.first == schedule.last:
        return f"for {local(schedule.first)}"
    if clock.utc() >= schedule.first:
        return f"until {local(schedule.last)}"
    return f"for {local(schedule.first)} to {local(schedule.last)}"


def show_not_yet(broadcast: Broadcast, place: str) -> None:
    """Say that nothing is sent before its time, and what sends it then.

    `place` are the options with which a command finds the same ledger.
    """
    say(
        f"{broadcast.id} is {state_in_words(broadcast)}: nothing was sent. `broadcast run-due"
        f"{place}` sends it then, `broadcast cancel {broadcast.id}{place}` takes it back"
    )


def show_scheduled_rest(broadcast: Broadcast, place: str = "") -> None:
    """Say when the rest of a run goes out, and what must run for that.

    `place` are the options with which a command finds the same ledger.
    """
    schedule = broadcast.schedule
    when = "" if schedule is None else f" {_times(schedule, _CLOCK)}"
    say(f"{broadcast.not_due} scheduled{when}: sent by {sent_by(broadcast, place)}")


def show_what_sends_them(broadcasts: Sequence[Broadcast], place: str) -> None:
    """Say what must run for those of `broadcasts` that this machine keeps until their time."""
    kept = [each for each in broadcasts if not each.at_telegram and sent_by(each, place)]
    if kept:
        say(f"what is scheduled here is sent by {sent_by(kept[0], place)}")
