from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from broadcast.core.classify import NO_ANSWER, WRONG_ANSWER
from broadcast.core.model import (
    Contact,
    Deferred,
    Delivery,
    Failed,
    Halted,
    Message,
    Outcome,
    Scope,
    Sent,
    Status,
)
from broadcast.core.peers import parse_peer
from broadcast.engine.breaker import Breaker
from broadcast.engine.dispatch import Engine
from broadcast.engine.fake import FakeTransport
from broadcast.engine.pacer import Pacer
from broadcast.ledger.memory import in_memory
from tests import virtual
from tests.clocks import SetClock

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from broadcast.core.model import Counts, Record
    from broadcast.engine.ports import Run, Transport

T = TypeVar("T")

LOST = Deferred("LOST", "connection lost", reached=False, perhaps_sent=True)
FLOOD = Deferred("FLOOD_WAIT", "Telegram asks to wait", 31.0, Scope.ACCOUNT)


@dataclass
class Recorder:
    settlements: list[tuple[str, Outcome]] = field(default_factory=list)
    holds: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        self.settlements.append((delivery.contact.peer.text, outcome))

    def held(self, seconds: float, reason: str) -> None:
        self.holds.append(seconds)
        self.reasons.append(reason)


def audience(count: int) -> list[Contact]:
    return [Contact(parse_peer(f"@friend{number}"), f"Friend {number}") for number in range(count)]


