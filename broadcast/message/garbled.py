"""Answers what of a text was read in another encoding than it was written in; it mends nothing."""

from __future__ import annotations

import re

_ANY = "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(128, 192))
_NEXT = re.sub("[\u00a0\u00bb\u2019\u201d\u2026\u2122]", "", _ANY)  # no space, no end of a sentence
_GARBLED = re.compile(
    rf"\S*(?:\ufffd|\u00c3[{_NEXT}]|\u00e2\u20ac|\u00e2\u201a\u00ac|\u00c2[\u00a1\u00a9\u00ae\u00b0"
    rf"\u00ba\u00bf]|\u00f0\u0178|(?:[\u00c2-\u00df][{_ANY}]){{3}}"
    rf"|(?:[\u00e0-\u00ef][{_ANY}]{{2}}){{2}})\S*"
)
"""UTF-8 that was read as cp1252: letters with accents, typographic quotes, the euro and some more
signs, emoji, and words in other scripts, in this order."""


def garbled(text: str) -> str:
    """The first word of `text` with such letters, such as `JosÃ©`; empty where there is none."""
    found = None if text.isascii() else _GARBLED.search(text)
    return found[0] if found else ""
