"""The engine: claim -> pace -> send -> settle, in one loop; it knows no Telegram and no file.

The promise, each recipient exactly once, rests on three rules:

1. A delivery is marked `sending` in the ledger, durably, before anything goes out (claim).
2. What the transport does not know for certain is never called sent or failed: it is sent again
   with the same random_id, which Telegram answers with the first message (settle as deferred).
3. What was claimed and not tried is given back (release); that it was in doubt before is kept.
   Where the process dies first, it is in doubt like what was tried: the second rule holds.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from broadcast.core.classify import NO_ANSWER
from broadcast.core.model import Deferred, Delivery, Failed, Halted, Scope, Sent
from broadcast.core.moments import local, local_time
from broadcast.engine.breaker import Breaker
from broadcast.engine.outage import PATIENCE, Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broadcast.core.clock import Clock
    from broadcast.core.model import Outcome
    from broadcast.engine.pacer import Pacer
    from broadcast.engine.ports import Gate, Run, Transport, Watcher

WINDOW = 0.25  # seconds for which outcomes are gathered: a commit costs the same for one as for all
SLICE_LIMIT = 2000  # deliveries of one claim at most
MAX_WAIT = 15 * 60.0  # seconds; a longer wait keeps no process: the run halts, resumable
JITTER = 0.2  # seconds at most, on top of every wait that Telegram names


LONGEST_AGAIN = 100.0
"""Seconds: what would wait for longer, while others have been answered for as long, is given up:
after eight tries in two minutes. Ours: nothing is published of how long a trouble with one chat
lasts."""


def backoff(attempts: int) -> float:
    """Seconds before trying again where Telegram names no time: 1, 2, 4, ..."""
    return 2.0 ** min(attempts, 20)


class Engine:
    """One run over one broadcast: make it, `await run()`, read `halted`; `stop()` ends it early.

    A delivery passes the `gates` in their order, is sent, and its outcome passes them back.
    """

    def __init__(
        self,
        run: Run,
        transport: Transport,
        pacer: Pacer,
        watcher: Watcher,
        *,
        gates: Sequence[Gate] = (),
        concurrency: int = 10,
        breaker: Breaker | None = None,
        max_wait: float = MAX_WAIT,
        patience: float = PATIENCE,
        clock: Clock,
        jitter: Callable[[], float] = lambda: random.uniform(JITTER / 2, JITTER),
    ) -> None:
        self.halted: Halted | None = None
        self._run, self._transport, self._pacer, self._watcher = run, transport, pacer, watcher
        self._gates, self._concurrency = gates, concurrency
        self._max_wait = max_wait
        self._breaker = breaker or Breaker()
        self._outage = Outage(patience, 2 * concurrency)
        self._utc, self._now, self._jitter = clock.utc, clock.monotonic, jitter
        self._claimed: deque[Delivery] = deque()
        self._under_way: set[asyncio.Future[Outcome]] = set()
        self._needs_answer = False  # there is no room for another, or only answers are waited for
        self._news = asyncio.Event()  # something to do, perhaps: look again
        self._outcomes: list[tuple[Delivery, Outcome]] = []  # to be committed
        self._unsettled = 0  # deliveries that were started, and whose outcome is not committed yet
        self._arrived = asyncio.Event()  # there are outcomes to commit, or there will be none
        self._hurry = asyncio.Event()  # somebody waits for the commit: do not gather any longer
        self._stopping = self._is_over = False
        self._bug: BaseException | None = None
        self._named_until = -math.inf  # before which Telegram wants to hear from nobody
        self._last_wait = "Telegram asks to wait"

    async def run(self) -> None:
        """Send until nothing is pending, or `stop()`, or a halt. What is in flight settles."""
        self._named_until = self._now() + self._pacer.held(self._now())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._commit())
            async with asyncio.TaskGroup() as tries:
                try:
                    await self._work(tries)
                    self._needs_answer = True
                    while self._under_way:
                        self._news.clear()
                        await self._wait(None)
                finally:
                    self._is_over = True
            self._arrived.set()
            self._hurry.set()
        await self._give_back()
        if self._bug is not None:
            raise self._bug

    def stop(self) -> None:
        """Start nothing new, and end every wait; in an outage soon also that for answers."""
        if not self._stopping:
            self._outage.stopping(self._now())
        self._stopping = True
        self._news.set()

    async def _work(self, tries: asyncio.TaskGroup) -> None:
        """Claim, and start what may go, until nothing is left to do or `stop()`."""
        while not self._stopping:
            self._news.clear()  # before looking, so that what comes meanwhile is not missed
            unsettled = self._unsettled
            await self._claim_ahead()
            wait: float | None = None  # in seconds; None until there is news; 0.0 to look again
            if self._claimed:
                wait = self._start_what_may_go(tries)
                if self._pacer.held(self._now()):
                    await self._give_back()  # so that what was deferred goes first afterwards
                    self._halt_if_too_long(self._named_until - self._now())
            elif (due := await self._run.next_due()) is not None:
                wait = max((due - self._utc()).total_seconds(), 0.0)
                if unsettled:  # which may bring something to do before that
                    wait = min(wait, self._max_wait)
                self._halt_if_too_long(wait)
            elif not unsettled:
                return
            if not self._claimed and wait != 0.0:
                self._hurry.set()
            if not self._stopping:
                await self._wait(max(wait, self._pacer.breath) if wait else wait)

    def _start_what_may_go(self, tries: asyncio.TaskGroup) -> float | None:
        """Seconds until the next of those claimed may start; None: when an answer has made room."""
        now = self._now()
        while self._claimed and not self._stopping:
            self._needs_answer = len(self._under_way) >= self._concurrency
            if self._needs_answer:
                return None
            if wait := self._pacer.take(now):
                return wait
            self._start(self._claimed.popleft(), now, tries)
        return 0.0

    def _start(self, delivery: Delivery, now: float, tries: asyncio.TaskGroup) -> None:
        """Send `delivery`, unless it is stopped at a gate; its outcome is committed in the end."""
        self._unsettled += 1
        passed: Delivery | Outcome = delivery
        for gate in self._gates:
            passed = gate.before(passed)
            if not isinstance(passed, Delivery):
                self._pacer.put_back()  # Telegram was not asked: the outage learns nothing
                self._count(passed)
                self._settle(delivery, passed)
                return
        answer = self._transport.send(passed)
        under_way = answer if isinstance(answer, asyncio.Future) else tries.create_task(answer)
        self._under_way.add(under_way)
        under_way.add_done_callback(partial(self._answered, delivery, now))

    def _answered(
        self, delivery: Delivery, asked_at: float, answer: asyncio.Future[Outcome]
    ) -> None:
        """Heed an answer. The event loop would only log a bug in here, so it ends the run."""
        self._under_way.discard(answer)
        if self._is_over:  # before its end, so it was cancelled: what was under way is in doubt
            return
        try:
            outcome = NO_ANSWER if answer.cancelled() else answer.result()
            for gate in reversed(self._gates):
                outcome = gate.after(delivery, outcome)
            outcome = self._heed(delivery, outcome, asked_at)
            if delivery.perhaps_sent and isinstance(outcome, Failed):
                outcome = replace(outcome, perhaps_sent=True)  # of the first try nothing is known
            self._settle(delivery, outcome)
        except BaseException as bug:  # noqa: BLE001 - `run` raises it
            self._bug = self._bug or bug
            self.stop()
        if self._needs_answer or self._pacer.is_opening:
            self._news.set()

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        self._outcomes.append((delivery, outcome))
        self._arrived.set()

    async def _commit(self) -> None:
        """Commit outcomes, those of one WINDOW together, until the run is over and none is left."""
        while not self._is_over or self._outcomes:
            await self._arrived.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(WINDOW):
                    await self._hurry.wait()
            self._arrived.clear()
            self._hurry.clear()
            group, self._outcomes = self._outcomes, []
            if group:
                now = self._utc()
                beside = await self._run.settle(group, now)
                self._unsettled -= len(group)
                for delivery, outcome in (*group, *beside):
                    self._watcher.settled(delivery, outcome, now)
                self._news.set()

    async def _claim_ahead(self) -> None:
        """Claim the next deliveries, or check that those claimed are still ours."""
        now = self._utc()
        if not self._claimed:
            self._claimed.extend(await self._run.claim(self._slice(), now))
        elif self._run.has_lapsed(now):  # this process was frozen meanwhile
            await self._run.renew(now)

    async def _give_back(self) -> None:
        if self._claimed:
            await self._run.release(self._claimed)
            self._claimed.clear()

    async def _wait(self, seconds: float | None) -> None:
        """Until `seconds` are over, there is news, or no answer is waited for any longer."""
        left = self._outage.answers_until - self._now()
        seconds = min(math.inf if seconds is None else seconds, max(left, 0.0))
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._news.wait()
        if self._outage.is_given_up(self._now()):
            for answer in list(self._under_way):
                answer.cancel()

    def _heed(self, delivery: Delivery, outcome: Outcome, asked_at: float) -> Outcome:
        """Do what `outcome` means for the whole run; return it as it is to be recorded."""
        if isinstance(outcome, Deferred) and outcome.retry_after is None:
            self._pacer.accepted()
            return self._troubled(delivery, outcome, asked_at)
        if isinstance(outcome, Deferred) and not outcome.reached:  # Telegram was not asked
            self._pacer.unused()
            self._last_wait = outcome.reason
            return outcome
        self._outage.heard(self._now())
        if isinstance(outcome, Deferred) and outcome.scope is Scope.ACCOUNT:
            self._flooded(outcome.retry_after or 0.0, outcome.reason)
        else:
            self._count(outcome)
            self._pacer.accepted()
        return outcome

    def _count(self, outcome: Outcome) -> None:
        """Halt where `outcome` says so, or is one failure too many."""
        match outcome:
            case Sent() | Failed():
                self._halt(self._breaker.took(outcome))
            case Halted():
                self._halt(outcome)
            case Deferred():  # for this delivery or its chat alone
                self._last_wait = outcome.reason
            case _:
                kind = type(outcome).__name__
                raise TypeError(f"a transport must answer with an Outcome, not with {kind}")

    def _flooded(self, seconds: float, reason: str) -> None:
        """Telegram has named a time before which nobody may send."""
        self._last_wait = reason
        now, wait = self._now(), seconds + self._jitter()
        self._named_until = max(self._named_until, now + wait)
        self._pacer.flooded(now, wait)
        self._hurry.set()  # recorded now, it is due by the end of the hold, and goes first
        if wait <= self._max_wait:  # else nobody waits for it: the run ends
            self._watcher.held(seconds, reason)

    def _troubled(self, delivery: Delivery, outcome: Deferred, asked_at: float) -> Outcome:
        """Wait for this delivery or, when it is not the only one in trouble, for everybody."""
        hold = self._outage.troubled(self._now(), asked_at, reached=outcome.reached)
        if hold is not None:
            self._sit_out(outcome.reason, hold)
        if not outcome.reached:
            return replace(outcome, retry_after=0.0)  # the hold is for everybody
        self._last_wait, wait = outcome.reason, backoff(delivery.attempts)
        if hold is not None:  # that it was tried in vain says nothing about this one
            return replace(outcome, retry_after=min(wait, hold))
        goes_for_others = self._outage.heard_for(asked_at) >= LONGEST_AGAIN
        if wait <= (LONGEST_AGAIN if goes_for_others else self._max_wait):
            return replace(outcome, retry_after=wait, counts=True)
        given_up = _given_up(outcome)
        self._count(given_up)
        return given_up

    def _sit_out(self, reason: str, seconds: float) -> None:
        """Hold everybody before the next try; without any `seconds` left the run halts."""
        now = self._now()
        begun = self._utc() - timedelta(seconds=self._outage.lasted(now))
        reason = f"{reason}, since {local_time(begun.replace(microsecond=0))}"
        if seconds == 0.0:
            return self._halt(Halted("OFFLINE", reason, ends_by_itself=True))
        self._pacer.hold(now + seconds)
        self._news.set()  # the wait that is on may be longer than the outage allows
        return self._watcher.held(seconds, reason)

    def _halt_if_too_long(self, wait: float) -> None:
        if wait > self._max_wait:
            until = self._utc() + timedelta(seconds=wait + 59)  # the next minute
            until = until.replace(second=0, microsecond=0)
            reason = f"{self._last_wait}; resume after {local(until)}"
            self._halt(Halted("WAIT_TOO_LONG", reason, ends_by_itself=True))

    def _halt(self, halted: Halted | None) -> None:
        if halted is not None:
            self.halted = self.halted or halted
            self.stop()

    def _slice(self) -> int:
        rate = math.inf if self._pacer.rate is None else self._pacer.rate
        return max(math.ceil(min(rate * WINDOW, SLICE_LIMIT)), 1)


def _given_up(outcome: Deferred) -> Outcome:
    """What becomes of a delivery that Telegram answers with trouble again and again.

    A random_id that stays in use was used by a try of ours, and whatever was refused would have
    freed it: so that message was accepted. https://core.telegram.org/api/updates
    """
    if outcome.error == "RANDOM_ID_DUPLICATE":
        return Sent()
    return Failed(outcome.error, outcome.reason, perhaps_sent=outcome.perhaps_sent)