class Kept:
    """A run of a broadcast to so many, in memory: what is recorded of it is there at once."""

    def __init__(self, count: int, parts: int = 1) -> None:
        self._ledger: Any = in_memory(SetClock())
        message, people = Message("I bought a car!"), audience(count)
        made = self._ledger.create("b1", message, people, parts=lambda _: parts)
        self._broadcast = at_once(made)
        self._run: Run = at_once(self._ledger.take_over(self._broadcast, account=1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def counts(self) -> Counts:
        return at_once(self._ledger.reload(self._broadcast)).counts

    def records(self) -> list[Record]:
        async def read() -> list[Record]:
            return [record async for record in self._ledger.records(self._broadcast)]

        return at_once(read())

    @property
    def outcomes(self) -> dict[int, Outcome | None]:
        """What became of each, by position."""
        return {record.delivery.position: record.outcome for record in self.records()}


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, which waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def ledger_of(count: int) -> Kept:
    return Kept(count)


def engine_of(
    ledger: Kept, transport: Transport, pacer: Pacer | None = None, **options: float
) -> Engine:
    return Engine(
        ledger,
        transport,
        pacer or Pacer(None),
        Recorder(),
        clock=virtual.LoopClock(),
        jitter=lambda: 0.1,
        **options,  # type: ignore[arg-type]
    )


class SlowTransport(FakeTransport):
    """Takes a second for each message, and counts how many are under way."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.under_way = self.most = 0
        self.times: list[float] = []

    async def send(self, delivery: Delivery) -> Outcome:
        self.times.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(1)
        self.under_way -= 1
        return await super().send(delivery)


def test_everybody_gets_the_message_once() -> None:
    ledger, transport = ledger_of(1000), FakeTransport()
    virtual.run(engine_of(ledger, transport).run())
    assert ledger.counts().sent == 1000
    assert sorted(d.peer for d in transport.delivered) == sorted(f"@friend{n}" for n in range(1000))


def test_three_friends_are_written_to_at_the_same_moment() -> None:
    transport = SlowTransport()
    virtual.run(engine_of(ledger_of(3), transport, Pacer(1, burst=10)).run())
    assert transport.times == [0.0, 0.0, 0.0]


def test_no_more_than_the_concurrency_is_under_way() -> None:
    transport = SlowTransport()
    virtual.run(engine_of(ledger_of(50), transport, concurrency=7).run())
    assert transport.most == 7


def test_the_rate_is_kept() -> None:
    transport = SlowTransport()
    virtual.run(engine_of(ledger_of(20), transport, Pacer(2), concurrency=5).run())
    gaps = [b - a for a, b in zip(transport.times, transport.times[1:], strict=False)]
    assert min(gaps) == pytest.approx(0.5)
    assert transport.times[-1] == pytest.approx(9.5)


def test_where_messages_are_close_together_several_go_at_a_time() -> None:
    transport = SlowTransport()
    virtual.run(engine_of(ledger_of(2000), transport, Pacer(1000.0), concurrency=2000).run())
    assert max(transport.times) == pytest.approx(2.0, rel=0.02)
    assert len(set(transport.times)) < 2000 / 10
    within = Counter(int(time / 0.1) for time in transport.times)
    assert max(within.values()) <= 100 + 40  # what a late look makes up for comes on top


def test_a_failure_concerns_its_recipient_only() -> None:
    ledger = ledger_of(3)
    blocked = Failed("USER_IS_BLOCKED", "blocked you")
    virtual.run(engine_of(ledger, FakeTransport({"@friend1": blocked})).run())
    assert [record.status for record in ledger.records()] == [
        Status.SENT,
        Status.FAILED,
        Status.SENT,
    ]


def test_an_outcome_is_reported_after_it_is_recorded() -> None:
    ledger = ledger_of(3)

    class Checking(Recorder):
        def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
            assert ledger.records()[delivery.position].status is Status.SENT
            super().settled(delivery, outcome, at)

    watcher = Checking()
    engine = Engine(ledger, FakeTransport(), Pacer(None), watcher, clock=virtual.LoopClock())
    virtual.run(engine.run())
    assert len(watcher.settlements) == 3


def test_nothing_is_sent_before_it_is_claimed() -> None:
    ledger = ledger_of(5)

    class Checking(FakeTransport):
        async def send(self, delivery: Delivery) -> Outcome:
            assert ledger.records()[delivery.position].status is Status.SENDING
            return await super().send(delivery)

    virtual.run(engine_of(ledger, Checking()).run())
    assert ledger.counts().sent == 5


def test_a_lost_answer_is_asked_for_again_and_arrives_once() -> None:
    ledger, transport = ledger_of(3), FakeTransport({"@friend1": [LOST, LOST]})
    virtual.run(engine_of(ledger, transport).run())
    assert ledger.counts().sent == 3
    assert len(transport.attempts) == 5
    assert len(transport.delivered) == 3


def test_a_flood_wait_silences_every_worker() -> None:
    transport = SlowTransport({"@friend0": FLOOD})
    ledger = ledger_of(40)
    virtual.run(engine_of(ledger, transport, concurrency=10).run())
    assert not [time for time in transport.times if 1.0 < time < 32.0]
    assert ledger.counts().sent == 40


def test_those_that_a_flood_deferred_go_first_afterwards() -> None:
    ledger, transport = ledger_of(30), SlowTransport({"@friend3": FLOOD, "@friend1": FLOOD})
    virtual.run(engine_of(ledger, transport, Pacer(100.0, 5), concurrency=5).run())
    times = zip(transport.attempts, transport.times, strict=True)
    after = [peer for peer, time in times if time > 30]
    assert {"@friend1", "@friend3"} <= set(after[:5])  # the five that start at that moment
    assert ledger.counts().sent == 30


def test_a_deferred_delivery_is_due_by_the_end_of_the_hold() -> None:
    ledger, transport = ledger_of(5), SlowTransport({"@friend0": FLOOD})
    virtual.run(engine_of(ledger, transport, Pacer(0.2), concurrency=2).run())
    assert transport.attempts[:2] == ["@friend0", "@friend0"]


def test_nothing_stays_claimed_while_everybody_waits() -> None:
    ledger = ledger_of(100)

    async def main() -> int:
        engine = engine_of(ledger, FakeTransport({"@friend0": FLOOD}), Pacer(100.0), concurrency=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            await asyncio.sleep(10)
            claimed = sum(record.status is Status.SENDING for record in ledger.records())
            engine.stop()
        return claimed

    assert virtual.run(main()) == 0


def test_the_jitter_comes_on_top_of_what_telegram_names() -> None:
    transport = SlowTransport({"@friend0": FLOOD})
    engine = Engine(
        ledger_of(2),
        transport,
        Pacer(1.0),
        Recorder(),
        concurrency=1,
        clock=virtual.LoopClock(),
        jitter=lambda: 0.15,
    )
    virtual.run(engine.run())
    assert transport.times[1] == pytest.approx(32.15)


@pytest.mark.parametrize("answer", [Sent(1), Failed("USER_IS_BLOCKED", "blocked")])
def test_a_burst_opens_with_every_answer_that_is_no_flood(answer: Outcome) -> None:
    script = {f"@friend{number}": answer for number in range(30)}
    pacer, slow = Pacer(0.01, 30, learns=True), SlowTransport(script)
    virtual.run(engine_of(ledger_of(30), slow, pacer, concurrency=30).run())
    assert len([time for time in slow.times if time == 0.0]) == 3
    assert max(slow.times) < 20  # and not a hundred, until the pace itself allows one


def test_the_rate_follows_what_telegram_allows() -> None:
    class Telegram(SlowTransport):
        """Allows 10 a second, and no more than that at once."""

        free = 0.0

        async def send(self, delivery: Delivery) -> Outcome:
            now = asyncio.get_running_loop().time()
            if max(self.free, now) - now > 0.9:
                return Deferred("FLOOD_WAIT", "Telegram asks to wait", 1.0, Scope.ACCOUNT)
            self.free = max(self.free, now) + 0.1
            self.times.append(now)
            await asyncio.sleep(0.1)
            return await FakeTransport.send(self, delivery)

    transport, ledger = Telegram(), ledger_of(2000)
    pacer = Pacer(30.0, 30, learns=True)
    virtual.run(engine_of(ledger, transport, pacer).run())
    assert ledger.counts().sent == 2000
    assert max(transport.times) < 1.05 * 200
    assert pacer.learned() is not None
    assert pacer.rate == pytest.approx(10.0, rel=0.1)


def test_a_hold_from_before_the_run_is_waited_for() -> None:
    transport, pacer = SlowTransport(), Pacer(None)
    pacer.hold(100.0)
    virtual.run(engine_of(ledger_of(3), transport, pacer).run())
    assert min(transport.times) == 100.0


def test_a_hold_from_before_the_run_that_is_too_long_halts_at_once() -> None:
    transport, pacer, ledger = FakeTransport(), Pacer(None), ledger_of(3)
    pacer.hold(7200.0)
    engine = engine_of(ledger, transport, pacer)
    assert virtual.run(engine.run()) is None
    assert engine.halted is not None
    assert engine.halted.error == "WAIT_TOO_LONG"
    assert (transport.attempts, ledger.counts().pending) == ([], 3)


def test_a_chat_that_is_slow_for_too_long_halts_when_the_others_are_done() -> None:
    slow = Deferred("SLOWMODE_WAIT", "this group is in slow mode", 7200.0)
    ledger = ledger_of(30)
    engine = engine_of(ledger, FakeTransport({"@friend0": slow}))
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.reason.startswith("this group is in slow mode; resume after")
    assert (ledger.counts().sent, ledger.counts().pending) == (29, 1)


def test_a_slow_chat_does_not_block_the_others() -> None:
    slow = Deferred("SLOWMODE_WAIT", "slow mode", 300.0)
    ledger, transport = ledger_of(30), SlowTransport({"@friend0": slow})
    virtual.run(engine_of(ledger, transport, concurrency=5).run())
    assert sorted(transport.times)[-2] < 10
    assert max(transport.times) == pytest.approx(301, abs=1)
    assert ledger.counts().sent == 30


def test_a_wait_too_long_halts_and_says_until_when() -> None:
    ledger = ledger_of(5)
    flood = Deferred("FLOOD_WAIT", "Telegram asks to wait", 7200.0, Scope.ACCOUNT)
    engine = engine_of(ledger, FakeTransport({"@friend0": flood}), concurrency=1)
    virtual.run(engine.run())
    assert engine.halted is not None
    assert "resume after" in engine.halted.reason
    assert ledger.counts().pending == 5


BUSY = Deferred("RPC_CALL_FAIL", "Telegram has internal trouble", perhaps_sent=True)


def test_trouble_with_one_that_stays_ends_and_is_in_doubt() -> None:
    ledger, transport = ledger_of(2), FakeTransport({"@friend0": [BUSY] * 1000})
    engine = engine_of(ledger, transport)
    virtual.run(engine.run())
    assert engine.halted is None
    assert (ledger.counts().sent, ledger.counts().failed) == (1, 1)
    assert ledger.outcomes[0] == Failed(BUSY.error, BUSY.reason, perhaps_sent=True)
    assert transport.attempts.count("@friend0") == 8


def test_a_random_id_that_stays_in_use_is_a_message_that_was_accepted() -> None:
    again = Deferred("RANDOM_ID_DUPLICATE", "still working on it", perhaps_sent=True)
    ledger = ledger_of(2)
    engine = engine_of(ledger, FakeTransport({"@friend0": [LOST, *[again] * 1000]}))
    virtual.run(engine.run())
    assert engine.halted is None
    assert ledger.counts().sent == 2
    assert ledger.outcomes[0] == Sent(None)


def test_trouble_of_telegram_itself_fails_nobody() -> None:
    """Nobody else was answered meanwhile, so it is not about any of them."""
    ledger = ledger_of(3)
    engine = engine_of(ledger, FakeTransport({f"@friend{n}": [BUSY] * 8 for n in range(3)}))
    virtual.run(engine.run())
    assert engine.halted is None
    assert ledger.counts().sent == 3


@pytest.mark.parametrize("first", [LOST, BUSY, WRONG_ANSWER, NO_ANSWER])
def test_a_refusal_after_a_doubt_is_still_in_doubt(first: Deferred) -> None:
    blocked = Failed("USER_IS_BLOCKED", "blocked")
    ledger = ledger_of(2)
    transport = FakeTransport({"@friend0": [first, blocked], "@friend1": blocked})
    virtual.run(engine_of(ledger, transport).run())
    assert ledger.outcomes == {0: replace(blocked, perhaps_sent=True), 1: blocked}


def test_an_outage_is_waited_for_with_growing_pauses() -> None:
    transport = FakeTransport({"@friend0": [LOST] * 6})
    ledger, watcher = ledger_of(1), Recorder()
    engine = Engine(ledger, transport, Pacer(None), watcher, clock=virtual.LoopClock())
    virtual.run(engine.run())
    assert ledger.counts().sent == 1
    assert watcher.holds == sorted(watcher.holds)
    assert len(set(watcher.reasons)) == 1  # the outage has one beginning
    assert ", since " in watcher.reasons[0]
    assert watcher.holds[-1] > 2 * watcher.holds[0]


def test_an_outage_longer_than_the_patience_halts_with_everything_pending() -> None:
    ledger = ledger_of(5)
    script = {f"@friend{n}": [LOST] * 10_000 for n in range(5)}
    engine = engine_of(ledger, FakeTransport(script), patience=120.0)
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.error == "OFFLINE"
    assert ledger.counts().pending == 5


def test_a_halt_stops_the_run_with_the_rest_pending() -> None:
    ledger = ledger_of(100)
    transport = FakeTransport({"@friend2": Halted("PEER_FLOOD", "limited")})
    engine = engine_of(ledger, transport, concurrency=1)
    virtual.run(engine.run())
    assert engine.halted == Halted("PEER_FLOOD", "limited")
    assert (ledger.counts().sent, ledger.counts().pending) == (2, 98)
    assert all(record.status is not Status.SENDING for record in ledger.records())


def test_a_stop_settles_what_is_in_flight_and_gives_back_the_rest() -> None:
    ledger, transport = ledger_of(100), SlowTransport()

    async def main() -> None:
        engine = engine_of(ledger, transport, concurrency=10)
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            await asyncio.sleep(2.5)
            engine.stop()

    virtual.run(main())
    assert ledger.counts().sent == len(transport.delivered) == 30
    assert all(record.status is not Status.SENDING for record in ledger.records())


def test_a_stop_ends_every_wait() -> None:
    async def main() -> float:
        engine = engine_of(ledger_of(10), FakeTransport({"@friend0": FLOOD}), concurrency=3)
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            await asyncio.sleep(5)
            engine.stop()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) == pytest.approx(5.0, abs=0.5)


def test_a_cancelled_run_can_be_gone_on_with_and_nobody_gets_it_twice() -> None:
    ledger, transport = ledger_of(100), SlowTransport()

    async def main() -> None:
        try:
            async with asyncio.timeout(3.5):
                await engine_of(ledger, transport).run()
        except TimeoutError:
            pass
        in_doubt = [r.delivery for r in ledger.records() if r.status is Status.SENDING]
        assert in_doubt
        await ledger.release(in_doubt)
        await engine_of(ledger, transport).run()

    virtual.run(main())
    assert ledger.counts().sent == 100
    assert len(transport.delivered) == 100


def test_a_bug_in_the_transport_is_not_swallowed() -> None:
    class Broken(FakeTransport):
        async def send(self, delivery: Delivery) -> Outcome:
            raise RuntimeError("a bug")

    with pytest.raises(ExceptionGroup):
        virtual.run(engine_of(ledger_of(3), Broken()).run())


def test_a_bug_behind_a_future_is_not_swallowed_either() -> None:
    class Broken:
        def send(self, delivery: Delivery) -> asyncio.Future[Outcome]:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(RuntimeError("a bug"))
            return answer

    with pytest.raises(RuntimeError, match="a bug"):
        virtual.run(engine_of(ledger_of(3), Broken()).run())


@pytest.mark.parametrize("outcome", [LOST, FLOOD])
def test_whoever_looks_on_and_fails_ends_the_run_and_hangs_nothing(outcome: Outcome) -> None:
    class Broken(Recorder):
        def held(self, seconds: float, reason: str) -> None:
            raise BrokenPipeError

    ledger = ledger_of(100)
    transport = SlowTransport({"@friend0": outcome})
    engine = Engine(ledger, transport, Pacer(50.0), Broken(), clock=virtual.LoopClock())
    with pytest.raises(BrokenPipeError):
        virtual.run(engine.run())
    claimed = [r for r in ledger.records() if r.status is Status.SENDING]
    assert len(claimed) <= 1  # the one whose outcome was not recorded; what was not tried is back


def test_an_answer_that_is_none_is_a_bug() -> None:
    class Forgetful(FakeTransport):
        async def send(self, delivery: Delivery) -> Outcome:
            await super().send(delivery)
            return None  # type: ignore[return-value]

    transport = Forgetful()
    with pytest.raises(TypeError, match="must answer with an Outcome, not with NoneType"):
        virtual.run(engine_of(ledger_of(100), transport, concurrency=5).run())
    assert len(transport.attempts) <= 5


class Refusing:
    """A gate that lets nobody through, and says why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        return self.outcome

    def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        return outcome


def test_what_telegram_never_heard_of_costs_no_pace_and_teaches_nothing() -> None:
    ledger, pacer = ledger_of(3000), Pacer(1.0, 10, learns=True)
    engine = Engine(
        ledger,
        FakeTransport(),
        pacer,
        Recorder(),
        gates=[Refusing(Failed("TOO_LATE", "too late"))],
        breaker=Breaker(1.0),
        clock=virtual.LoopClock(),
    )

    async def main() -> float:
        await engine.run()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) < 1.0
    assert ledger.counts().failed == 3000
    assert pacer.learned() is None
    assert pacer.rate == 1.0


def test_a_cancelled_run_tells_nobody_anything_any_more() -> None:
    watcher = Recorder()
    engine = Engine(ledger_of(50), SlowTransport(), Pacer(None), watcher, clock=virtual.LoopClock())

    async def main() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await engine.run()

    virtual.run(main())
    assert watcher.holds == watcher.settlements == []


def test_what_is_sent_at_once_needs_no_task_and_is_as_good() -> None:
    class AtOnce(FakeTransport):
        under_way = most = 0

        def send(self, delivery: Delivery) -> asyncio.Future[Outcome]:  # type: ignore[override]
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[Outcome] = loop.create_future()
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            loop.call_later(1.0, self._answer, delivery, answer)
            return answer

        def _answer(self, delivery: Delivery, answer: asyncio.Future[Outcome]) -> None:
            self.under_way -= 1
            coroutine = FakeTransport.send(self, delivery)
            with pytest.raises(StopIteration) as stopped:
                coroutine.send(None)
            answer.set_result(stopped.value.value)

    ledger = ledger_of(300)
    transport = AtOnce(
        {"@friend7": [LOST, FLOOD], "@friend8": Failed("USER_IS_BLOCKED", "blocked")}
    )
    virtual.run(engine_of(ledger, transport, concurrency=7).run())
    assert (ledger.counts().sent, ledger.counts().failed) == (299, 1)
    assert max(Counter(d.peer for d in transport.delivered).values()) == 1
    assert transport.most == 7


def test_a_gate_stops_a_delivery_or_changes_it_and_hears_what_became_of_it() -> None:
    heard: list[tuple[int, str, Outcome]] = []

    class Gate:
        def __init__(self, name: str) -> None:
            self.name = name

        def before(self, delivery: Delivery) -> Delivery | Outcome:
            if self.name == "inner" and delivery.position == 1:
                return Failed("TOO_LATE", "too late")
            return replace(delivery, part=delivery.part + 1)

        def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
            heard.append((delivery.position, self.name, outcome))
            return outcome

    class Parts(FakeTransport):
        async def send(self, delivery: Delivery) -> Outcome:
            assert delivery.part == 2
            return await super().send(delivery)

    ledger, transport = ledger_of(2), Parts()
    engine = Engine(
        ledger,
        transport,
        Pacer(None),
        Recorder(),
        gates=[Gate("outer"), Gate("inner")],
        clock=virtual.LoopClock(),
    )
    virtual.run(engine.run())
    assert [record.delivery.part for record in ledger.records()] == [0, 0]
    assert (ledger.counts().sent, ledger.counts().failed) == (1, 1)
    assert heard == [(0, "inner", Sent(1)), (0, "outer", Sent(1))]


def test_a_message_that_is_wrong_reaches_few_and_cannot_be_resumed() -> None:
    wrong = Halted("ENTITY_BOUNDS_INVALID", "formatting", resumable=False)
    script = {f"@friend{n}": wrong for n in range(100)}
    transport = FakeTransport(script)
    engine = engine_of(ledger_of(100), transport, concurrency=10)
    virtual.run(engine.run())
    assert engine.halted == wrong
    assert len(transport.attempts) <= 10
    assert not transport.delivered


def test_sent_without_an_id_is_sent() -> None:
    ledger = ledger_of(1)
    virtual.run(engine_of(ledger, FakeTransport({"@friend0": Sent(None)})).run())
    assert ledger.counts().sent == 1


def test_a_list_that_fails_from_first_to_last_stops_the_run() -> None:
    gone = Failed("PEER_ID_INVALID", "no such person")
    ledger = ledger_of(500)
    engine = engine_of(ledger, FakeTransport({f"@friend{n}": gone for n in range(500)}))
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.error == "TOO_MANY_FAILURES"
    assert ledger.counts().failed < 50


def test_a_long_outage_does_not_postpone_what_telegram_answers_again() -> None:
    again = Deferred("RANDOM_ID_DUPLICATE", "still working", perhaps_sent=True)
    ledger = ledger_of(1)
    engine = engine_of(ledger, FakeTransport({"@friend0": [LOST] * 20 + [again]}))

    async def main() -> float:
        await engine.run()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) < 600
    assert engine.halted is None
    assert ledger.counts().sent == 1


