"""The command line: parses, calls the service, shows through terminal; nothing is decided here."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from broadcast.cli import (
    account_commands,
    due_command,
    look_commands,
    preview_command,
    sandbox_commands,
    send_commands,
)
from broadcast.cli.parsing import BUG, DONE, INTERRUPTED, cli, place_of
from broadcast.cli.running import exit_code_of
from broadcast.cli.usage import reworded
from broadcast.core.errors import BroadcastError, ContactsError, DeclinedError, UnconfirmedError
from broadcast.terminal.steps import worded_error
from broadcast.terminal.streams import say

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "account_commands",
    "cli",
    "due_command",
    "look_commands",
    "main",
    "preview_command",
    "run",
    "sandbox_commands",
    "send_commands",
]


def main() -> NoReturn:
    """Run the command line and exit; the one place where errors become exit codes."""
    # A message leaves no cycles. To search for some among all that was imported, again and again,
    # is a fifth of what a message costs; only a process of our own may decide so.
    gc.set_threshold(50_000, 20, 100)
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] - it is after `2>&-`
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name must not end a run in a C locale
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    place = place_of(arguments)
    try:
        return (
            cli.main(list(arguments), prog_name="broadcast", standalone_mode=False, obj=place)
            or DONE
        )
    except click.UsageError as error:
        _show(reworded(error, arguments))
        return error.exit_code
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return INTERRUPTED
    except BroadcastError as error:
        return _tell(error, place)
    except Exception:  # noqa: BLE001 - the process edge
        say(traceback.format_exc())
        say(
            "This is a bug in broadcast; please report the lines above. Nothing is lost: "
            "`broadcast list` shows what was recorded"
        )
        return BUG


def _show(error: click.ClickException) -> None:
    """What click has to say, which may quote what was typed."""
    told = io.StringIO()
    error.show(told)
    say(told.getvalue().removesuffix("\n"))


def _tell(error: BroadcastError, place: str) -> int:
    if isinstance(error, ContactsError) and error.problems:
        from broadcast.terminal.planned import show_problems

        show_problems(error.problems)
    if isinstance(error, DeclinedError):
        say(str(error))
    else:
        say(f"Error: {worded_error(error, place)}")
    if isinstance(error, UnconfirmedError):
        say("If it is meant: the same command with --yes sends it")
    return exit_code_of(error)
