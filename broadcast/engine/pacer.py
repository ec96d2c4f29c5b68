"""Answers when an account may send next; it reads no clock: `now` is passed in, in seconds.

It is the generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time, says
when the next message may go, whatever the rate and however many ask. What it learns from floods,
why, and the simulation that chose the numbers below: docs/pacing.md. The file is long because every
step of the learning reads and changes the same state.
"""

from __future__ import annotations

import math
from collections import deque
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_GRAIN = 1e-9  # seconds: what floating point leaves of a wait that is over
_LATE = 0.005  # seconds by which a timer may come late without the pace being lost
_BREATH = 0.016  # seconds between two looks where messages are closer together than _LATE
_BEHIND = 0.040  # and by which such a look may come late
_LOOK = 0.25  # seconds between two looks at how the sending goes
_LOOKS = 240  # that are remembered: a minute

# How a burst begins: so many at once, and one more for each that is accepted while no more than
# twice as many are under way. After a flood it begins with one; and after a step down to less than
# this part of the rate, which may not be the last one, with no other under way.
_OPENING = 3
_STEEP = 0.75

# While nothing is known the first rate is kept for a moment and then doubled again and again.
_FIRST_PLATEAU = 10.0  # seconds
_DOUBLING, _DOUBLING_MESSAGES = 3.0, 60  # seconds and messages, each at least
_UNPROVEN = 1.25  # what is this much below a rate that goes well is good

# Once a limit was met, the rate below it is kept for a plateau and then left upwards, ever faster.
_PLATEAU, _PLATEAU_MESSAGES = 60.0, 1000  # seconds and messages, each at least
_PATIENCE = 3  # times that the plateau is doubled while every rise ends where the last one did
_RISE = 60.0  # seconds in which the rise reaches a factor of e ** 0.2
_MOST = 20.0  # where it ends, as a power of e: no number grows without bounds

# From a rate that is good, up to one that was refused a moment ago.
_SEARCH, _SEARCH_MESSAGES = 8.0, 40  # seconds and messages, each at least
_SLOWER = 4  # and so many times as long as it took to be refused
_NARROW = 0.02  # what is closer together is not searched

_MARGIN = 0.005  # how far below a measured limit to stay
_EVENTS = 3  # floods whose best measurement counts: one that came by chance measures too little
_BUCKET = 30  # what a server's bucket is taken to hold while nobody has measured it: Telegram's 30

# Floods that do not depend on the rate: a series whose intervals do not grow while the rate falls.
_SERIES = 8
_SELDOM, _OFTEN = 200, 800  # messages in half of a series, between which chance is believed
_UNLIKE = 0.6, 1.25  # and how much its second half may differ from the first
_DEAF = 30  # floods to which the rate does not listen, before it tries again whether it matters
_CROWD, _CROWDED = 3, 75  # so many floods in so few messages are not chance

