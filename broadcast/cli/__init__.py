"""The command line: parses, calls app, shows through console; it holds no logic of sending."""

from __future__ import annotations

import io
import re
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from broadcast.cli import account, history, previewing, sandbox, scheduling, sending
from broadcast.cli.parsing import BUG, DONE, HALTED, INTERRUPTED, LOCKED, USAGE, cli, place_of
from broadcast.cli.unwrapping import ours_in
from broadcast.core.errors import (
    BroadcastError,
    ContactsError,
    HaltedError,
    InputError,
    LockedError,
    LoginRequiredError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "account",
    "cli",
    "history",
    "main",
    "previewing",
    "run",
    "sandbox",
    "scheduling",
    "sending",
]


_ABOUT_BROADCASTS = re.compile(
    r"`(broadcast (?:list|status|run-due|show|resume|retry|pause|cancel|edit|recall)\b[^`]*)`"
)


def main() -> NoReturn:
    """Run the command line and exit; the one place where errors become exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name must not end a run in a C locale
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return (
            cli.main(
                list(arguments),
                prog_name="broadcast",
                standalone_mode=False,
                obj=place_of(arguments),
            )
            or DONE
        )
    except click.NoSuchOption as error:
        error.show()
        if not error.possibilities:
            click.echo('A message that begins with a dash: broadcast -- "-5 degrees"', err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the process edge
        known = ours_in(error)
        if known is not None:
            return _tell(known, place_of(arguments))
        traceback.print_exc()
        click.echo(
            "This is a bug in broadcast; please report the lines above. Nothing is lost: "
            "`broadcast list` shows what was recorded",
            err=True,
        )
        return BUG


def _tell(error: BroadcastError, place: str) -> int:
    if isinstance(error, ContactsError) and error.problems:
        from broadcast import terminal as console  # noqa: PLC0415

        console.show_problems(error.problems)
    # What is proposed must find the same broadcasts.
    text = _ABOUT_BROADCASTS.sub(lambda found: f"`{found[1]}{place}`", str(error))
    click.echo(f"Error: {text}", err=True)
    match error:
        case InputError() | LoginRequiredError():
            return USAGE
        case LockedError():
            return LOCKED
        case HaltedError():
            return HALTED
        case _:
            return USAGE