def test_a_telegram_in_trouble_for_everybody_is_not_hammered() -> None:
    trouble = Deferred("RPC_CALL_FAIL", "Telegram has internal trouble", perhaps_sent=True)
    transport = FakeTransport({f"@friend{n}": [trouble] * 1000 for n in range(500)})
    engine = engine_of(ledger_of(500), transport, Pacer(30, 30))
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.error == "OFFLINE"
    assert len(transport.attempts) < 3000


@dataclass
class Network(FakeTransport):
    """Answers at once, but for the time from `gone` to `back`, in which nothing answers at all."""

    gone: float
    back: float
    seconds: float = 30.0  # after which a request is given up

    def __post_init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def send(self, delivery: Delivery) -> Outcome:
        now = asyncio.get_running_loop().time()
        self.times.append(now)
        if self.gone <= now < self.back:
            await asyncio.sleep(self.seconds)
            return LOST
        return await super().send(delivery)


def run_over(
    network: Network, stop_at: float | None = None, **options: float
) -> tuple[Engine, float]:
    """A broadcast to a thousand, one a second; the engine, and when it ended."""
    engine = engine_of(ledger_of(1000), network, Pacer(1.0), **options)

    async def main() -> float:
        if stop_at is not None:
            asyncio.get_running_loop().call_later(stop_at, engine.stop)
        await engine.run()
        return asyncio.get_running_loop().time()

    return engine, virtual.run(main())


