"""What the durable ledger keeps of an account's limits, from one broadcast to the next."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from broadcast.core.model import Deferred, Scope, Sent
from broadcast.engine.pacer import Known, Learned
from tests.ledger.opened import ACCOUNT, NOW, Clock, Opened, create, opened, settle_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broadcast.core.model import Broadcast, Outcome

FLOOD = Deferred("FLOOD_WAIT", "wait", 31.0, Scope.ACCOUNT)
PAID = Sent(1, paid=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Opened]:
    with opened(tmp_path / "ledger.db", clock=clock) as made:
        yield made


def settle(ledger: Opened, broadcast: Broadcast, *outcomes: Outcome) -> None:
    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT, server="sandbox") as run:
            await settle_all(run, outcomes)

    asyncio.run(work())


def run_that_learns(ledger: Opened, learned: Learned | None) -> None:
    broadcast = create(ledger)

    async def work() -> None:
        about = {"account": ACCOUNT, "server": "sandbox"}
        async with ledger.start(broadcast, **about, learned=lambda: learned):
            pass

    asyncio.run(work())


def test_nothing_is_known_of_an_account_at_first(ledger: Opened) -> None:
    assert ledger.known(ACCOUNT, None) == Known()


def test_what_a_run_has_learned_is_there_for_the_next(ledger: Opened, clock: Clock) -> None:
    run_that_learns(ledger, Learned(12.5, 7))
    assert ledger.known(ACCOUNT, "sandbox") == Known(Learned(12.5, 7), NOW)
    clock.advance(60)
    run_that_learns(ledger, None)  # too short to tell: the old knowledge keeps its age
    assert ledger.known(ACCOUNT, "sandbox") == Known(Learned(12.5, 7), NOW)
    run_that_learns(ledger, Learned(20.0, 30))
    assert ledger.known(ACCOUNT, "sandbox") == Known(Learned(20.0, 30), NOW + timedelta(seconds=60))


def test_accounts_and_servers_are_apart(ledger: Opened) -> None:
    run_that_learns(ledger, Learned(12.5, 7))
    assert ledger.known(ACCOUNT, None) == Known()
    assert ledger.known(ACCOUNT + 1, "sandbox") == Known()


def test_a_process_that_lives_on_keeps_what_it_learned_with_every_sign_of_life(
    ledger: Opened,
) -> None:
    broadcast = create(ledger)

    async def work() -> None:
        asked: list[Learned] = []

        def learned() -> Learned:
            if len(asked) == 2:
                raise EOFError  # the heart has beaten twice
            asked.append(Learned(3.0 + len(asked), 1))
            return asked[-1]

        run = await ledger.take_over(broadcast, account=ACCOUNT, learned=learned)
        with pytest.raises(EOFError):
            await run.beat(lambda: None, every=0.01, renew_after=0.0)

    asyncio.run(work())  # it dies, without an end
    assert ledger.known(ACCOUNT, None).learned == Learned(4.0, 1)


def test_a_time_that_telegram_has_named_is_known_at_once_and_to_every_broadcast(
    ledger: Opened,
) -> None:
    broadcast = create(ledger, 5)

    async def work() -> None:
        run = await ledger.take_over(broadcast, account=ACCOUNT)
        await settle_all(run, [Sent(1), FLOOD, Deferred("FLOOD_WAIT", "wait", 5.0, Scope.ACCOUNT)])

    asyncio.run(work())  # it dies, without an end
    assert ledger.known(ACCOUNT, None).held_until == NOW + timedelta(seconds=31)


def test_a_shorter_wait_does_not_end_a_longer_one(ledger: Opened) -> None:
    settle(ledger, create(ledger), FLOOD)
    settle(ledger, create(ledger), Deferred("FLOOD_WAIT", "wait", 1.0, Scope.ACCOUNT))
    assert ledger.known(ACCOUNT, "sandbox").held_until == NOW + timedelta(seconds=31)


@pytest.mark.parametrize(
    "outcome",
    [
        Deferred("SLOWMODE_WAIT", "slow", 30.0),
        Deferred("NOT_CONNECTED", "no connection", 0.0, Scope.ACCOUNT, reached=False),
    ],
)
def test_the_wait_of_one_chat_or_of_a_network_holds_no_account(
    ledger: Opened, outcome: Outcome
) -> None:
    settle(ledger, create(ledger), outcome)
    assert ledger.known(ACCOUNT, "sandbox").held_until is None


def test_the_messages_that_cost_stars_are_counted_over_all_runs(ledger: Opened) -> None:
    broadcast = create(ledger, 6)
    settle(ledger, broadcast, PAID, Sent(2), FLOOD)
    assert ledger.reload(broadcast).paid == 1
    settle(ledger, ledger.reload(broadcast), PAID, PAID)
    assert ledger.reload(broadcast).paid == 3


def test_a_run_may_end_after_the_first(ledger: Opened) -> None:
    broadcast = create(ledger, 10)

    async def claim(until: int | None) -> list[int]:
        async with ledger.start(broadcast, account=ACCOUNT, first=until) as run:
            claimed = [*await run.claim(100, NOW), *await run.claim(100, NOW)]
            await run.settle([(delivery, Sent(1)) for delivery in claimed], NOW)
            return [delivery.position for delivery in claimed]

    assert asyncio.run(claim(3)) == [0, 1, 2]
    assert asyncio.run(claim(3)) == [3, 4, 5]
    assert asyncio.run(claim(None)) == [6, 7, 8, 9]
