"""How a run is done, as values: rate, canary, patience, price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broadcast.core.errors import InputError
from broadcast.engine.breaker import SHARE
from broadcast.engine.dispatch import MAX_WAIT, PATIENCE
from broadcast.engine.first_rate import pacer_for

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.core.model import Counts
    from broadcast.engine.pacer import Known, Pacer

CONCURRENCY, FULL_CONCURRENCY = 20, 300
"""Requests under way at once: enough for 30 a second when an answer takes half a second; and where
no limit is known, three MTProto containers full: one that is made, one on the way, and one that is
answered. On loopback 300 gave half as much again as 100, and more gave nothing more."""

ROUND_TRIP = 0.2
"""Seconds that an answer takes at most, as a rule: a rate needs so many times itself under way."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is done.

    `rate` is in messages a second, 0 for no limit, None for the one that was learned. With `canary`
    so many go first, and the others only when few of them failed. `max_failures` is a share of 1;
    `max_wait` and `patience` are in seconds. A `paid` run spends `stars_budget` Stars at most.
    """

    rate: float | None = None
    concurrency: int | None = None
    canary: int | None = None
    max_failures: float = SHARE
    max_wait: float = MAX_WAIT
    patience: float = PATIENCE
    paid: bool = False
    stars_budget: int | None = None

    def require_whole(self) -> None:
        """Raise InputError where one option needs another one, or excludes it."""
        if self.paid and self.stars_budget is None:
            raise InputError(
                "--paid costs Telegram Stars: say how many at most, such as --stars-budget 500; "
                "nothing was sent"
            )
        if self.stars_budget is not None and not self.paid:
            raise InputError("--stars-budget is for --paid; nothing was sent")

    def pacer(self, known: Known, now: datetime, *, is_bot: bool) -> Pacer:
        """What paces an account of which `known` is known."""
        return pacer_for(self.rate, known, now, is_bot=is_bot, paid=self.paid)

    def allows(self, counts: Counts) -> bool:
        """Whether few enough of those that were tried have failed."""
        return counts.failed <= self.max_failures * (counts.sent + counts.failed)

    def concurrency_at(self, rate: float | None) -> int:
        """How many requests are under way at once, to send `rate` a second; None: no limit."""
        if self.concurrency is not None:
            return self.concurrency
        if rate is None:
            return FULL_CONCURRENCY
        return max(CONCURRENCY, min(math.ceil(rate * ROUND_TRIP), FULL_CONCURRENCY))


def seconds_held(known: Known, now: datetime) -> float:
    """For how long Telegram does not want to hear from the account; 0.0 when it may be asked."""
    until = known.held_until
    return 0.0 if until is None else max((until - now).total_seconds(), 0.0)
