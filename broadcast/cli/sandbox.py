"""The commands of the sandbox on its own: serve it, and look at what it received."""

from __future__ import annotations

import click

from broadcast.cli.parsing import DONE, Group, cli, home_option, json_option, settings_of
from broadcast.cli.waiting import wait_for
from broadcast.settings import user_path


@cli.group(cls=Group)
def sandbox() -> None:
    """A small Telegram on this machine, to try everything with."""


@sandbox.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
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
    help="What goes wrong in it, such as `drop_after: 7`; read again when it changes.",
)
@click.option(
    "--limits",
    type=click.Path(),
    metavar="published|none|FILE",
    default="published",
    show_default=True,
    help="What it allows: what Telegram does, everything, or `name: value` for each limit.",
)
@home_option
def serve(
    *, port: int, host: str, contacts: str | None, faults: str | None, limits: str, home: str | None
) -> int:
    """Run the sandbox until Ctrl-C, for other programs or for the real command line."""
    from broadcast import sandbox_app  # noqa: PLC0415
    from broadcast.people.lists import load_audience  # noqa: PLC0415
    from broadcast.sandbox.limits import named_limits  # noqa: PLC0415

    settings = settings_of(home)
    known = load_audience(user_path(contacts)) if contacts else ()
    faults_file = user_path(faults) if faults else None
    allowed = named_limits(limits)
    wait_for(
        sandbox_app.serve_sandbox(
            settings, known, host, port, faults=faults_file, limits=allowed, told=click.echo
        )
    )
    return DONE


@sandbox.command()
@json_option
@click.option("--clear", is_flag=True, help="Empty the inbox instead.")
@click.option("--scheduled", is_flag=True, help="Show what waits for its time instead.")
@home_option
def inbox(home: str | None, *, json: bool, clear: bool, scheduled: bool) -> int:
    """Show what each friend received in the sandbox."""
    from broadcast import terminal as console  # noqa: PLC0415
    from broadcast.core.clock import SystemClock  # noqa: PLC0415
    from broadcast.sandbox.inbox import clear_inbox, read_inbox  # noqa: PLC0415

    kept = settings_of(home).sandbox_home
    if clear:
        clear_inbox(kept)
        return DONE
    console.require_reader()
    rows = read_inbox(kept, SystemClock(), scheduled=scheduled)
    console.show_inbox(rows, as_json=json)
    return DONE
