"""What an account cannot send, found out before anything is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broadcast.core.errors import ContactsError, InputError, MessageError
from broadcast.core.model import Account, Button, Format, Message
from broadcast.people.lists import contact
from broadcast.service.checks import (
    count_messages,
    due_for,
    parts_for,
    require_all_able,
    require_sendable,
)
from tests.clocks import START
from tests.service.harness import SIX, at, people

PERSON, BOT = Account(1, is_bot=False, name="Ana"), Account(2, is_bot=True, name="Shop")
ANA = contact("@ana", name="Ana")


def test_a_time_in_a_zone_that_is_not_known_is_an_input_error() -> None:
    message = Message("x", when=at(SIX, of_recipient=True))
    with pytest.raises(InputError, match="has no field tz"):
        require_all_able(message, [ANA], PERSON, START)


def test_telegram_keeps_nothing_for_longer_than_a_year() -> None:
    message = Message("x", when=at(START + timedelta(days=400)))
    with pytest.raises(InputError, match="367 days at most"):
        require_all_able(message, [ANA], PERSON, START)
    assert require_all_able(message, [ANA], BOT, START)  # the ledger keeps it as long as you like


def test_what_one_contact_gets_otherwise_is_checked_as_well() -> None:
    buttons = ((Button("A", "https://a.b"),),)
    for own in ({"buttons": buttons}, {"protect": True}):
        with pytest.raises(InputError, match="for bots"):
            require_all_able(Message("x"), [ANA, replace(ANA, overrides=own)], PERSON, START)
        require_all_able(Message("x"), [ANA, replace(ANA, overrides=own)], BOT, START)


def test_a_bot_writes_as_itself() -> None:
    message = Message("x", send_as=contact("@channel").peer)
    with pytest.raises(InputError, match="--send-as is for people"):
        require_all_able(message, [ANA], BOT, START)


def test_what_is_wrong_for_everybody_is_told_once() -> None:
    with pytest.raises(MessageError) as caught:
        require_sendable(Message("<b>x", Format.HTML), people(3), "list", START)
    assert "nothing was sent" in str(caught.value)


def test_everybody_whose_time_is_past_is_named() -> None:
    message = Message("x", when=at(START.replace(hour=13), of_recipient=True))
    audience = [
        replace(each, line=line, fields={"tz": zone})
        for line, (each, zone) in enumerate(zip(people(3), ZONES, strict=True), 1)
    ]
    with pytest.raises(ContactsError, match="one contact cannot get this message") as caught:
        require_sendable(message, audience, "list", START)
    (problem,) = caught.value.problems
    assert (problem.source, problem.line) == ("list", 2)
    assert "has passed in Asia/Tokyo" in problem.message


ZONES = ("UTC", "Asia/Tokyo", "America/New_York")


def test_each_part_is_a_message_that_counts() -> None:
    long = Message("word " * 2000, split=True)
    audience = [ANA, replace(ANA, overrides={"text": "short"})]
    assert count_messages(long, audience, START) == 4
    assert count_messages(replace(long, split=False, text="x"), audience, START) == 2
    assert parts_for(Message("x"), audience, START) is None


def test_each_one_s_time_is_their_own_or_now() -> None:
    own = replace(ANA, overrides={"when": at(SIX)})
    assert due_for(Message("x"), START, ANA) == START
    assert due_for(Message("x"), START, own) == SIX
