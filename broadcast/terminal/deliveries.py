"""Shows the result of a run: one line per recipient, and what to do next."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from heapq import nlargest
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from broadcast.core.classify import may_help_to_retry, next_step
from broadcast.core.duration import duration
from broadcast.core.errors import InputError
from broadcast.core.model import Action, Broadcast, Counts, Record, Sent, State, Status
from broadcast.core.moments import local
from broadcast.engine.gates import stars
from broadcast.report.json_rows import broadcast_summary_row, delivery_row, summary_row, tally
from broadcast.terminal.scheduled import show_scheduled_rest
from broadcast.terminal.steps import worded_step
from broadcast.terminal.streams import Output, json_line, reader_may_leave, say
from broadcast.terminal.tables import Table, stdout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

    from broadcast.service.changing import Changed
    from broadcast.service.reports import Report

CANARY_LIMIT = 10  # failures that are shown before the others follow
SAME_LIMIT = 10  # failures of one reason that are shown one by one
ROWS_LIMIT = 50  # recipients shown one by one; more are folded to counts and the failures
RECORDS_LIMIT = 200  # lines of a table; there are files for more
SUCCESS = {Action.SEND: "sent", Action.EDIT: "edited", Action.RECALL: "deleted"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CSV_COLUMNS = ("peer", "name", "status", "message_id", "error", "reason", "at")


async def show_result(
    report: Report,
    output: Output,
    *,
    as_json: bool,
    quiet: bool,
    place: str,
    retried: bool = False,
) -> None:
    """Show the result for each recipient, why the run stopped, and which command to use next.

    `place` are the options with which that command finds the same ledger. After a retry (`retried`)
    no other retry is suggested.
    """
    if as_json:
        if not quiet:
            left = (Status.PENDING, Status.SENDING, Status.SKIPPED)
            async for record in report.records(*left):
                output.line(json_line(delivery_row(record)))
        output.line(json_line(summary_row(report)))
    else:
        with reader_may_leave():
            await _show_table(report, place, quiet=quiet)
    counts = report.counts
    if report.halted is not None:
        halted = report.halted
        say(f"stopped: {halted.reason} ({halted.error}); {not_sent(counts)}")
        if (step := next_step(halted.error)) is not None:
            say(f"`{worded_step(step, place)}` {step.purpose}")
    elif output.closed:
        say(f"stopped: stdout cannot be written any more; {not_sent(counts)}")
    elif report.is_unfinished or counts.skipped:
        word = "interrupted" if report.state is State.OPEN else str(report.state)
        say(f"{word}; {not_sent(counts)}")
    elif report.scheduled and not quiet:
        show_scheduled_rest(report.after, place)
    command = await next_command(report, retried=retried)
    if command is not None and not (quiet and command.startswith("show")):
        say(f"next: broadcast {command}{place}")


async def show_canary(report: Report) -> None:
    """Show how the first ones went: on stderr, where a question may follow."""
    row = asdict(report.of_this_run)
    if report.after.at_telegram:
        row |= {"sent": 0, "scheduled": report.of_this_run.sent}
    say(f"canary: {counted(row, report.action)}")
    count = min(report.of_this_run.failed, CANARY_LIMIT)
    failed = [record async for record in report.records(Status.FAILED)] if count else []
    for record in nlargest(count, failed, key=_when):  # earlier runs had failures of their own
        name, peer, _, (told, _) = _cells(record)
        say(f"  {' '.join(part for part in (name[0], peer[0]) if part)}: {told}")


def _when(record: Record) -> float:
    return record.at.timestamp() if record.at else 0.0


async def next_command(report: Report, *, retried: bool = False) -> str | None:
    """The command to use next: resume, retry or show; None when there is nothing to do."""
    if report.state is State.CANCELLED:
        return f"show {report.broadcast}"
    if report.is_unfinished:
        return f"resume {report.broadcast}" if _is_resumable(report) else None
    if not retried and report.counts.failed and await _may_help_to_retry(report):
        return f"retry {report.broadcast}"
    return f"show {report.broadcast}"


async def _may_help_to_retry(report: Report) -> bool:
    return any(may_help_to_retry(failed.error) for failed, _ in await report.failures())


def _is_resumable(report: Report) -> bool:
    return report.halted is None or report.halted.resumable


async def _show_table(report: Report, place: str, *, quiet: bool) -> None:
    """Show the recipients, or only the failures when there are many, and the summary."""
    if quiet or report.counts.total > ROWS_LIMIT:
        names = f"`broadcast show {report.broadcast} --failed{place}`"
        await show_failures(report, names)
    else:
        await _show_records(report.records(), report.counts.total)
    if not quiet:
        stdout().print(Text(summary(report)))


async def show_failures(report: Report, names: str) -> None:
    """Show the recipients that failed; many with one reason are a line that counts them.

    `names` is what names those.
    """
    failures = await report.failures()
    many = {failed: count for failed, count in failures if count > SAME_LIMIT}
    few = sum(count for failed, count in failures if failed not in many)

    async def told_one_by_one() -> AsyncIterator[Record]:
        left = few
        async for record in report.records(Status.FAILED):
            if record.outcome not in many:
                yield record
                left -= 1
            if not left:
                return

    if few:
        await _show_records(told_one_by_one(), few)
    for failed, count in many.items():
        told = _told(failed.reason, failed.error, perhaps_sent=failed.perhaps_sent)
        stdout().print(Text(f"{count:,} failed: {told}"))
    if many:
        stdout().print(Text(f"{names} names them"))


async def show_records(
    broadcast: Broadcast, records: AsyncIterator[Record], count: int = 0, *, as_json: bool
) -> None:
    """Show one line per recipient, `count` of them, and the counts of the whole broadcast."""
    with reader_may_leave():
        if as_json:
            async for record in records:
                print(json_line(delivery_row(record)))
            print(json_line(broadcast_summary_row(broadcast)))
        else:
            limit = RECORDS_LIMIT if sys.stdout.isatty() else None  # a program wants every row
            await _show_records(records, count, limit)
            stdout().print(Text(counted(tally(broadcast), broadcast.action)))


async def _show_records(
    records: AsyncIterator[Record], count: int, limit: int | None = RECORDS_LIMIT
) -> None:
    """Show the first of `count` records; the rest is not read: there may be a million."""
    out = stdout()
    table = Table(out, "name", "peer", "outcome", "", whole=["peer"])
    async for record in records:
        table.add(*(Text(part, style=style) for part, style in _cells(record)))
        if table.count == limit:
            break
    table.show()
    if limit is not None and count > limit:
        more = f"{count - limit:,} more"
        out.print(f"... and {more}; --json or `broadcast show --csv FILE` lists them all")


def _cells(record: Record) -> Iterable[tuple[str, str]]:
    row = delivery_row(record)
    status = str(row["status"])
    word = SUCCESS[record.delivery.action] if status == Status.SENT else status
    style = {"sent": "green", "scheduled": "green", "failed": "red"}.get(status, "yellow")
    if record.status is Status.SENT:
        told = "; ".join([_where(record), *([str(row["note"])] if "note" in row else [])])
    elif row["reason"]:
        told = _told(str(row["reason"]), str(row["error"]), perhaps_sent="perhaps_sent" in row)
    else:
        told = "" if status is Status.SKIPPED else "not sent yet"
    return (
        (str(row["name"]), ""),
        (str(row["peer"]), "cyan"),
        (word, style),
        (told, "" if record.status is Status.SENT else style),
    )


def _told(reason: str, error: str, *, perhaps_sent: bool) -> str:
    doubt = "; an earlier try was perhaps sent" if perhaps_sent else ""
    return f"{reason} ({error}){doubt}"


def _where(record: Record) -> str:
    """Where the message is that was sent."""
    sent = record.outcome
    assert isinstance(sent, Sent)  # noqa: S101 - the status says so
    if record.deleted_at is not None:
        return f"deleted {local(record.deleted_at.replace(microsecond=0))}"
    if sent.scheduled_until is not None:
        until = local(sent.scheduled_until)
        return f"at Telegram until {until}" if record.is_scheduled else f"went out {until}"
    return "message id not known" if sent.message_id is None else f"message {sent.message_id}"


def summary(report: Report) -> str:
    """One line: how many of each, and how long it took."""
    cost = f", {float(stars(report.paid)):,.1f} Stars" if report.paid else ""
    return f"{counted(tally(report.after), report.action)} in {duration(report.seconds)}{cost}"


def counted(counts: Mapping[str, int], action: Action) -> str:
    """How many are in each state, as `tally` counts them.

    States without any are left out, except failed, and sent where it is not told otherwise.
    """
    later = [f"{counts[name]} {name}" for name in ("scheduled", "deleted") if counts.get(name)]
    parts = [f"{counts['sent']} {SUCCESS[action]}"] if counts["sent"] or not later else []
    parts += [*later, f"{counts['failed']} failed"]
    in_doubt = counts.get("in_doubt", 0)
    left = {
        "skipped": counts["skipped"],
        "perhaps sent": in_doubt,
        "pending": counts["pending"] - in_doubt,
    }
    parts += [f"{count} {name}" for name, count in left.items() if count]
    return ", ".join(parts)


def not_sent(counts: Counts) -> str:
    """How many were not sent, and how many perhaps were."""
    left = counts.pending + counts.skipped - counts.in_doubt
    doubt = f"{counts.in_doubt} perhaps sent" if counts.in_doubt else ""
    return ", ".join(filter(None, (f"{left} not sent" if left or not doubt else "", doubt)))


async def write_csv(path: Path, records: AsyncIterator[Record], *, excel: bool = False) -> int:
    """Write one line per recipient; return how many. Raises InputError when it cannot."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            return await _write_csv(file, records, excel=excel, end="\r\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