def test_an_outage_is_none_of_the_waits_that_telegram_names() -> None:
    engine, _ = run_over(Network(gone=10.0, back=300.0), max_wait=5.0)
    assert engine.halted is None


def test_a_wait_that_telegram_names_is_too_long_also_in_an_outage() -> None:
    long = Deferred("FLOOD_WAIT", "Telegram asks to wait", 7200.0, Scope.ACCOUNT)

    class Later(SlowTransport):
        async def send(self, delivery: Delivery) -> Outcome:
            await asyncio.sleep(delivery.position)  # the flood is answered first
            return await super().send(delivery)

    transport = Later({"@friend0": long, "@friend1": LOST})
    engine = engine_of(ledger_of(2), transport, concurrency=2)

    async def main() -> float:
        await engine.run()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) < 60
    assert engine.halted is not None
    assert engine.halted.error == "WAIT_TOO_LONG"


def test_an_outage_began_when_the_first_was_asked_who_got_no_answer() -> None:
    engine, _ = run_over(Network(gone=10.5, back=2000.0), patience=60.0)
    assert engine.halted is not None
    begun = (virtual.START + timedelta(seconds=11)).astimezone()
    assert f"since {begun:%H:%M:%S}" in engine.halted.reason


def test_patience_ends_also_the_wait_for_an_answer_that_does_not_come() -> None:
    engine, end = run_over(Network(gone=10.5, back=9000.0, seconds=500.0), patience=600.0)
    assert engine.halted is not None
    assert engine.halted.error == "OFFLINE"
    assert end < 11 + 600 + 5


