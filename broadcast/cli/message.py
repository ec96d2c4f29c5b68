"""Reads the message from the command line or a message file, by the schema of message/schema.py."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broadcast.cli.parsing import looks_like_command, options
from broadcast.cli.quoting import quoted
from broadcast.core.clock import SystemClock
from broadcast.core.errors import MessageError, SettingsError, unsent
from broadcast.core.model import Message
from broadcast.disk.pipes import open_to_read
from broadcast.message.not_messages import option_for, require_message_file
from broadcast.message.schema import (
    SETTINGS,
    ContentError,
    Kind,
    Raw,
    Setting,
    fields_of,
    require_whole,
)
from broadcast.settings import user_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from broadcast.message.schema import Look

MESSAGE_BYTES_LIMIT = 1_000_000  # read from a file or from stdin; Telegram takes far less
PATHS = ("files", "thumbnail")
_LONGEST_PATH = 1_024  # characters; whatever is longer is a message
_LINE_END = re.compile(r"\r+\n|\r")  # of Windows, also written twice, and of an old Mac
_BETWEEN = re.compile(r" \| (?![^{]*[%}]\})")  # two buttons of a row, and not a template's filter


def content_options(*, of_edit: bool = False) -> Callable[..., Any]:
    """`--message-file`, and an option for each setting, or for those that an edit has, too."""
    return options(
        click.option(
            "--message-file",
            type=click.Path(),
            metavar="FILE",
            help="Read the message from a file, with or without front matter.",
        ),
        *(
            option
            for setting in SETTINGS
            if not setting.is_argument and (setting.in_edit or not of_edit)
            for option in _options_of(setting)
        ),
        title="The message",
    )


def _options_of(setting: Setting) -> list[Callable[..., Any]]:
    name = option_of(setting.name)
    shown = setting.shown or (f"[{'|'.join(setting.choices)}]" if setting.choices else None)
    more: dict[str, Any] = {"metavar": shown, "help": setting.help}
    match setting.kind:
        case Kind.FLAG:
            both = f"{name}/--no-{name.removeprefix('--')}"  # to take back what a file says
            return [click.option(both, setting.name, default=None, help=setting.help)]
        case Kind.LIST:
            return [click.option(name, setting.name, multiple=True, **more)]
        case Kind.ROWS:
            row = click.option(
                "--row",
                multiple=True,
                metavar="'A=LINK | B=LINK'",
                help="A row of several buttons, with | between.",
            )
            return [click.option(name, setting.name, multiple=True, **more), row]
        case _:
            return [click.option(name, setting.name, **more)]


def option_names(setting: Setting) -> list[str]:
    """The options for `setting`; a test compares them with the schema."""
    if setting.is_argument:
        return []
    command = click.command(options(*_options_of(setting))(lambda: None))
    return [option for parameter in command.params for option in parameter.opts]


def message_of(arguments: Sequence[str], given: dict[str, Any]) -> Message:
    """The message: from the argument, stdin or a file, with its options and front matter.

    An option wins over the front matter, and that over the name of the file. Raises MessageError or
    click.UsageError; nothing was sent.
    """
    from broadcast.message.files import look_from

    file = given["message_file"]
    text = _read_text(arguments, file, may_be_missing=_says_more(given))
    named: Mapping[str, Raw] = {}
    front: Mapping[str, Raw] = {}
    lines: Mapping[str, int] = {}
    base = Path()
    if file is not None:
        from broadcast.message.front_matter import read_front_matter, settings_in_name

        named = settings_in_name(file)
        front, lines, text = read_front_matter(text, file)
        base = user_path(file).parent
    options = _said(given)
    said: dict[str, Raw] = {**named, **front, **options}
    lines = {key: line for key, line in lines.items() if key not in options}
    text = _one_text(text, said.pop("text", None), f"{file}:{lines.get('text')}: text")
    try:
        values: dict[str, Any] = {"text": text} | _fields(said, look_from(base))
        message = Message(**values)
        require_whole(message)
    except ContentError as error:
        if error.key in lines:
            place, told = f"{file}:{lines[error.key]}: {error.key}", error.told()
        else:
            is_row = error.key == "buttons" and given.get("row")
            place, told = "--row" if is_row else option_of(error.key), error.told(option_of)
        raise MessageError(unsent(f"{place} {told}")) from None
    return message


def _fields(said: Mapping[str, Raw], look: Look) -> dict[str, Any]:
    return fields_of(said, look, SystemClock().utc().astimezone())


def option_of(name: str) -> str:
    """The option for a setting: `--as-document` for as_document, `--file` for files."""
    setting = next((setting for setting in SETTINGS if setting.name == name), None)
    return f"--{((setting and setting.option) or name).replace('_', '-')}"


def _said(given: dict[str, Any]) -> dict[str, Raw]:
    """The options as if they stood in a message file."""
    said: dict[str, Raw] = {}
    for setting in SETTINGS:
        value = given.get(setting.name)
        if isinstance(value, bool):
            said[setting.name] = "yes" if value else "no"
        elif not value or setting.is_argument:
            continue
        else:
            said[setting.name] = value
        if setting.name in PATHS:
            said[setting.name] = _absolute(value)
    if given.get("row"):
        if "buttons" in said:
            raise click.UsageError(
                "--button and --row: give all buttons with --row, so that their order is plain; "
                "nothing was sent"
            )
        said["buttons"] = tuple(tuple(_BETWEEN.split(row)) for row in given["row"])
    return said


def _absolute(value: Any) -> Raw:
    if isinstance(value, str):
        return str(user_path(value).absolute())
    return tuple(str(user_path(path).absolute()) for path in value)


def _says_more(given: dict[str, Any]) -> bool:
    """Whether something else than a text is sent, such as a file."""
    return bool(given.get("files") or given.get("forward") or given.get("without_author"))


def _one_text(text: str, said: Raw | None, place: str) -> str:
    if said is None:
        return text
    if not isinstance(said, str) or not said.strip():
        raise MessageError(
            f"{place} is empty or not one text: write it there, or leave the key out; "
            "nothing was sent"
        )
    if text.strip():
        raise MessageError(
            f"{place} is in the front matter and below it: leave one out; nothing was sent"
        )
    return said


def _how_to_make_one(arguments: Sequence[str]) -> str:
    """What to write in place of several arguments that were taken for the message."""
    command = _command()
    if any(each.startswith("--") for each in arguments[1:]):
        options = " ".join(map(quoted, arguments[1:]))
        return (
            "what follows -- is the message: put the options before it, "
            f"such as {command} {options} -- {quoted(arguments[0], always=True)}"
        )
    told = [
        f"if {word} is {found[0]}, write {found[1]} {quoted(word)}"
        for word in dict.fromkeys(arguments)
        if (found := option_for(word))
    ]
    if looks_like_command(arguments[0]) and any(" " in each for each in arguments[1:]):
        told.insert(0, f"{arguments[0]} is no command: `broadcast --help` lists them")
    text = " ".join(arguments)
    whole = f"put it in quotes, {quoted(_bare(text), always=True)}"
    told.append(
        f"if all of it is the message, {whole}"
        if told
        else f"{whole}, and leave the options as they are"  # without --to it would go to everybody
    )
    return f"the message is one argument, and there are {len(arguments)}: {'; '.join(told)}"


def _bare(text: str) -> str:
    """`text` without the quotes that a web page makes of those for a shell."""
    is_quoted = len(text) > 2 and text[0] in "“„‘" and text[-1] in "”“’"  # noqa: RUF001
    return text[1:-1] if is_quoted else text


def _command() -> str:
    """What was typed before the message."""
    context = click.get_current_context()
    name = context.info_name
    arguments = [each for each in context.command.params if isinstance(each, click.Argument)]
    ids = [str(context.params[each.name]) for each in arguments[:-1] if each.name]
    return " ".join(["broadcast", *([] if name in (None, "send") else [name]), *ids])


def _read_text(arguments: Sequence[str], file: str | None, *, may_be_missing: bool) -> str:
    """The text: the one argument, stdin for `-`, or the file."""
    if len(arguments) > 1:
        raise click.UsageError(_how_to_make_one(arguments))
    if file is not None and arguments:
        raise click.UsageError("give the message or --message-file, not both")
    if file is None and not arguments:
        if may_be_missing:
            return ""
        # No whole command to copy: without what else was typed it could go to everybody.
        raise click.UsageError("there is no message: write it in quotes, 'I bought a car!'")
    if file is None and arguments[0] != "-":
        return _typed(arguments[0])
    source = "stdin" if file is None else f"--message-file {file}"
    if file is not None:
        require_message_file(file)
    try:
        data = _read_bytes(file)
    except OSError as error:
        raise MessageError(
            f"{source}: cannot be read: {error.strerror}; nothing was sent"
        ) from error
    if len(data) > MESSAGE_BYTES_LIMIT:
        raise MessageError(f"{source}: more than a million bytes is no message; nothing was sent")
    try:
        return _LINE_END.sub("\n", data.decode("utf-8-sig")).rstrip("\n")
    except UnicodeDecodeError as error:
        raise MessageError(
            f"{source}: not UTF-8 at byte {error.start + 1}: save it as UTF-8; nothing was sent"
        ) from error


def _typed(text: str) -> str:
    """The text of the argument. Raises UsageError, or MessageError."""
    _require_no_file(text)
    bare = _bare(text)
    if text.split() == [text] != [bare]:  # several words would be several arguments
        raise click.UsageError(
            f"{text} has quotes of a web page around it: write {quoted(bare, always=True)}; "
            "nothing was sent. If they are the message: "
            f"echo {quoted(text, always=True)} | {_command()} -"
        )
    if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
        raise MessageError("the message is not valid UTF-8; nothing was sent")
    return text


def _require_no_file(text: str) -> None:
    """Raise UsageError where the message is the name of a file that is there."""
    try:
        is_file = len(text) < _LONGEST_PATH and user_path(text).is_file()
    except (OSError, ValueError, SettingsError):  # no name of a file, so a message
        return
    if is_file:
        raise click.UsageError(
            f"{text} is a file: give it with --message-file to send what is written in it, or with "
            "--file to send the file itself; nothing was sent. If its name is the message: "
            f"echo {quoted(text)} | {_command()} -"
        )


def _read_bytes(file: str | None) -> bytes:
    """As much of `file`, or of stdin, as shows whether it is too long."""
    if file is not None:
        with open_to_read(user_path(file)) as stream:
            return stream.read(MESSAGE_BYTES_LIMIT + 1)
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - it is after `<&-`
        raise MessageError("stdin is closed, so there is no message; nothing was sent")
    return sys.stdin.buffer.read(MESSAGE_BYTES_LIMIT + 1)
