"""Answers what looks wrong in a message that can be sent: what a person has to be asked about."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.model import Format, Message
from broadcast.message.braces import key_of, left_over
from broadcast.message.garbled import garbled

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAGS = (
    "b|i|u|s|a|p|em|br|ul|ol|li|del|ins|div|pre|code|span|font|strong|strike|blockquote|h[1-6]|img"
    "|tg-spoiler|tg-emoji"
)
_HTML = (
    re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*=[^<>]*|\sexpandable|\s*/)?>", re.IGNORECASE),
    re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{2,6}|#x[0-9a-f]{2,6});", re.IGNORECASE),
)
_PAIRED = tuple(
    re.compile(rf"(?<![\w{one}]){sign}(?![\s{one}])[^\n]*?\w[^\n]*?(?<!\s){sign}(?![\w{one}])")
    for sign, one in ((r"\*\*", "*"), ("__", "_"), ("~~", "~"), (r"\|\|", "|"), ("```", "`"))
)
_SINGLE = tuple(  # (*), ^_^, -_-, ¯\_(ツ)_/¯, @_ana_ and e.org/_next_/ are none
    re.compile(
        rf"(?<![\w{one}^/\\@#<>=:;.-]){re.escape(one)}(?![\s{one}^)\]}}.,;:/\\-])"
        rf"[^\n{one}]*[^\W_][^\n{one}]*(?<![\s({{\[^/\\-]){re.escape(one)}(?![\w{one}^/\\-])"
    )
    for one in ("*", "_")
)
_LINK = re.compile(r"\[[^\[\]\n]+\]\((?:https?://|www\.|tg://)[^()\s]*\)")
_SIGNS = ("**", "__", "~~", "||")
_RUN = re.compile(r"\*{3,}|_{3,}|~{3,}")
_IN_A_WORD = re.compile("[A-Za-z0-9]")  # not of a script that has no spaces between words
_PATH = re.compile(r"\b[A-Za-z]:\\\S*|\\\\\w\S*")  # of Windows
_ESCAPES = (
    re.compile(r"\\r\\n|(?<=[\w.!?,;:)])\\n|\\n(?![a-z])"),
    re.compile(r"\\[!?$\"']"),
)
"""A line end that a shell has not made, and what it keeps of `"Hello\\!"`."""
_BLANKS = re.compile(
    r"\[([^\[\]\n]{1,20})\](?!\()|%(\w{1,20})%|<([^\W\d][\w ]{0,20})>|\$\{?(\w{1,20})|\*\|(\w+)\|\*"
)
_NAMES = frozenset(
    "name firstname fullname yourname nombre nom prénom vorname nome имя".split()  # noqa: SIM905
)
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
    about = (_lost_signs(message), _escaped(message), _blank(message), _garbled(message.text))
    told += [f"the message has {each}" for each in about if each]
    return [Question(Ask.OTHER_MARKUP, count, told=each) for each in told if each]


def _lost_signs(message: Message) -> str:
    """Signs of markdown that are most likely meant as they are, and that nobody would see."""
    if message.format is not Format.MARKDOWN or not any(map(message.text.__contains__, _SIGNS)):
        return ""
    text = _without_code(message)
    found = next(chain.from_iterable(_swallowed(text, sign) for sign in _SIGNS), "")
    if not found and (run := _RUN.search(text)):
        from broadcast.message.text import parse  # noqa: PLC0415

        if run[0] not in parse(Message(text))[0]:
            found = run[0]
    if not found:
        return ""
    return (
        f"{_shown(found)} in it, and nobody would see its signs, since they are formatting in "
        "markdown (if they are meant as they are, say --format plain)"
    )


def _swallowed(text: str, sign: str) -> Iterator[str]:
    """Each pair of signs as it is read, where they stand within words or between spaces.

    `2**3 = 2**3` and `a || b || c`, say.
    """
    places = [found.start() for found in re.finditer(re.escape(sign), text)]
    for start, end in zip(places[::2], places[1::2], strict=False):
        before, after = text[start - 1 : start], text[end + 2 : end + 3]
        first, last = text[start + 2], text[end - 1]
        in_words = _IN_A_WORD.match(before) and _IN_A_WORD.match(after)
        spaced = before not in ("", "\n") and first.isspace() and last.isspace()
        if (in_words and not first.isspace() and not last.isspace()) or spaced:
            yield text[max(start - 1, 0) : end + 3].strip()


def _escaped(message: Message) -> str:
    """A backslash that somebody has written for a shell, which everybody would read."""
    if "\\" not in message.text:
        return ""
    text = _PATH.sub("x", _without_code(message))
    found = next((match[0] for match in (each.search(text) for each in _ESCAPES) if match), "")
    if not found:
        return ""
    what = "the backslash" if "n" not in found else "just that in place of a new line"
    return (
        f"{found} in it, and everybody would read {what} (in single quotes a shell needs no "
        "backslash, and a new line is one; a text may also come from a file)"
    )


def _without_code(message: Message) -> str:
    """The text without what is filled in, addresses and code."""
    text = _FILLED_IN.sub("é", message.text) if message.template else message.text
    if message.format in _CODE:
        text = _CODE[message.format].sub(" ", text)
    return _URL.sub("é", text)


def _blank(message: Message) -> str:
    """A place for a name, as other programs and drafts have it."""
    text = "" if message.literal else _without_code(message)
    for found in _BLANKS.finditer(text):
        if key_of(next(filter(None, found.groups()))) in _NAMES:
            return (
                f"{found[0]} in it, which is not filled in: only {{{{ name }}}} and "
                "{{ first_name }} are, with --template"
            )
    return ""


def _garbled(text: str) -> str:
    """Letters that were read in another encoding than they were written in."""
    if not (found := garbled(text)):
        return ""
    return (
        f"{_shown(found)} in it, as a text has that was read in a wrong encoding: write it "
        "anew, or save its file as UTF-8"
    )


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
    return f"{_shown(found)} in it, and everybody would read just that"


def _shown(found: str) -> str:
    return repr(found if len(found) <= 40 else f"{found[:39]}…")