def test_a_stop_in_an_outage_waits_for_no_answer() -> None:
    engine, end = run_over(Network(gone=10.5, back=9000.0), stop_at=85.0)
    assert engine.halted is None
    assert end < 85 + 3


def test_a_flood_that_is_answered_ends_an_outage() -> None:
    script: dict[str, Outcome | list[Outcome]] = {
        "@friend0": [*[LOST] * 8, Deferred("FLOOD_WAIT", "wait", 700.0, Scope.ACCOUNT), LOST]
    }
    engine = engine_of(ledger_of(1), FakeTransport(script), concurrency=1)
    virtual.run(engine.run())
    assert engine.halted is None


def test_what_was_deferred_without_asking_ends_no_outage() -> None:
    pace = Deferred("CHAT_PACE", "one message a second", 1.0, reached=False)
    script: dict[str, Outcome | list[Outcome]] = {
        "@friend0": [LOST] * 9999,
        "@friend1": [pace] * 9999,
    }
    engine = engine_of(ledger_of(2), SlowTransport(script), patience=60.0)

    async def main() -> float:
        await engine.run()
        return asyncio.get_running_loop().time()

    assert virtual.run(main()) < 80
    assert engine.halted is not None
    assert engine.halted.error == "OFFLINE"


def test_a_wait_that_is_ours_is_not_called_telegrams() -> None:
    pace = Deferred("CHAT_PACE", "one message a second", 3.0, reached=False)
    engine = engine_of(ledger_of(1), FakeTransport({"@friend0": pace}), max_wait=2.0)
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.reason.startswith("one message a second; resume after ")


