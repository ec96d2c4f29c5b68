"""Shows the progress of a run: a bar, lines for a log, or JSON."""

from __future__ import annotations

import sys
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from broadcast.core.clock import SystemClock
from broadcast.core.duration import duration
from broadcast.core.model import (
    Attachment,
    Broadcast,
    Counts,
    Deferred,
    Delivery,
    Failed,
    Outcome,
    Record,
    Sent,
    Status,
)
from broadcast.core.moments import local_time
from broadcast.report.json_rows import delivery_row
from broadcast.service.stop import Stop
from broadcast.terminal.deliveries import show_canary
from broadcast.terminal.planned import show_cost
from broadcast.terminal.streams import Output, json_line, say, stderr_is_terminal
from broadcast.terminal.tables import Screen

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from rich.progress import Task

    from broadcast.core.clock import Clock
    from broadcast.engine.pacer import Pacer
    from broadcast.engine.ports import Watcher
    from broadcast.service.reports import Report

NOTHING_DONE = Counts()
PLAIN_INTERVAL = 10.0  # seconds between two lines of progress without a terminal


class Quiet:
    """Shows nothing while it runs."""

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""

    def uploaded(self, file: Attachment, done: int) -> None:
        """So many bytes of a file have arrived."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class TimeLeft:
    """Estimates how long the rest takes: the time that the pacer needs for it or, where that is
    longer, by the speed of the last seconds, or from hold to hold. Known holds are added.
    """

    WINDOW, LEAST = 20.0, 2.0  # seconds: how far to look back, and the shortest useful measure
    HOLDS = 5  # how many holds to look back: a single one may be chance

    def __init__(self, total: int, pacer: Pacer, clock: Clock) -> None:
        self.done = 0
        self._total, self._pacer, self._now = total, pacer, clock.monotonic
        self._past: deque[tuple[float, int]] = deque()
        self._due = 0.0  # when the last of those that must wait may be tried again
        self._hold_ends: float | None = None  # of the last hold, until something ends after it
        self._since: tuple[float, int] | None = None  # the end of the one before, and what was done
        self._between: deque[tuple[float, int]] = deque(maxlen=self.HOLDS)  # and so on, in lengths

    def deferred(self, until: float) -> None:
        """One delivery has to wait until then."""
        self._due = max(self._due, until)

    def settled(self, now: float) -> None:
        """One more is done."""
        self._end_hold(now)
        self.done += 1
        if self._since and self.done - self._since[1] > sum(count for _, count in self._between):
            self._between.clear()  # more than in all of them: the holds were another time
        if self._pacer.held(now):  # it was under way when the hold began, and is no measure
            return
        while self._past and self._past[0][0] < now - self.WINDOW:
            self._past.popleft()
        if not self._past or now - self._past[-1][0] >= self.WINDOW / 100:
            self._past.append((now, self.done))

    def held(self, now: float, seconds: float) -> None:
        """Nothing is sent for so long: the speed until now says nothing any more."""
        self._past.clear()
        self._end_hold(now)
        self._hold_ends = max(self._hold_ends or 0.0, now + seconds)

    def seconds(self, now: float) -> float | None:
        """The estimate; None when there is none yet. The bar calls this from another thread."""
        rest = self._total - self.done
        each: list[float] = []  # seconds for one of them, as it was measured
        since, before = [*self._past, (now, self.done)][0]
        if now - since >= self.LEAST and self.done > before:
            each.append((now - since) / (self.done - before))
        if lengths := [*self._between, *self._last_length()]:
            each.append(sum(took for took, _ in lengths) / sum(count for _, count in lengths))
        if not each and self._pacer.rate is None:
            return None
        paced = max(self._pacer.seconds_for(rest, now), self._due - now)
        return max(paced, self._pacer.held(now) + rest * max(each, default=0.0))

    def _end_hold(self, now: float) -> None:
        if self._hold_ends is not None and now >= self._hold_ends:
            self._between.extend(self._last_length())
            self._since, self._hold_ends = (self._hold_ends, self.done), None

    def _last_length(self) -> list[tuple[float, int]]:
        """Seconds from the end of a hold to the end of the next, and how many were done in them."""
        since, ends = self._since, self._hold_ends
        if since is None or ends is None or self.done <= since[1]:
            return []
        return [(ends - since[0], self.done - since[1])]

    def __str__(self) -> str:
        seconds = self.seconds(self._now())
        return "" if seconds is None else f"about {duration(seconds)} left"


class _TimeLeftColumn(ProgressColumn):
    def __init__(self, left: TimeLeft) -> None:
        self._left = left
        super().__init__()

    def render(self, task: Task) -> Text:
        return Text("" if "file" in task.fields else str(self._left))


class Bars(Progress):
    """Progress bars on stderr, gone at the end. What stdout gets meanwhile goes to stdout."""

    def __init__(self, *columns: ProgressColumn, is_shown: bool = True) -> None:
        super().__init__(
            *columns,
            console=Screen(stderr=True),
            transient=True,
            redirect_stdout=False,  # rich would print it above the bar, so on stderr
            disable=not is_shown,
        )


class Bar(Quiet):
    """A progress bar with rate and time left, for a terminal.

    `total` is what this run has to do, and `before` what became of the others until now.
    """

    def __init__(
        self, total: int, pacer: Pacer, clock: Clock, before: Counts = NOTHING_DONE
    ) -> None:
        self._clock = clock
        self._left = TimeLeft(total, pacer, clock)
        self._progress = Bars(
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            _TimeLeftColumn(self._left),
            TextColumn("{task.fields[note]}", style="yellow"),
        )
        self._failed, done = before.failed, before.total - before.pending
        fields: dict[str, Any] = {"rate": "", "note": self._failures()}
        self._task = self._progress.add_task("", total=done + total, completed=done, **fields)
        self._started = 0.0
        self._note_until = 0.0
        self._uploads: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._started = self._clock.monotonic()
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""
        now = self._clock.monotonic()
        if isinstance(outcome, Deferred) and outcome.retry_after:
            self._left.deferred(now + outcome.retry_after)
        if not isinstance(outcome, (Sent, Failed)):
            return
        self._left.settled(now)
        self._failed += isinstance(outcome, Failed)
        rate = self._left.done / max(now - self._started, 0.001)
        update: dict[str, Any] = {"rate": f"{rate:.1f}/s"}
        if now > self._note_until:
            update["note"] = self._failures()
        self._progress.update(self._task, advance=1, **update)

    def _failures(self) -> str:
        return f"{self._failed} failed" if self._failed else ""

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        now = self._clock.monotonic()
        self._left.held(now, seconds)
        self._note_until = now + seconds
        self._progress.update(self._task, note=waiting(seconds, reason, self._clock))

    def uploaded(self, file: Attachment, done: int) -> None:
        """A bar of its own, in KiB, until the file is there."""
        task = self._uploads.get(file.path)
        if task is None:
            fields: dict[str, Any] = {"rate": "KiB", "note": "", "file": Path(file.path).name}
            fields["note"] = f"uploading {fields['file']}"
            task = self._progress.add_task("", total=-(-file.size // 1024), **fields)
            self._uploads[file.path] = task
        self._progress.update(task, completed=-(-done // 1024))
        if done >= file.size:
            self._progress.remove_task(self._uploads.pop(file.path))


class Lines(Quiet):
    """Plain lines of progress, for a log: few of them, however long it takes. See `Bar`."""

    def __init__(
        self, total: int, pacer: Pacer, clock: Clock, before: Counts = NOTHING_DONE
    ) -> None:
        self._total, self._clock = before.total - before.pending + total, clock
        self._left = TimeLeft(total, pacer, clock)
        self._sent, self._failed = before.sent, before.failed
        self._started = self._last = self._clock.monotonic()
        self._last_reason, self._told_at = "", self._started  # of the last hold that was shown
        self._goes_on = False  # since then

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""
        now = self._clock.monotonic()
        if isinstance(outcome, Deferred) and outcome.retry_after:
            self._left.deferred(now + outcome.retry_after)
        if not isinstance(outcome, (Sent, Failed)):
            return
        self._left.settled(now)
        self._sent += isinstance(outcome, Sent)
        self._failed += isinstance(outcome, Failed)
        self._goes_on = True
        if now - self._last >= PLAIN_INTERVAL:
            self._last = now
            parts = [
                f"{self._sent + self._failed} of {self._total}: {self._sent} sent",
                f"{self._failed} failed",
                f"{self._left.done / (now - self._started):.1f}/s",
                str(self._left),
            ]
            say(", ".join(part for part in parts if part))

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        now = self._clock.monotonic()
        self._left.held(now, seconds)
        is_news = self._goes_on and max(seconds, now - self._told_at) >= PLAIN_INTERVAL
        if reason != self._last_reason or is_news:
            self._last_reason, self._told_at, self._goes_on = reason, now, False
            say(waiting(seconds, reason, self._clock))

    def uploaded(self, file: Attachment, done: int) -> None:
        """A line now and then, for files that take long."""
        now = self._clock.monotonic()
        if now - self._last >= PLAIN_INTERVAL:
            self._last = now
            say(f"uploading {Path(file.path).name}: {done // 1024:,} of {file.size // 1024:,} KiB")


class JsonLines(Quiet):
    """One JSON object a line on stdout for each delivery that ended."""

    def __init__(self, output: Output, below: Quiet) -> None:
        self._output, self._below = output, below

    def __enter__(self) -> Self:
        self._below.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._below.__exit__()

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""
        if isinstance(outcome, (Sent, Failed)):
            status = Status.SENT if isinstance(outcome, Sent) else Status.FAILED
            self._output.line(json_line(delivery_row(Record(delivery, status, outcome, at))))
        self._below.settled(delivery, outcome, at)

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        self._below.held(seconds, reason)

    def uploaded(self, file: Attachment, done: int) -> None:
        """See `Quiet`."""
        self._below.uploaded(file, done)


class TerminalReporter:
    """Shows a run; see `Reporter`. `output` is stdout, whose reader may leave."""

    def __init__(
        self, *, as_json: bool = False, quiet: bool = False, clock: Clock | None = None
    ) -> None:
        self.stop = Stop()
        self.output = Output(self.stop.ask)
        self._as_json, self._quiet, self._clock = as_json, quiet, clock or SystemClock()

    def cost(self, messages: int, budget: int, spent: int) -> None:
        """See `Reporter`."""
        if not self._quiet:
            show_cost(messages, budget, spent)

    async def canary(self, report: Report, *, is_good: bool) -> None:
        """See `Reporter`."""
        if not (is_good and self._quiet):
            await show_canary(report)

    def asking_to_stop(self, broadcast: Broadcast) -> None:
        """See `Reporter`."""
        if not self._quiet:
            say(f"asking {broadcast.owner} to stop")

    def watch(self, total: int, pacer: Pacer, before: Counts) -> AbstractContextManager[Watcher]:
        """See `Reporter`. A bar and rows of JSON do not go together on one terminal."""
        if self._quiet:
            return Quiet()
        has_bar = stderr_is_terminal() and not (self._as_json and sys.stdout.isatty())
        below = (Bar if has_bar else Lines)(total, pacer, self._clock, before)
        return JsonLines(self.output, below) if self._as_json else below


class Watching:
    """A progress bar over a broadcast that another process runs."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._progress = Bars(
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
        )
        counts = broadcast.counts
        done = counts.total - counts.pending
        self._task = self._progress.add_task("", total=counts.total, completed=done)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def look(self, broadcast: Broadcast) -> None:
        """Show how far it is."""
        counts = broadcast.counts
        self._progress.update(self._task, completed=counts.total - counts.pending)


def waiting(seconds: float, reason: str, clock: Clock) -> str:
    """The text for a hold; a long one with the time when it ends."""
    if seconds < 60:
        return f"waiting {seconds:.0f} s: {reason}"
    until = local_time((clock.utc() + timedelta(seconds=seconds)).replace(second=0, microsecond=0))
    return f"waiting {duration(seconds)}, until {until}: {reason}"
