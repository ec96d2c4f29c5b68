"""Shows a plan before anything is sent, and what the sandbox received."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from rich.text import Text

from broadcast.core.counted import people
from broadcast.core.duration import duration
from broadcast.core.model import Delivery, Record
from broadcast.core.moments import local
from broadcast.engine.gates import PER_STAR, stars
from broadcast.message.text import parse
from broadcast.report.json_rows import delivery_row, question_row
from broadcast.terminal.preview import headline, show_around
from broadcast.terminal.streams import json_line, reader_may_leave, say
from broadcast.terminal.tables import Screen, Table, stdout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from broadcast.core.errors import Problem
    from broadcast.core.model import Broadcast
    from broadcast.sandbox.inbox import InboxRow
    from broadcast.service.plan import Plan

PROBLEMS_LIMIT = 50
PLAN_LIMIT = 1_000  # contacts in the table of a dry run, which is held in memory until it is shown


def show_question(plan: Plan) -> None:
    """Show what is about to be sent and to whom, on stderr, where the question follows."""
    if left := _show_plan(Screen(stderr=True, highlight=False), plan, limit=10):
        say(f"... and {left} more")


def _show_plan(out: Console, plan: Plan, *, limit: int) -> int:
    """Show the message and its first recipients; return how many are not shown."""
    message = plan.message
    out.print(Text(f"Message ({message.format}{', template' if message.template else ''}):"))
    if message.text:
        out.print(Text("\n".join(f"  {line}" for line in message.text.splitlines())))
    show_around(out, message)
    shown = list(islice(plan.previews(), limit))
    differ = message.template or any(contact.overrides for contact, _ in shown)
    columns = ("name", "peer", "tags", *(["gets"] if differ else []))
    table = Table(out, *columns, whole=["peer"])
    for contact, own in shown:
        cells = [Text(contact.name), Text(contact.peer.text, style="cyan")]
        cells.append(Text(", ".join(contact.tags)))
        if differ:
            cells.append(Text(headline(replace(own, text=parse(own)[0]))))
        table.add(*cells)
    table.show()
    return len(plan.audience) - len(shown)


def show_cost(messages: int, budget: int, spent: int) -> None:
    """Show what a paid broadcast of so many messages costs at most, before it starts."""
    most, left = stars(messages), max(budget - stars(spent), 0)
    text = f"paid: at most {float(min(most, left)):,.1f} Stars for {messages:,} messages"
    if spent:
        text += f", {float(stars(spent)):,.1f} spent before"
    text += f"; the budget is {budget:,}"
    if most > left:
        text += f", so it may stop after about {round(left * PER_STAR):,} of them"
    say(text)


def show_problems(problems: Sequence[Problem]) -> None:
    """Show each complaint about the contact list on its own line."""
    for problem in problems[:PROBLEMS_LIMIT]:
        say(f"{'error' if problem.is_error else 'warning'}: {problem}")
    if len(problems) > PROBLEMS_LIMIT:
        say(f"... and {len(problems) - PROBLEMS_LIMIT} more")


def show_remarks(plan: Plan, *, quiet: bool = False) -> None:
    """Show what is unusual in the list, and who is new on it."""
    if not quiet:
        show_problems(plan.audience.warnings)
        _show_newcomers(plan)


def show_doubts(plan: Plan) -> None:
    """Show what is going to be asked, where nothing is sent yet."""
    for question in plan.questions:
        if question.told:
            say(f"to be confirmed: {question.told}")


def _show_newcomers(plan: Plan) -> None:
    """Say how many are new since it was made under the same key, and whether they get it."""
    if plan.earlier is None or not plan.newcomers:
        return
    are = f"{people(plan.newcomers)} on the list {'is' if plan.newcomers == 1 else 'are'} new"
    since = f"{are} since {plan.earlier.id} was made under the key {plan.earlier.once}"
    say(f"{since}: " + ("added" if plan.audience else "--include-new sends it to them, too"))


def show_dry_run(plan: Plan, *, as_json: bool) -> None:
    """Show who would get the message, how long it takes, what it costs; nothing is sent."""
    with reader_may_leave():
        if as_json:
            _print_dry_run(plan)
        elif plan.earlier is not None and not plan.audience:
            _show_earlier(plan.earlier)
        else:
            if left := _show_plan(stdout(), plan, limit=PLAN_LIMIT):
                stdout().print(f"... and {left} more; --json lists them all")
            if plan.seconds >= 1:
                stdout().print(f"It would take {duration(plan.seconds)}; --rehearse says more")
            rest = 0 if plan.earlier is None else plan.earlier.counts.pending
            count, chosen = plan.messages, len(plan.audience) + rest
            told = "" if count == chosen else f", in {count} messages"
            stdout().print(f"{chosen} would get it{told}; nothing was sent (dry run)")
    if plan.options.stars_budget is not None:
        show_cost(plan.messages, plan.options.stars_budget, 0)


def _show_earlier(earlier: Broadcast) -> None:
    """It was begun before under the same key: show what would be left to do."""
    counts = earlier.counts
    told = f"the rest, {counts.pending}, would get it" if counts.pending else "nobody would get it"
    stdout().print(
        f"{earlier.id} was made under the key {earlier.once}, {counts.sent} of {counts.total} have "
        f"it: {told}; nothing was sent (dry run)"
    )


def _print_dry_run(plan: Plan) -> None:
    for position, contact in enumerate(plan.audience):
        row = delivery_row(Record(Delivery("", position, contact, plan.message)))
        print(json_line(row | {"broadcast": None}))
    for question in plan.questions:
        print(json_line(question_row(question)))
    rest = 0 if plan.earlier is None else plan.earlier.counts.pending
    counts = {"sent": 0, "failed": 0, "skipped": 0, "pending": len(plan.audience) + rest}
    new = {"new": plan.newcomers} if plan.newcomers else {}
    print(json_line({"type": "summary", "broadcast": None, **counts, "seconds": 0.0, **new}))


def show_inbox(rows: Iterable[InboxRow], *, as_json: bool, place: str) -> None:
    """Show what arrived in the sandbox that the options `place` lead to."""
    with reader_may_leave():
        _show_inbox(rows, as_json=as_json, place=place)


def _show_inbox(rows: Iterable[InboxRow], *, as_json: bool, place: str) -> None:
    if as_json:
        for row in rows:
            print(json_line(row.as_json()))
        return
    out = stdout()
    table = Table(out, "to", "id", "message", "at", "text", whole=["id", "message"])
    for row in rows:
        table.add(row.to, str(row.id), str(row.message_id), local(row.at), row.shown)
    table.show()
    if not table.count:
        say(f"there is nothing yet: broadcast 'I bought a car!' --sandbox{place}")
