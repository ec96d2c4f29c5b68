"""What is kept of a message: it must be read again, and make the same ids, for years."""

from __future__ import annotations

from dataclasses import MISSING, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.model import Attachment, Button, Format, Forward, Media, Message, When
from broadcast.core.peers import parse_peer
from broadcast.message.stored import once_identity, pack
from tests.virtual import START

if TYPE_CHECKING:
    from collections.abc import Callable

PHOTO = Attachment("/a.jpg", Media.PHOTO, "00", 7)
FULL = Message(
    "x",
    silent=True,
    reply_to=7,
    files=(PHOTO,),
    buttons=((Button("A", "https://e.org"),),),
    send_as=parse_peer("@channel"),
)


@pytest.mark.parametrize(
    ("message", "identity"),
    [
        (Message("I bought a car!"), "kvjcep4y7n"),
        (Message("Hi", Format.HTML), "egn0jjfncb"),
        (Message("Hi {{ name }}", template=True), "46dpq5sew4"),
        (Message("Hi", silent=True, protect=True), "32v6tsawnj"),
        (Message("", forward=Forward(parse_peer("@news"), 12)), "nnk86j9zty"),
        (FULL, "74a4wz12p0"),
    ],
)
def test_the_id_under_a_key_is_what_it_always_was(message: Message, identity: str) -> None:
    # Frozen: whoever changes one of these sends again what was sent before the change.
    assert once_identity("car", message) == identity


Field = tuple[str, Any, Any]


def written_otherwise(change: Callable[[list[Field]], list[Field]]) -> Message:
    """FULL, of a class whose fields are others than those of `Message`."""
    names: list[Field] = [
        (each.name, Any, field(default="" if each.default is MISSING else each.default))
        for each in fields(Message)
    ]
    made = make_dataclass("Message", change(names), frozen=True)
    return cast(
        "Message", made(**{each.name: getattr(FULL, each.name) for each in fields(Message)})
    )


@given(st.permutations(range(len(fields(Message)))))
def test_the_order_of_the_fields_of_a_message_does_not_count(order: list[int]) -> None:
    turned = written_otherwise(lambda names: [names[at] for at in order])
    assert once_identity("car", turned) == once_identity("car", FULL)
    assert list(pack(turned)) == list(pack(FULL))


def test_a_new_field_with_its_usual_value_changes_no_id() -> None:
    grown = written_otherwise(lambda names: [("alarm", Any, None), *names])
    assert once_identity("car", grown) == once_identity("car", FULL)


def test_a_time_makes_no_other_id() -> None:
    plain = Message("Hi")
    later = Message("Hi", when=When(START.replace(tzinfo=None), "UTC"), late=60.0)
    assert once_identity("car", later) == once_identity("car", plain)
    assert once_identity("bike", plain) != once_identity("car", plain)
