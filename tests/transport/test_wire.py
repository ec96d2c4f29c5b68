"""The short way and Telethon's public way make the same bytes and the same outcomes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import errors, version
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from broadcast.app import contact
from broadcast.core.classify import finding
from broadcast.core.model import Delivery, Format, Message, Outcome, Sent
from broadcast.sandbox_app import open_sandbox
from broadcast.transport import telethon
from broadcast.transport.addresses import Address
from broadcast.transport.text import parse
from broadcast.transport.translate import NO_ANSWER, NOT_CONNECTED
from broadcast.transport.wire import TESTED_VERSION, Template, Wire, peer_bytes
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


class Sender:
    """What is used of Telethon's sender."""

    def __init__(self) -> None:
        self._send_queue, self._user_connected = self, True
        self.sent: list[Any] = []

    def extend(self, states: list[Any]) -> None:
        self.sent += states


def wire_to(sender: Sender) -> Wire:
    client: Any = SimpleNamespace(_sender=sender, loop=asyncio.get_running_loop())
    return Wire(client, 30.0)


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


def read(answer: Any, random_id: int = 9) -> Outcome:
    """The outcome of a try that is answered so."""

    async def main() -> Outcome:
        wire = wire_to(Sender())
        outcome = wire.post(b"", random_id)
        await asyncio.sleep(0)
        (attempt,) = wire._sender.sent
        with BinaryReader(bytes(answer)) as reader:
            attempt.future.set_result(attempt.request.read_result(reader))
        return await outcome

    return virtual.run(main())


def test_the_short_answer_is_read_for_its_id() -> None:
    answer = types.UpdateShortSentMessage(
        id=77, pts=5, pts_count=1, date=None, out=True, entities=[types.MessageEntityBold(0, 1)]
    )
    assert read(answer) == Sent(77)


def test_any_other_answer_is_read_as_telethon_reads_it() -> None:
    assert read(types.Updates([types.UpdateMessageID(5, 9)], [], [], None, 0)) == Sent(5)
    assert read(types.Updates([types.UpdateMessageID(5, 8)], [], [], None, 0)) == Sent(None)
    assert read(types.UpdatesTooLong()) == Sent(None)


@pytest.mark.parametrize("short", [True, False])
async def test_both_ways_have_the_same_outcomes(
    short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not short:
        monkeypatch.setattr(telethon, "wire_of", lambda *_: None)  # as with another Telethon
    people = [contact(f"@{name}") for name in ("ana", "blocked_bruno", "some_channel", "premium_p")]
    message = Message("I bought a **car**!", Format.MARKDOWN)
    async with open_sandbox(people) as transport:
        deliveries = [Delivery("b1", n, person, message) for n, person in enumerate(people)]
        first = [await transport.send(delivery) for delivery in deliveries]
        again = [await transport.send(delivery) for delivery in deliveries]
    assert first == again
    names = [getattr(outcome, "error", outcome) for outcome in first]
    assert names == [Sent(1), "USER_IS_BLOCKED", Sent(1), "PRIVACY_PREMIUM_REQUIRED"]


def test_a_try_is_given_up_when_its_time_is_over_and_not_before() -> None:
    async def main() -> None:
        wire = wire_to(Sender())
        first = wire.post(b"", 1)
        await asyncio.sleep(20)
        second = wire.post(b"", 2)
        await asyncio.sleep(11)
        assert first.result() == NO_ANSWER
        assert not second.done()
        await asyncio.sleep(20)
        assert second.result() == NO_ANSWER
        late = wire.post(b"", 3)
        await asyncio.sleep(31)
        assert late.result() == NO_ANSWER

    virtual.run(main())


def test_a_try_that_was_answered_is_forgotten() -> None:
    async def main() -> None:
        wire = wire_to(Sender())
        outcomes = [wire.post(b"", number) for number in range(3)]
        await asyncio.sleep(0)
        answered, refused, given_up = wire._sender.sent
        answered.cancel()
        refused.set_exception(errors.UserIsBlockedError(None))
        outcomes[2].cancel()  # by the engine
        assert given_up.cancelled()  # so Telethon sets no result
        await asyncio.sleep(100)
        assert outcomes[0].result() == NOT_CONNECTED
        assert outcomes[1].result() == finding("USER_IS_BLOCKED")
        assert len(wire._under_way) == 0

    virtual.run(main())


def test_with_the_connection_every_try_ends() -> None:
    async def main() -> None:
        wire = wire_to(Sender())
        outcomes = [wire.post(b"", number) for number in range(3)]  # of which none has left yet
        wire.end()
        assert [outcome.result() for outcome in outcomes] == [NOT_CONNECTED] * 3

    virtual.run(main())
