"""Says how many of something there are, in words: `1 person`, `2,000 people`."""

from __future__ import annotations


def counted(count: int, one: str, more: str | None = None) -> str:
    """`counted(1, "message")` is `1 message`; `more` is the plural, where it is not with an s."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def people(count: int) -> str:
    """`1 person`, `2,000 people`."""
    return counted(count, "person", "people")
