"""The commands that look back, or ask a run to stop: list, status, show, pause, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.parsing import (
    DONE,
    LOCKED,
    account_options,
    cli,
    home_option,
    json_option,
    place,
    refuse_idle,
    sandbox_option,
)
from broadcast.cli.running import awaited, open_service
from broadcast.cli.send_commands import change, recall
from broadcast.cli.values import Whole
from broadcast.core.counted import counted
from broadcast.core.model import Action, Status
from broadcast.settings import user_path

if TYPE_CHECKING:
    from broadcast.core.model import Broadcast

_WANTED = {"sent": (Status.SENT,), "failed": (Status.FAILED,)}
_PENDING = (Status.PENDING, Status.SENDING)


@cli.command("list")
@click.option("--limit", type=Whole(1), default=50, show_default=True, help="How many.")
@click.option("--scheduled", is_flag=True, help="Only broadcasts whose time is still to come.")
@json_option
@sandbox_option
@home_option
@awaited
async def list_(*, limit: int, scheduled: bool, json: bool, **given: Any) -> int:
    """Show what was sent, when, to how many, with what result."""
    from broadcast.terminal.broadcasts import show_broadcasts
    from broadcast.terminal.streams import require_reader

    require_reader()
    async with open_service(given) as service:
        if scheduled:
            coming = await service.scheduled(limit)
            none = f"nothing is scheduled: broadcast 'Good evening' --at 18:00{place()}"
            show_broadcasts(coming, as_json=json, none=none, place=place())
        else:
            none = f"nothing was sent yet: broadcast 'I bought a car!'{place()} --dry-run"
            show_broadcasts(await service.list(limit), as_json=json, none=none, place=place())
    return DONE


@cli.command()
@click.argument("id", required=False)
@click.option("--watch", is_flag=True, help="Keep showing it until it has ended.")
@json_option
@sandbox_option
@home_option
@awaited
async def status(id: str | None, *, watch: bool, json: bool, **given: Any) -> int:  # noqa: A002
    """Show one broadcast, also while it runs elsewhere.

    Without an ID the one that is running, or else the last one.
    """
    from broadcast.terminal.broadcasts import show_broadcast
    from broadcast.terminal.streams import require_reader

    require_reader()
    async with open_service(given) as service:
        broadcast = await service.current(id)
        if watch and broadcast.owner is not None:
            from broadcast.terminal.progress import Watching

            with Watching(broadcast) as watching:
                async for each in service.watch(broadcast):
                    watching.look(each)
            broadcast = await service.find(broadcast.id)
        show_broadcast(broadcast, as_json=json, place=place())
    return DONE


@cli.command()
@click.argument("id", required=False)
@click.option("--sent", is_flag=True, help="Only those who got it.")
@click.option("--failed", is_flag=True, help="Only the failures.")
@click.option("--pending", is_flag=True, help="Only those who have not got it yet.")
@click.option(
    "--csv",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write a CSV file; `-` writes it to stdout.",
)
@click.option(
    "--excel", is_flag=True, help="With --csv: so that Excel reads it, and computes none of it."
)
@click.option("--yes", is_flag=True, help="Do not ask before a file is replaced by --csv.")
@json_option
@sandbox_option
@home_option
@awaited
async def show(id: str | None, *, csv: str | None, json: bool, **given: Any) -> int:  # noqa: A002
    """Show one line per recipient. Without an ID the last broadcast."""
    from broadcast.terminal.broadcasts import show_standing
    from broadcast.terminal.deliveries import CSV_COLUMNS, print_csv, show_records, write_csv
    from broadcast.terminal.questions import confirm_replacing
    from broadcast.terminal.streams import require_reader, say

    require_reader()
    wanted = {status for name, each in _WANTED.items() if given[name] for status in each}
    wanted |= set(_PENDING) if given["pending"] else set()
    async with open_service(given) as service:
        broadcast = await service.find(id)
        records = service.records(broadcast, *wanted)
        if csv is not None:
            refuse_idle("--csv", "json")
            if csv == "-":
                await print_csv(records, excel=given["excel"])
                return DONE
            path = user_path(csv)
            if path.is_file():
                service.require_no_list(path, report_begins=",".join(CSV_COLUMNS))
                if path.stat().st_size and not given["yes"]:
                    confirm_replacing(path)
            count = await write_csv(path, records, excel=given["excel"])
            say(f"{counted(count, 'recipient')} written to {csv}")
        else:
            refuse_idle("a table or --json", "excel", "yes")
            await show_records(broadcast, records, _count(broadcast, wanted), as_json=json)
            if not json:
                show_standing(broadcast, place())
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
@awaited
async def pause(id: str | None, **given: Any) -> int:  # noqa: A002
    """Stop a broadcast for now, also from another terminal. `broadcast resume` goes on."""
    from broadcast.terminal.broadcasts import show_stopped
    from broadcast.terminal.progress import TerminalReporter

    async with open_service(given) as service:
        stopped = await service.pause(id, TerminalReporter())
    show_stopped(stopped, place())
    return LOCKED if stopped.broadcast.owner else DONE


@cli.command()
@click.argument("id", required=False)
@click.option("--yes", is_flag=True, help="Do not ask before deleting what is at Telegram.")
@sandbox_option
@account_options
@awaited
async def cancel(id: str | None, *, yes: bool, **given: Any) -> int:  # noqa: A002
    """Stop a broadcast for good: what is pending is not sent any more.

    What is scheduled at Telegram is deleted there, as `broadcast recall` does.
    """
    from broadcast.terminal.broadcasts import show_stopped
    from broadcast.terminal.progress import TerminalReporter

    async with open_service(given) as service:
        stopped = await service.cancel(id, TerminalReporter())
        if not stopped.is_at_telegram or stopped.was_running:
            show_stopped(stopped, place())
        if stopped.is_at_telegram:
            identity, here = stopped.broadcast.id, click.get_current_context()
            as_usual = recall.make_context("recall", [identity], parent=here).params
            return await change(service, identity, Action.RECALL, {**as_usual, **given, "yes": yes})
    return LOCKED if stopped.broadcast.owner else DONE
