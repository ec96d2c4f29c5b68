"""Parses the command line: a message or a command, options, settings; it runs nothing."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from broadcast.cli.quoting import quoted, quoted_here
from broadcast.cli.typos import meant_by, meant_command
from broadcast.message.not_messages import is_file_name, is_peer_name
from broadcast.settings import (
    Settings,
    is_string_session,
    load_settings,
    read_environment,
    user_dotenv,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DONE, SOME_FAILED, USAGE, HALTED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 4, 130
BUG = 70  # EX_SOFTWARE of sysexits.h
_LIKE_A_COMMAND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_DASH = re.compile(r"[\u2010-\u2015\u2212]{1,2}-?([A-Za-z][A-Za-z-]*)(=.*)?", re.DOTALL)
_PLACES = ("--home", "--session", "--server", "--server-key")


def _environment() -> dict[str, str]:
    return read_environment(os.environ, Path(".env"), user_dotenv(), options=_variables())


def _variable(option: click.Option) -> str:
    """The name by which an option may also stand in the environment or in `.env`."""
    name = next(name for name in option.opts if name.startswith("--"))
    return f"BROADCAST_{name.removeprefix('--')}".replace("-", "_").upper()


@functools.cache
def _variables() -> frozenset[str]:
    """The variables for the options of all commands."""
    return frozenset(
        _variable(option)
        for command in every_command(cli)
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
    )


def every_command(group: click.Group) -> Iterator[click.Command]:
    """All commands, also those of groups within `group`."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from every_command(command)
        else:
            yield command