def test_a_low_rate_is_no_reason_to_halt() -> None:
    ledger = ledger_of(2)
    engine = engine_of(ledger, FakeTransport(), Pacer(0.001))
    virtual.run(engine.run())
    assert engine.halted is None
    assert ledger.counts().sent == 2


def test_a_process_that_was_frozen_asks_before_it_goes_on() -> None:
    class Frozen(Kept):
        renewed = 0

        def has_lapsed(self, now: datetime) -> bool:
            return self.renewed == 0

        async def renew(self, now: datetime) -> None:
            self.renewed += 1

    ledger = Frozen(40)
    virtual.run(engine_of(ledger, FakeTransport(), Pacer(30)).run())
    assert ledger.renewed == 1


def test_an_outage_is_a_matter_of_patience_and_not_of_the_longest_wait() -> None:
    transport = FakeTransport({"@friend0": [LOST] * 100})
    engine = engine_of(ledger_of(1), transport, max_wait=5.0, patience=120.0)
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.error == "OFFLINE"


def test_a_flood_shows_that_the_outage_is_over() -> None:
    flood = Deferred("FLOOD_WAIT", "Telegram asks to wait", 700.0, Scope.ACCOUNT)
    transport = FakeTransport({"@friend0": [LOST, flood, LOST]})
    engine = engine_of(ledger_of(1), transport, patience=600.0)
    virtual.run(engine.run())
    assert engine.halted is None
    assert len(transport.delivered) == 1


