"""What is seen before anything is sent, and what the sandbox received."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from broadcast.core.duration import duration
from broadcast.core.model import Contact, Delivery, Message, Record
from broadcast.engine.gates.paid import PER_STAR, stars
from broadcast.message.personal import personal
from broadcast.message.text import parse
from broadcast.report.rows import delivery_row
from broadcast.terminal.preview import headline, show_around
from broadcast.terminal.streams import json_line, reader_may_leave, say
from broadcast.terminal.tables import new_table, stdout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from broadcast.core.errors import Problem
    from broadcast.sandbox.inbox import InboxRow

PROBLEMS_LIMIT = 50
PLAN_LIMIT = 1_000  # contacts in the table of a dry run, which is held in memory until it is shown


def show_question(message: Message, audience: Collection[Contact]) -> None:
    """What is about to be sent, and to whom: on stderr, where the question follows."""
    left = _show_plan(Console(stderr=True, highlight=False), message, audience, limit=10)
    if left:
        say(f"... and {left} more")


def _show_plan(out: Console, message: Message, audience: Collection[Contact], *, limit: int) -> int:
    """The message and the first who get it; how many are left."""
    out.print(Text(f"Message ({message.format}{', template' if message.template else ''}):"))
    if message.text:
        out.print(Text("\n".join(f"  {line}" for line in message.text.splitlines())))
    show_around(out, message)
    shown = list(islice(audience, limit))
    differ = message.template or any(contact.overrides for contact in shown)
    table = new_table(out, "name", "peer", "tags", *(["gets"] if differ else []))
    now = datetime.now(UTC)
    for contact in shown:
        cells = [Text(contact.name), Text(contact.peer.text, style="cyan")]
        cells.append(Text(", ".join(contact.tags)))
        if differ:
            own = personal(message, contact, now)
            cells.append(Text(headline(replace(own, text=parse(own)[0]))))
        table.add_row(*cells)
    out.print(table)
    return len(audience) - len(shown)


def show_cost(messages: int, budget: int, spent: int) -> None:
    """What a paid broadcast of so many messages costs at most, before it starts."""
    most, left = stars(messages), max(budget - stars(spent), 0)
    text = f"paid: at most {float(min(most, left)):,.1f} Stars for {messages:,} messages"
    if spent:
        text += f", {float(stars(spent)):,.1f} spent before"
    text += f"; the budget is {budget:,}"
    if most > left:
        text += f", so it may stop after about {round(left * PER_STAR):,} of them"
    say(text)


def show_problems(problems: Sequence[Problem]) -> None:
    """Every complaint about the contact list, one a line."""
    for problem in problems[:PROBLEMS_LIMIT]:
        say(f"{'error' if problem.is_error else 'warning'}: {problem}")
    if len(problems) > PROBLEMS_LIMIT:
        say(f"... and {len(problems) - PROBLEMS_LIMIT} more")


def show_dry_run(
    message: Message, audience: Collection[Contact], count: int, seconds: float, *, as_json: bool
) -> None:
    """Everybody who would get the message, in `count` messages; nothing is sent."""
    with reader_may_leave():
        if as_json:
            _print_dry_run(message, audience)
        else:
            if left := _show_plan(stdout(), message, audience, limit=PLAN_LIMIT):
                stdout().print(f"... and {left} more; --json names them all")
            if seconds >= 1:
                stdout().print(f"It would take {duration(seconds)}; --rehearse says more")
            told = "" if count == len(audience) else f", in {count} messages"
            stdout().print(f"{len(audience)} would get it{told}; nothing was sent (dry run)")


def _print_dry_run(message: Message, audience: Collection[Contact]) -> None:
    for position, contact in enumerate(audience):
        row = delivery_row(Record(Delivery("", position, contact, message)))
        print(json_line(row | {"broadcast": None}))
    counts = {"sent": 0, "failed": 0, "skipped": 0, "pending": len(audience)}
    print(json_line({"type": "summary", "broadcast": None, **counts, "seconds": 0.0}))


def show_inbox(rows: Iterable[InboxRow], *, as_json: bool) -> None:
    """What arrived in the sandbox."""
    with reader_may_leave():
        _show_inbox(rows, as_json=as_json)


def _show_inbox(rows: Iterable[InboxRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json_line(row.as_json()))
        return
    out = stdout()
    table = new_table(out, "to", "id", "message", "at", "text")
    for row in rows:
        at = f"{row.at.astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(Text(row.to), str(row.id), str(row.message_id), at, Text(row.shown))
    if table.row_count:
        out.print(table)
    else:
        say('the sandbox has received nothing yet: broadcast "I bought a car!" --sandbox')
