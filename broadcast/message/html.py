"""Parses HTML as Telethon does, and refuses what Telethon would silently drop."""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

from telethon.extensions.html import HTMLToTelegramParser
from telethon.tl.types import MessageEntitySpoiler

from broadcast.core.errors import MessageError

if TYPE_CHECKING:
    Attributes = list[tuple[str, str | None]]

_KNOWN = {
    **{tag: tag for tag in ("b", "i", "u", "s", "code", "pre", "a", "blockquote", "tg-emoji")},
    **dict.fromkeys(("tg-spoiler", "span"), "tg-spoiler"),
    "strong": "b",
    "em": "i",
    "ins": "u",
    "del": "s",
    "strike": "s",
}
"""Each tag and the one that it is read as: https://core.telegram.org/bots/api#html-style"""

_NEEDED = {"a": "href", "tg-emoji": "emoji-id"}
_INSTEAD = {"br": "start a new line instead", "p": "leave a line empty instead"}


class _Parser(HTMLToTelegramParser):
    """Raises MessageError at the first tag that would be dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._open: Counter[str] = Counter()
        self._opened: dict[str, tuple[str, int]] = {}  # the tag as it was written, and its line

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        given = dict(attrs)
        known = _KNOWN.get(tag)
        if known is None or (tag == "span" and given.get("class") != "tg-spoiler"):
            self._refuse_unknown(tag)
        needed = _NEEDED.get(known)
        if needed and given.get(needed) is None:
            self._refuse(f"<{tag}> needs its {needed}")
        if known == "tg-emoji" and not (given["emoji-id"] or "").isdecimal():
            self._refuse("the emoji-id of <tg-emoji> is a number")
        self._open[known] += 1
        if self._open[known] > 1:
            return  # inside of its own kind it changes nothing
        self._opened[known] = tag, self.getpos()[0]
        super().handle_starttag(known, attrs)
        if known == "tg-spoiler":
            self._building_entities[known] = MessageEntitySpoiler(len(self.text), 0)

    def handle_endtag(self, tag: str) -> None:
        known = _KNOWN.get(tag)
        if known is None:
            self._refuse_unknown(tag)
        if not self._open[known]:
            self._refuse(f"</{tag}> closes nothing")
        self._open[known] -= 1
        if not self._open[known]:
            super().handle_endtag(known)

    def close(self) -> None:
        super().close()
        for known in +self._open:
            tag, line = self._opened[known]
            self._refuse(f"<{tag}> is never closed", line)

    def handle_comment(self, data: str) -> None:
        self._refuse("a comment has no place in a message: leave it out")

    def handle_decl(self, decl: str) -> None:
        self._refuse("<! begins no tag of a message: leave it out, or write &lt;!")

    def unknown_decl(self, data: str) -> None:
        self.handle_decl(data)

    def handle_pi(self, data: str) -> None:
        self._refuse("<? begins no tag of a message: leave it out, or write &lt;?")

    def _refuse_unknown(self, tag: str) -> NoReturn:
        instead = _INSTEAD.get(tag, f"for the letters themselves write &lt;{tag}&gt;")
        told = (
            'only <span class="tg-spoiler"> is a span' if tag == "span" else "there is no such tag"
        )
        self._refuse(f"<{tag}>: {told} in a message: {instead}. Those there are: {_shown()}")

    def _refuse(self, told: str, line: int | None = None) -> NoReturn:
        line = line or self.getpos()[0]
        raise MessageError(f"line {line} of the HTML: {told}; nothing was sent")


def _shown() -> str:
    return ", ".join(f"<{tag}>" for tag in _KNOWN if tag != "span")


def parser_of(text: str) -> HTMLToTelegramParser:
    """A parser that has read `text`, whose offsets count characters. Raises MessageError."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser
