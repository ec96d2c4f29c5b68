"""Answers what looks wrong in a message that can be sent: what a person has to be asked about."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.model import Format
from broadcast.message.braces import left_over

if TYPE_CHECKING:
    from broadcast.core.model import Message

_TAGS = (
    "b|i|u|s|a|p|em|br|ul|ol|li|del|ins|div|pre|code|span|font|strong|strike|blockquote|h[1-6]|img"
    "|tg-spoiler|tg-emoji"
)
_HTML = (
    re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*|/)?>", re.IGNORECASE),
    re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{2,6}|#x[0-9a-f]{2,6});", re.IGNORECASE),
)
_PAIRED = tuple(
    re.compile(rf"(?<![\w{one}]){sign}(?![\s{one}])[^\n]*?\w[^\n]*?(?<!\s){sign}(?![\w{one}])")
    for sign, one in ((r"\*\*", "*"), ("__", "_"), ("~~", "~"), (r"\|\|", "|"), ("```", "`"))
)
_SINGLE = (
    re.compile(r"(?<![\w*])\*(?![\s*])[^\n*]*[^\W_][^\n*]*(?<!\s)\*(?![\w*])"),
    re.compile(r"(?<![\w_])_(?![\s_])[^\n_]*[^\W_][^\n_]*(?<!\s)_(?![\w_])"),
)
_LINK = re.compile(r"\[[^\[\]\n]+\]\((?:https?://|www\.|tg://)[^()\s]*\)")
_URL = re.compile(r"\b(?:https?|tg)://[^\s<>\"]+")

_MARKS = {
    Format.MARKDOWN: (*_HTML, *_SINGLE),
    Format.HTML: (_LINK, *_PAIRED, *_SINGLE, re.compile(r"`[^`\n]+`")),
    Format.PLAIN: (_HTML[0], _LINK, *_PAIRED),
}
"""What each format reads as letters, and another one, or another program, as formatting."""

_CODE = {
    Format.MARKDOWN: re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL),
    Format.HTML: re.compile(r"<(code|pre)\b.*?</\1>|<[^<>]*>", re.DOTALL | re.IGNORECASE),
}
_FILLED_IN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_READ_AS = {
    Format.MARKDOWN: "in markdown (bold is **bold** there, italic __italic__; for tags say "
    "--format html)",
    Format.HTML: "in HTML (bold is <b>bold</b> there; for **bold** say --format md)",
    Format.PLAIN: "in plain text (for formatting say --format md, or html)",
}


def doubts(message: Message, count: int) -> list[Question]:
    """What a person should be asked before `count` people get `message`, as it was written."""
    if message.forward is not None:
        return []
    marks = _other_marks(message.text, message.format, is_template=message.template)
    told = [marks and f"the message has {marks} {_READ_AS[message.format]}"]
    for button in chain.from_iterable(message.buttons):
        marks = _other_marks(button.text, Format.PLAIN, is_template=message.template)
        told.append(marks and f"a button has {marks} there, since no button is formatted")
    if (written := left_over(message)) is not None:
        when = ": only {{ … }} is" if message.template else " without --template"
        told.append(f"the message says {written}, which is not filled in{when}")
    return [Question(Ask.OTHER_MARKUP, count, told=each) for each in told if each]


@lru_cache(maxsize=64)
def _other_marks(text: str, format: Format, *, is_template: bool) -> str:  # noqa: A002 - its name
    """What the text has of another format, for a sentence; empty where it has nothing."""
    if is_template:
        text = _FILLED_IN.sub("x", text)
    if format in _CODE:
        text = _CODE[format].sub(" ", text)
    bare = _URL.sub("x", text)  # an address has signs of its own
    marks = (mark.search(text if mark is _LINK else bare) for mark in _MARKS[format])
    found = next((match[0] for match in marks if match), "")
    if not found:
        return ""
    shown = found if len(found) <= 40 else f"{found[:39]}…"
    return f"{shown!r} in it, and everybody would read just that"