async def print_csv(records: AsyncIterator[Record], *, excel: bool) -> None:
    """The same on stdout."""
    with reader_may_leave():
        await _write_csv(sys.stdout, records, excel=excel, end="\n")


async def _write_csv(file: TextIO, records: AsyncIterator[Record], *, excel: bool, end: str) -> int:
    """For Excel with the mark by which it knows UTF-8, and no cell that it takes for a formula."""
    count = 0
    if excel:
        file.write("\ufeff")
    writer = csv.writer(file, lineterminator=end)
    writer.writerow(CSV_COLUMNS)
    async for record in records:
        count += 1
        row = delivery_row(record)
        cells = [row[column] for column in CSV_COLUMNS]
        writer.writerow([_harmless(cell) for cell in cells] if excel else cells)
    return count


def _harmless(cell: object) -> object:
    """A text that no spreadsheet computes (https://owasp.org/www-community/attacks/CSV_Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


async def show_was_sent(earlier: Broadcast, newcomers: int, *, as_json: bool, quiet: bool) -> None:
    """Say that nothing is left to do: it was sent before under the same key."""
    if earlier.counts.failed or not quiet:
        told = counted(tally(earlier), earlier.action)
        say(f"{earlier.id} was sent already under the key {earlier.once}: {told}")
    show_counts(earlier, newcomers, as_json=as_json)


def show_counts(broadcast: Broadcast, newcomers: int = 0, *, as_json: bool) -> None:
    """The summary of a command that has nothing to send, for a program."""
    if as_json:
        row = broadcast_summary_row(broadcast)
        print(json_line(row | ({"new": newcomers} if newcomers else {})))


def show_nothing_to_retry(broadcast: Broadcast, place: str, *, insisted: bool) -> None:
    """Say that nobody failed, or that trying again cannot help."""
    if not (failed := broadcast.counts.failed):
        say("nothing to retry: nobody failed")
        return
    hint = (
        ""
        if insisted
        else f"; `broadcast retry {broadcast.id} --all{place}` tries them all the same"
    )
    say(f"nothing to retry: trying again cannot help the {failed} that failed{hint}")


def show_in_doubt(changed: Changed, place: str) -> None:
    """Say how many may still have the message as it was: an answer to it was lost."""
    if changed.in_doubt:
        target, action = changed.target.id, changed.report.action
        say(
            f"{changed.in_doubt} more may have received {target}, and it was not "
            f"{SUCCESS[action]} there: the answer of Telegram was lost. `broadcast show {target}"
            f"{place}` names them, `broadcast recall {target}{place}` looks for them again"
        )
