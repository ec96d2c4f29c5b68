"""Answers when the next send may start; it reads no clock: `now` is passed in, in seconds.

The generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time, is the
whole state, whatever the rate and however many workers ask.
"""

from __future__ import annotations

import math


class Pacer:
    """At most `burst` sends at once and `rate` a second in the long run; None means no limit."""

    def __init__(self, rate: float | None, burst: int = 1) -> None:
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise ValueError(f"a rate is a number above 0, not {rate}")
        if burst < 1:
            raise ValueError(f"a burst is at least 1, not {burst}")
        self.rate = rate
        self._interval = 0.0 if rate is None else 1.0 / rate
        self._tolerance = self._interval * (burst - 1)
        self._arrival = -math.inf
        self._held_until = -math.inf

    def take(self, now: float) -> float:
        """0.0 when a send may start now, which is then counted; else the seconds to wait."""
        if now < self._held_until:
            return self._held_until - now
        arrival = max(self._arrival, now)
        early = arrival - self._tolerance - now
        if early > 0.0:
            return early
        self._arrival = arrival + self._interval
        return 0.0

    def hold(self, until: float) -> None:
        """Nobody sends before `until`, and afterwards at the plain rate, without a burst."""
        self._held_until = max(self._held_until, until)
        self._arrival = max(self._arrival, until + self._tolerance)
