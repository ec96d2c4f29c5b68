"""Splits a message file into its front matter and its text; it opens no file.

A file that starts with a line `---` and has a second such line has front matter: YAML between the
two, and the text below (https://jekyllrb.com/docs/front-matter/). Any other file is all text.
"""

from __future__ import annotations

import io
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import MessageError
from broadcast.core.spelling import same
from broadcast.forms.entries import List, Map, Number, Text, Unreadable, in_words, quoted
from broadcast.message.schema import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadcast.forms.entries import Value
    from broadcast.message.schema import Raw

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_UNENDED = re.compile(r"---[ \t]*\r?\n[ \t]*([A-Za-z][A-Za-z_-]*)[ \t]*:")
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


def read_front_matter(text: str, source: str) -> tuple[Mapping[str, Raw], Mapping[str, int], str]:
    """The settings of the front matter, the line of each key, and the text below.

    Raises MessageError, which names `source` and the line.
    """
    front = _FRONT.match(text)
    if front is None:
        begun = _UNENDED.match(text)
        if begun and begun[1].replace("-", "_") in _NAMES:
            raise MessageError(
                f"{source}:1: this is front matter without an end: put a line --- above the "
                "text; nothing was sent"
            )
        return {}, {}, text
    from broadcast.forms.yaml_form import yaml_value  # noqa: PLC0415 - PyYAML is slow to load

    try:
        value = yaml_value(io.BytesIO(b"\n" + front[1].encode()))  # so that lines are the file's
        if value is None:
            return {}, {}, text[front.end() :]
        given, lines = written_settings(value)
    except Unreadable as error:
        told = error.complaint
        raise MessageError(f"{source}:{told.line}: {told.message}; nothing was sent") from None
    return given, lines, text[front.end() :]


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
