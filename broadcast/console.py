"""All that a person or a program sees of a run; it decides nothing about it."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from broadcast.core.errors import SettingsError
from broadcast.core.model import Delivery, Failed, Sent, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from broadcast.app import InboxRow, Report
    from broadcast.core.contacts import Problem
    from broadcast.core.model import Contact, Message, Outcome

ROWS_LIMIT = 50  # recipients shown one by one; more are folded to counts and the failures
FAILURES_LIMIT = 200
PROBLEMS_LIMIT = 50
PLAIN_INTERVAL = 10.0  # seconds between two lines of progress without a terminal


def say(text: str) -> None:
    """A line for the person, on stderr."""
    print(text, file=sys.stderr)


def stderr_is_terminal() -> bool:
    """Whether somebody looks on while it runs."""
    return sys.stderr.isatty()


def can_ask() -> bool:
    """Whether there is somebody to ask: a terminal to read from and one to show the question on."""
    return sys.stdin is not None and sys.stdin.isatty() and stderr_is_terminal()


def require_reader() -> None:
    """Raise SettingsError when nobody can read stdout any more, before anything is sent."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - it is after `>&-`
        raise SettingsError("stdout is closed, so nobody would read the report; nothing was sent")
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        gone = any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):  # no real file, or no poll on this system
        return
    if gone:
        raise SettingsError("the reader of stdout is gone; nothing was sent")


class Output:
    """stdout, whose reader may go away at any line: `broadcast … --json | head -1`."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self.closed = False
        self._on_closed = on_closed

    def line(self, text: str) -> None:
        """Write one line; when nobody reads any more, say so once and write no further."""
        if self.closed:
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:
            self.closed = True
            silence_stdout()
            self._on_closed()


def silence_stdout() -> None:
    """Point stdout nowhere, so that Python's own flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- while it runs ------------------------------------------------------------------------------


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
            self._output.line(json.dumps(delivery_row(delivery, outcome, at), ensure_ascii=False))
        self._below.settled(delivery, outcome, at)

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        self._below.held(seconds, reason)


def watcher(total: int, output: Output, *, as_json: bool, quiet: bool) -> Quiet:
    """Who looks on while `total` deliveries are made."""
    below = Quiet() if quiet else Bar(total) if stderr_is_terminal() else Lines(total)
    return JsonLines(output, below) if as_json and not quiet else below


# --- at the end ---------------------------------------------------------------------------------


def delivery_row(
    delivery: Delivery, outcome: Outcome | None, at: datetime | None
) -> dict[str, object]:
    """A delivery as a row of `--json`; its keys are described in README.md."""
    match outcome:
        case Sent():
            status = Status.SENT
        case Failed():
            status = Status.FAILED
        case _:
            status = Status.PENDING
    return {
        "type": "delivery",
        "broadcast": delivery.broadcast,
        "peer": delivery.contact.peer.text,
        "name": delivery.contact.name,
        "status": status,
        "message_id": outcome.message_id if isinstance(outcome, Sent) else None,
        "error": getattr(outcome, "error", None),
        "reason": getattr(outcome, "reason", None),
        "at": None if at is None else at.isoformat(timespec="milliseconds"),
    }


def summary_row(report: Report) -> dict[str, object]:
    """The last row of `--json`."""
    counts = report.counts
    return {
        "type": "summary",
        "broadcast": report.broadcast,
        "sent": counts.sent,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "pending": counts.pending,
        "seconds": round(report.seconds, 3),
    }


def show_result(report: Report, output: Output, *, as_json: bool, quiet: bool) -> None:
    """What became of everybody, and why it stopped when it did."""
    if as_json:
        if not quiet:
            for record in report.pending():
                row = delivery_row(record.delivery, record.outcome, record.at)
                output.line(json.dumps(row, ensure_ascii=False))
        output.line(json.dumps(summary_row(report), ensure_ascii=False))
    else:
        try:
            _show_table(report, quiet=quiet)
        except BrokenPipeError:
            silence_stdout()
    pending = report.counts.pending
    if report.halted is not None:
        say(f"stopped: {report.halted.reason} ({report.halted.error}); {pending} not sent")
    elif output.closed:
        say(f"stopped: the reader of stdout is gone; {pending} not sent")
    elif report.interrupted:
        say(f"interrupted: {pending} not sent")


