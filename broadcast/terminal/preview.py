"""Shows what each recipient would get, as Telegram would show it; it sends nothing."""

from __future__ import annotations

import re
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from broadcast.core.model import LinkPreview
from broadcast.message.text import CAPTION_LIMIT, TEXT_LIMIT, length, parts
from broadcast.message.when import in_words
from broadcast.terminal.streams import CONTROLS, json_line, reader_may_leave, visible
from broadcast.terminal.tables import stdout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from broadcast.core.model import Attachment, Contact, Message

_STYLES = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strike": "strike",
    "code": "cyan",
    "pre": "cyan",
    "spoiler": "reverse dim",
    "text_url": "blue underline",
    "url": "blue underline",
    "email": "blue underline",
    "mention_name": "blue",
    "custom_emoji": "yellow",
    "blockquote": "dim italic",
}
_URL = re.compile(r"https?://[^\s<>\"]+")
"""The links that Telegram certainly finds in a text by itself; it finds others as well."""


def show_preview(rows: Iterable[tuple[Contact, Message]], *, as_json: bool) -> None:
    """Show each recipient with the rendered message; nothing is sent."""
    with reader_may_leave():
        if as_json:
            for contact, message in rows:
                print(json_line(_row(contact, message)))
            return
        out = stdout()
        count = 0
        for contact, message in rows:
            count += _show(out, contact, message)
        out.print(f"{count} {'message' if count == 1 else 'messages'}; nothing was sent (preview)")


def styled(text: str, entities: Sequence[Any]) -> Text:
    """`text` as Telegram would show it, as far as a terminal can."""
    shown = Text(text.translate(CONTROLS))  # one for one, so that offsets stay right
    at = [0, *accumulate(1 + (character > "\uffff") for character in text)]
    place = {offset: index for index, offset in enumerate(at)}  # a unit -> its character
    for entity in entities:
        kind = kind_of(entity)
        style = Style.parse(_STYLES.get(kind, "none"))
        if url := getattr(entity, "url", None):
            style += Style(link=visible(url))
        start, end = (
            place.get(n, len(text)) for n in (entity.offset, entity.offset + entity.length)
        )
        shown.stylize(style, start, end)
    return shown


def kind_of(entity: Any) -> str:
    """`MessageEntityTextUrl` -> `text_url`: https://core.telegram.org/type/MessageEntity"""
    name = type(entity).__name__.removeprefix("Input").removeprefix("MessageEntity")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _links(text: str, entities: Sequence[Any]) -> list[str]:
    """The targets of the links, each once; those not visible in the text come first."""
    hidden = [url for entity in entities if (url := getattr(entity, "url", None))]
    return list(dict.fromkeys([*hidden, *_URL.findall(text)]))


def _limits(message: Message) -> Iterator[int]:
    """How long each part may be."""
    yield CAPTION_LIMIT if message.files else TEXT_LIMIT
    while True:
        yield TEXT_LIMIT


# On the terminal.


def attached(message: Message) -> list[str]:
    """A line for each file of a message, and for what it forwards."""
    files = [f"[{file.media}: {_described(file)}]" for file in message.files]
    return files if message.forward is None else [*files, f"[{_forwarded(message)}]"]


def headline(message: Message, limit: int = 50) -> str:
    """As much of a message as fits into a table."""
    line = " ".join([*message.text.split(), *attached(message)])
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def show_around(out: Console, message: Message) -> None:
    """Show everything about a message but its text."""
    for line in attached(message):
        _line(out, line, "magenta")
    for row in message.buttons:
        _line(out, " ".join(f"[ {button.text} ]" for button in row), "reverse")
    if flags := _flags(message):
        _line(out, ", ".join(flags), "dim")


def _show(out: Console, contact: Contact, message: Message) -> int:
    """Show what one recipient gets; return in how many messages."""
    to = Text(contact.name, style="bold")
    to.append(("  " if contact.name else "") + contact.peer.text, style="cyan")
    out.print(to)
    for line in attached(message):
        _line(out, line, "magenta")
    cut = parts(message)
    for number, ((text, entities), limit) in enumerate(zip(cut, _limits(message), strict=False), 1):
        _show_part(out, text, entities)
        told = f"{length(text)} of {limit} characters"
        if len(cut) > 1:
            told = f"part {number} of {len(cut)}: {told}"
        _line(out, ", ".join([told, *_counted(entities)]), "dim")
        for link in _links(text, entities):
            _line(out, f"link: {link}", "dim")
    for row in message.buttons:
        _line(out, " ".join(f"[ {button.text} ]" for button in row), "reverse")
        for button in row:
            _line(out, f"{button.text}: {button.url}", "dim")
    if flags := _flags(message):
        _line(out, ", ".join(flags), "dim")
    out.print()
    return len(cut)


