"""Splits a message file into its front matter and its text; it opens no file.

A file that starts with a line `---` and has a second such line has front matter: YAML between the
two, and the text below (https://jekyllrb.com/docs/front-matter/). Any other file is all text, but
for one whose front matter begins at the wrong place or is of another kind: that is an error.
"""

from __future__ import annotations

import io
import re
from difflib import get_close_matches
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import MessageError, unsent
from broadcast.core.model import Format
from broadcast.core.spelling import same
from broadcast.forms.entries import List, Map, Number, Text, Unreadable, in_words, quoted
from broadcast.message.schema import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadcast.forms.entries import Value
    from broadcast.message.schema import Raw

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_BLANK = r"[\s\ufeff\u200b-\u200f\u2060]*"
_RULE = r"(?:-{2,}|\+{3,}|[\u2010-\u2015\u2212-]+)"  # a Mac makes one dash of two
_OPENED = re.compile(
    rf"{_BLANK}(?P<rule>{_RULE})[ \t]*\r?\n"
    r"(?:[ \t]*(?:\#.*)?\r?\n)*[ \t\"']*(?P<key>[A-Za-z][A-Za-z_-]*)[\"']?[ \t]*[:=]"
)
_CLOSED = re.compile(
    rf"{_BLANK}(?P<rule>---|\+\+\+)[ \t]*\r?\n(?s:.*?)^[ \t]*(?P=rule)[ \t]*\r?$", re.MULTILINE
)
_HINTS = {
    "schedule": "use at, in and zone",
    "preview": "use link_preview",
    "parts": "use split",
    "file": "use files",
    "button": "use buttons",
    "row": "use buttons, which has rows",
    "caption": "the text is the caption of files",
}
_NAMES = frozenset(setting.name for setting in SETTINGS)
_ANY_NAME = _NAMES | _HINTS.keys()


TEMPLATE_SUFFIX = ".j2"
"""Of message files that are templates: Jinja's own."""

_FORMATS = {
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".txt": Format.PLAIN,
    ".text": Format.PLAIN,
}


def settings_in_name(name: str) -> Mapping[str, Raw]:
    """What the name of a message file says: `news.html.j2` is HTML, and a template."""
    said: dict[str, Raw] = {}
    stem, suffix = PurePath(name).stem, PurePath(name).suffix.lower()
    if suffix == TEMPLATE_SUFFIX:
        said["template"] = "yes"
        suffix = PurePath(stem).suffix.lower()
    if suffix in _FORMATS:
        said["format"] = _FORMATS[suffix]
    return said


def read_front_matter(text: str, source: str) -> tuple[Mapping[str, Raw], Mapping[str, int], str]:
    """The settings of the front matter, the line of each key, and the text below.

    Raises MessageError, which names `source` and the line.
    """
    front = _FRONT.match(text)
    if front is None:
        begun = _begun(text) or _CLOSED.match(text)
        if begun is not None:
            raise _misplaced(text, begun.start("rule"), begun["rule"], source)
        return {}, {}, text
    from broadcast.forms.yaml_form import yaml_value  # noqa: PLC0415 - PyYAML is slow to load

    try:
        value = yaml_value(io.BytesIO(b"\n" + front[1].encode()))  # so that lines are the file's
        if value is None:
            return {}, {}, text[front.end() :]
        given, lines = written_settings(value)
    except Unreadable as error:
        told = error.complaint
        raise MessageError(unsent(f"{source}:{told.line}: {told.message}")) from None
    return given, lines, text[front.end() :]


def require_no_front_matter(text: str) -> None:
    """Raise MessageError when `text`, which goes out, begins with settings as a file has them.

    So `cat message.md | broadcast -` does not send it, at once and to everybody.
    """
    if (begun := _begun(text)) is not None:
        raise MessageError(
            f"the text begins with front matter ({begun['key']}: …), as only a file has it; "
            "nothing was sent. Give the file: broadcast --message-file FILE; if it is text, begin "
            "it with another line"
        )


def _begun(text: str) -> re.Match[str] | None:
    found = _OPENED.match(text)
    return found if found and found["key"].lower().replace("-", "_") in _ANY_NAME else None


def _misplaced(text: str, at: int, rule: str, source: str) -> MessageError:
    """Why front matter that begins with `rule` at `at` is not read."""
    line = text.count("\n", 0, at) + 1
    if rule == "+++":
        told = "front matter is written in YAML, between two lines ---, not in TOML between +++"
    elif rule != "---":
        told = "this looks like front matter, which begins and ends with a line ---: three hyphens"
    elif at:
        told = "front matter is read at the very start of a file: let --- begin its first line"
    else:
        told = "this is front matter without an end: put a line --- above the text"
    return MessageError(
        f"{source}:{line}: {told}; nothing was sent. If it is text, write two lines --- above it"
    )


def written_settings(value: Value) -> tuple[dict[str, Raw], dict[str, int]]:
    """Keys with values as message/schema.py reads them, and the line of each key."""
    if not isinstance(value, Map):
        raise Unreadable(
            value.line, f"expected keys with values, such as silent: yes, not {in_words(value)}"
        )
    given: dict[str, Raw] = {}
    lines: dict[str, int] = {}
    for key, item in value.pairs:
        name = same(key.text).replace("-", "_") if isinstance(key, Text) else in_words(key)
        if name not in _NAMES:
            raise Unreadable(key.line, f"unknown key {quoted(name)}: {_hint(name)}")
        if name in given:
            raise Unreadable(key.line, f"the key {name} is given twice")
        given[name] = _raw(item)
        lines[name] = key.line
    return given, lines


def _hint(name: str) -> str:
    if name in _HINTS:
        return _HINTS[name]
    close = get_close_matches(name, _NAMES, 1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(sorted(_NAMES))}"


def _raw(value: Value, depth: int = 2) -> Any:
    """A text, or lists in each other `depth` deep at most. Raises Unreadable."""
    match value:
        case Text(_, text) | Number(_, text):
            return text
        case List(_, items) if depth:
            return tuple(_raw(item, depth - 1) for item in items)
        case _:
            expected = "a text or a list" if depth == 2 else "a text"
            raise Unreadable(value.line, f"expected {expected}, not {in_words(value)}")