_DAY = 86_400.0
_KEPT, _FORGOTTEN = 1.0, 7.0  # days for which what was learned is as good as new, and after which
# it is worth nothing


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of an account's limit: messages a second, and how many may go at once."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier broadcasts left behind about an account. The moments are UTC.

    `at` is when `learned` was true; nobody may send before `held_until`.
    """

    learned: Learned | None = None
    at: datetime | None = None
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Interval:
    """What lay between two floods, measured by when its messages were sent.

    `limit` is the highest rate that the server is known to have allowed in it, `through` what came
    through from flood to flood.
    """

    accepted: int
    is_first: bool
    waited: float
    flow: float
    limit: float
    through: float


class Pacer:
    """The pace of an account: at most `burst` sends at once and `rate` a second in the long run.

    A rate of None means no limit. With `learns` the rate is where the search for Telegram's own
    begins, which never passes `ceiling`. Without, it is never exceeded; floods lead below it, and
    quiet leads back.
    """

    def __init__(
        self,
        rate: float | None,
        burst: int = 1,
        *,
        learns: bool = False,
        ceiling: float | None = None,
    ) -> None:
        for number in (rate, ceiling):
            if number is not None and not (number > 0 and 0 < 1 / number < math.inf):
                raise ValueError(f"a rate is a number above 0, not {number}")
        if burst < 1:
            raise ValueError(f"a burst is at least 1, not {burst}")
        self._is_limited = rate is not None
        self._learns = learns and self._is_limited
        self._ceiling = math.inf if ceiling is None else ceiling
        if rate is not None and not learns:
            self._ceiling = min(self._ceiling, rate)
        self._rate = self._ceiling if rate is None else min(rate, self._ceiling)
        self._interval = 1.0 / self._rate
        self._arrival = self._held_until = -math.inf

        self._burst = burst  # what may go at once after a pause
        self._credit = burst  # and of what a hold has saved up
        self._most = burst  # at any time
        self._bucket = max(burst, _BUCKET)
        self._top = burst
        self._open = min(burst, _OPENING) if self._learns else burst
        self._ahead = 2 * _OPENING  # under way, from which on it opens no further
        self._tolerance = self._interval * (self._open - 1)

        # Since the last flood, or since the start.
        self._taken = self._accepted = 0
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)  # when so many were taken
        self._look_at = -math.inf if self._is_limited else math.inf
        self._quiet = 0.0  # seconds in which the pace decided how fast it went

        # The flood from which nothing is learned yet, because answers are still under way.
        self._flood: float | None = None
        self._floods = self._accepted_before = 0
        self._emptied = -math.inf  # when the message before the last flood was sent

        self._good = self._rate  # known to be allowed
        self._refused = 0.0  # known not to be, and worth a search below it; else 0.0
        self._search = 0.0  # seconds for that
        self._has_met_limit = False
        self._failures = 0  # rises in a row that ended where the last one did
        self._drops = 0  # steps down in a row
        self._was_short = False

        # The floods since the rate was last known to be good for a long time.
        self._trusted = self._is_limited and not learns  # there was such a time, or so it is said
        self._before = self._rate  # the rate of it
        self._limits: deque[float] = deque(maxlen=_EVENTS)
        self._through: deque[tuple[int, float]] = deque(maxlen=_EVENTS)
        self._series: list[int] = []  # messages between them
        self._is_deaf = False

    @classmethod
    def starting(
        cls, start: Learned, learned: Learned | None, age: float, *, ceiling: float | None = None
    ) -> Pacer:
        """Begin where the last broadcast of the account ended, `age` seconds ago.

        For a day what it learned is taken as it is. Then it goes back to `start`, evenly on the
        scale of factors, which it reaches after a week: the limit is the server's and moves.
        """
        weight = (_FORGOTTEN - age / _DAY) / (_FORGOTTEN - _KEPT)
        if learned is None or weight <= 0.0:
            return cls(start.rate, start.burst, learns=True, ceiling=ceiling)
        weight = min(weight, 1.0)
        rate = start.rate * (learned.rate / start.rate) ** weight
        burst = round(start.burst + (learned.burst - start.burst) * weight)
        pacer = cls(rate, max(burst, 1), learns=True, ceiling=ceiling)
        if learned.burst < start.burst:  # then it was measured
            pacer._bucket = pacer._burst
        pacer._has_met_limit = True
        pacer._limits.extend([pacer._rate] * (_EVENTS - 1))
        return pacer

    @property
    def breath(self) -> float:
        """Seconds between two looks that lose nothing: what may go in them goes at a time."""
        return _BREATH if self._interval <= _LATE else 0.0

    @property
    def is_opening(self) -> bool:
        """Whether the next answer may let more go at once: whoever waits looks again."""
        return self._open < self._top

    @property
    def rate(self) -> float | None:
        """Messages a second at present; None: no limit."""
        return self._rate if self._is_limited else None

    def take(self, now: float) -> float:
        """0.0 when a send may start now, which is then counted; else the seconds to wait."""
        if now < self._held_until:
            return self._held_until - now
        if self._flood is not None:
            self._learn(self._flood, now)
        early = self._arrival - self._tolerance - now
        if early > _GRAIN:
            return early
        if now >= self._look_at:
            self._look(now)
        # What a timer was late is made up for; a pause is not.
        late = _LATE if self._interval > _LATE else _BEHIND
        arrival = now if now - self._arrival > late else self._arrival
        self._arrival = arrival + self._interval
        self._taken += 1
        return 0.0

    def hold(self, until: float) -> None:
        """Nobody sends before `until`, and afterwards at the plain rate, without a burst."""
        self._held_until = max(self._held_until, until)
        self._arrival = max(self._arrival, until + self._tolerance)

    def held(self, now: float) -> float:
        """Seconds in which nobody may send, whatever the rate: 0.0 when there is no hold."""
        return max(self._held_until - now, 0.0)

    def seconds_for(self, count: int, now: float) -> float:
        """How long the next `count` sends take to start, as far as this pace decides.

        It counts the hold that is on, what may go at once when a burst has opened, which takes
        an answer or two, and the rate of this moment.
        """
        start = max(self._held_until, now)
        if not self._is_limited:
            return start - now
        whole = self._interval * (self._top - 1)
        free = max(whole + start - self._arrival, 0.0) / self._interval
        burst = min(free, self._top - 1) + 1
        return start - now + max(count - burst, 0.0) * self._interval

    def accepted(self) -> None:
        """An answer came that was no flood: Telegram's limits let this one through.

        While a burst opens, this may end the wait of whoever asked `take` before.
        """
        self._accepted += 1
        if self._open < self._top and self._taken - self._accepted < self._ahead:
            self._open += 1
            self._tolerance = self._interval * (self._open - 1)

    def unused(self) -> None:
        """What was let go did not start after all: Telegram has not heard of it."""
        self._taken = max(self._taken - 1, self._accepted)

    def put_back(self) -> None:
        """The same in the moment in which it was let go: somebody else may have its turn."""
        self.unused()
        self._arrival -= self._interval

    def flooded(self, now: float, seconds: float) -> None:
        """Telegram asks to wait `seconds`: hold everybody, and learn from it when that is over.

        By then the answers to all that was under way have come, and are one event.
        """
        if self._flood is None and self._is_limited:
            self._flood, self._accepted_before, self._floods = now, self._accepted, 0
        self._floods += 1
        self._held_until = max(self._held_until, now + seconds)

    def learned(self) -> Learned | None:
        """What the next broadcast should know; None when this one was too short to tell."""
        if not self._learns:
            return None
        if self._flood is not None:  # what it will mean, without waiting for the last answers
            after = deepcopy(self)
            after._learn(self._flood, self._held_until)  # noqa: SLF001 - our own copy
            return after.learned()
        if self._emptied == -math.inf and self._accepted < self._burst + 100:
            return None
        return Learned(self._good, self._burst)

    # -- while it is quiet --

    def _look(self, now: float) -> None:
        """Let the rate follow the time that went well."""
        self._look_at = now + _LOOK
        if self._looks:
            then, taken = self._looks[-1]
            seconds = now - then
            busy = (self._taken - taken) * self._interval
            if busy >= seconds / 2:  # else something other than the pace decides how fast it goes
                self._quiet += min(busy, seconds)
                rate = self._next_rate(min(busy, seconds))
                if rate >= self._ceiling:
                    self._good = rate = self._ceiling
                self._set(rate, now)
        self._looks.append((now, self._taken))

    def _next_rate(self, seconds: float) -> float:
        """The rate after `seconds` more of quiet."""
        good, rate, quiet = self._good, self._rate, self._quiet
        if self._refused:
            if quiet < self._search:
                return good + (self._refused - good) * quiet / self._search
            self._good, self._refused, self._quiet = self._refused, 0.0, 0.0
            return self._good
        if self._has_met_limit:
            plateau = max(_PLATEAU, _PLATEAU_MESSAGES / good) * 2.0**self._failures
            over = max(quiet - plateau, 0.0) / _RISE
            return good * math.exp(min(0.2 * over**2, _MOST))
        if quiet <= _FIRST_PLATEAU:
            return good
        self._good = max(good, rate / _UNPROVEN)
        doubling = max(_DOUBLING, _DOUBLING_MESSAGES / rate)
        return rate * 2.0 ** (seconds / doubling)

    def _set(self, rate: float, now: float) -> None:
        """Change the rate; what is owed stays the same number of messages."""
        interval = 1.0 / rate
        if self._arrival > now:
            self._arrival = now + (self._arrival - now) * interval / self._interval
        self._rate, self._interval = rate, interval
        self._tolerance = interval * (self._open - 1)

    # -- after a flood --

    def _learn(self, flood: float, now: float) -> None:
        last = self._sent_before(flood)
        if self._accepted:
            found = self._measured(last)
            if found.is_first and found.accepted < self._burst:
                # It came before the burst was used up: that was too much at once.
                self._burst = max(1, int(found.accepted - self._rate * found.flow))
                self._credit = self._bucket = self._burst
            else:
                self._judge(found)
        self._ahead = 1 if self._good < _STEEP * self._rate else 2 * _OPENING
        self._set(min(self._good, self._ceiling), now)
        self._good = self._rate
        self._taken = self._accepted = 0
        self._quiet = 0.0
        self._looks.clear()
        self._look_at = -math.inf
        self._flood, self._emptied = None, last
        # The server's bucket was empty then. What a hold adds goes at once as far as it is proven.
        self._top = self._credit
        self._open = min(self._top, 1 if self._has_met_limit else _OPENING)
        if not self._learns:
            self._open = self._top
        self._tolerance = self._interval * (self._open - 1)
        self._arrival = last + self._interval * self._top

    def _sent_before(self, flood: float) -> float:
        """When the last message was sent that the server let through before it said no."""
        count = self._accepted
        if count - self._accepted_before > self._floods:  # it went on accepting some
            count = min(count + self._floods, self._taken)
        looks = [*self._looks, (flood, self._taken)]
        for (then, before), (later, after) in pairwise(looks):
            if before <= count <= after:
                flood = then + (later - then) * (count - before) / max(after - before, 1)
        return flood

    def _measured(self, last: float) -> _Interval:
        accepted, begun = self._accepted, self._looks[0][0] if self._looks else last
        is_first = self._emptied == -math.inf
        span = math.inf if is_first else max(last - self._emptied, _GRAIN)
        # A bucket that holds B lets through, in any time T, no more than B + rate * T; and from one
        # moment when it is empty to another exactly rate * T, if it did not run over in between.
        limit = through = accepted / span
        for then, taken in self._looks:
            if last - then > 1e-3:
                limit = max(limit, (accepted - taken - self._bucket) / (last - then))
        waited = 0.0 if is_first else begun - self._emptied
        return _Interval(accepted, is_first, waited, max(last - begun, 0.0), limit, through)

    def _judge(self, found: _Interval) -> None:
        """Decide what was wrong: what went at once, the rate, or nothing."""
        rate, was_good = self._rate, self._rate <= self._good * (1 + 1e-4)
        self._judge_credit(found)
        self._remember(found, was_good=was_good)
        limit = max(self._limits)
        if self._trusted and self._through:
            limit = max(limit, sum(n for n, _ in self._through) / sum(t for _, t in self._through))
        if self._is_deaf:
            crowd = self._series[-_CROWD:]
            if len(self._series) > _DEAF or (len(crowd) == _CROWD and sum(crowd) < _CROWDED):
                self._is_deaf = False
                self._series.clear()
        elif not was_good:
            self._end_rise(limit)
        elif limit < rate * self._doubt():
            self._good = max(limit, rate / (4 if self._drops else 2)) * (1 - _MARGIN)
            self._limits.clear()
            self._drops += 1
            self._trusted = False
        else:
            self._good *= 1 - _MARGIN
        if self._is_chance():
            self._is_deaf, self._good = True, max(self._before, self._good)
            self._series.clear()
            if self._burst > _OPENING:  # what seemed to be its end may have been chance, too
                self._burst = self._credit = self._most
                self._bucket = max(self._most, _BUCKET)
        self._refused = 0.0
        if self._good < rate * (1 - _NARROW) and found.accepted < _PLATEAU_MESSAGES:
            self._refused = rate
            self._search = max(_SEARCH, _SEARCH_MESSAGES / self._good, _SLOWER * found.flow)
        self._has_met_limit = True

    def _judge_credit(self, found: _Interval) -> None:
        """Two floods in a row right after what a hold saved up: half of it is enough."""
        if found.is_first:
            return
        credit = min(self._credit, int(self._rate * found.waited))
        is_short = found.accepted < 1.3 * credit + 3
        if not is_short:
            self._credit = min(self._credit * 2, self._burst)
        elif self._was_short:
            self._credit = max(self._credit // 2, 1)
        self._was_short = is_short

    def _remember(self, found: _Interval, *, was_good: bool) -> None:
        enough = self._burst + 70 if found.is_first else _PLATEAU_MESSAGES
        if was_good and found.accepted >= enough:
            self._trusted, self._is_deaf, self._before = True, False, self._good
            self._series.clear()
            self._through.clear()
            self._limits.clear()
            self._limits.append(self._good)
            return
        self._series.append(found.accepted)
        if not found.is_first:
            self._through.append((found.accepted, found.accepted / found.through))
        in_a_row = self._drops and not found.is_first
        self._limits.append(found.through if in_a_row else found.limit)

    def _end_rise(self, limit: float) -> None:
        """The flood came above the good rate: back to it, or to what was measured in between."""
        self._drops = 0
        if not self._trusted and limit < 0.8 * self._good:
            self._good /= 2  # it was a guess
        good = max(min(max(limit, self._good), self._rate) * (1 - _MARGIN), self._good)
        failed = good < self._good * 1.05
        self._failures = min(self._failures + 1, _PATIENCE) if failed else 0
        self._good = good

    def _doubt(self) -> float:
        """The part of the rate below which a measured limit is believed."""
        if not self._trusted:
            return 0.99
        floods = len(self._series)
        return 0.6 if floods < 4 else 0.75 if floods < _SERIES else 0.85

    def _is_chance(self) -> bool:
        """The last floods came as often at a lower rate as at a higher one."""
        if self._is_deaf or len(self._series) < _SERIES:
            return False
        half = _SERIES // 2
        early, late = sum(self._series[-_SERIES:-half]), sum(self._series[-half:])
        least, most = _UNLIKE
        return max(_SELDOM, least * early) <= late < min(_OFTEN, most * early)
