"""Answers what of a text was read in another encoding than it was written in; it mends nothing."""

from __future__ import annotations

import re

_ANY = "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(128, 192))
_NEXT = re.sub("[\u00a0\u00bb\u2019\u201d\u2026\u2122]", "", _ANY)  # no space, no end of a sentence
_GARBLED = re.compile(
    rf"\ufffd|\u00c3[{_NEXT}]|\u00e2\u20ac|\u00e2\u201a\u00ac|\u00c2[\u00a1\u00a9\u00ae\u00b0"
    rf"\u00ba\u00bf]|\u00f0\u0178|(?:[\u00c2-\u00df][{_ANY}]){{3}}"
    rf"|(?:[\u00e0-\u00ef][{_ANY}]{{2}}){{2}}"
)
"""UTF-8 that was read as cp1252: letters with accents, typographic quotes, the euro and some more
signs, emoji, and words in other scripts, in this order."""

_WORD_END, _WORD_START = re.compile(r"\S*\Z"), re.compile(r"\A\S*")


def garbled(text: str) -> str:
    """The first word of `text` with such letters, such as `JosÃ©`; empty where there is none."""
    if text.isascii() or (found := _GARBLED.search(text)) is None:
        return ""
    before, after = text[: found.start()], text[found.end() :]
    return _WORD_END.findall(before)[0] + found[0] + _WORD_START.findall(after)[0]
