"""Reads the markup of a message as Telegram shows it, and counts as Telegram counts."""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import MessageError
from broadcast.core.model import Format

if TYPE_CHECKING:
    from broadcast.core.model import Message

TEXT_LIMIT = 4096
"""UTF-16 units after formatting: https://core.telegram.org/method/messages.sendMessage"""

_MARKUP = {Format.MARKDOWN: re.compile(r"[*_~`\[|]"), Format.HTML: re.compile(r"[<&]")}


@lru_cache(maxsize=64)
def parse(message: Message) -> tuple[str, tuple[Any, ...]]:
    """The visible text and its entities; a text is parsed once, however many receive it."""
    markup = _MARKUP.get(message.format)
    if markup is None or not markup.search(message.text):
        return message.text, ()  # and Telethon, which is slow to import, is not needed
    from telethon.extensions import html, markdown  # noqa: PLC0415 - see above

    parser = markdown if message.format is Format.MARKDOWN else html
    text, entities = parser.parse(message.text)
    return text, tuple(entities)


def check(message: Message) -> None:
    """Raise MessageError when Telegram would refuse the text whoever receives it."""
    text, _ = parse(message)
    if not text.strip():
        raise MessageError("the message is empty; nothing was sent")
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if length > TEXT_LIMIT:
        raise MessageError(
            f"the message is too long: {length} characters as Telegram counts them, and it "
            f"allows {TEXT_LIMIT}; nothing was sent. Shorten it by {length - TEXT_LIMIT}"
        )
