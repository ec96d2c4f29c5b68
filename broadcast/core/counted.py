"""Says how many of something there are, in words: `1 person`, `2,000 people`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadcast.core.model import Counts


def counted(count: int, one: str, more: str | None = None) -> str:
    """`counted(1, "message")` is `1 message`; `more` is the plural, where it is not with an s."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def people(count: int) -> str:
    """`1 person`, `2,000 people`."""
    return counted(count, "person", "people")


def have_it(counts: Counts) -> str:
    """`12 of 60 have it, 20 more perhaps`."""
    doubt = f", {counts.in_doubt} more perhaps" if counts.in_doubt else ""
    return f"{counts.sent} of {counts.total} have it{doubt}"
