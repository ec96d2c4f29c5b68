"""What is shown of the recipients of a broadcast."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from broadcast.core.model import (
    Action,
    Broadcast,
    Contact,
    Counts,
    Delivery,
    Message,
    Record,
    State,
)
from broadcast.core.peers import parse_peer
from broadcast.terminal.deliveries import RECORDS_LIMIT, show_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HELLO = Message("I bought a car!")


async def test_of_a_million_recipients_only_those_that_are_shown_are_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def records() -> AsyncIterator[Record]:
        for position in range(RECORDS_LIMIT):
            yield Record(Delivery("b1", position, Contact(parse_peer("@ana")), HELLO))
        raise AssertionError("nobody sees this one")

    counts = Counts(pending=1_000_000)
    broadcast = Broadcast(1, "b1", Action.SEND, HELLO, NOW, State.OPEN, counts)
    await show_records(broadcast, records(), counts.total, as_json=False)
    shown = capsys.readouterr().out.splitlines()
    assert len([line for line in shown if "@ana" in line]) == RECORDS_LIMIT
    assert shown[-2].startswith(f"... and {1_000_000 - RECORDS_LIMIT} more")
