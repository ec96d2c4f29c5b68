"""A message in several parts: what crashes, retries, canaries and changes make of their order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.core.errors import InputError
from broadcast.core.lifecycle import require_changeable
from broadcast.core.model import Action, Counts, Deferred, Failed, Message, Sent, State, Status
from tests.ledger.opened import (
    ACCOUNT,
    BLOCKED,
    HELLO,
    NOW,
    Clock,
    Opened,
    audience,
    die,
    everything,
    new_id,
    opened,
    positions,
    settle_all,
    states,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broadcast.core.model import Broadcast, Outcome
    from broadcast.ledger.sqlite.run import SqliteRun

MISSING = Failed("PART_MISSING", "an earlier part could not be sent")
PRIVATE = Failed("USER_PRIVACY_RESTRICTED", "this person's privacy settings do not let you write")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Opened]:
    with opened(tmp_path / "ledger.db", clock=Clock(), busy_timeout=0.0) as made:
        yield made


def split(ledger: Opened, *parts: int) -> Broadcast:
    """A broadcast of so many parts to each."""
    counts = {f"@friend{number}": count for number, count in enumerate(parts)}
    made = ledger.create(
        new_id(), HELLO, audience(len(parts)), parts=lambda contact: counts[contact.peer.text]
    )
    return asyncio.run(made)


def take_over(ledger: Opened, broadcast: Broadcast, **more: Any) -> SqliteRun:
    return asyncio.run(ledger.take_over(broadcast, account=ACCOUNT, **more))


def claim(run: SqliteRun, limit: int = 99) -> list[Any]:
    return list(asyncio.run(run.claim(limit, NOW)))


def settle(run: SqliteRun, deliveries: list[Any], outcome: Outcome) -> None:
    asyncio.run(run.settle([(delivery, outcome) for delivery in deliveries], NOW))


def send_rest(ledger: Opened, broadcast: Broadcast, **failing: Outcome) -> None:
    """Send what is left, in order; `_3=outcome` is what becomes of position 3."""

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            while claimed := await run.claim(1, NOW):
                for delivery in claimed:
                    outcome = failing.get(f"_{delivery.position}", Sent(100 + delivery.position))
                    await run.settle([(delivery, outcome)], NOW)

    asyncio.run(work())


def test_every_part_is_a_delivery_and_they_lie_side_by_side(ledger: Opened) -> None:
    broadcast = split(ledger, 3, 1, 2)
    assert (broadcast.counts, broadcast.later_parts) == (Counts(pending=6), 3)
    found = [(r.delivery.contact.peer.text, r.delivery.part) for r in ledger.records(broadcast)]
    assert found == [
        ("@friend0", 0),
        ("@friend0", 1),
        ("@friend0", 2),
        ("@friend1", 0),
        ("@friend2", 0),
        ("@friend2", 1),
    ]


def test_a_crash_leaves_in_doubt_what_was_claimed_and_no_part_after_it(
    ledger: Opened,
) -> None:
    broadcast = split(ledger, 3, 2, 2)
    run = take_over(ledger, broadcast)
    first = claim(run)
    settle(run, first[:1], Sent(1))
    assert positions(claim(run)) == [1]
    die(ledger)
    found = list(ledger.records(ledger.reload(broadcast)))
    doubt = [r.delivery for r in found if isinstance(r.outcome, Deferred)]
    assert positions(doubt) == [1, 3, 5]
    assert positions(ledger.in_doubt(ledger.reload(broadcast))) == [1, 3, 5]
    again = take_over(ledger, broadcast)
    claimed = claim(again)
    assert [(d.position, d.attempts) for d in claimed] == [(1, 1), (3, 1), (5, 1)]
    settle(again, claimed, Sent(2))
    assert [(d.position, d.part) for d in claim(again)] == [(2, 2), (4, 1), (6, 1)]


def test_crash_after_crash_sends_each_part_once_and_in_order(ledger: Opened) -> None:
    broadcast = split(ledger, 2, 3, 1)
    order: list[int] = []
    for _ in range(99):
        run = take_over(ledger, broadcast)
        claimed = claim(run, 2)
        if not claimed:
            break
        settle(run, claimed[:1], Sent(1))
        order.append(claimed[0].position)
        die(ledger)
    asyncio.run(run.finish())
    assert sorted(order) == list(range(6))
    for earlier, later in ((0, 1), (2, 3), (3, 4)):
        assert order.index(earlier) < order.index(later)
    assert ledger.reload(broadcast).state is State.DONE


def test_what_was_found_to_have_arrived_lets_the_next_part_go(ledger: Opened) -> None:
    broadcast = split(ledger, 2, 2)
    claim(take_over(ledger, broadcast))
    die(ledger)
    asyncio.run(ledger.learn_sent(broadcast, {0: [7]}))
    claimed = claim(take_over(ledger, broadcast))
    assert [(d.position, d.attempts) for d in claimed] == [(1, 0), (2, 1)]


def test_a_cancel_skips_the_parts_that_nobody_has(ledger: Opened) -> None:
    broadcast = split(ledger, 3, 2)
    run = take_over(ledger, broadcast)
    settle(run, claim(run, 1), Sent(1))
    claim(run, 1)
    die(ledger)
    asyncio.run(ledger.ask(broadcast, State.CANCELLED))
    assert states(ledger, broadcast) == ["sent", "sending", "skipped", "skipped", "skipped"]
    assert ledger.reload(broadcast).counts == Counts(sent=1, skipped=3, pending=1, in_doubt=1)


def test_a_canary_counts_people_and_sends_them_all_their_parts(ledger: Opened) -> None:
    broadcast = split(ledger, 2, 3, 1, 2)

    async def first_two() -> list[int]:
        found = []
        async with ledger.start(broadcast, account=ACCOUNT, first=2) as run:
            while claimed := await run.claim(99, NOW):
                found += positions(claimed)
                await run.settle([(delivery, Sent(1)) for delivery in claimed], NOW)
            assert await run.next_due() is None
        return sorted(found)

    assert asyncio.run(first_two()) == [0, 1, 2, 3, 4]
    send_rest(ledger, broadcast)
    assert ledger.reload(broadcast).counts == Counts(sent=8)


def test_a_canary_larger_than_the_audience_is_everybody(ledger: Opened) -> None:
    broadcast = split(ledger, 2, 1)
    run = take_over(ledger, broadcast, first=9)
    assert positions(claim(run)) == [0, 2]


# --- failures and retries


def test_a_retry_takes_the_parts_up_again_in_order(ledger: Opened) -> None:
    broadcast = split(ledger, 3, 3, 1)
    send_rest(ledger, broadcast, _0=PRIVATE, _4=PRIVATE)
    outcomes = [record.outcome for record in ledger.records(ledger.reload(broadcast))]
    assert outcomes[:3] == [PRIVATE, MISSING, MISSING]
    assert outcomes[3:6] == [Sent(103), PRIVATE, MISSING]
    after = ledger.reload(broadcast)
    assert (after.state, after.counts) == (State.DONE, Counts(sent=2, failed=5))
    assert asyncio.run(ledger.requeue_failed(after, insist=False)) == 5
    assert ledger.reload(broadcast).counts == Counts(sent=2, pending=5)
    run = take_over(ledger, broadcast)
    claimed = claim(run)
    assert positions(claimed) == [0, 4]
    settle(run, claimed, Sent(1))
    claimed = claim(run)
    assert positions(claimed) == [1, 5]
    settle(run, claimed[:1], PRIVATE)
    settle(run, claimed[1:], Sent(1))
    asyncio.run(run.finish())
    assert states(ledger, broadcast)[:3] == ["sent", "failed", "failed"]
    assert ledger.reload(broadcast).counts == Counts(sent=5, failed=2)


def test_a_part_is_not_retried_without_the_one_that_it_failed_with(ledger: Opened) -> None:
    broadcast = split(ledger, 2, 2, 2)
    send_rest(ledger, broadcast, _0=BLOCKED, _2=PRIVATE, _4=BLOCKED)
    assert asyncio.run(ledger.requeue_failed(broadcast, insist=False)) == 2
    assert states(ledger, broadcast) == ["failed"] * 2 + ["pending"] * 2 + ["failed"] * 2
    send_rest(ledger, broadcast)
    assert asyncio.run(ledger.requeue_failed(broadcast, insist=False)) == 0
    assert asyncio.run(ledger.requeue_failed(broadcast, insist=True)) == 4
    send_rest(ledger, broadcast)
    assert ledger.reload(broadcast).counts == Counts(sent=6)


def test_no_trace_of_an_intent_is_left(ledger: Opened) -> None:
    broadcast = split(ledger, 3, 2)
    send_rest(ledger, broadcast, _1=BLOCKED)
    kept = everything(ledger)
    assert (kept["slice"], kept["waiting"], len(kept["outcome"])) == ([], [], 5)


# --- changes


def test_a_recall_takes_back_every_part_in_any_order(ledger: Opened) -> None:
    broadcast = split(ledger, 3, 2)
    send_rest(ledger, broadcast, _1=BLOCKED)
    body = Message("")
    recall = asyncio.run(ledger.create_change(new_id(), Action.RECALL, broadcast, body))
    assert recall.counts == Counts(pending=3)
    run = take_over(ledger, recall)
    claimed = claim(run)
    assert [(d.position, d.part, d.message_id) for d in claimed] == [
        (0, 0, 100),
        (3, 0, 103),
        (4, 1, 104),
    ]
    settle(run, claimed[:1], Failed("MESSAGE_ID_INVALID", "gone"))
    die(ledger)
    again = take_over(ledger, recall)
    assert positions(claim(again)) == [3, 4]
    assert states(ledger, recall) == ["failed", "sending", "sending"]
    settle(again, claimed[1:], Sent(1))
    asyncio.run(again.finish())
    assert ledger.reload(recall).counts == Counts(sent=2, failed=1)


def test_what_is_in_parts_is_not_edited(ledger: Opened) -> None:
    broadcast, plain = split(ledger, 2, 1), split(ledger, 1)
    send_rest(ledger, broadcast)
    send_rest(ledger, plain)
    before = everything(ledger)
    for edit, message, why in (
        (broadcast, HELLO, r"sent in several parts.*broadcast recall"),
        (plain, replace(HELLO, split=True), r"cannot be split.*nothing was changed"),
    ):
        with pytest.raises(InputError, match=why):
            asyncio.run(ledger.create_change(new_id(), Action.EDIT, edit, message))
    with pytest.raises(InputError, match="several parts"):
        require_changeable(ledger.standing(broadcast), Action.EDIT, NOW)
    require_changeable(ledger.standing(broadcast), Action.RECALL, NOW)
    assert everything(ledger) == before


def test_two_runs_at_once_of_one_broadcast_never_mix_parts(ledger: Opened) -> None:
    """The keys of the next broadcast follow: no part of it is taken for one of this."""
    first, second = split(ledger, 1, 2), split(ledger, 2, 1)
    for broadcast in (second, first):
        run = take_over(ledger, broadcast)
        settle(run, claim(run), PRIVATE)
        assert claim(run) == []
        asyncio.run(run.finish())
        assert ledger.reload(broadcast).counts == Counts(failed=3)
    assert [r.status for r in ledger.records(ledger.reload(first))] == [Status.FAILED] * 3


def test_outcomes_of_one_commit_in_any_order(ledger: Opened) -> None:
    broadcast = split(ledger, 2, 2, 2)

    async def work() -> None:
        async with ledger.start(broadcast, account=ACCOUNT) as run:
            claimed = await run.claim(3, NOW)
            mixed: list[Outcome] = [Sent(1), BLOCKED, Sent(3)]
            await run.settle(list(zip(claimed[::-1], mixed, strict=True)), NOW)
            await settle_all(run, [Sent(4), Sent(5)])

    asyncio.run(work())
    assert states(ledger, broadcast) == ["sent", "sent", "failed", "failed", "sent", "sent"]
