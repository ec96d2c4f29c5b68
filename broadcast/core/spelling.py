"""Answers what a name is compared as; it changes no list.

Two spellings of one name look alike and differ in their characters: an accent typed on a Mac is two
characters, a web page has no-break spaces, a copied text has invisible marks.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Neither has a shape: the format characters (general category Cf, such as U+200B), and the
# selectors of how the character before is drawn (https://www.unicode.org/faq/vs.html).
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def same(text: str) -> str:
    """What `text` is compared as: two spellings of one name give the same.

    White space is collapsed, format characters are dropped, and the rest is compared without case
    and in one normal form (https://www.unicode.org/reports/tr15/, and D145 of the Unicode Standard,
    chapter 3.13). `same(same(text))` is `same(text)`.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFD", without_format(text)).casefold()
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.casefold().split())


same_key = lru_cache(maxsize=1024)(same)
"""`same` for what is asked again and again: the names of fields."""


def without_format(text: str) -> str:
    """`text` without the characters that are no part of it: they have no shape of their own."""
    if text.isascii():
        return text
    kept = _VARIANTS.sub("", text)
    return "".join(char for char in kept if unicodedata.category(char) != "Cf")
