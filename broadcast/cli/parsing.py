"""Parses the command line: a message or a command, options, settings; it runs nothing."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.typos import meant_by, meant_command
from broadcast.settings import Settings, load_settings, read_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DONE, SOME_FAILED, USAGE, HALTED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 4, 130
BUG = 70  # EX_SOFTWARE of sysexits.h
_PLACES = ("--home", "--session", "--server", "--server-key")


def _environment() -> dict[str, str]:
    return read_environment(os.environ, Path(".env"))


def _option_defaults(command: click.Command, values: dict[str, str]) -> dict[str, Any]:
    """Options that `.env` sets, as click's default_map: below options and the environment."""
    defaults: dict[str, Any] = {}
    for parameter in command.params:
        text = values.get(f"BROADCAST_{parameter.name}".upper()) if parameter.name else None
        if text is not None and isinstance(parameter, click.Option):
            many = parameter.multiple or parameter.nargs != 1
            defaults[parameter.name or ""] = (
                parameter.type.split_envvar_value(text) if many else text
            )
    return defaults


class Command(click.Command):
    """A command whose options may also stand in the environment or in `.env`."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """See click; adds the settings below the options."""
        if "--help" not in args:
            extra.setdefault("default_map", _option_defaults(self, _environment()))
        extra.setdefault("auto_envvar_prefix", "BROADCAST")
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click; the options stand below the titles that `options` gives them."""
        below: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                below.setdefault(getattr(parameter, "title", "Options"), []).append(record)
        for title, records in below.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Group(click.Group):
    """A group whose commands are ours."""

    command_class = Command


class MessageOrCommand(Group):
    """`broadcast MESSAGE` is `broadcast send MESSAGE`, unless MESSAGE looks like a command.

    A typo must never go out to everybody: a lone word close to a command's name is refused, and so
    is the name of an option without its dashes.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front: the one that is named, or `send`."""
        end = args.index("--") if "--" in args else len(args)
        words = self._words(ctx, args[:end])  # what follows `--` is a message, whatever it is
        if words and words[0] in self.commands:
            args = [words[0], *self._without(ctx, args, words)]
        elif args and not set(args) <= {"--help", "--version"}:
            if words:
                self._refuse_typos(ctx, words)
            args = ["send", *args]
        return super().parse_args(ctx, args)

    def _words(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments that are neither options of `send` nor their values."""
        params = self.commands["send"].params
        options = [param for param in params if param.param_type_name == "option"]
        parser = click.Command("words", params=options).make_parser(ctx)
        parser.ignore_unknown_options = True
        parser.allow_interspersed_args = True  # a group's own parser stops at the first word
        try:
            left = parser.parse_args(list(args))[1]
        except click.UsageError:  # `send` says it better
            return []
        return [word for word in left if not word.startswith("-") or word == "-"]

    def _without(self, ctx: click.Context, args: list[str], words: list[str]) -> list[str]:
        """`args` without the command: the first of `words`, and not a value that looks like it."""
        for place, word in enumerate(args):
            left = args[:place] + args[place + 1 :]
            end = left.index("--") if "--" in left else len(left)
            if word == words[0] and self._words(ctx, left[:end]) == words[1:]:
                return left
        raise AssertionError(words)

    def _refuse_typos(self, ctx: click.Context, words: list[str]) -> None:
        word = words[0]
        if len(words) == 1:
            params = self.commands["send"].params
            names = [name for param in params for name in (*param.opts, *param.secondary_opts)]
            options = [name for name in names if name.startswith("--")]
            meant = meant_by(word, self.commands, options)
        else:  # several words without quotes: only commands, as `in the morning` is not `--in`
            command = meant_command(word, self.commands)
            meant = command and " ".join([command, *words[1:]])
        if meant is not None:
            message = word if len(words) == 1 else f'"{" ".join(words)}"'
            ctx.fail(
                f"did you mean `broadcast {meant}`? "
                f"To send it as a message: `broadcast send {message}`"
            )


@click.group(
    cls=MessageOrCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every option may also be set in the environment or in .env, as BROADCAST_<OPTION>.",
)
@click.version_option(package_name="broadcast")
def cli() -> None:
    """Send one message to many people on Telegram, each exactly once.

    \b
      broadcast "I bought a car!"              to everybody in contacts.yaml
      broadcast "I bought a car!" --dry-run    show who would get it; nothing is sent
      broadcast "I bought a car!" --sandbox    try it without Telegram and without an account

    MESSAGE goes to `broadcast send`; see `broadcast send --help` for its options.
    """


def options(
    *chosen: Callable[..., Any], title: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Several options as one decorator, in the order of the help text, there below `title`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        before = len(getattr(command, "__click_params__", ()))
        for option in reversed(chosen):
            command = option(command)
        for parameter in getattr(command, "__click_params__", ())[before:]:
            if title is not None and not hasattr(parameter, "title"):
                parameter.title = title
        return command

    return decorate


home_option = click.option(
    "--home",
    type=click.Path(file_okay=False),
    help="Where sessions and records live. [BROADCAST_HOME]",
)

account_options = options(
    home_option,
    click.option("--session", metavar="NAME", help="Which session to use. [TELEGRAM_SESSION]"),
    click.option("--server", metavar="HOST:PORT", help="Another server. [TELEGRAM_SERVER]"),
    click.option("--server-key", metavar="FILE", help="Its RSA public key. [TELEGRAM_SERVER_KEY]"),
    title="The account",
)

sandbox_option = click.option(
    "--sandbox", is_flag=True, help="Use the built-in sandbox instead of Telegram."
)

json_option = click.option("--json", is_flag=True, help="Print JSON Lines on stdout.")


def refuse_idle(where: str, *names: str) -> None:
    """Raise UsageError when one of the options `names` was typed: it does nothing with `where`.

    In the environment or in `.env` an option is for all commands, so there it may stand.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} does nothing with {where}: leave it out; nothing was sent"
            )


def place() -> str:
    """The options with which the next command finds the same broadcasts: --sandbox, --home, ..."""
    return click.get_current_context().obj or ""


def place_of(arguments: Sequence[str]) -> str:
    """The options that decide where a broadcast is recorded, to be repeated in a hint."""
    place = ""
    for number, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if argument == "--sandbox":
            place += " --sandbox"
        elif name in _PLACES:
            value = value or "".join(arguments[number + 1 : number + 2])
            place += f" {name} {shlex.quote(value)}"
    return place


def settings_of(home: str | None, **overrides: str | None) -> Settings:
    """The settings, with options of the command line before everything else."""
    given = {f"TELEGRAM_{name}".upper(): value for name, value in overrides.items() if value}
    return load_settings(_environment() | given, home=home)
