"""The short way and Telethon's public way make the same bytes and the same outcomes."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import defaultdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import errors, version
from telethon.crypto import AuthKey
from telethon.extensions import BinaryReader
from telethon.extensions.messagepacker import MessagePacker
from telethon.network.mtprotostate import MTProtoState
from telethon.network.requeststate import RequestState
from telethon.tl import functions, types
from telethon.tl.core import MessageContainer, RpcResult, TLMessage

from broadcast.core.classify import finding
from broadcast.core.model import Delivery, Format, Message, Outcome, Sent
from broadcast.message.text import parse
from broadcast.people.lists import contact
from broadcast.sandbox_app import open_sandbox
from broadcast.telegram import sender as telethon
from broadcast.telegram.addresses import Address
from broadcast.telegram.errors import NO_ANSWER, NOT_CONNECTED, outcome_of
from broadcast.telegram.fast_path import ACK_DELAY, TESTED_VERSION, Wire, _Reader
from broadcast.telegram.serialised import Template, peer_bytes
from tests import virtual

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._loggers: Any = defaultdict(logging.getLogger)
        self._state = MTProtoState(AuthKey(bytes(256)), self._loggers)
        self._send_queue = MessagePacker(self._state, self._loggers)
        self._user_connected = True
        self._handlers: dict[int, Any] = {}
        self._pending_state: dict[int, Any] = {}
        self._pending_ack: set[int] = set()
        self.others: list[TLMessage] = []
        self._handle_container: Any = None

    @property
    def sent(self) -> list[Any]:
        """What was posted, and has not left yet."""
        return list(self._send_queue._deque)

    async def _process_message(self, message: TLMessage) -> None:
        self.others.append(message)


def wire_to(sender: Sender, lost: Callable[[], None] = lambda: None) -> Wire:
    client: Any = SimpleNamespace(_sender=sender, loop=asyncio.get_running_loop())
    return Wire(client, 30.0, lost)


def template(text: str, entities: Any) -> Template:
    return Template(
        Message(text, Format.PLAIN),
        lambda message, peer, number: functions.messages.SendMessageRequest(
            peer=peer, message=text, entities=list(entities) or None, random_id=number
        ),
    )


def test_the_installed_telethon_is_the_tested_one() -> None:
    assert version.__version__ == TESTED_VERSION


@given(TEXTS, ADDRESSES, NUMBERS)
def test_the_bytes_are_those_of_telethon(text: str, address: Address, number: int) -> None:
    visible, entities = parse(Message(text))
    filled = template(visible, entities).fill(peer_bytes(address), number, Message(visible))
    assert filled == public_bytes(visible, entities, address, number)


def test_a_text_that_contains_the_bytes_of_an_empty_peer_is_not_torn() -> None:
    text = bytes(types.InputPeerSelf()).decode("latin-1") * 3
    filled = template(text, ()).fill(peer_bytes(Address("user", 5, 6)), 7, Message(text))
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


def opened(data: bytes) -> list[tuple[int, int, bytes]]:
    """The messages in what a packer made: id, number and body of each, the container's first."""
    reader = BinaryReader(data)
    first = reader.read_long(), reader.read_int(), reader.read(reader.read_int())
    inner = BinaryReader(first[2])
    if inner.read_int(signed=False) != MessageContainer.CONSTRUCTOR_ID:
        return [first]
    each = range(inner.read_int())
    return [
        first,
        *((inner.read_long(), inner.read_int(), inner.read(inner.read_int())) for _ in each),
    ]


@pytest.mark.parametrize("count", [1, 2, 99, 100])
def test_tries_are_packed_as_telethon_packs_requests(count: int) -> None:
    bodies = [bytes([number]) * 4 * (number + 1) for number in range(count)]  # none is compressed

    async def packed(*, ours: bool) -> tuple[list[tuple[int, int, bytes]], list[Any]]:
        sender = Sender()
        if ours:
            wire = wire_to(sender)
            for number, body in enumerate(bodies):
                wire.post(body, number)
            await asyncio.sleep(0)
        else:
            for body in bodies:
                state = RequestState(functions.PingRequest(0))
                state.data = body
                sender._send_queue.append(state)
        batch, data = await sender._send_queue.get()
        after, _ = await packed_ping(sender)
        found = opened(data)
        ids = [msg_id for msg_id, _, _ in found]
        assert ids[1:] == sorted(set(ids[1:]))
        assert ids[0] == max(ids)  # a container's id is above those in it
        assert after > ids[0]
        assert [state.msg_id for state in batch] == (ids[1:] or ids)
        assert {state.container_id for state in batch} == ({ids[0]} if count > 1 else {None})
        return found, batch

    async def packed_ping(sender: Sender) -> tuple[int, int]:
        sender._send_queue.append(RequestState(functions.PingRequest(0)))
        _, data = await sender._send_queue.get()
        (msg_id, number, _), *_ = opened(data)
        assert number == 2 * count + 1
        return msg_id, number

    async def main() -> None:
        theirs, _ = await packed(ours=False)
        made, _ = await packed(ours=True)
        assert [entry[1:] for entry in made[1:]] == [entry[1:] for entry in theirs[1:]]
        assert made[0][1] == theirs[0][1]
        assert len(made[0][2]) == len(theirs[0][2])

    asyncio.run(main())


def test_more_than_a_container_holds_leaves_in_several_and_acks_are_not_lost() -> None:
    async def main() -> None:
        sender = Sender()
        wire = wire_to(sender)
        for number in range(150):
            wire.post(b"four" * 10_000, number)
        await asyncio.sleep(0)
        sender._send_queue.append(RequestState(types.MsgsAck([5])))
        sizes: list[int] = []
        while sender._send_queue._deque:
            batch, data = await sender._send_queue.get()
            assert len(data) <= MessageContainer.MAXIMUM_SIZE + 24
            sizes.append(len(batch))
        assert sum(sizes) == 151
        assert len(sizes) > 5

    asyncio.run(main())