def _show_table(report: Report, *, quiet: bool) -> None:
    """The recipients one by one, or only the failures when there are many; and the summary."""
    folded = quiet or report.counts.total > ROWS_LIMIT
    records = [r for r in report.records() if not folded or r.status is Status.FAILED]
    out = _stdout()
    if records:
        table = _table(out, "name", "peer", "outcome", "")
        for record in records[:FAILURES_LIMIT]:
            row = delivery_row(record.delivery, record.outcome, record.at)
            table.add_row(*(Text(part, style=style) for part, style in _cells(row)))
        out.print(table)
        if len(records) > FAILURES_LIMIT:
            out.print(f"... and {len(records) - FAILURES_LIMIT} more failed; --json names them all")
    if not quiet:
        out.print(Text(summary(report)))


def _cells(row: dict[str, object]) -> Iterable[tuple[str, str]]:
    status = row["status"]
    style = {Status.SENT: "green", Status.FAILED: "red"}.get(Status(str(status)), "yellow")
    if status is Status.SENT:
        told = (
            "message id not told" if row["message_id"] is None else f"message {row['message_id']}"
        )
    elif row["reason"]:
        told = f"{row['reason']} ({row['error']})"
    else:
        told = "not sent yet"
    return (
        (str(row["name"]), ""),
        (str(row["peer"]), "cyan"),
        (str(status), style),
        (told, "" if status is Status.SENT else style),
    )


def summary(report: Report) -> str:
    """One line: how many of each, and how long it took."""
    counts = report.counts
    parts = [f"{counts.sent} sent", f"{counts.failed} failed"]
    parts += [f"{counts.skipped} skipped"] if counts.skipped else []
    parts += [f"{counts.pending} pending"] if counts.pending else []
    return f"{', '.join(parts)} in {duration(report.seconds)}"


def duration(seconds: float) -> str:
    """`1.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


# --- before it starts ---------------------------------------------------------------------------


def show_plan(message: Message, audience: Sequence[Contact], *, limit: int | None = None) -> None:
    """What would be sent, and to whom."""
    out = _stdout()
    out.print(Text(f"Message ({message.format}):"))
    out.print(Text("\n".join(f"  {line}" for line in message.text.splitlines())))
    table = _table(out, "name", "peer", "tags")
    for contact in audience[:limit]:
        table.add_row(
            Text(contact.name), Text(contact.peer.text, style="cyan"), Text(", ".join(contact.tags))
        )
    out.print(table)
    if limit is not None and len(audience) > limit:
        out.print(f"... and {len(audience) - limit} more")


def show_problems(problems: Sequence[Problem]) -> None:
    """Every complaint about the contact list, one a line."""
    for problem in problems[:PROBLEMS_LIMIT]:
        say(f"{'error' if problem.is_error else 'warning'}: {problem}")
    if len(problems) > PROBLEMS_LIMIT:
        say(f"... and {len(problems) - PROBLEMS_LIMIT} more")


def show_dry_run(message: Message, audience: Sequence[Contact], *, as_json: bool) -> None:
    """Everybody who would get the message, when nothing is to be sent."""
    if not as_json:
        show_plan(message, audience)
        _stdout().print(f"{len(audience)} would get it; nothing was sent (dry run)")
        return
    for position, contact in enumerate(audience):
        row = delivery_row(Delivery("", position, contact, message), None, None)
        print(json.dumps(row | {"broadcast": None}, ensure_ascii=False))
    counts = {"sent": 0, "failed": 0, "skipped": 0, "pending": len(audience)}
    print(json.dumps({"type": "summary", "broadcast": None, **counts, "seconds": 0.0}))


def show_inbox(rows: Iterable[InboxRow], *, as_json: bool) -> None:
    """What arrived in the sandbox."""
    if as_json:
        for row in rows:
            print(json.dumps(row._asdict() | {"at": row.at.isoformat()}, ensure_ascii=False))
        return
    out = _stdout()
    table = _table(out, "to", "message", "at", "text")
    for row in rows:
        at = f"{row.at.astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(Text(row.to), str(row.message_id), at, Text(row.text))
    if table.row_count:
        out.print(table)
    else:
        say('the sandbox has received nothing yet: broadcast "I bought a car!" --sandbox')


def _stdout() -> Console:
    """stdout for tables: as wide as the terminal, and never cut where a program may read it."""
    file: TextIO = sys.stdout
    return Console(file=file, highlight=False, width=None if file.isatty() else 1000)


def _table(out: Console, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
