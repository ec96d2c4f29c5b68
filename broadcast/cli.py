"""The command line: parses, calls app, shows through console; it holds no logic of sending."""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from broadcast.core.errors import (
    BroadcastError,
    ContactsError,
    HaltedError,
    InputError,
    LockedError,
    LoginRequiredError,
    MessageError,
)
from broadcast.core.model import Format, Message
from broadcast.settings import Settings, load_settings, read_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broadcast.app import Audience, Report
    from broadcast.dispatch import Engine

DONE, SOME_FAILED, USAGE, HALTED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 4, 130
ASK_ABOVE = 20  # recipients
MESSAGE_BYTES_LIMIT = 1_000_000  # read from a file or from stdin; Telegram takes far less
ALSO_COMMANDS = {"help": "--help", "version": "--version"}  # what people type for an option


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


class Group(click.Group):
    """A group whose commands are ours."""

    command_class = Command


class MessageOrCommand(Group):
    """`broadcast MESSAGE` is `broadcast send MESSAGE`, unless MESSAGE looks like a command.

    A typo must never go out to everybody: a lone word close to a command's name is refused.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front: the one that is named, or `send`."""
        words = self._words(ctx, args)
        if words and words[0] in self.commands:
            command = args.pop(args.index(words[0]))
            args = [command, *args]
        elif args and not set(args) <= {"--help", "--version"}:
            if len(words) == 1:
                self._refuse_typos(ctx, words[0])
            args = ["send", *args]
        return super().parse_args(ctx, args)

    def _words(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments that are neither options of `send` nor their values."""
        params = self.commands["send"].params
        options = [param for param in params if param.param_type_name == "option"]
        parser = click.Command("words", params=options).make_parser(ctx)
        parser.ignore_unknown_options = True
        try:
            left = parser.parse_args(list(args))[1]
        except click.UsageError:  # `send` says it better
            return []
        return [word for word in left if not word.startswith("-") or word == "-"]

    def _refuse_typos(self, ctx: click.Context, word: str) -> None:
        names = [*self.commands, *ALSO_COMMANDS]
        close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.7)
        if close and word.isidentifier():
            meant = ALSO_COMMANDS.get(close[0], close[0])
            ctx.fail(
                f"did you mean `broadcast {meant}`? "
                f"To send it as a message: `broadcast send {word}`"
            )


def _account_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that deals with an account."""
    for option in (
        click.option(
            "--server-key", metavar="FILE", help="Its RSA public key. [TELEGRAM_SERVER_KEY]"
        ),
        click.option("--server", metavar="HOST:PORT", help="Another server. [TELEGRAM_SERVER]"),
        click.option("--session", metavar="NAME", help="Which session to use. [TELEGRAM_SESSION]"),
        _home_option,
    ):
        command = option(command)
    return command


_home_option = click.option(
    "--home",
    type=click.Path(file_okay=False),
    help="Where sessions and records live. [BROADCAST_HOME]",
)


def _settings(home: str | None, **overrides: str | None) -> Settings:
    """The settings, with options of the command line before everything else."""
    given = {f"TELEGRAM_{name}".upper(): value for name, value in overrides.items() if value}
    return load_settings(_environment() | given, home=home)


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


class _Rate(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - no generic at run time
    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Messages a second; 0.0 stands for `max`."""
        if value == "max" or isinstance(value, float):
            return 0.0 if value == "max" else value
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1_000_000:
            self.fail(f"{value!r} is neither a number of messages a second nor max", param, ctx)
        return rate


@cli.command()
@click.argument("message", nargs=-1)
@click.option(
    "--message-file", type=click.Path(), metavar="FILE", help="Read the message from a file."
)
@click.option(
    "--format",
    "markup",
    type=click.Choice([markup.value for markup in Format]),
    default=Format.MARKDOWN.value,
    show_default=True,
    help="How the message is marked up.",
)
@click.option(
    "--contacts",
    type=click.Path(),
    metavar="FILE",
    help="The contact list: .yaml, .csv or .jsonl. [default: contacts.yaml]",
)
@click.option(
    "--to",
    multiple=True,
    metavar="SELECTOR",
    help="Only these: a tag, a name or a peer. Commas mean and, --to again means or.",
)
@click.option("--exclude", multiple=True, metavar="SELECTOR", help="Not these; read as --to is.")
@click.option("--dry-run", is_flag=True, help="Show who would get what. Nothing is sent.")
@click.option("--sandbox", is_flag=True, help="Send to the built-in sandbox instead of Telegram.")
@click.option(
    "--rate",
    type=_Rate(),
    metavar="N|max",
    help="Messages a second. [default: 30 for a bot, 1 for a person]",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Requests under way at once.",
)
@click.option("--yes", is_flag=True, help=f"Do not ask, also above {ASK_ABOVE} recipients.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines on stdout.")
@click.option("--quiet", is_flag=True, help="Print only failures; with --json only the summary.")
@_account_options
def send(message: tuple[str, ...], **options: Any) -> int:
    """Send MESSAGE to the contacts, each exactly once. `-` reads it from stdin.

    \b
    Exit codes: 0 all sent, 1 some recipients failed, 2 something to mend first,
    3 stopped before the end, 4 another process uses the session, 130 interrupted.
    """
    from broadcast import app, console  # noqa: PLC0415 - `--help` needs neither
    from broadcast.transport.text import check  # noqa: PLC0415

    if options["as_json"] or options["dry_run"]:
        console.require_reader()
    body = Message(_read_message(message, options["message_file"]), Format(options["markup"]))
    check(body)
    settings = _settings(
        options["home"],
        session=options["session"],
        server=options["server"],
        server_key=options["server_key"],
    )
    chosen = options["contacts"]
    path = app.find_contacts(settings, Path.cwd(), Path(chosen).expanduser() if chosen else None)
    audience = app.load_audience(path, options["to"], options["exclude"])
    console.show_problems(audience.warnings)
    if options["dry_run"]:
        console.show_dry_run(body, audience.contacts, as_json=options["as_json"])
        return DONE
    if not options["sandbox"]:
        settings.access()
    if len(audience.contacts) > ASK_ABOVE and not options["yes"] and console.can_ask():
        console.show_plan(body, audience.contacts, limit=10)
        if not click.confirm(f"Send it to {len(audience.contacts)} people?", err=True):
            console.say("nothing was sent")
            return USAGE
    report = asyncio.run(_send(body, audience, settings, options))
    return _exit_code(report)


async def _send(
    message: Message, audience: Audience, settings: Settings, options: dict[str, Any]
) -> Report:
    from broadcast import app, console  # noqa: PLC0415

    contacts = audience.contacts
    engines: list[Engine] = []

    def stop() -> None:
        for engine in engines:
            engine.stop()

    output = console.Output(on_closed=stop)
    watcher = console.watcher(len(contacts), output, **_pick(options, "as_json", "quiet"))
    if options["sandbox"]:
        opening = app.open_sandbox(contacts, settings)
    else:
        opening = app.open_telegram(settings, _prompts())
    async with opening as transport:
        pacer = app.pacer_for(options["rate"], is_bot=transport.account.is_bot)
        with app.stop_on_signals(stop, lambda: console.say(STOPPING)), watcher:
            report = await app.send(
                message,
                contacts,
                transport,
                pacer=pacer,
                concurrency=options["concurrency"],
                watcher=watcher,
                on_start=engines.append,
            )
    console.show_result(report, output, **_pick(options, "as_json", "quiet"))
    return report


STOPPING = "stopping: what is under way is being finished. Ctrl-C again to stop at once"


def _pick(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names}


def _exit_code(report: Report) -> int:
    if report.halted is not None:
        return HALTED if report.halted.resumable else USAGE
    if report.interrupted:
        return INTERRUPTED
    return SOME_FAILED if report.counts.failed else DONE


def _read_message(arguments: Sequence[str], file: str | None) -> str:
    """The text: the one argument, stdin for `-`, or the file."""
    if len(arguments) > 1:
        raise click.UsageError(
            f"the message is one argument, and there are {len(arguments)}: put it in quotes, "
            f'such as broadcast "{" ".join(arguments)}"'
        )
    if file is not None and arguments:
        raise click.UsageError("give the message or --message-file, not both")
    if file is None and not arguments:
        raise click.UsageError('there is no message: broadcast "I bought a car!"')
    if file is None and arguments[0] != "-":
        text = arguments[0]
        if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
            raise MessageError("the message is not valid UTF-8; nothing was sent")
        return text
    source = "stdin" if file is None else file
    try:
        if file is None:
            data = sys.stdin.buffer.read(MESSAGE_BYTES_LIMIT + 1)
        else:
            with Path(file).expanduser().open("rb") as stream:
                data = stream.read(MESSAGE_BYTES_LIMIT + 1)
    except OSError as error:
        raise MessageError(f"{source}: cannot be read: {error.strerror}") from error
    if len(data) > MESSAGE_BYTES_LIMIT:
        raise MessageError(f"{source}: more than a million bytes is no message; nothing was sent")
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise MessageError(
            f"{source}: not UTF-8 at byte {error.start + 1}: save it as UTF-8; nothing was sent"
        ) from error


class _TerminalPrompts:
    """Asks the person at the terminal; questions go to stderr, so that stdout stays a report."""

    def phone(self) -> str:
        return click.prompt("Your phone number, with + and country code", err=True)

    def code(self, where: str) -> str:
        return click.prompt(f"The code that Telegram has sent {where}", err=True)

    def password(self) -> str:
        return click.prompt("Your two-step verification password", hide_input=True, err=True)

    def complain(self, message: str) -> None:
        click.echo(message, err=True)


def _prompts() -> _TerminalPrompts | None:
    from broadcast import console  # noqa: PLC0415

    return _TerminalPrompts() if console.can_ask() else None


@cli.command()
@_account_options
def login(home: str | None, **overrides: str | None) -> int:
    """Sign in once, so that later runs need no questions."""
    from broadcast import app  # noqa: PLC0415

    settings = _settings(home, **overrides)
    account = asyncio.run(app.login(settings, _prompts()))
    click.echo(f"signed in as {account.name}, {_kind(account.is_bot)} {account.id}")
    return DONE


@cli.command()
@_account_options
def whoami(home: str | None, **overrides: str | None) -> int:
    """Say who is signed in, and where."""
    from broadcast import app  # noqa: PLC0415

    settings = _settings(home, **overrides)
    account = asyncio.run(app.whoami(settings))
    where = "Telegram" if settings.server is None else str(settings.server)
    session = settings.access().session
    if isinstance(session, str):
        session = "TELEGRAM_SESSION"
    if account is None:
        click.echo(f"nobody is signed in at {where} (session: {session}). Run `broadcast login`")
        return USAGE
    click.echo(
        f"{account.name}, {_kind(account.is_bot)} {account.id}, at {where} (session: {session})"
    )
    return DONE


@cli.command()
@_account_options
def logout(home: str | None, **overrides: str | None) -> int:
    """End the session, at Telegram and here."""
    from broadcast import app  # noqa: PLC0415

    settings = _settings(home, **overrides)
    ended = asyncio.run(app.logout(settings))
    click.echo("signed out" if ended else "nobody was signed in")
    return DONE


def _kind(is_bot: bool) -> str:  # noqa: FBT001 - a private word for a fact
    return "bot" if is_bot else "user"


@cli.group()
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
@_home_option
def serve(port: int, host: str, contacts: str | None, home: str | None) -> int:
    """Run the sandbox until Ctrl-C, for other programs or for the real command line."""
    from broadcast import app  # noqa: PLC0415

    settings = _settings(home)
    known = app.load_audience(Path(contacts)).contacts if contacts else ()
    asyncio.run(app.serve_sandbox(settings, known, host, port, told=click.echo))
    return DONE


@sandbox.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines on stdout.")
@click.option("--clear", is_flag=True, help="Empty the inbox instead.")
@_home_option
def inbox(home: str | None, *, as_json: bool, clear: bool) -> int:
    """Show what each friend received in the sandbox."""
    from broadcast import app, console  # noqa: PLC0415

    settings = _settings(home)
    if clear:
        app.clear_sandbox(settings)
        return DONE
    console.show_inbox(app.sandbox_inbox(settings), as_json=as_json)
    return DONE


def main() -> NoReturn:
    """Run the command line and exit; the one place where errors become exit codes."""
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
