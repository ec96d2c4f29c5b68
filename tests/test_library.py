"""What a program that sends is told, before anything is sent."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import inspect
import pathlib
import re
from collections import abc
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import broadcast
from broadcast import FakeTransport, Format, Message, contact, send
from broadcast.core.errors import ContactsError, InputError
from broadcast.core.model import Account, Button, When

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broadcast.core.model import Contact

ANA = contact("@ana", name="Ana", city="Madrid")
BEN = contact("@ben", name="Ben")
LATER = When(datetime(2126, 1, 1, 18, tzinfo=UTC).replace(tzinfo=None), "UTC")


class SignedIn(FakeTransport):
    def __init__(self, *, is_bot: bool) -> None:
        super().__init__()
        self._signed_in = Account(1, is_bot, "Anybody")

    @property
    def account(self) -> Account:
        return self._signed_in


def refused(message: Message, people: Sequence[Contact], *, is_bot: bool) -> InputError:
    transport = SignedIn(is_bot=is_bot)
    with pytest.raises(InputError) as caught:
        asyncio.run(send(message, people, transport))
    assert transport.attempts == []
    assert "nothing was sent" in str(caught.value)
    return caught.value


def test_what_looks_like_a_slip_has_to_be_confirmed() -> None:
    message, transport = Message("<b>Sale</b>"), FakeTransport()
    error = refused(message, [ANA], is_bot=True)
    assert isinstance(error, broadcast.UnconfirmedError)
    assert [question.code for question in error.questions] == [broadcast.Ask.OTHER_MARKUP]
    report = asyncio.run(send(message, [ANA], transport, confirmed=True))
    assert report.counts.sent == 1


@pytest.mark.parametrize("peers", [["34600000001"], ["600000001", "+34600000002"]])
def test_numbers_that_have_lost_their_plus_are_no_ids_in_a_program_either(peers: list[str]) -> None:
    error = refused(Message("Hello all"), [contact(peer) for peer in peers], is_bot=True)
    assert isinstance(error, broadcast.UnconfirmedError)
    assert [question.code for question in error.questions] == [broadcast.Ask.BARE_NUMBERS]
    assert f": {peers[0]}. As written" in error.questions[0].told


@pytest.mark.parametrize(
    "given",
    [{"debt": 5}, {"debt": float("nan")}, {"name": None}, {"tags": ["a", 1]}, {"tags": "best"}],
)
def test_what_is_no_text_is_not_made_one(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="text"):
        contact("@ana", **given)


def test_a_bot_s_message_with_a_time_is_not_sent_at_once() -> None:
    error = refused(Message("x", when=LATER), [ANA], is_bot=True)
    assert "broadcast run-due" in str(error)


def test_nor_that_of_one_contact() -> None:
    refused(Message("x"), [ANA, replace(BEN, overrides={"when": LATER})], is_bot=True)


def test_everybody_is_rendered_first() -> None:
    error = refused(Message("{{ city }}", template=True), [ANA, BEN], is_bot=False)
    assert isinstance(error, ContactsError)
    (problem,) = error.problems
    assert str(problem).startswith("the audience: Ben: line 1 of the template")


@pytest.mark.parametrize(
    "message",
    [
        Message(""),
        Message("<font>x</font>", Format.HTML),
        Message("x", buttons=((Button("A", "https://a.b"),),)),
        Message("x", protect=True),
    ],
)
def test_what_cannot_be_sent_is_told(message: Message) -> None:
    refused(message, [ANA], is_bot=False)


def test_a_button_that_leads_nowhere_is_told() -> None:
    refused(Message("x", buttons=((Button("A", "nowhere"),),)), [ANA], is_bot=True)


def test_the_library_keeps_to_the_limit_of_a_chat_like_the_command() -> None:
    transport = SignedIn(is_bot=True)
    report = asyncio.run(send("Hi", [contact("5"), contact("5"), contact("6")], transport))
    assert report.counts.sent == 3
    assert transport.attempts == ["5", "6", "5"]  # the second a second later


FUNCTIONS = [name for name in dir(broadcast) if name.islower() and not name.startswith("_")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_takes_gives_and_raises_can_be_imported_beside_it(name: str) -> None:
    function = getattr(broadcast, name)
    named = set(re.findall(r"\b[A-Z]\w+", str(inspect.signature(function))))
    raised = set(re.findall(r"\b\w+Error\b", inspect.getdoc(function) or ""))
    others = {name for module in (builtins, abc, contextlib, pathlib) for name in dir(module)}
    internal = {"ReadMessage"}  # of what reads a contact's own message, which is for plans
    assert (named | raised) - {*dir(broadcast), *others} - internal == set()