def test_what_fails_with_an_earlier_part_is_reported_too() -> None:
    blocked = Failed("USER_IS_BLOCKED", "blocked you")
    ledger = Kept(2, parts=3)
    watcher = Recorder()
    transport = FakeTransport({"@friend1": blocked})
    virtual.run(Engine(ledger, transport, Pacer(None), watcher, clock=virtual.LoopClock()).run())
    told = [
        (peer, outcome.error)
        for peer, outcome in watcher.settlements
        if isinstance(outcome, Failed)
    ]
    assert told == [("@friend1", "USER_IS_BLOCKED")] + [("@friend1", "PART_MISSING")] * 2


def test_an_outage_that_is_over_holds_nothing_of_the_engine() -> None:
    """A program that lives for long may have thousands of them."""

    async def main() -> bool:
        engine = engine_of(ledger_of(3), FakeTransport({"@friend1": [LOST, LOST]}))
        await engine.run()
        gone = weakref.ref(engine)
        del engine
        gc.collect()
        return gone() is None

    assert virtual.run(main())


def test_a_request_that_is_given_up_may_take_its_time_to_end() -> None:
    class Slow(FakeTransport):
        """Answers one with nothing, and the others never; and each takes a while to end."""

        async def send(self, delivery: Delivery) -> Outcome:
            if delivery.position == 0:
                return LOST
            try:
                await asyncio.sleep(10**6)
            finally:
                await asyncio.sleep(5)
                ended.append(delivery.position)
            raise AssertionError

    ledger, ended = ledger_of(3), list[int]()
    engine = engine_of(ledger, Slow(), patience=60.0)
    virtual.run(engine.run())
    assert engine.halted is not None
    assert engine.halted.error == "OFFLINE"
    assert ledger.counts().pending == 3
    assert sorted(ended) == [1, 2]