def _show_part(out: Console, text: str, entities: Sequence[Any]) -> None:
    quoted = _quoted_lines(text, entities)
    for number, line in enumerate(styled(text, entities).split("\n", allow_blank=True)):
        if text:
            _print(out, Text("| ") + line if number in quoted else line)


def _quoted_lines(text: str, entities: Sequence[Any]) -> set[int]:
    """The numbers, from 0, of the lines in a quote or a block of code."""
    units = text.encode("utf-16-le", "surrogatepass")
    lines: set[int] = set()
    for entity in entities:
        if kind_of(entity) in ("blockquote", "pre"):
            before = units[: 2 * entity.offset].decode("utf-16-le", "replace").count("\n")
            end = 2 * (entity.offset + entity.length)
            inside = units[2 * entity.offset : end].decode("utf-16-le", "replace").rstrip("\n")
            lines.update(range(before, before + inside.count("\n") + 1))
    return lines


def _line(out: Console, text: str, style: str) -> None:
    _print(out, Text(visible(text), style=style))


def _print(out: Console, line: Text) -> None:
    """Print it indented: folded at a terminal, as one line where a program may read it."""
    if out.is_terminal:
        out.print(Padding(line, (0, 0, 0, 2), expand=False))
    else:
        out.print(Text("  ") + line, soft_wrap=True)


def _counted(entities: Sequence[Any]) -> list[str]:
    """How many pieces of formatting there are, and of which kinds."""
    kinds = Counter(kind_of(entity).replace("_", " ") for entity in entities)
    if not kinds:
        return []
    noun = "entity" if len(entities) == 1 else "entities"
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return [f"{len(entities)} {noun} ({told})"]


def _described(file: Attachment) -> str:
    told = f"{Path(file.path).name}, {_bytes(file.size)}"
    if file.thumbnail is not None:
        told += f", thumbnail {Path(file.thumbnail.path).name}"
    return told + (", hidden until tapped" if file.spoiler else "")


def _bytes(size: int) -> str:
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size} bytes"


def _forwarded(message: Message) -> str:
    forward = message.forward
    if forward is None:
        return ""
    told = f"forwarded: message {forward.message_id} of {forward.peer.text}"
    return told if forward.with_author else f"{told}, without its author"


def _flags(message: Message) -> list[str]:
    """The settings that cannot be seen in the message itself, in words."""
    when = message.when
    told = [
        "silent" if message.silent else "",
        "protected: cannot be forwarded" if message.protect else "",
        "pinned" if message.pin else "",
        f"in reply to message {message.reply_to}" if message.reply_to is not None else "",
        f"sent as {message.send_as.text}" if message.send_as is not None else "",
        f"effect {message.effect}" if message.effect is not None else "",
        f"link preview {message.link_preview}"
        if message.link_preview is not LinkPreview.BELOW
        else "",
        f"at {in_words(when)}" if when else "",
        f"at most {message.late:g} s late" if message.late is not None else "",
    ]
    return [flag for flag in told if flag]


# As JSON.


def _row(contact: Contact, message: Message) -> dict[str, Any]:
    """One recipient as a row of `--json`; its keys are described in docs/messages.md."""
    forward, when = message.forward, message.when
    return {
        "type": "preview",
        "peer": contact.peer.text,
        "name": contact.name,
        "parts": [
            _part_row(text, entities, limit)
            for (text, entities), limit in zip(parts(message), _limits(message), strict=False)
        ],
        "files": [_file_row(file) for file in message.files],
        "buttons": [[{"text": b.text, "url": b.url} for b in row] for row in message.buttons],
        "link_preview": message.link_preview,
        "silent": message.silent,
        "protect": message.protect,
        "pin": message.pin,
        "reply_to": message.reply_to,
        "send_as": None if message.send_as is None else message.send_as.text,
        "effect": message.effect,
        "forward": None
        if forward is None
        else {
            "peer": forward.peer.text,
            "message_id": forward.message_id,
            "with_author": forward.with_author,
        },
        "when": None
        if when is None
        else {"at": when.at.isoformat(), "zone": when.zone, "of_recipient": when.of_recipient},
        "late": message.late,
    }


def _part_row(text: str, entities: Sequence[Any], limit: int) -> dict[str, Any]:
    return {
        "text": text,
        "length": length(text),
        "limit": limit,
        "entities": [
            {
                "kind": kind_of(entity),
                "offset": entity.offset,
                "length": entity.length,
                "url": getattr(entity, "url", None),
            }
            for entity in entities
        ],
        "links": _links(text, entities),
    }


def _file_row(file: Attachment) -> dict[str, Any]:
    return {
        "media": file.media,
        "name": Path(file.path).name,
        "size": file.size,
        "sha256": file.sha256,
        "spoiler": file.spoiler,
        "thumbnail": None if file.thumbnail is None else Path(file.thumbnail.path).name,
    }
