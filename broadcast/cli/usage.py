"""Words a mistake in the command line so that it leads on; click alone says only what is wrong."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from broadcast.cli.parsing import cli, every_command

if TYPE_CHECKING:
    from collections.abc import Sequence


_OF_OTHERS = {"-n": ["--dry-run"]}
"""What other programs call so, such as make and rsync."""


def reworded(error: click.UsageError, arguments: Sequence[str]) -> click.UsageError:
    """The same mistake, with what to type instead."""
    context = error.ctx
    if context is None:
        return error
    match error:
        case click.NoSuchOption():
            told = _unknown(error.option_name, context, arguments)
        case click.BadOptionUsage():
            told = _misused(error.option_name, context.command)
        case click.MissingParameter(param=click.Argument() as argument):
            name = argument.make_metavar(context)
            told = f"{name} is missing: {context.command_path} {name}; `broadcast list` shows them"
        case _:
            return error
    return click.UsageError(told, context)


def _options(command: click.Command) -> dict[str, click.Option]:
    """All names of all options."""
    return {
        name: param
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }


def _unknown(name: str, context: click.Context, arguments: Sequence[str]) -> str:
    """Which option was meant, or which command has it."""
    command = context.command
    own = _options(command)
    told = f"`{context.command_path}` has no option {name}"
    if not name.startswith("--"):  # click has read only one letter of `-watch`
        typed = next((each for each in arguments if each.startswith(name)), name)
        begun = [each for each in own if each.startswith(f"-{typed}".replace("_", "-"))]
        begun = [*_OF_OTHERS.get(typed, ()), *begun]
        close = begun or get_close_matches(f"-{typed}", own, 1, 0.75)
        told = f"`{context.command_path}` has no option {typed}"
    else:
        close = get_close_matches(name.replace("_", "-"), own, 1, 0.75)
    within = command if isinstance(command, click.Group) else cli
    others = [each for each in every_command(within) if name in _options(each)]
    if others:
        places = [f"`{_path_of(each)}`" for each in others]
        shown = " and ".join(places[:3]) + (" and others" if len(places) > 3 else "")
        return f"{told}: it is one of {shown}"
    if close:
        return f"{told}: did you mean {' or '.join(close[:3])}?"
    is_text = not name.startswith("--") or any(map(str.isspace, name))
    if is_text and any(param.name == "message" for param in command.params):
        return f"{told}. A message that begins with a dash: broadcast -- '-5 degrees'"
    return f"{told}: `{context.command_path} --help` lists them"


def _path_of(command: click.Command) -> str:
    """What is typed to run it."""
    group = "" if cli.commands.get(command.name or "") is command else "sandbox "
    return f"broadcast {group}{command.name}"


def _misused(name: str, command: click.Command) -> str:
    option = _options(command).get(name)
    if option is None or not option.is_flag:  # pyright: ignore[reportUnknownMemberType]
        shown = (option and option.metavar) or "VALUE"
        return f"{name} needs a value: write {name} {shown}"
    other = next((each for each in (*option.opts, *option.secondary_opts) if each != name), None)
    return f"{name} takes no value: write {name} alone" + (f", or {other}" if other else "")
