"""Marks where a value goes in a text: never read as markup, never taken for what somebody wrote.

A placeholder is a number in base 16, made of the noncharacters U+FDD0 to U+FDDF, ended by U+FDE0.
They mean nothing to markdown or HTML, HTML's `&#...;` cannot make them
(https://html.spec.whatwg.org/multipage/parsing.html#numeric-character-reference-end-state), and
Unicode keeps them for inside a program
(https://www.unicode.org/faq/private_use.html#noncharacters).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACEHOLDER = re.compile("([\ufdd0-\ufddf]+\ufde0)")

RESERVED = re.compile("([\ufdd0-\ufdef])")
"""What an author may not write as text: it becomes a value."""


@lru_cache(maxsize=1024)
def placeholder(number: int) -> str:
    """What stands for value `number`, from 0."""
    return "".join(chr(0xFDD0 + int(digit, 16)) for digit in f"{number:x}") + "\ufde0"


def number_of(placeholder: str) -> int:
    """Which value a match of `PLACEHOLDER` stands for, from 0."""
    number = 0
    for digit in placeholder[:-1]:
        number = number << 4 | ord(digit) - 0xFDD0
    return number


def fill(text: str, values: Sequence[str]) -> str:
    """Put the values into a rendered text: for reading it, never for parsing it again."""
    if not values:
        return text
    pieces, places = _split(text)
    filled = list(pieces)
    for at, number in places:
        if number < len(values):
            filled[at] = values[number]
    return "".join(filled)


@lru_cache(maxsize=64)
def _split(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """The text in pieces, and which of them stands for which value; mostly it is the same text."""
    pieces = PLACEHOLDER.split(text)
    return pieces, [(at, number_of(pieces[at])) for at in range(1, len(pieces), 2)]
