"""A clock that a test sets by hand; that of the virtual loop is tests/virtual.py's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.virtual import START

if TYPE_CHECKING:
    from datetime import datetime


class SetClock:
    """Stands still until `seconds`, which `monotonic` tells, is set; `at` is `utc` at 0 seconds."""

    def __init__(self, seconds: float = 0.0, at: datetime = START) -> None:
        self.seconds, self.at = seconds, at

    def utc(self) -> datetime:
        return self.at + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds
