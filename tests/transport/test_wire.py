"""The short way and Telethon's public way make the same bytes and the same outcomes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import version
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.app import contact
from broadcast.core.model import Delivery, Format, Message, Sent
from broadcast.sandbox_app import open_sandbox
from broadcast.transport import telethon
from broadcast.transport.addresses import Address
from broadcast.transport.text import parse
from broadcast.transport.wire import TESTED_VERSION, Template, TimeLimits, _Request, peer_bytes
from tests import virtual

NUMBERS = st.integers(-(2**63), 2**63 - 1).filter(bool)
ADDRESSES = st.one_of(
    st.builds(Address, st.just("user"), st.integers(1, 2**52), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Address, st.just("channel"), st.integers(1, 2**40), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Address, st.just("chat"), st.integers(1, 2**40)),
    st.builds(Address, st.just("me"), st.integers(1, 2**52)),
)
TEXTS = st.one_of(
    st.text(min_size=1, max_size=500),
    st.text(min_size=250, max_size=260),  # where the length of a TL string takes four bytes
    st.sampled_from(["**bold** [link](https://t.me/a)", "`code` __a__ \U0001f600 ~~b~~"]),
)


def public_bytes(text: str, entities: Any, address: Address, number: int) -> bytes:
    return bytes(
        functions.InvokeWithoutUpdatesRequest(
            functions.messages.SendMessageRequest(
                peer=address.input_peer(),
                message=text,
                entities=list(entities) or None,
                random_id=number,
            )
        )
    )


def template(text: str, entities: Any) -> Template:
    return Template(
        lambda peer, numbers: functions.messages.SendMessageRequest(
            peer=peer, message=text, entities=list(entities) or None, random_id=numbers[0]
        )
    )


def test_the_installed_telethon_is_the_tested_one() -> None:
    assert version.__version__ == TESTED_VERSION


@given(TEXTS, ADDRESSES, NUMBERS)
def test_the_bytes_are_those_of_telethon(text: str, address: Address, number: int) -> None:
    visible, entities = parse(Message(text))
    filled = template(visible, entities).fill(peer_bytes(address), [number])
    assert filled == public_bytes(visible, entities, address, number)


def test_a_text_that_contains_the_bytes_of_an_empty_peer_is_not_torn() -> None:
    text = bytes(types.InputPeerSelf()).decode("latin-1") * 3
    filled = template(text, ()).fill(peer_bytes(Address("user", 5, 6)), [7])
    assert filled == public_bytes(text, (), Address("user", 5, 6), 7)


def test_the_short_answer_is_read_for_its_id() -> None:
    answer = types.UpdateShortSentMessage(
        id=77, pts=5, pts_count=1, date=None, out=True, entities=[types.MessageEntityBold(0, 1)]
    )
    assert _Request.read_result(BinaryReader(bytes(answer))).id == 77


def test_any_other_answer_is_read_as_telethon_reads_it() -> None:
    answer = types.Updates([types.UpdateMessageID(5, 9)], [], [], None, 0)
    read = _Request.read_result(BinaryReader(bytes(answer)))
    assert telethon.message_ids_of(read, [9]) == [5]


@pytest.mark.parametrize("short", [True, False])
async def test_both_ways_have_the_same_outcomes(
    short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not short:
        monkeypatch.setattr(telethon, "wire_of", lambda _: None)  # as with another Telethon
    people = [contact(f"@{name}") for name in ("ana", "blocked_bruno", "some_channel", "premium_p")]
    message = Message("I bought a **car**!", Format.MARKDOWN)
    async with open_sandbox(people) as transport:
        deliveries = [Delivery("b1", n, person, message) for n, person in enumerate(people)]
        first = [await transport.send(delivery) for delivery in deliveries]
        again = [await transport.send(delivery) for delivery in deliveries]
    assert first == again
    names = [getattr(outcome, "error", outcome) for outcome in first]
    assert names == [Sent(1), "USER_IS_BLOCKED", Sent(1), "PRIVACY_PREMIUM_REQUIRED"]


def test_a_future_is_cancelled_when_its_time_is_over_and_not_before() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limits = TimeLimits(30.0)
        first, second = loop.create_future(), loop.create_future()
        limits.watch(first)
        await asyncio.sleep(20)
        limits.watch(second)
        await asyncio.sleep(11)
        assert first.cancelled()
        assert limits.is_over(first)
        assert not second.cancelled()
        await asyncio.sleep(20)
        assert second.cancelled()

    virtual.run(main())


def test_a_future_that_has_ended_is_forgotten_and_the_timer_goes_on() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limits = TimeLimits(10.0)
        done = loop.create_future()
        limits.watch(done)
        limits.forget(done)
        await asyncio.sleep(30)
        late = loop.create_future()
        limits.watch(late)
        await asyncio.sleep(11)
        assert not done.cancelled()
        assert late.cancelled()

    virtual.run(main())
