"""Rates: whether one more may pass now, and how long to wait otherwise. It knows no requests.

A bucket is kept as its level: each one that passes adds 1, and the rate takes away. Who does not
wait as long as was asked is told a new and longer wait.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from broadcast.sandbox.limits.numbers import Limits

# Unix time in a float is rounded: by so much of a message, and of a second.
_SLACK, _TICK = 1e-3, 1e-6


class _Flood(NamedTuple):
    """A wait that was asked for: when, in Unix time, and for how long."""

    named_at: float
    seconds: int

    def lasts(self, now: float) -> bool:
        """Whether it is not over; setting the clock back ends it."""
        return 0 <= now - self.named_at < self.seconds


class TokenBuckets:
    """Buckets with one rate, by key; an unknown key has an empty one.

    None for `per_second`: everything passes. `burst` pass at once. Only buckets that
    may not be empty are kept: those of the last `burst / per_second` seconds, or twice that.
    """

    def __init__(self, per_second: float | None, burst: float, limits: Limits) -> None:
        self._limits = limits
        self._rate = per_second
        self._burst = burst
        self._fullest = burst - 1 + _SLACK  # the level at which one more still passes
        # Two generations of (level, at): the older one is dropped when all in it are empty.
        self._levels: dict[Hashable, tuple[float, float]] = {}
        self._older: dict[Hashable, tuple[float, float]] = {}
        self._turns_at = 0.0
        self._floods: dict[Hashable, _Flood] = {}

    def __len__(self) -> int:
        return len(self._levels) + len(self._older)

    def take(self, key: Hashable, now: float, count: int = 1) -> bool:
        """Let one more pass, and count it as `count`; False when it must wait."""
        if self._rate is None:
            return True
        if now >= self._turns_at:
            self._forget(now, self._burst / self._rate)
        if self._floods and (flood := self._floods.get(key)) and flood.lasts(now):
            return False
        level = self._level(key, now, self._rate)
        if level > self._fullest:
            return False
        self._levels[key] = level + count, now
        return True

    def wait(self, key: Hashable, now: float) -> int:
        """How long to wait, in whole seconds, of one that may not pass.

        Who was told before and did not wait is told a longer wait. But what arrives right after the
        answer was already on its way, and is told what is left.
        """
        limits, flood = self._limits, self._floods.get(key)
        if self._rate is None:
            return 0
        if flood is None or not flood.lasts(now):
            seconds = (self._level(key, now, self._rate) + 1 - self._burst) / self._rate
        elif now - flood.named_at < limits.flood_grace_seconds:
            return _whole(flood.named_at + flood.seconds - now)
        else:
            seconds = flood.seconds * limits.flood_growth
        named = _whole(min(seconds, limits.flood_most_seconds))
        self._floods[key] = _Flood(now, named)
        return named

    def _level(self, key: Hashable, now: float, rate: float) -> float:
        kept = self._levels.get(key) or self._older.get(key)
        if kept is None:
            return 0.0
        level, at = kept
        drained = (now - at) * rate
        return level - drained if 0 <= drained < level else 0.0  # or the clock was set back

    def _forget(self, now: float, seconds: float) -> None:
        """Drop what is older than `seconds`, when any bucket is empty, and waits that are over."""
        self._older, self._levels = self._levels, {}
        self._turns_at = now + seconds
        self._floods = {key: flood for key, flood in self._floods.items() if flood.lasts(now)}


def _whole(seconds: float) -> int:
    return max(1, ceil(seconds - _TICK))


class Traffic:
    """The buckets of a whole world: of accounts by their ids, of chats by account and marked id."""

    def __init__(self, limits: Limits) -> None:
        paid, per_minute = limits.paid_messages_per_second, limits.group_messages_per_minute
        per_second = per_minute / 60 if per_minute else None
        self.bots = TokenBuckets(limits.bot_messages_per_second, limits.bot_burst, limits)
        self.people = TokenBuckets(limits.user_messages_per_second, limits.user_burst, limits)
        self.paid = TokenBuckets(paid, max(1.0, paid or 0), limits)
        self.chats = TokenBuckets(limits.chat_messages_per_second, limits.chat_burst, limits)
        self.groups = TokenBuckets(per_second, max(1.0, per_minute or 0), limits)
