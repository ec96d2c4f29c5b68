"""Everybody is sent what is theirs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from broadcast.core.model import Action, Contact, Delivery, Failed, Format, Message, Sent
from broadcast.core.peers import parse_peer
from broadcast.engine.gates import PersonalGate
from broadcast.message.personal import personal
from tests.gated import Gated

if TYPE_CHECKING:
    from broadcast.core.model import Outcome

NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
ANA = Contact(parse_peer("@ana"), "Ana Ruiz", (), {"city": "Madrid"}, line=2)
BOB = Contact(parse_peer("@bob"), "Bob", line=3)
HELLO = Message("Hi {{ first_name }} in {{ city }}", template=True, silent=True)


class Keeping:
    """A transport that keeps what it was to send."""

    def __init__(self) -> None:
        self.kept: list[Delivery] = []

    async def send(self, delivery: Delivery) -> Sent:
        self.kept.append(delivery)
        return Sent(1)


def send(
    contact: Contact, message: Message, action: Action = Action.SEND
) -> tuple[Outcome, list[Delivery]]:
    inner = Keeping()
    delivery = Delivery("b1", 4, contact, message, action=action, message_id=1, part=2)
    return asyncio.run(Gated(PersonalGate(NOW), inner).send(delivery)), inner.kept


def test_everybody_gets_their_own() -> None:
    outcome, (delivery,) = send(ANA, HELLO)
    assert outcome == Sent(1)
    assert delivery.message == personal(HELLO, ANA, NOW)
    assert (delivery.position, delivery.part, delivery.contact) == (4, 2, ANA)


def test_who_cannot_be_rendered_fails_and_is_told_why() -> None:
    outcome, kept = send(BOB, HELLO)
    assert isinstance(outcome, Failed)
    assert "this contact has no 'city'" in outcome.reason
    assert kept == []


def test_a_recall_renders_nothing() -> None:
    _, (delivery,) = send(BOB, HELLO, Action.RECALL)
    assert delivery.message is HELLO


def test_an_edit_replaces_also_what_somebody_had_of_their_own() -> None:
    own = replace(ANA, overrides={"text": "Ciao", "format": Format.HTML})
    _, (delivery,) = send(own, HELLO, Action.EDIT)
    assert delivery.message == personal(HELLO, ANA, NOW)


def test_all_else_of_a_delivery_stays_as_it_was() -> None:
    delivery = Delivery("b1", 3, ANA, HELLO, 2, Action.EDIT, 4, 5, (6, 7), is_scheduled=True)
    inner = Keeping()
    asyncio.run(Gated(PersonalGate(NOW), inner).send(delivery))
    assert inner.kept == [replace(delivery, message=personal(HELLO, ANA, NOW))]
