"""Shows a rehearsal: how far it is, and how the broadcast would go."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from broadcast.core.duration import duration
from broadcast.core.model import Failed, Sent
from broadcast.engine.gates import stars
from broadcast.report.json_rows import delivery_row, summary_row
from broadcast.service.stop import Stop
from broadcast.terminal.deliveries import show_failures
from broadcast.terminal.progress import Bars, Quiet
from broadcast.terminal.streams import json_line, reader_may_leave, say, stderr_is_terminal
from broadcast.terminal.tables import stdout

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from broadcast.core.model import Broadcast, Counts, Delivery, Outcome
    from broadcast.engine.pacer import Pacer
    from broadcast.service.reports import Rehearsal, Report


STRANGERS = (
    "It takes all of them for contacts of yours. Telegram limits accounts that write to people who "
    "do not know them; the question before a send says how many those are"
)


class RehearsalReporter(Quiet):
    """A progress bar over a rehearsal, at a terminal; its time left is that of the rehearsal."""

    def __init__(self, total: int) -> None:
        self.stop = Stop()
        self._progress = Bars(
            TextColumn("rehearsing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            is_shown=stderr_is_terminal(),
        )
        self._task = self._progress.add_task("", total=total)
        self._done = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def cost(self, messages: int, budget: int, spent: int) -> None:
        """See `Reporter`; the price is shown at the end."""

    async def canary(self, report: Report, *, is_good: bool) -> None:
        """See `Reporter`; nobody is asked in a rehearsal."""

    def asking_to_stop(self, broadcast: Broadcast) -> None:
        """See `Reporter`; no other process is at work."""

    def watch(self, total: int, pacer: Pacer, before: Counts) -> AbstractContextManager[Quiet]:
        """See `Reporter`: one bar, whatever the number of runs."""
        return nullcontext(self)

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""
        self._done += isinstance(outcome, (Sent, Failed))
        if self._done % 100 == 0:
            self._progress.update(self._task, completed=self._done)


async def show_rehearsal(
    rehearsal: Rehearsal, newcomers: int = 0, *, is_bot: bool, as_json: bool, quiet: bool
) -> None:
    """Show how long it would take, how many waits, who would fail, the price.

    So many as are `newcomers` are new since it was sent under the same key.
    """
    with reader_may_leave():
        if as_json:
            await _print(rehearsal, newcomers, quiet=quiet)
        else:
            await _show(rehearsal, is_bot=is_bot, quiet=quiet)
    halted = rehearsal.report.halted
    if halted is not None and (as_json or quiet):
        say(f"it would stop: {halted.reason} ({halted.error})")


async def _print(rehearsal: Rehearsal, newcomers: int, *, quiet: bool) -> None:
    if not quiet:
        async for record in rehearsal.report.records():
            print(json_line(delivery_row(record) | {"broadcast": None}))
    report = rehearsal.report
    row = summary_row(report) | {"broadcast": None} | ({"new": newcomers} if newcomers else {})
    print(json_line(row | {"floods": rehearsal.floods, "stars": float(stars(report.paid))}))


async def _show(rehearsal: Rehearsal, *, is_bot: bool, quiet: bool) -> None:
    report, out = rehearsal.report, stdout()
    await show_failures(report, "--json")
    if quiet:
        return
    times = "once" if rehearsal.floods == 1 else f"{rehearsal.floods} times"
    asks = f"would ask to wait {times}" if rehearsal.floods else "would never ask to wait"
    lines = [
        f"It would take {duration(report.seconds)}: {_counted(report.counts)}",
        f"Telegram {asks}",
    ]
    if not is_bot:
        lines.append(STRANGERS)
    if report.paid:
        lines.append(f"It would cost {float(stars(report.paid)):,.1f} Stars")
    if report.halted is not None:
        lines.append(f"It would stop: {report.halted.reason} ({report.halted.error})")
    lines.append("nothing was sent (rehearsal); what it cannot know: docs/rehearsal.md")
    for line in lines:
        out.print(Text(line))


def _counted(counts: Counts) -> str:
    """What would become of how many: nothing of it has happened."""
    told = f"{counts.sent} would get it, {counts.failed} would fail"
    return f"{told}, {counts.pending} would be left" if counts.pending else told
