"""What time it is: one clock, made at the edge and passed in. Nothing else reads one.

A rehearsal and the tests swap it as a whole, together with the event loop (virtual_time.py of the
sandbox): every sleep, deadline and date then moves together.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time, for people and for measuring."""

    def utc(self) -> datetime:
        """What a clock on the wall shows, in UTC; it may jump when somebody sets it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, that never go back: the event loop's own time."""
        ...


class SystemClock:
    """The clock of this machine."""

    def utc(self) -> datetime:
        """See `Clock.utc`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()
