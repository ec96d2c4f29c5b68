"""Cleans a text as Telegram's own clients do, and answers whether anything of it can be seen.

The rules are TDLib's (https://github.com/tdlib/td/blob/master/td/telegram/misc.cpp,
`clean_input_string` and `strip_empty_characters`), with one exception: the ring of an `å` that is
written in two characters, as files from a Mac have it, stays.
"""

from __future__ import annotations

import unicodedata
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLEANED: Mapping[int, str | None] = MappingProxyType(
    {
        **{code: " " for code in range(32) if chr(code) not in "\n\r"},
        ord("\r"): None,
        **dict.fromkeys(range(0x2028, 0x202F)),  # separators of lines, and what turns the direction
        **dict.fromkeys((0x0333, 0x033F)),  # lines below and above, which reach into other lines
    }
)
"""What each character becomes, by itself: so the pieces of a text may be cleaned one by one."""

_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""Letters and marks that are drawn as nothing, beside white space and all of category Cf."""


def clean(text: str) -> str:
    """`text` without what Telegram's clients leave out of it; once more changes nothing."""
    if text.isprintable() and "\u0333" not in text and "\u033f" not in text:
        return text  # the lines are all of it that could be printed
    return text.translate(_CLEANED)


def shows_nothing(text: str) -> bool:
    """Whether a reader would see nothing of it: white space, zero-width characters and the like."""
    return all(
        character.isspace()
        or character in _BLANK
        or unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
        for character in text
    )
