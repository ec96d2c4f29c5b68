from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.model import Contact, Deferred, Delivery, Failed, Halted, Message, Outcome, Sent
from broadcast.core.paid import PaidTransport, most_stars, stars
from broadcast.core.peers import parse_peer
from broadcast.transport.fake import FakeTransport


def delivery(number: int) -> Delivery:
    return Delivery(
        "b1", number, Contact(parse_peer(f"@friend{number}")), Message("I bought a car!")
    )


def sent_at_once(
    count: int, budget: int, *, spent: int = 0, inner: FakeTransport | None = None
) -> list[Outcome]:
    transport = PaidTransport(inner or FakeTransport(), budget, spent, lambda: 1000.0)

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
    moment = iter(range(1000, 2000))
    transport = PaidTransport(FakeTransport(), 1, 0, lambda: next(moment))

    async def main() -> list[Outcome]:
        return [await transport.send(delivery(number)) for number in range(50)]

    assert paid(asyncio.run(main())) == 0


def test_the_budget_is_never_passed() -> None:
    outcomes = sent_at_once(50, 2)
    assert paid(outcomes) == 20  # 0.1 Star each
    assert halted(outcomes) == 50 - 20 - 1
    end = next(outcome for outcome in outcomes if isinstance(outcome, Halted))
    assert end.resumable
    assert "--stars-budget" in end.reason


def test_what_earlier_runs_have_spent_is_gone() -> None:
    assert paid(sent_at_once(50, 2, spent=15)) == 5
    assert halted(sent_at_once(50, 2, spent=20)) == 49


@pytest.mark.parametrize(
    "refusal", [Failed("USER_IS_BLOCKED", "blocked"), Deferred("FLOOD_WAIT", "wait", 1.0)]
)
def test_what_was_not_sent_costs_nothing(refusal: Outcome) -> None:
    inner = FakeTransport({f"@friend{number}": refusal for number in range(30)})
    transport = PaidTransport(inner, 2, 0, lambda: 1000.0)

    async def main() -> list[Outcome]:
        return [await transport.send(delivery(number)) for number in range(60)]

    assert paid(asyncio.run(main())) == 20


def test_the_price_is_told_before() -> None:
    assert stars(7) == Fraction(7, 10)
    assert most_stars(0) == 0
    assert most_stars(1_000_000) == 97_000  # in each second 30 of 1,000 are free


@given(st.integers(0, 300), st.integers(1, 40), st.integers(0, 500))
def test_however_many_there_are_the_budget_holds(count: int, budget: int, spent: int) -> None:
    outcomes = sent_at_once(count, budget, spent=spent)
    assert paid(outcomes) <= max(budget * 10 - spent, 0)
    assert paid(outcomes) + halted(outcomes) == max(count - 1, 0)


def test_what_may_have_been_charged_keeps_its_price() -> None:
    """Telegram takes the Star, and its answer is lost: the next try must not get it back."""
    lost = Deferred("NO_ANSWER", "no answer", reached=False, perhaps_sent=True)
    inner = FakeTransport({f"@friend{number}": lost for number in range(50)})
    transport = PaidTransport(inner, 1, 0, lambda: 1000.0)

    async def main() -> tuple[list[Outcome], list[Outcome]]:
        first = [await transport.send(delivery(number)) for number in range(50)]
        return first, [await transport.send(delivery(number)) for number in range(50)]

    first, second = asyncio.run(main())
    assert first.count(lost) == 1 + 10  # one is free, ten are one Star
    assert paid(second) == 10
    assert all(isinstance(outcome, (Sent, Halted)) for outcome in second)
    assert len(inner.delivered) == 11
