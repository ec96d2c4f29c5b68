"""All that a person or a program sees of a run; it decides nothing about it."""

from __future__ import annotations

import csv
import json
import os
import select
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self, TextIO

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

from broadcast.core.classify import may_help_to_retry
from broadcast.core.errors import InputError, SettingsError
from broadcast.core.model import Delivery, Failed, Record, Sent, State, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from broadcast.app import InboxRow, Report
    from broadcast.core.contacts import Problem
    from broadcast.core.model import Broadcast, Contact, Counts, Message, Outcome

ROWS_LIMIT = 50  # recipients shown one by one; more are folded to counts and the failures
RECORDS_LIMIT = 200  # lines of a table; there are files for more
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

    def __init__(self) -> None:
        self.closed = False
        self.on_closed: Callable[[], None] = lambda: None

    def line(self, text: str) -> None:
        """Write one line; when nobody reads any more, say so once and write no further."""
        if self.closed:
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:
            self.closed = True
            silence_stdout()
            self.on_closed()


def _json(row: dict[str, Any]) -> str:
    """One line of JSON, readable where stdout holds every letter, escaped where it does not."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(row, ensure_ascii=not is_utf8)


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
            status = Status.SENT if isinstance(outcome, Sent) else Status.FAILED
            self._output.line(_json(delivery_row(Record(delivery, status, outcome, at))))
        self._below.settled(delivery, outcome, at)

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""
        self._below.held(seconds, reason)


def watcher(total: int, output: Output, *, as_json: bool, quiet: bool) -> Quiet:
    """Who looks on while `total` deliveries are made."""
    below = Quiet() if quiet else Bar(total) if stderr_is_terminal() else Lines(total)
    return JsonLines(output, below) if as_json and not quiet else below


# --- at the end ---------------------------------------------------------------------------------


def delivery_row(record: Record) -> dict[str, object]:
    """A delivery as a row of `--json`; its keys are described in README.md."""
    delivery, outcome, at = record.delivery, record.outcome, record.at
    return {
        "type": "delivery",
        "broadcast": delivery.broadcast,
        "peer": delivery.contact.peer.text,
        "name": delivery.contact.name,
        "status": Status.PENDING if record.status is Status.SENDING else record.status,
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


def show_result(
    report: Report, output: Output, *, as_json: bool, quiet: bool, sandbox: bool
) -> None:
    """What became of everybody, why it stopped when it did, and the one command that fits now."""
    if as_json:
        if not quiet:
            for record in report.pending():
                output.line(_json(delivery_row(record)))
        output.line(_json(summary_row(report)))
    else:
        with _reader_may_leave():
            _show_table(report, quiet=quiet)
    counts = report.counts
    if report.halted is not None:
        say(f"stopped: {report.halted.reason} ({report.halted.error}); {counts.pending} not sent")
    elif output.closed:
        say(f"stopped: the reader of stdout is gone; {counts.pending} not sent")
    elif counts.pending:
        say(f"interrupted; {counts.pending} not sent")
    command = next_command(report)
    if command is not None and not (quiet and command.startswith("show")):
        say(f"next: broadcast {command}{' --sandbox' if sandbox else ''}")


def next_command(report: Report) -> str | None:
    """What a person would do now: resume, retry, or look; None when there is nothing to do."""
    if report.counts.pending:
        return f"resume {report.broadcast}" if _is_resumable(report) else None
    if any(
        isinstance(record.outcome, Failed) and may_help_to_retry(record.outcome.error)
        for record in (report.records() if report.counts.failed else ())
    ):
        return f"retry {report.broadcast}"
    return f"show {report.broadcast}"


def _is_resumable(report: Report) -> bool:
    return report.halted is None or report.halted.resumable


def _show_table(report: Report, *, quiet: bool) -> None:
    """The recipients one by one, or only the failures when there are many; and the summary."""
    counts = report.counts
    folded = quiet or counts.total > ROWS_LIMIT
    if not folded or counts.failed:
        _show_records(r for r in report.records() if not folded or r.status is Status.FAILED)
    if not quiet:
        _stdout().print(Text(summary(report)))


def _show_records(records: Iterable[Record]) -> None:
    out = _stdout()
    table = _table(out, "name", "peer", "outcome", "")
    left = 0
    for record in records:
        if table.row_count >= RECORDS_LIMIT:
            left += 1
            continue
        row = delivery_row(record)
        table.add_row(*(Text(part, style=style) for part, style in _cells(row)))
    if table.row_count:
        out.print(table)
    if left:
        out.print(f"... and {left} more; --json or `broadcast show --csv FILE` names them all")


def show_records(broadcast: Broadcast, records: Iterable[Record], *, as_json: bool) -> None:
    """One line per recipient, and the counts of the whole broadcast."""
    with _reader_may_leave():
        if as_json:
            for record in records:
                print(_json(delivery_row(record)))
            print(_json(broadcast_summary_row(broadcast)))
        else:
            _show_records(records)
            _stdout().print(Text(_counted(broadcast.counts)))


def show_broadcasts(broadcasts: Sequence[Broadcast], *, as_json: bool) -> None:
    """One line per broadcast, newest first."""
    with _reader_may_leave():
        if as_json:
            for broadcast in broadcasts:
                print(_json(broadcast_row(broadcast)))
            return
        if not broadcasts:
            say("nothing was sent yet")
            return
        out = _stdout()
        table = _table(out, "id", "made", "what", "state", "sent", "failed", "left", "text")
        for broadcast in broadcasts:
            counts = broadcast.counts
            table.add_row(
                broadcast.id,
                f"{broadcast.created_at.astimezone():%Y-%m-%d %H:%M}",
                broadcast.action,
                _state(broadcast),
                *(str(n) for n in (counts.sent, counts.failed, counts.pending + counts.skipped)),
                Text(first_line(broadcast.message.text)),
            )
        out.print(table)


def show_broadcast(broadcast: Broadcast, *, recall: Broadcast | None, as_json: bool) -> None:
    """One broadcast: what it says, how far it is, who runs it, why it stopped."""
    with _reader_may_leave():
        if as_json:
            print(_json(broadcast_row(broadcast)))
            return
        out = _stdout()
        rows = [
            ("id", broadcast.id),
            ("what", f"{broadcast.action}: {first_line(broadcast.message.text)}"),
            ("made", f"{broadcast.created_at.astimezone():%Y-%m-%d %H:%M:%S}"),
            ("state", _state(broadcast)),
            ("so far", _counted(broadcast.counts)),
            ("runs in", broadcast.owner),
            ("stopped", broadcast.note),
            ("key", broadcast.once),
            ("recalled", recall and f"by {recall.id}"),
        ]
        for name, value in rows:
            if value:
                out.print(Text(f"{name:<9} {value}"))


def _state(broadcast: Broadcast) -> str:
    if broadcast.owner is not None:
        return "running"
    return "unfinished" if broadcast.state is State.OPEN else str(broadcast.state)


def first_line(text: str, limit: int = 50) -> str:
    """As much of a text as fits into a table."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def broadcast_row(broadcast: Broadcast) -> dict[str, object]:
    """A broadcast as a row of `--json`."""
    return {
        "type": "broadcast",
        "broadcast": broadcast.id,
        "action": broadcast.action,
        "state": _state(broadcast),
        "text": broadcast.message.text,
        "created_at": broadcast.created_at.isoformat(timespec="milliseconds"),
        **asdict(broadcast.counts),
        "once": broadcast.once,
        "owner": broadcast.owner,
        "note": broadcast.note,
    }


