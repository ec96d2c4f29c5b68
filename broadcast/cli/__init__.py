"""The command line: parses, calls app, shows through console; it holds no logic of sending."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from broadcast.cli import account, history, sandbox, sending
from broadcast.cli.parsing import DONE, HALTED, INTERRUPTED, LOCKED, USAGE, cli
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

__all__ = ["account", "cli", "history", "main", "run", "sandbox", "sending"]


def main() -> NoReturn:
    """Run the command line and exit; the one place where errors become exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name must not end a run in a C locale
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return cli.main(list(arguments), prog_name="broadcast", standalone_mode=False) or DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BroadcastError as error:
        return _tell(error)
    except BaseExceptionGroup as group:
        known, others = group.split(BroadcastError)
        if others is not None or known is None:
            raise
        return _tell(_first(known))


def _first(group: BaseExceptionGroup[BroadcastError]) -> BroadcastError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BroadcastError)  # noqa: S101 - what the group was split by
    return error


def _tell(error: BroadcastError) -> int:
    if isinstance(error, ContactsError) and error.problems:
        from broadcast import console  # noqa: PLC0415

        console.show_problems(error.problems)
    click.echo(f"Error: {error}", err=True)
    match error:
        case InputError() | LoginRequiredError():
            return USAGE
        case LockedError():
            return LOCKED
        case HaltedError():
            return HALTED
        case _:
            return USAGE
