"""The commands of the sandbox on its own: serve it, and look at what it received."""

from __future__ import annotations

import click

from broadcast.cli.parsing import (
    DONE,
    Group,
    cli,
    home_option,
    json_option,
    place,
    refuse_idle,
    settings_of,
)
from broadcast.cli.running import awaited, stop_on_signals
from broadcast.cli.values import Whole
from broadcast.core.clock import SystemClock
from broadcast.settings import user_path


@cli.group(cls=Group)
def sandbox() -> None:
    """A small Telegram on this machine, to try everything with."""


@sandbox.command()
@click.option(
    "--port",
    type=Whole(0, 65535, example=4430),
    default=4430,
    show_default=True,
    help="Where to listen; 0 takes a free port.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option(
    "--contacts",
    type=click.Path(),
    metavar="FILE",
    help="A contact list whose people are your contacts there.",
)
@click.option(
    "--faults",
    type=click.Path(),
    metavar="FILE",
    help="A file of faults, such as `drop_after: 7`; it is read again when it changes.",
)
@click.option(
    "--limits",
    type=click.Path(),
    metavar="published|none|FILE",
    default="published",
    show_default=True,
    help="Its limits: those that Telegram publishes, none, or a file of `name: value`.",
)
@home_option
@awaited
async def serve(
    *, port: int, host: str, contacts: str | None, faults: str | None, limits: str, home: str | None
) -> int:
    """Run the sandbox until Ctrl-C, for other programs or for the real command line."""
    import asyncio

    from broadcast.people.lists import load_audience
    from broadcast.sandbox.limits import named_limits
    from broadcast.sandbox.serving import serve as serve_until
    from broadcast.service.stop import Stop
    from broadcast.terminal.streams import Output

    known = load_audience(user_path(contacts)) if contacts else ()
    stop, stopped = Stop(), asyncio.Event()
    with stop.calling(stopped.set), stop_on_signals(stop, told=""):
        await serve_until(
            settings_of(home).sandbox_home,
            [contact.peer for contact in known],
            host,
            port,
            stopped=stopped,
            clock=SystemClock(),
            faults=user_path(faults) if faults else None,
            limits=named_limits(limits),
            told=Output().line,
        )
    return DONE


@sandbox.command()
@json_option
@click.option("--clear", is_flag=True, help="Empty the inbox instead.")
@click.option("--scheduled", is_flag=True, help="Show what waits for its time instead.")
@home_option
def inbox(home: str | None, *, json: bool, clear: bool, scheduled: bool) -> int:
    """Show what each friend received in the sandbox."""
    from broadcast.sandbox.inbox import clear_inbox, read_inbox
    from broadcast.terminal.planned import show_inbox
    from broadcast.terminal.streams import require_reader, say

    kept = settings_of(home).sandbox_home
    if clear:
        refuse_idle("--clear", "json", "scheduled")
        clear_inbox(kept)
        say("the inbox is empty now")
        return DONE
    require_reader()
    rows = read_inbox(kept, SystemClock(), scheduled=scheduled)
    show_inbox(rows, as_json=json, place=place())
    return DONE