def broadcast_summary_row(broadcast: Broadcast) -> dict[str, object]:
    """The last row of `show --json`."""
    return {
        "type": "summary",
        "broadcast": broadcast.id,
        **asdict(broadcast.counts),
        "seconds": None,
    }


def write_csv(path: Path, records: Iterable[Record]) -> int:
    """Write one line per recipient; the number of them. Raises InputError when it cannot."""
    count = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            for record in records:
                count += 1
                row = delivery_row(record)
                writer.writerow([row[column] for column in CSV_COLUMNS])
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return count


CSV_COLUMNS = ("peer", "name", "status", "message_id", "error", "reason", "at")


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
        told = "" if status is Status.SKIPPED else "not sent yet"
    return (
        (str(row["name"]), ""),
        (str(row["peer"]), "cyan"),
        (str(status), style),
        (told, "" if status is Status.SENT else style),
    )


def summary(report: Report) -> str:
    """One line: how many of each, and how long it took."""
    return f"{_counted(report.counts)} in {duration(report.seconds)}"


def _counted(counts: Counts) -> str:
    parts = [f"{counts.sent} sent", f"{counts.failed} failed"]
    parts += [f"{counts.skipped} skipped"] if counts.skipped else []
    parts += [f"{counts.pending} pending"] if counts.pending else []
    return ", ".join(parts)


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


def show_question(message: Message, audience: Sequence[Contact]) -> None:
    """What is about to be sent, and to whom: on stderr, where the question follows."""
    _show_plan(Console(stderr=True, highlight=False), message, audience, limit=10)


def _show_plan(
    out: Console, message: Message, audience: Sequence[Contact], *, limit: int | None = None
) -> None:
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
    with _reader_may_leave():
        if as_json:
            _print_dry_run(message, audience)
        else:
            _show_plan(_stdout(), message, audience)
            _stdout().print(f"{len(audience)} would get it; nothing was sent (dry run)")


def _print_dry_run(message: Message, audience: Sequence[Contact]) -> None:
    for position, contact in enumerate(audience):
        row = delivery_row(Record(Delivery("", position, contact, message)))
        print(_json(row | {"broadcast": None}))
    counts = {"sent": 0, "failed": 0, "skipped": 0, "pending": len(audience)}
    print(_json({"type": "summary", "broadcast": None, **counts, "seconds": 0.0}))


def show_inbox(rows: Iterable[InboxRow], *, as_json: bool) -> None:
    """What arrived in the sandbox."""
    with _reader_may_leave():
        _show_inbox(rows, as_json=as_json)


def _show_inbox(rows: Iterable[InboxRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(_json(row._asdict() | {"at": row.at.isoformat()}))
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


@contextmanager
def _reader_may_leave() -> Generator[None]:
    """Whoever reads stdout has seen enough when they leave: `broadcast ... | head -1`."""
    try:
        yield
        sys.stdout.flush()  # here, and not at exit, where Python can only complain
    except BrokenPipeError:
        silence_stdout()


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls it while it handles the error, and would end the process


def _stdout() -> Console:
    """stdout for tables: as wide as the terminal, and never cut where a program may read it."""
    file: TextIO = sys.stdout
    return _Stdout(file=file, highlight=False, width=None if file.isatty() else 1000)


def _table(out: Console, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
