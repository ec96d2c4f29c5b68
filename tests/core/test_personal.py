from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from broadcast.core.errors import MessageError
from broadcast.core.model import Action, Contact, Delivery, Failed, Format, Message, Sent
from broadcast.core.peers import parse_peer
from broadcast.core.personal import PersonalGate, personal, problems
from broadcast.core.placeholders import fill
from broadcast.transport.text import check
from tests.gated import Gated

if TYPE_CHECKING:
    from broadcast.core.model import Outcome

NOW = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
ANA = Contact(parse_peer("@ana"), "Ana Ruiz", (), {"city": "Madrid"}, line=2)
BOB = Contact(parse_peer("@bob"), "Bob", line=3)
HELLO = Message("Hi {{ first_name }} in {{ city }}", template=True, silent=True)


def test_a_template_is_rendered_for_its_recipient() -> None:
    made = personal(HELLO, ANA, NOW)
    assert fill(made.text, made.values) == "Hi Ana in Madrid"
    assert made.values == ("Ana", "Madrid")
    assert made.silent
    assert not made.template


def test_what_is_not_a_template_keeps_its_braces_and_is_the_same_for_all() -> None:
    message = Message("Hi {{ first_name }} {%")
    assert personal(message, ANA, NOW) is message


def test_what_a_contact_has_otherwise_comes_first() -> None:
    other = replace(ANA, overrides={"text": "*{{ city }}*", "format": Format.HTML, "silent": False})
    made = personal(HELLO, other, NOW)
    assert fill(made.text, made.values) == "*Madrid*"
    assert (made.format, made.silent) == (Format.HTML, False)


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


def test_all_who_cannot_get_it_are_named_before_anything_is_sent() -> None:
    long = replace(BOB, fields={"city": "x" * 5000}, line=7)
    found = list(problems(HELLO, [ANA, BOB, long], NOW, check, "friends.yaml"))
    assert [str(problem).partition(": ")[0] for problem in found] == [
        "friends.yaml:3",
        "friends.yaml:7",
    ]
    assert "Bob: line 1 of the template: this contact has no 'city'" in found[0].message
    assert "Bob: the message is too long: 5010 characters" in found[1].message
    assert all(problem.is_error for problem in found)


def test_a_template_that_is_wrong_for_all_is_told_once() -> None:
    with pytest.raises(MessageError, match="line 1 of the template"):
        list(problems(Message("{{ name", template=True), [ANA, BOB], NOW, check, "friends.yaml"))


def test_a_message_that_is_the_same_for_all_is_checked_once() -> None:
    checked: list[Message] = []
    assert list(problems(Message("Hi"), [ANA, BOB], NOW, checked.append, "friends.yaml")) == []
    assert len(checked) == 1


def test_a_message_s_text_and_values_are_in_no_repr() -> None:
    assert "Madrid" not in repr(personal(HELLO, ANA, NOW))


def test_all_else_of_a_message_and_of_a_delivery_stays_as_it_was() -> None:
    marked = Message(
        "Hi {{ name }}",
        Format.HTML,
        template=True,
        split=True,
        silent=True,
        pin=True,
        reply_to=7,
        effect=8,
        late=9.0,
    )
    ana = Contact(parse_peer("@ana"), "Ana")
    made = personal(marked, ana, NOW)
    assert replace(made, text=marked.text, values=(), template=True) == marked
    delivery = Delivery("b1", 3, ana, marked, 2, Action.EDIT, 4, 5, (6, 7), is_scheduled=True)
    seen: list[Delivery] = []

    class Seeing:
        async def send(self, delivery: Delivery) -> Sent:
            seen.append(delivery)
            return Sent(1)

    asyncio.run(PersonalTransport(Seeing(), NOW).send(delivery))
    assert seen == [replace(delivery, message=made)]