class Command(click.Command):
    """A command whose options may also stand in the environment or in `.env`.

    It takes nothing by a slip: no value that is empty or the name of an option, and no second value
    where there is room for one.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """See click; adds the settings below the options."""
        if not {"--help", "-h"} & set(args):
            extra.setdefault("default_map", self._defaults(_environment()))
        return super().make_context(info_name, args, parent, **extra)

    def _options(self) -> Iterator[click.Option]:
        return (param for param in self.params if isinstance(param, click.Option))

    def _defaults(self, values: dict[str, str]) -> dict[str, Any]:
        """Options that are set, as click's default_map."""
        defaults: dict[str, Any] = {}
        for option in self._options():
            text = values.get(_variable(option))
            if text is not None:
                many = option.multiple or option.nargs != 1
                defaults[option.name or ""] = option.type.split_envvar_value(text) if many else text
        return defaults

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click; refuses slips before anything is made of the values."""
        self._require_hyphens(ctx, args)
        try:
            given, left, order = self.make_parser(ctx).parse_args(list(args))
        except click.UsageError as error:
            error.ctx = ctx  # click forgets it, and with it whose option that is
            raise
        if all(param.name != "help" for param in order) and not ctx.resilient_parsing:
            for param in dict.fromkeys(order):
                self._require_one(ctx, param, order.count(param))
                self._require_value(ctx, param, given.get(param.name or ""))
            message = given.get("message")  # which is a mark of click's own when there is none
            words = [*left, *cast("Sequence[str]", message if isinstance(message, tuple) else ())]
            if left or len(words) > 1:
                self._require_no_loose_word(ctx, args, words)
            if left:
                ctx.fail(f"`{ctx.command_path}` takes no further word: what is {left[0]}?")
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            param = error.param
            if isinstance(param, click.Option) and param not in order:  # so it is a setting
                error.param_hint = f"{param.opts[0]} ({_variable(param)})"
            raise

    def _require_hyphens(self, ctx: click.Context, args: list[str]) -> None:
        """Refuse the name of an option behind a dash, which web pages make of two hyphens."""
        options = self._options()
        names = {name for each in options for name in (*each.opts, *each.secondary_opts)}
        for word in args[: args.index("--") if "--" in args else None]:
            found = _DASH.fullmatch(word)
            if found and (name := f"--{found[1].lower()}") in names:
                ctx.fail(f"{word} begins with a dash: {name} has two hyphens; nothing was sent")

    def _require_one(self, ctx: click.Context, param: click.Parameter, count: int) -> None:
        """A flag may be repeated, unless it is one that can also be taken back."""
        if count == 1 or not isinstance(param, click.Option) or param.multiple:
            return
        if param.secondary_opts or not param.is_flag:  # pyright: ignore[reportUnknownMemberType]
            names = " and ".join([*param.opts, *param.secondary_opts])
            ctx.fail(f"{names}: give it once, not {count} times; nothing was sent")

    def _require_value(self, ctx: click.Context, param: click.Parameter, value: object) -> None:
        names = {"--", *(name for option in self._options() for name in option.opts)}
        is_option = isinstance(param, click.Option)
        said = param.opts[0] if is_option else param.make_metavar(ctx).strip("[].")
        texts = cast("Sequence[object]", value if isinstance(value, list | tuple) else (value,))
        for text in texts:
            if isinstance(text, str) and not text.strip():
                more = "" if param.required else ", or leave it out"
                ctx.fail(f"{said} is empty: give it a value{more}; nothing was sent")
            if is_option and text in names:
                ctx.fail(f"{said} needs a value, and {text} is an option; nothing was sent")

    def _require_no_loose_word(self, ctx: click.Context, args: list[str], words: list[str]) -> None:
        """Refuse what follows the value of an option, and is perhaps another, or more of it."""
        taking = {name: each for each in self._options() if not each.is_flag for name in each.opts}
        for place in range(len(args) - 1, 0, -1):
            word, (name, is_joined, value) = args[place], args[place - 1].partition("=")
            if not (is_joined and name in taking):
                name, value = args[max(place - 2, 0)], args[place - 1]
            option = taking.get(name)
            if option and word in words and " " not in word:
                whole = f"{name} {quoted(f'{value} {word}')}"
                told = f"if {word} is more of it, write {whole}"
                if option.multiple:
                    told = f"if {word} is another, write {name} {quoted(word)}; {told}"
                ctx.fail(f"{name} takes one value, and has {value}: {told}; nothing was sent")

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click; names the commands that there are."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            names = " or ".join(f"`{ctx.command_path} {name}`" for name in self.commands)
            ctx.fail(f"there is no command {args[0]} here: write {names}")
        return super().resolve_command(ctx, args)


class MessageOrCommand(Group):
    """`broadcast MESSAGE` is `broadcast send MESSAGE`, unless MESSAGE looks like a command.

    A typo or a guess must never go out to everybody: a lone word that could be a command's name is
    refused, whether there is such a command or not.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front: the one that is named, or `send`."""
        end = args.index("--") if "--" in args else len(args)
        words = self._words(ctx, args[:end])  # what follows `--` is a message, whatever it is
        if args and args[0] in self.commands:
            pass
        elif words and words[0] in self.commands:
            args = [words[0], *self._without(ctx, args, words)]
        elif args and not set(args) <= {"--help", "-h", "--version"}:
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
            self._refuse_a_name(ctx, word)
            if not looks_like_command(word):
                return
            params = self.commands["send"].params
            names = [name for param in params for name in (*param.opts, *param.secondary_opts)]
            options = [name for name in names if name.startswith("--")]
            meant = meant_by(word, self.commands, options)
            message = word
        else:  # several words without quotes: only commands, as `in the morning` is not `--in`
            command = meant_command(word, self.commands)
            if command is None:
                return
            meant = " ".join([command, *words[1:]])
            message = quoted(" ".join(words))
        told = f"did you mean `broadcast {meant}`?" if meant else "`broadcast --help` lists them."
        ctx.fail(
            f"there is no command {word}: {told} "
            f"To send it as a message: `broadcast send {message}`"
        )

    def _refuse_a_name(self, ctx: click.Context, word: str) -> None:
        """Refuse a lone word that names a file or somebody: what is to be said is missing."""
        if is_file_name(word):
            meant = (
                f"`broadcast --message-file {quoted(word)}` sends what is written in that file, "
                f"and `broadcast MESSAGE --file {quoted(word)}` the file itself"
            )
        elif is_peer_name(word):
            meant = f"`broadcast MESSAGE --to {quoted(word)}` sends something to them"
        else:
            return
        ctx.fail(
            f"{word} is a name, and no message: {meant}; nothing was sent. "
            f"To send it as a message: `broadcast send {quoted(word)}`"
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
      broadcast 'I bought a car!'              to everybody in contacts.yaml
      broadcast 'I bought a car!' --dry-run    show who would get it; nothing is sent
      broadcast 'I bought a car!' --sandbox    try it without Telegram and without an account

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


def looks_like_command(word: str) -> bool:
    """Whether a word could be the name of a command, be there one or not."""
    return _LIKE_A_COMMAND.fullmatch(word) is not None


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
            is_secret = name == "--session" and is_string_session(value)
            place += f" {name} {quoted('…') if is_secret else quoted_here(value)}"
    return place


def settings_of(home: str | None, **overrides: str | None) -> Settings:
    """The settings, with options of the command line before everything else."""
    given = {f"TELEGRAM_{name}".upper(): value for name, value in overrides.items() if value}
    return load_settings(_environment() | given, home=home, options=given)
