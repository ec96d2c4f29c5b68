"""A serialised request filled in is the one that Telethon would have made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import functions

from broadcast.core.model import (
    Account,
    Attachment,
    Button,
    Delivery,
    Format,
    LinkPreview,
    Media,
    Message,
)
from broadcast.message.personal import personal
from broadcast.people.lists import contact
from broadcast.telegram.addresses import Address
from broadcast.telegram.message_requests import PLAIN, RequestContext, request_of
from broadcast.telegram.prepared import PreparedMessages
from broadcast.telegram.serialised import peer_bytes
from tests import virtual

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NUMBERS = st.integers(-(2**63), 2**63 - 1).filter(bool)
VALUES = st.text(max_size=300) | st.sampled_from(["", "*Ana_", "<b>", "\U0001f697", " ", "x" * 254])
SKELETONS = st.sampled_from(
    [
        "Hi {{ first }}, your {{ car }} is ready",
        "{{ first }}",
        "**{{ first }}** and [{{ car }}](https://e.org/{{ first }})",
        "**bold** {{ first }} __{{ car }}__ `{{ first }}`",
        "{% if car %}your {{ car }}{% else %}**none** for {{ first }}{% endif %}",
        "no name at all",
    ]
)
ROBOT, PERSON = Account(1, True, "robot"), Account(1, False, "person")


def messages_of(account: Account) -> PreparedMessages:
    nothing: Any = SimpleNamespace()
    return PreparedMessages(account, nothing, nothing, virtual.LoopClock())


@given(
    SKELETONS,
    st.lists(st.tuples(VALUES, VALUES, NUMBERS, st.integers(1, 2**52)), min_size=1, max_size=5),
    st.sampled_from([Format.MARKDOWN, Format.HTML, Format.PLAIN]),
    st.booleans(),
)
def test_whatever_the_values_are_the_bytes_are_those_of_telethon(
    skeleton: str, people: list[tuple[str, str, int, int]], markup: Format, silent: bool
) -> None:
    prepared = messages_of(ROBOT)
    message = Message(skeleton, markup, template=True, silent=silent)
    for position, (first, car, number, user) in enumerate(people):
        person = contact(str(user), first=first, car=car)
        made = personal(message, person, NOW)
        found = prepared.serialised(Delivery("b", position, person, made), pays=False)
        assert found is not None
        address = Address("user", user)
        request = request_of(made, 0, PLAIN, address.input_peer(), [number])
        expected = bytes(functions.InvokeWithoutUpdatesRequest(request))
        assert found.filled(peer_bytes(address), number, made) == expected


def test_all_who_get_the_same_share_a_serialised_request() -> None:
    prepared = messages_of(ROBOT)
    message = Message("Hi {{ name }}", template=True)
    people = [contact(str(number), name=f"N{number}") for number in range(1, 5)]
    found = {
        id(
            prepared.serialised(
                Delivery("b", 0, person, personal(message, person, NOW)), pays=False
            )
        )
        for person in people
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("message", "account", "is_at_hand"),
    [
        (Message("Hi"), PERSON, True),
        (Message("Hi", buttons=((Button("a", "https://e.org"),),)), ROBOT, True),
        (Message("Hi", link_preview=LinkPreview.OFF, reply_to=4, effect=5), ROBOT, True),
        (Message("Hi", pin=True), ROBOT, False),
        (Message("Hi", files=(Attachment("/a", Media.PHOTO, "00", 1),)), ROBOT, False),
    ],
)
def test_what_is_more_than_a_request_is_not_at_hand(
    message: Message, account: Account, is_at_hand: bool
) -> None:
    found = messages_of(account).serialised(Delivery("b", 0, contact("5"), message), pays=False)
    assert (found is not None) == is_at_hand


def test_buttons_of_ones_own_are_not_serialised_once() -> None:
    message = Message(
        "Hi {{ name }}", template=True, buttons=((Button("for {{ name }}", "https://e.org"),),)
    )
    ana = contact("5", name="Ana")
    made = personal(message, ana, NOW)
    assert messages_of(ROBOT).serialised(Delivery("b", 0, ana, made), pays=False) is None
    other = replace(ana, overrides={"text": "Ciao {{ name }}"})
    made = personal(Message("Hi {{ name }}", template=True), other, NOW)
    assert messages_of(ROBOT).serialised(Delivery("b", 0, other, made), pays=False) is None


@pytest.mark.parametrize("peer", ["-100123", "@group/42"])
def test_topics_and_stars_are_in_the_request(peer: str) -> None:
    person, message = contact(peer), Message("Hi")
    found = messages_of(ROBOT).serialised(Delivery("b", 0, person, message), pays=True)
    assert found is not None
    address = Address("channel", 7, 8)
    context = RequestContext(topic=person.peer.topic, pays=True)
    request = request_of(message, 0, context, address.input_peer(), [9])
    expected = bytes(functions.InvokeWithoutUpdatesRequest(request))
    assert found.filled(peer_bytes(address), 9, message) == expected
