"""Says how long to wait before one more may pass at a rate; it knows no accounts and no requests.

Token buckets, kept as their level: each one that passes adds 1, and the rate takes away. Whoever
goes on while a wait lasts has it begin anew, and grow.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from broadcast.sandbox.limits.numbers import Limits

# Unix time in a float is rounded: what that makes of a message, and of a second.
_SLACK, _TICK = 1e-3, 1e-6


class _Flood(NamedTuple):
    """A wait of so many seconds, and when it was named, in Unix time."""

    named_at: float
    seconds: int

    def lasts(self, now: float) -> bool:
        """Whether it is not over yet; a clock that is set back ends it."""
        return 0 <= now - self.named_at < self.seconds


class TokenBuckets:
    """TokenBuckets with the same rate, found by a key; an unknown key has a lane that is empty.

    None for `per_second`: everything passes. `burst` pass at once. Only the lanes in which somebody
    would still be counted are kept: those of the last `burst / per_second` seconds, twice at most.
    """

    def __init__(self, per_second: float | None, burst: float, limits: Limits) -> None:
        self._limits = limits
        self._rate = per_second
        self._burst = burst
        self._fullest = burst - 1 + _SLACK  # the level at which one more still passes
        # Two generations of (level, at): the older one is dropped when nothing in it counts.
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
        """Name the wait, in whole seconds from now, to one that was not let pass.

        Who was named one before, and did not wait, gets a longer one; but what arrives right after
        the naming was under way by then, and is told what is left.
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
        """Drop what is older than `seconds`, when a full lane is empty, and waits that are over."""
        self._older, self._levels = self._levels, {}
        self._turns_at = now + seconds
        self._floods = {key: flood for key, flood in self._floods.items() if flood.lasts(now)}


def _whole(seconds: float) -> int:
    return max(1, ceil(seconds - _TICK))


class Traffic:
    """The lanes of a whole world: of accounts by their ids, of chats by account and marked id."""

    def __init__(self, limits: Limits) -> None:
        paid, per_minute = limits.paid_messages_per_second, limits.group_messages_per_minute
        per_second = per_minute / 60 if per_minute else None
        self.bots = TokenBuckets(limits.bot_messages_per_second, limits.bot_burst, limits)
        self.people = TokenBuckets(limits.user_messages_per_second, limits.user_burst, limits)
        self.paid = TokenBuckets(paid, max(1.0, paid or 0), limits)
        self.chats = TokenBuckets(limits.chat_messages_per_second, limits.chat_burst, limits)
        self.groups = TokenBuckets(per_second, max(1.0, per_minute or 0), limits)
