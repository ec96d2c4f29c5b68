"""What is too late to be sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from broadcast.core.classify import may_help_to_retry, reason_of
from broadcast.core.model import Action, Contact, Delivery, Failed, Message, Sent, When
from broadcast.core.moments import local
from broadcast.core.peers import parse_peer
from broadcast.engine.fake import FakeTransport
from broadcast.engine.gates import PunctualGate
from tests.clocks import SetClock
from tests.gated import Gated

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MADRID, AUCKLAND = "Europe/Madrid", "Pacific/Auckland"


def in_zone(tz: str) -> Contact:
    return Contact(parse_peer("@ana"), "Ana", (), {"tz": tz}, 7)


def delivery(**changes: Any) -> Delivery:
    return replace(Delivery("b1", 0, in_zone(MADRID), Message("I bought a car!")), **changes)


SIX = NOW.replace(tzinfo=None, hour=18)


def sent_at(
    now: datetime, late: float | None = 1800.0, *, when: When | None = None, **changes: Any
) -> object:
    message = Message("I bought a car!", when=when or When(SIX, MADRID), late=late)
    transport = Gated(PunctualGate(SetClock(at=now)), FakeTransport())
    return asyncio.run(transport.send(replace(delivery(**changes), message=message)))


def utc(hour: int, minute: int = 0, second: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def test_what_is_late_by_too_much_is_not_sent() -> None:
    assert sent_at(utc(17, 30)) == Sent(1)
    late = sent_at(utc(17, 30, 1))
    assert late == Failed(
        "TOO_LATE", f"its time was {local(utc(17))}, more than 30 minutes ago, so it was not sent"
    )
    assert "later than allowed" in reason_of("TOO_LATE")
    assert may_help_to_retry("TOO_LATE")


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (1.0, "1 second"),
        (3600.0, "1 hour"),
        (7200.0, "2 hours"),
        (90.0, "90 seconds"),
        (86_400.0, "1 day"),
    ],
)
def test_how_late_is_told_in_words_and_with_the_day(late: float, words: str) -> None:
    outcome = sent_at(utc(12, day=25), late)
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith(f"its time was {local(utc(17))}, more than {words} ago")


def test_what_is_early_or_may_be_late_by_any_time_is_sent() -> None:
    assert sent_at(utc(9)) == Sent(1)
    assert sent_at(utc(9, day=30), None) == Sent(1)


@pytest.mark.parametrize(
    "changes", [{"attempts": 1}, {"part": 1}, {"action": Action.RECALL, "message_id": 7}]
)
def test_what_has_begun_is_never_too_late(changes: dict[str, Any]) -> None:
    assert sent_at(utc(9, day=30), **changes) == Sent(1)


def test_each_is_late_by_their_own_clock() -> None:
    when = When(SIX, "UTC", of_recipient=True)
    now = utc(17, 10)  # 18:10 in Madrid
    assert sent_at(now, when=when) == Sent(1)
    outcome = sent_at(now, when=when, contact=in_zone(AUCKLAND))
    assert isinstance(outcome, Failed)
    assert "2026-11-23 18:00" in outcome.reason
