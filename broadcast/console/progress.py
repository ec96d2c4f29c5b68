"""What is seen while a broadcast runs."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from broadcast.console.rows import delivery_row
from broadcast.console.terminal import Output, json_line, say, stderr_is_terminal
from broadcast.core.model import Broadcast, Delivery, Failed, Outcome, Record, Sent, Status

if TYPE_CHECKING:
    from datetime import datetime

PLAIN_INTERVAL = 10.0  # seconds between two lines of progress without a terminal


class Quiet:
    """Shows nothing while it runs."""

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class Bar(Quiet):
    """A progress bar with rate and time left, for a terminal."""

    def __init__(self, total: int) -> None:
        self._progress = Progress(
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="yellow"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, rate="", note="")
        self._started = 0.0
        self._done = 0
        self._failed = 0
        self._note_until = 0.0

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""
        if not isinstance(outcome, (Sent, Failed)):
            return
        self._done += 1
        self._failed += isinstance(outcome, Failed)
        now = time.monotonic()
        rate = self._done / max(now - self._started, 0.001)
        update: dict[str, Any] = {"rate": f"{rate:.1f}/s"}
        if now > self._note_until:
            update["note"] = f"{self._failed} failed" if self._failed else ""
        self._progress.update(self._task, advance=1, **update)

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        self._note_until = time.monotonic() + seconds
        self._progress.update(self._task, note=f"waiting {seconds:.0f} s: {reason}")


class Lines(Quiet):
    """Plain lines of progress, for a log: few of them, however long it takes."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._counts: Counter[str] = Counter()
        self._started = self._last = time.monotonic()
        self._last_reason = ""

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""
        if not isinstance(outcome, (Sent, Failed)):
            return
        self._counts["failed" if isinstance(outcome, Failed) else "sent"] += 1
        self._last_reason = ""
        now = time.monotonic()
        if now - self._last >= PLAIN_INTERVAL:
            self._last = now
            done = self._counts.total()
            rate = done / (now - self._started)
            left = (self._total - done) / rate
            say(
                f"{done} of {self._total}: {self._counts['sent']} sent, "
                f"{self._counts['failed']} failed, {rate:.1f}/s, about {duration(left)} left"
            )

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        if reason != self._last_reason:
            self._last_reason = reason
            say(f"waiting {seconds:.0f} s: {reason}")


class JsonLines(Quiet):
    """One JSON object a line on stdout for each delivery that ended."""

    def __init__(self, output: Output, below: Quiet) -> None:
        self._output, self._below = output, below

    def __enter__(self) -> None:
        self._below.__enter__()

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


def watcher(total: int, output: Output, *, as_json: bool, quiet: bool) -> Quiet:
    """Who looks on while `total` deliveries are made."""
    below = Quiet() if quiet else Bar(total) if stderr_is_terminal() else Lines(total)
    return JsonLines(output, below) if as_json and not quiet else below


class Watching:
    """A progress bar over a broadcast that another process runs."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._progress = Progress(
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=broadcast.counts.total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def look(self, broadcast: Broadcast) -> None:
        """Show how far it is."""
        counts = broadcast.counts
        self._progress.update(self._task, completed=counts.total - counts.pending)


def duration(seconds: float) -> str:
    """`1.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
