"""The commands that look back, or ask a run to stop: list, status, show, pause, cancel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from broadcast.cli import scheduling
from broadcast.cli.parsing import (
    DONE,
    account_options,
    cli,
    home_option,
    json_option,
    sandbox_option,
    settings_of,
)
from broadcast.cli.waiting import wait_for
from broadcast.core.model import State, Status
from broadcast.settings import user_path

if TYPE_CHECKING:
    from broadcast.core.model import Broadcast
    from broadcast.ledger.sqlite.ledger import SqliteLedger

WATCH_INTERVAL = 0.5  # seconds between two looks at a broadcast that runs elsewhere
ASK_PATIENCE = 10.0  # seconds to wait for another process to stop


@cli.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.option("--scheduled", is_flag=True, help="Only what is still to come at its time.")
@json_option
@sandbox_option
@home_option
def list_(home: str | None, *, limit: int, scheduled: bool, json: bool, sandbox: bool) -> int:
    """Show what was sent, when, to how many, with what result."""
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    with app.open_ledger(settings_of(home), sandbox=sandbox) as ledger:
        if scheduled:
            coming = ledger.scheduled()[:limit]
            console.show_broadcasts(coming, as_json=json, none="nothing is scheduled")
        else:
            console.show_broadcasts(ledger.newest(limit), as_json=json)
    return DONE


@cli.command()
@click.argument("id", required=False)
@click.option("--watch", is_flag=True, help="Look on until it has ended.")
@json_option
@sandbox_option
@home_option
def status(id: str | None, home: str | None, *, watch: bool, json: bool, sandbox: bool) -> int:  # noqa: A002
    """Show one broadcast, also while it runs elsewhere.

    Without an ID the one that is running, or else the last one.
    """
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    with app.open_ledger(settings_of(home), sandbox=sandbox) as ledger:
        broadcast = (_running(ledger) if id is None else None) or ledger.find(id)
        if watch and broadcast.owner is not None:
            with console.Watching(broadcast) as watching:
                while broadcast.owner is not None:
                    time.sleep(WATCH_INTERVAL)
                    broadcast = ledger.reload(broadcast)
                    watching.look(broadcast)
        console.show_broadcast(broadcast, recall=ledger.standing(broadcast).recall, as_json=json)
    return DONE


@cli.command()
@click.argument("id", required=False)
@click.option("--sent", is_flag=True, help="Only those who have it.")
@click.option("--failed", is_flag=True, help="Only the failures.")
@click.option("--pending", is_flag=True, help="Only those who are still to come.")
@click.option("--csv", type=click.Path(dir_okay=False), metavar="FILE", help="Write a CSV file.")
@json_option
@sandbox_option
@home_option
def show(
    id: str | None,  # noqa: A002
    home: str | None,
    *,
    sent: bool,
    failed: bool,
    pending: bool,
    csv: str | None,
    json: bool,
    sandbox: bool,
) -> int:
    """Show one line per recipient. Without an ID the last broadcast."""
    from broadcast import app  # noqa: PLC0415
    from broadcast import terminal as console  # noqa: PLC0415

    console.require_reader()
    wanted = {Status.SENT} if sent else set[Status]()
    wanted |= {Status.FAILED} if failed else set()
    wanted |= {Status.PENDING, Status.SENDING} if pending else set()
    with app.open_ledger(settings_of(home), sandbox=sandbox) as ledger:
        broadcast = ledger.find(id)
        records = ledger.records(broadcast, *wanted)
        if csv is not None:
            count = console.write_csv(user_path(csv), records)
            console.say(f"{count} recipients written to {csv}")
        else:
            console.show_records(broadcast, records, _count(broadcast, wanted), as_json=json)
    return DONE


def _count(broadcast: Broadcast, wanted: set[Status]) -> int:
    """How many of its deliveries are in one of the `wanted` states; none wanted: in any."""
    counts = broadcast.counts
    if not wanted:
        return counts.total
    parts = {Status.SENT: counts.sent, Status.FAILED: counts.failed, Status.PENDING: counts.pending}
    return sum(count for status, count in parts.items() if status in wanted)


@cli.command()
@click.argument("id", required=False)
@sandbox_option
@home_option
def pause(id: str | None, home: str | None, *, sandbox: bool) -> int:  # noqa: A002
    """Stop a broadcast for now, also from another terminal. `broadcast resume` goes on."""
    from broadcast import app  # noqa: PLC0415

    with app.open_ledger(settings_of(home), sandbox=sandbox) as ledger:
        running = _running(ledger) if id is None else None
        _stop(ledger, running or ledger.find(id, unfinished=id is None), State.PAUSED)
    return DONE


@cli.command()
@click.argument("id", required=False)
@click.option("--yes", is_flag=True, help="Do not ask before deleting what lies at Telegram.")
@sandbox_option
@account_options
def cancel(id: str | None, *, yes: bool, sandbox: bool, **account: str | None) -> int:  # noqa: A002
    """Stop a broadcast for good: what is pending is not sent any more.

    What lies in Telegram's schedule until its time is deleted there, as `broadcast recall` does.
    """
    from broadcast import app  # noqa: PLC0415

    with app.open_ledger(settings_of(account["home"]), sandbox=sandbox) as ledger:
        broadcast = ledger.find(id, unfinished=id is None)
        if broadcast.owner is not None or not scheduling.lies_at_telegram(ledger, broadcast):
            broadcast = _stop(ledger, broadcast, State.CANCELLED)
        is_there = broadcast.owner is None and scheduling.lies_at_telegram(ledger, broadcast)
    if is_there:
        return scheduling.take_back(broadcast.id, sandbox=sandbox, yes=yes, **account)
    return DONE


def _running(ledger: SqliteLedger) -> Broadcast | None:
    """What a process is at now: an older one where it is gone on with, or tried again."""
    return next((each for each in ledger.unfinished() if each.owner is not None), None)


def _stop(ledger: SqliteLedger, broadcast: Broadcast, state: State) -> Broadcast:
    """Pause or cancel a broadcast, whoever runs it; how it was left."""
    from broadcast import terminal as console  # noqa: PLC0415

    if wait_for(ledger.ask(broadcast, state)):
        console.say(f"asking {broadcast.owner} to stop")
        broadcast = _await_end(ledger, broadcast)
    else:
        broadcast = ledger.reload(broadcast)
        if broadcast.state is not state:
            console.say(f"nothing to stop: {broadcast.id} is {broadcast.state} already")
    console.show_broadcast(broadcast, recall=None, as_json=False)
    return broadcast


def _await_end(ledger: SqliteLedger, broadcast: Broadcast) -> Broadcast:
    """Wait until the other process has settled what was under way."""
    deadline = time.monotonic() + ASK_PATIENCE
    while broadcast.owner is not None and time.monotonic() < deadline:
        time.sleep(WATCH_INTERVAL / 5)
        broadcast = ledger.reload(broadcast)
    return broadcast