def test_an_acknowledgement_waits_for_company_and_not_for_ever() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        sender = Sender()
        wire = wire_to(sender)
        ack = RequestState(types.MsgsAck([5]))
        sender._send_queue.append(ack)
        loop.call_later(1.0, wire.post, b"data", 1)
        batch, data = await sender._send_queue.get()
        assert loop.time() == pytest.approx(1.0)
        assert batch[0] is ack
        assert [(number, body) for _, number, body in opened(data)[1:]] == [
            (0, bytes(types.MsgsAck([5]))),
            (1, b"data"),
        ]
        sender._send_queue.append(ack)
        batch, _ = await sender._send_queue.get()
        assert loop.time() == pytest.approx(1.0 + ACK_DELAY)
        assert batch == [ack]

    virtual.run(main())


def container(*results: tuple[int, bytes]) -> TLMessage:
    """What the server sends: each result with the id of its request."""
    bodies = [struct.pack("<Iq", RpcResult.CONSTRUCTOR_ID, to) + body for to, body in results]
    bodies.append(bytes(types.Pong(1, 2)))
    messages = b"".join(
        struct.pack("<qii", 1000 + index, 1, len(body)) + body for index, body in enumerate(bodies)
    )
    data = struct.pack("<Ii", MessageContainer.CONSTRUCTOR_ID, len(bodies)) + messages
    return TLMessage(5000, 0, _Reader(data).tgread_object())


def test_what_comes_in_a_container_reaches_whom_it_is_for() -> None:
    async def main() -> None:
        sender = Sender()
        wire = wire_to(sender)
        outcomes = [wire.post(b"data", number) for number in range(4)]
        await asyncio.sleep(0)
        batch, _ = await sender._send_queue.get()
        sender._pending_state.update({state.msg_id: state for state in batch})
        first, second, third, _ = (state.msg_id for state in batch)
        short = bytes(types.UpdateShortSentMessage(id=77, pts=5, pts_count=1, date=None))
        await sender._handlers[MessageContainer.CONSTRUCTOR_ID](
            container(
                (first, short),
                (second, bytes(types.RpcError(403, "USER_IS_BLOCKED"))),
                (third, struct.pack("<I", 0xDEADBEEF) + bytes(8)),  # a newer answer than Telethon
                (12345, short),  # to nothing that was asked
            )
        )
        assert outcomes[0].result() == Sent(77)
        assert outcomes[2].result() == Sent(None)  # no error, so accepted
        assert not outcomes[3].done()
        others = [message.obj for message in sender.others]  # for Telethon, with what is known
        assert [type(other).__name__ for other in others] == ["RpcResult", "RpcResult", "Pong"]
        assert others[0].error.error_message == "USER_IS_BLOCKED"
        assert others[1].body == short
        assert sender._pending_ack == {1000, 1002}
        assert set(sender._pending_state) == {second, batch[3].msg_id}

    asyncio.run(main())


def test_a_container_that_came_compressed_is_telethons() -> None:
    async def main() -> None:
        sender = Sender()
        wire_to(sender)
        handled: list[TLMessage] = []

        async def handle(message: TLMessage) -> None:
            handled.append(message)

        sender._handle_container = handle
        unpacked = TLMessage(1, 1, MessageContainer([]))
        await sender._handlers[MessageContainer.CONSTRUCTOR_ID](unpacked)
        assert handled == [unpacked]

    asyncio.run(main())


def test_a_bug_reaches_whoever_waits() -> None:
    async def main() -> None:
        wire = wire_to(Sender())
        answer = wire.post(b"", 1)
        await asyncio.sleep(0)
        (attempt,) = wire._sender.sent
        attempt.set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await answer

    virtual.run(main())


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (errors.InvalidBufferError(struct.pack("<i", -429)), True),  # before anything has left
        (errors.BadMessageError(None, 64), True),
        (ConnectionError("Connection to Telegram failed"), True),
        (errors.UserIsBlockedError(None), False),
        (TimeoutError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_connection_sends_nothing_and_ends_the_connection(
    error: Exception, is_lost: bool
) -> None:
    async def main() -> None:
        told: list[bool] = []
        wire = wire_to(Sender(), lambda: told.append(True))
        answer = wire.post(b"", 1)
        await asyncio.sleep(0)
        (attempt,) = wire._sender.sent
        attempt.set_exception(error)
        assert answer.result() == outcome_of(error)
        assert not isinstance(answer.result(), Sent)
        assert bool(told) == is_lost

    virtual.run(main())


def test_what_nobody_waits_for_any_more_takes_no_other_answer_with_it() -> None:
    async def main() -> None:
        sender = Sender()
        wire = wire_to(sender)

        async def fail(message: TLMessage) -> None:
            raise asyncio.InvalidStateError

        sender._process_message = fail  # type: ignore[method-assign]
        outcomes = [wire.post(b"data", number) for number in range(2)]
        await asyncio.sleep(0)
        batch, _ = await sender._send_queue.get()
        sender._pending_state.update({state.msg_id: state for state in batch})
        outcomes[0].cancel()
        short = bytes(types.UpdateShortSentMessage(id=77, pts=5, pts_count=1, date=None))
        first, second = (state.msg_id for state in batch)
        await sender._handlers[MessageContainer.CONSTRUCTOR_ID](
            container((12345, short), (first, short[:9]), (second, short))
        )
        assert outcomes[1].result() == Sent(77)

    asyncio.run(main())


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
