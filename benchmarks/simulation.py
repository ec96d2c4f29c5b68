"""Servers with limits, and those who send to them, on a clock that jumps; it opens no socket.

The network keeps the order of requests, as TCP does: a request arrives after 25 ms, and its answer
comes 25 to 125 ms later, so a round trip takes 50 to 150 ms.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from broadcast.engine.pacer import Pacer

THERE = 0.025  # seconds
BACK = 0.025, 0.125
HOLD_JITTER = 0.05  # the engine waits up to so much longer than it was told


@dataclass
class Server:
    """A token bucket: `rate` a second, `burst` at once. FLOOD_WAIT_x is in whole seconds.

    One that `closes` refuses everything until the wait it named is over; else only what is too
    much is refused. `lies` is the share of requests that it refuses without a reason. `change` is a
    moment and the rate from then on.
    """

    rate: float
    burst: int
    closes: bool = True
    lies: float = 0.0
    change: tuple[float, float] | None = None
    seed: int = 0
    accepted: list[float] = field(default_factory=list[float])
    floods: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._level, self._at, self._closed_until = float(self.burst), 0.0, -math.inf

    def rate_at(self, now: float) -> float:
        """The limit at that moment."""
        return self.change[1] if self.change and now >= self.change[0] else self.rate

    def ask(self, now: float) -> int:
        """0 when the message is accepted, else the seconds to wait."""
        wait = self._wait(now)
        if wait:
            self.floods += 1
        else:
            self.accepted.append(now)
        return wait

    def _wait(self, now: float) -> int:
        rate = self.rate_at(now)
        self._level = min(self.burst, self._level + (now - self._at) * rate)
        self._at = now
        if now < self._closed_until:
            return math.ceil(self._closed_until - now - 1e-9)
        if self.lies and self._random.random() < self.lies:
            return 1
        if self._level >= 1 - 1e-9:
            self._level -= 1
            return 0
        wait = max(math.ceil((1 - self._level) / rate - 1e-9), 1)
        if self.closes:
            self._closed_until = now + wait
        return wait

    def ideal(self, count: int) -> float:
        """The seconds that `count` messages take at least."""
        if self.change and (before := self.burst + self.change[0] * self.rate) < count:
            return self.change[0] + (count - before) / self.change[1]
        return max(count - self.burst, 0) / self.rate


@dataclass(frozen=True)
class Outcome:
    """How a simulated broadcast went. `rates` are the pacer's, where there is one."""

    audience: int
    seconds: float
    sent: int
    floods: int
    goodput: float
    rates: Sequence[tuple[float, float]] = ()

    @property
    def per_thousand(self) -> float:
        """Floods per 1,000 recipients."""
        return 1000 * self.floods / self.audience


def outcome(
    server: Server, audience: int, seconds: float, rates: Sequence[tuple[float, float]] = ()
) -> Outcome:
    """What the server saw; `seconds` is when the last answer came."""
    sent = len(server.accepted)
    goodput = server.ideal(sent) / seconds if seconds else 0.0
    return Outcome(audience, seconds, sent, server.floods, goodput, rates)


def broadcast(
    pacer: Pacer, server: Server, count: int, *, workers: int = 20, jitter: float = 0.0
) -> Outcome:
    """As the engine does it: `workers` under way at most, deferred messages first, one pacer."""
    chance = random.Random(1)
    events: list[tuple[float, int, int, int]] = []  # when, number, kind, seconds to wait
    number, now, arrival, wake, waking = 0, 0.0, 0.0, math.inf, 0
    free, left, done = workers, count, 0
    rates: list[tuple[float, float]] = []
    while done < count:
        while free and left:
            wait = pacer.take(now)
            if wait:
                if now + wait < wake:
                    wake, number = now + wait, number + 1
                    waking = number
                    heapq.heappush(events, (wake, number, 0, 0))
                break
            free, left, number = free - 1, left - 1, number + 1
            arrival = max(arrival, now + THERE + jitter * chance.random())
            heapq.heappush(events, (arrival, number, 1, 0))
        now, which, kind, seconds = heapq.heappop(events)
        if kind == 0:
            if which != waking:
                continue
            wake = math.inf
        elif kind == 1:
            number += 1
            back = now + chance.uniform(*BACK)
            heapq.heappush(events, (back, number, 2, server.ask(now)))
        elif seconds:
            free, left = free + 1, left + 1
            pacer.flooded(now, seconds + HOLD_JITTER * chance.random())
        else:
            free, done = free + 1, done + 1
            pacer.accepted()
        if pacer.rate and (not rates or rates[-1][1] != pacer.rate):
            rates.append((now, pacer.rate))
    return outcome(server, count, now, rates)


