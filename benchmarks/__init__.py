"""Measures broadcast next to the plain Telethon program; README.md says what and how.

What both programs send, and to whom, is here, so that it cannot differ.
"""

from __future__ import annotations

TEXT = "I bought a car!"
IDLE_TEXT = "one message, to see what a start takes"

_FIRST = 5_000_000_000
_BLOCK, _USED = 10_000, 9_000  # an id that ends in 9400 or more has a rule in the sandbox


def recipients(count: int) -> list[int]:
    """The ids of `count` different people, to all of whom the sandbox delivers."""
    return [recipient(index) for index in range(count)]


def recipient(index: int) -> int:
    """One of them, by their number from 0."""
    return _FIRST + index // _USED * _BLOCK + index % _USED
