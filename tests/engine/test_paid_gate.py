from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.classify import next_step
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
)
from broadcast.core.peers import parse_peer
from broadcast.engine.fake import FakeTransport
from broadcast.engine.gates import PaidGate, stars
from tests.clocks import SetClock
from tests.gated import Gated


def delivery(number: int) -> Delivery:
    return Delivery(
        "b1", number, Contact(parse_peer(f"@friend{number}")), Message("I bought a car!")
    )


def sent_at_once(
    count: int, budget: int, *, spent: int = 0, inner: FakeTransport | None = None
) -> list[Outcome]:
    transport = Gated(PaidGate(budget, spent, SetClock(1000.0)), inner or FakeTransport())

    async def main() -> list[Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(transport.send(delivery(n))) for n in range(count)]
        return [task.result() for task in tasks]

    return asyncio.run(main())


def paid(outcomes: list[Outcome]) -> int:
    return sum(isinstance(outcome, Sent) and outcome.paid for outcome in outcomes)


def halted(outcomes: list[Outcome]) -> int:
    return sum(isinstance(outcome, Halted) for outcome in outcomes)


def test_what_the_free_rate_has_room_for_is_free() -> None:
    moving = SetClock(1000.0)
    transport = Gated(PaidGate(1, 0, moving), FakeTransport())

    async def main() -> list[Outcome]:
        outcomes: list[Outcome] = []
        for number in range(50):
            outcomes.append(await transport.send(delivery(number)))
            moving.seconds += 1.0
        return outcomes

    assert paid(asyncio.run(main())) == 0


def test_the_budget_is_never_passed() -> None:
    outcomes = sent_at_once(50, 2)
    assert paid(outcomes) == 20  # 0.1 Star each
    assert halted(outcomes) == 50 - 20 - 1
    end = next(outcome for outcome in outcomes if isinstance(outcome, Halted))
    assert end.resumable
    step = next_step(end.error)
    assert step is not None
    assert step.command == "resume"


def test_what_earlier_runs_have_spent_is_gone() -> None:
    assert paid(sent_at_once(50, 2, spent=15)) == 5
    assert halted(sent_at_once(50, 2, spent=20)) == 49


@pytest.mark.parametrize(
    "refusal", [Failed("USER_IS_BLOCKED", "blocked"), Deferred("FLOOD_WAIT", "wait", 1.0)]
)
def test_what_was_not_sent_costs_nothing(refusal: Outcome) -> None:
    inner = FakeTransport({f"@friend{number}": refusal for number in range(30)})
    transport = Gated(PaidGate(2, 0, SetClock(1000.0)), inner)

    async def main() -> list[Outcome]:
        return [await transport.send(delivery(number)) for number in range(60)]

    assert paid(asyncio.run(main())) == 20


def test_the_price_is_told_before() -> None:
    assert stars(7) == Fraction(7, 10)


AGAIN = Deferred("RPC_CALL_FAIL", "internal trouble", perhaps_sent=True)
FLOOD = Deferred("FLOOD_WAIT", "wait", 1.0, Scope.ACCOUNT)
GONE = Failed("USER_IS_BLOCKED", "blocked")


class Telegram:
    """Charges for every message but the first, once; `script` says what it answers, in order.

    AGAIN comes after the message was stored and charged, FLOOD and GONE instead of it.
    """

    def __init__(self, script: list[Outcome]) -> None:
        self.stored: set[int] = set()
        self._script = iter(script)

    @property
    def charged(self) -> int:
        return max(len(self.stored) - 1, 0)

    async def send(self, delivery: Delivery) -> Outcome:
        outcome = next(self._script, Sent(1))
        if outcome in (AGAIN, Sent(1)):
            self.stored.add(delivery.position)
        return outcome


def send_all(transport: Gated[PaidGate], count: int) -> list[Outcome]:
    """Until each is settled or the budget is spent; what became of them in the end."""
    waiting, ended = list(range(count)), list[Outcome]()

    async def main() -> None:
        while waiting:
            position = waiting.pop(0)
            outcome = await transport.send(delivery(position))
            if isinstance(outcome, Halted):
                return
            if isinstance(outcome, Deferred):
                waiting.insert(0, position)  # as the engine does
            else:
                ended.append(outcome)

    asyncio.run(main())
    return ended


async def send_each(transport: Gated[PaidGate], count: int) -> None:
    for number in range(count):
        await transport.send(delivery(number))


def test_what_was_perhaps_sent_is_paid_once_and_counted() -> None:
    telegram = Telegram([AGAIN, AGAIN, FLOOD] * 40)
    transport = Gated(PaidGate(3, 0, SetClock(1000.0)), telegram)
    ended = send_all(transport, 25)
    assert len(ended) == 25
    assert telegram.charged == 24 <= paid(ended)
    assert transport.gate.perhaps_paid == 0
    telegram = Telegram([AGAIN] * 100)
    transport = Gated(PaidGate(3, 0, SetClock(1000.0)), telegram)
    asyncio.run(send_each(transport, 100))
    assert telegram.charged == transport.gate.perhaps_paid == 30


@given(
    st.lists(st.sampled_from([Sent(1), AGAIN, AGAIN, FLOOD, GONE]), max_size=200),
    st.integers(1, 5),
    st.integers(1, 60),
)
def test_whatever_telegram_answers_the_budget_holds(
    script: list[Outcome], budget: int, count: int
) -> None:
    telegram = Telegram(script)
    send_all(Gated(PaidGate(budget, 0, SetClock(1000.0)), telegram), count)
    assert telegram.charged <= budget * 10


def test_what_an_earlier_run_left_in_doubt_is_set_aside() -> None:
    in_doubt = Gated(PaidGate(2, 0, SetClock(1000.0), range(5)), FakeTransport())
    outcomes = [asyncio.run(in_doubt.send(delivery(number))) for number in range(30)]
    assert paid(outcomes) == 20
    assert paid(outcomes[:5]) == 5
    assert in_doubt.gate.perhaps_paid == 0
    too_many = Gated(PaidGate(2, 0, SetClock(1000.0), range(21)), FakeTransport())
    outcomes = [asyncio.run(too_many.send(delivery(number))) for number in range(30)]
    assert too_many.gate.perhaps_paid == 20
    assert paid(outcomes) == 0  # 20 of those in doubt may have been paid, and nobody knows which


@given(st.integers(0, 300), st.integers(1, 40), st.integers(0, 500))
def test_however_many_there_are_the_budget_holds(count: int, budget: int, spent: int) -> None:
    outcomes = sent_at_once(count, budget, spent=spent)
    assert paid(outcomes) <= max(budget * 10 - spent, 0)
    assert paid(outcomes) + halted(outcomes) == max(count - 1, 0)


def test_what_may_have_been_charged_keeps_its_price() -> None:
    """Telegram takes the Star, and its answer is lost: the next try must not get it back."""
    lost = Deferred("NO_ANSWER", "no answer", reached=False, perhaps_sent=True)
    inner = FakeTransport({f"@friend{number}": lost for number in range(50)})
    transport = Gated(PaidGate(1, 0, SetClock(1000.0)), inner)

    async def main() -> tuple[list[Outcome], list[Outcome]]:
        first = [await transport.send(delivery(number)) for number in range(50)]
        return first, [await transport.send(delivery(number)) for number in range(50)]

    first, second = asyncio.run(main())
    assert first.count(lost) == 1 + 10  # one is free, ten are one Star
    assert paid(second) == 10
    assert all(isinstance(outcome, (Sent, Halted)) for outcome in second)
    assert len(inner.delivered) == 11
