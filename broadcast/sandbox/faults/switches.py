"""The faults that can be switched on, as values that check themselves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Literal, get_args

Repeats = Literal["first", "error"]

PLAIN = ("drop_before", "error_500", "drop_after", "error_500_after", "silent")
"""The faults that are switched on by a plain number: every n-th request."""


@dataclass(frozen=True, slots=True)
class Late:
    """Every n-th answer comes `seconds` late; the request itself is done at once."""

    every: int
    seconds: float

    def __post_init__(self) -> None:
        _check_count("every", self.every)
        _check_seconds(self.seconds)


@dataclass(frozen=True, slots=True)
class Pause:
    """Something that lasts `seconds`, once, from the n-th request on."""

    after: int
    seconds: float

    def __post_init__(self) -> None:
        _check_count("after", self.after)
        _check_seconds(self.seconds)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """What a random_id that is used again gets: the first message, or RANDOM_ID_DUPLICATE.

    The error ends: `seconds` after the first message arrived, or with the n-th repeat (`times`).
    """

    answer: Repeats
    seconds: float | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if self.answer not in get_args(Repeats):
            raise ValueError(f"answer must be first or error, not {self.answer!r}")
        given = [value for value in (self.seconds, self.times) if value is not None]
        if self.answer == "first" and given:
            raise ValueError("the answer first lasts for ever: leave out seconds and times")
        if self.answer == "error" and len(given) != 1:
            raise ValueError("the answer error needs its end: either seconds or times")
        if self.seconds is not None:
            _check_seconds(self.seconds)
        if self.times is not None:
            _check_count("times", self.times)


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that are switched on: all are off by default. A plain number means every n-th.

    If several hit the same request, the first in this order counts. `freeze` and
    `refuse_connections` happen in addition. With a `seed`, every n-th becomes one in n, at random,
    but the same ones in every run.

    Raises ValueError, which says what is wrong.
    """

    drop_before: int | None = None
    """The connection is cut, and the request is not done."""
    error_500: int | None = None
    """Answered with 500, and not done."""
    drop_after: int | None = None
    """Done, and the connection is cut instead of an answer."""
    error_500_after: int | None = None
    """Done, and answered with 500 all the same."""
    silent: int | None = None
    """Done, and never answered."""
    late: Late | None = None
    """Done, and answered late."""
    duplicate: Duplicate | None = None
    """How a random_id that is used again is answered."""
    freeze: Pause | None = None
    """The whole server neither reads nor answers for a while; the n-th request is still done."""
    refuse_connections: Pause | None = None
    """After the n-th request every connection is cut; for a while new ones are, too."""
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in PLAIN:
            count: int | None = getattr(self, name)
            if count is not None:
                _check_count(name, count)

    def __str__(self) -> str:
        """As in a file of faults, in one line; `none` when all are off."""
        on = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return ", ".join(f"{name}: {_shown(v)}" for name, v in on if v is not None) or "none"


def _shown(value: object) -> str:
    if not isinstance(value, Late | Pause | Duplicate):
        return str(value)
    parts = ((field.name, getattr(value, field.name)) for field in fields(value))
    return "{" + ", ".join(f"{name}: {part}" for name, part in parts if part is not None) + "}"


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name} must be 1 or more, not {count}")


def _check_seconds(seconds: float) -> None:
    if not (isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds must be more than 0, not {seconds}")