def tasks(
    server: Server, audience: int, programs: Sequence[Generator[float | None, int, None]]
) -> Outcome:
    """Run what other programs do: each yields the seconds that it sleeps, or None to send."""
    chance = random.Random(1)
    events: list[tuple[float, int, int, int]] = []  # when, number, task or -1 - task, wait
    number = 0
    arrival = end = 0.0

    def step(task: int, now: float, wait: int) -> None:
        nonlocal number, arrival, end
        end = max(end, now)
        try:
            pause = programs[task].send(wait) if started[task] else next(programs[task])
        except StopIteration:
            return
        started[task] = True
        number += 1
        if pause is None:
            arrival = max(arrival, now + THERE)
            heapq.heappush(events, (arrival, number, -1 - task, 0))
        else:
            heapq.heappush(events, (now + pause, number, task, 0))

    started = [False] * len(programs)
    for task in range(len(programs)):
        step(task, 0.0, 0)
    while events:
        now, _, task, wait = heapq.heappop(events)
        if task < 0:
            number += 1
            back = now + chance.uniform(*BACK)
            heapq.heappush(events, (back, number, -1 - task, server.ask(now)))
        else:
            step(task, now, wait)
    return outcome(server, audience, end)


def sleeping(server: Server, count: int) -> Outcome:
    """One after the other, 0.05 s of sleep after each; a flood is slept through and tried again.

    https://github.com/aiogram/aiogram/blob/dev-2.x/examples/broadcast_example.py
    """

    def program() -> Generator[float | None, int, None]:
        for _ in range(count):
            while wait := (yield None):
                yield float(wait)
            yield 0.05

    return tasks(server, count, [program()])


def gathered(server: Server, count: int) -> Outcome:
    """The same sleep, but in a task for each recipient, all started at once: it paces nothing."""

    def program() -> Generator[float | None, int, None]:
        yield None
        yield 0.05

    return tasks(server, count, [program() for _ in range(count)])


def semaphore(server: Server, count: int) -> Outcome:
    """30 at once; each sleeps through its own flood and tries again."""
    queue = iter(range(count))

    def program() -> Generator[float | None, int, None]:
        for _ in queue:
            while wait := (yield None):
                yield float(wait)

    return tasks(server, count, [program() for _ in range(30)])


def telethon(server: Server, count: int, *, threshold: int = 60, retries: int = 5) -> Outcome:
    """gather(client.send_message(...)), by the rules of Telethon 1.45, client/users.py, `_call`.

    Six tries, each sleeps through a flood of up to 60 s, then ValueError. The first time, it asks
    when a flood of the same kind of request is over; 3 s and less are ignored.
    """
    clock = [0.0]
    over = -math.inf

    def program() -> Generator[float | None, int, None]:
        nonlocal over
        early = round(over - clock[0]) if over > -math.inf else 0
        if 3 < early <= threshold:
            yield float(early)
        for _ in range(retries + 1):
            wait = yield None
            if not wait:
                return
            over = clock[0] + wait
            if wait > threshold:
                return
            yield float(wait)

    ask = server.ask

    def told(now: float) -> int:
        clock[0] = now
        return ask(now)

    server.ask = told  # type: ignore[method-assign]
    return tasks(server, count, [program() for _ in range(count)])


def groups(
    take: Callable[[float, str], float], count: int, each: int, *, burst: int = 1
) -> Outcome:
    """`each` messages to each of `count` groups, all of which allow 20 a minute."""
    servers = [Server(20 / 60, burst) for _ in range(count)]
    queue = [(0.0, chat) for chat in range(count)]
    left = [each] * count
    end = 0.0
    while queue:
        now, chat = heapq.heappop(queue)
        wait = take(now, str(chat))
        if not wait:
            wait = float(servers[chat].ask(now + THERE))
            left[chat] -= not wait
            end = max(end, now + THERE)
        if left[chat]:
            heapq.heappush(queue, (now + wait, chat))
    sent, floods = sum(len(s.accepted) for s in servers), sum(s.floods for s in servers)
    return Outcome(count * each, end, sent, floods, servers[0].ideal(each) / end)


def recovery(server: Server, window: float = 60.0, share: float = 0.95) -> float:
    """Seconds after `change` until `window` seconds began that held `share` of the new limit."""
    begin, rate = server.change or (0.0, server.rate)
    times = server.accepted
    first = begin
    while first < times[-1] - window:
        if sum(first <= time < first + window for time in times) >= share * rate * window:
            return first - begin
        first += 1.0
    return math.inf
