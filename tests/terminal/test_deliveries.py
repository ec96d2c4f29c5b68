"""What is shown of the recipients of a broadcast."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from broadcast.core.model import (
    Action,
    Broadcast,
    Contact,
    Counts,
    Delivery,
    Failed,
    Message,
    Record,
    Sent,
    State,
)
from broadcast.core.peers import parse_peer
from broadcast.ledger.memory import in_memory
from broadcast.people.audience import Audience
from broadcast.service.reports import Report
from broadcast.terminal.deliveries import RECORDS_LIMIT, SAME_LIMIT, show_records, show_result
from broadcast.terminal.streams import Output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HELLO = Message("I bought a car!")


async def test_of_a_million_recipients_only_those_that_are_shown_are_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def records() -> AsyncIterator[Record]:
        for position in range(RECORDS_LIMIT):
            yield Record(Delivery("b1", position, Contact(parse_peer("@ana")), HELLO))
        raise AssertionError("nobody sees this one")

    counts = Counts(pending=1_000_000)
    broadcast = Broadcast(1, "b1", Action.SEND, HELLO, NOW, State.OPEN, counts)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    await show_records(broadcast, records(), counts.total, as_json=False)
    shown = capsys.readouterr().out.splitlines()
    assert len([line for line in shown if "@ana" in line]) == RECORDS_LIMIT
    assert shown[-2].startswith(f"... and {1_000_000 - RECORDS_LIMIT:,} more")


async def test_a_program_gets_every_recipient(capsys: pytest.CaptureFixture[str]) -> None:
    async def records() -> AsyncIterator[Record]:
        for position in range(2 * RECORDS_LIMIT):
            yield Record(Delivery("b1", position, Contact(parse_peer("@ana")), HELLO))

    counts = Counts(pending=2 * RECORDS_LIMIT)
    broadcast = Broadcast(1, "b1", Action.SEND, HELLO, NOW, State.OPEN, counts)
    await show_records(broadcast, records(), counts.total, as_json=False)
    assert capsys.readouterr().out.count("@ana") == 2 * RECORDS_LIMIT


BLOCKED = Failed("USER_IS_BLOCKED", "this person has blocked you")


async def shown_of(
    capsys: pytest.CaptureFixture[str], outcomes: list[Sent | Failed], *, quiet: bool = False
) -> list[str]:
    """What a run shows on stdout that ended so."""
    contacts = [Contact(parse_peer(f"@friend{number}")) for number in range(len(outcomes))]
    ledger = in_memory()
    broadcast = await ledger.create("b1", HELLO, Audience(contacts))
    async with ledger.start(broadcast, account=1) as run:
        deliveries = await run.claim(len(outcomes), NOW)
        await run.settle(list(zip(deliveries, outcomes, strict=True)), NOW)
    report = Report.of_nothing_left(await ledger.reload(broadcast), ledger)
    await show_result(report, Output(), as_json=False, quiet=quiet, place=" --sandbox")
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("quiet", [False, True])
async def test_many_equal_failures_are_one_line_with_their_count(
    capsys: pytest.CaptureFixture[str], *, quiet: bool
) -> None:
    other = Failed("INPUT_USER_DEACTIVATED", "this account is deleted")
    outcomes = [*[BLOCKED] * 200, Sent(1), other]
    lines = await shown_of(capsys, outcomes, quiet=quiet)
    assert lines[1:4] == [
        "\t@friend201\tfailed\tthis account is deleted (INPUT_USER_DEACTIVATED)",
        "200 failed: this person has blocked you (USER_IS_BLOCKED)",
        "`broadcast show b1 --failed --sandbox` names them",
    ]
    assert len(lines) == (4 if quiet else 5)


async def test_few_failures_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await shown_of(capsys, [*[BLOCKED] * SAME_LIMIT, *[Sent(1)] * 100])
    assert [line.split("\t")[1] for line in lines[1:-1]] == [
        f"@friend{number}" for number in range(SAME_LIMIT)
    ]
