"""The short way and Telethon's public way make the same bytes and the same outcomes."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import time
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import errors
from telethon.crypto import AuthKey
from telethon.extensions import BinaryReader
from telethon.extensions.messagepacker import MessagePacker
from telethon.network import MTProtoSender
from telethon.network.mtprotostate import MTProtoState
from telethon.network.requeststate import RequestState
from telethon.tl import functions, types
from telethon.tl.core import GzipPacked, MessageContainer, TLMessage

from broadcast.core.classify import NO_ANSWER, NOT_CONNECTED, WRONG_ANSWER, finding
from broadcast.core.model import Delivery, Format, Outcome, Sent
from broadcast.core.model import Message as TextMessage
from broadcast.message.text import parse
from broadcast.mtproto.containers import RPC_RESULT, Message, container_of
from broadcast.mtproto.encryption import (
    CLIENT,
    SERVER,
    Envelope,
    auth_key_id,
    opened_message,
    sealed_message,
)
from broadcast.people.lists import contact
from broadcast.sandbox_app import open_sandbox
from broadcast.telegram import client
from broadcast.telegram.addresses import Address
from broadcast.telegram.error_translation import outcome_of
from broadcast.telegram.fast_path import ACK_DELAY, FastSender, FastState
from broadcast.telegram.serialised import SerialisedRequest, peer_bytes
from broadcast.telegram.telethon_shape import missing_in_telethon
from tests import virtual

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = bytes(range(256))
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


class Sender(FastSender):
    """Connected to nobody; what Telethon would handle is kept."""

    def __init__(self) -> None:
        loggers: Any = defaultdict(logging.getLogger)
        clock = virtual.LoopClock()
        super().__init__(
            AuthKey(KEY), loggers=loggers, clock=clock, answer_timeout=30.0, auto_reconnect=False
        )
        self._user_connected = True
        self.failed_with: list[BaseException] = []

    @property
    def sent(self) -> list[Any]:
        """What was posted, and has not left yet."""
        return list(self._send_queue._deque)

    def end_connection(self, error: BaseException) -> None:
        self.failed_with.append(error)

    async def leave(self) -> list[Any]:
        """Let what was posted leave, as Telethon's loop would; the states of it."""
        batch, _ = await self._send_queue.get()
        self._pending_state.update({state.msg_id: state for state in batch})
        return batch


def unread(*results: tuple[int, bytes], more: tuple[bytes, ...] = ()) -> Message:
    """A container as the server sends it: each result with the id of its request, and more."""
    bodies = [struct.pack("<Iq", RPC_RESULT, to) + body for to, body in results]
    bodies += more
    messages = [Message(1000 + index, 1, body) for index, body in enumerate(bodies)]
    return Message(5000, 0, container_of(messages))


def serialised(text: str, entities: Any) -> SerialisedRequest:
    return SerialisedRequest(
        TextMessage(text, Format.PLAIN),
        lambda message, peer, number: functions.messages.SendMessageRequest(
            peer=peer, message=text, entities=list(entities) or None, random_id=number
        ),
    )


def test_the_installed_telethon_has_the_shape() -> None:
    assert list(missing_in_telethon()) == []


@given(TEXTS, ADDRESSES, NUMBERS)
def test_the_bytes_are_those_of_telethon(text: str, address: Address, number: int) -> None:
    visible, entities = parse(TextMessage(text))
    filled = serialised(visible, entities).filled(peer_bytes(address), number, TextMessage(visible))
    assert filled == public_bytes(visible, entities, address, number)


def test_a_text_that_contains_the_bytes_of_an_empty_peer_is_not_torn() -> None:
    text = bytes(types.InputPeerSelf()).decode("latin-1") * 3
    filled = serialised(text, ()).filled(peer_bytes(Address("user", 5, 6)), 7, TextMessage(text))
    assert filled == public_bytes(text, (), Address("user", 5, 6), 7)


def read(answer: Any, random_id: int = 9, *, compressed: bool = False) -> Outcome:
    """The outcome of a message that is answered so."""
    data = bytes(GzipPacked(bytes(answer))) if compressed else bytes(answer)

    async def main() -> Outcome:
        sender = Sender()
        outcome = sender.post(b"", random_id)
        (posted,) = await sender.leave()
        await sender._process_message(unread((posted.msg_id, data)))
        return await outcome

    return virtual.run(main())


@pytest.mark.parametrize("compressed", [False, True])
def test_the_short_answer_is_read_for_its_id(compressed: bool) -> None:
    answer = types.UpdateShortSentMessage(
        id=77, pts=5, pts_count=1, date=None, out=True, entities=[types.MessageEntityBold(0, 1)]
    )
    assert read(answer, compressed=compressed) == Sent(77)


@pytest.mark.parametrize("compressed", [False, True])
def test_any_other_answer_is_read_as_telethon_reads_it(compressed: bool) -> None:
    for updates, expected in (
        (types.Updates([types.UpdateMessageID(5, 9)], [], [], None, 0), Sent(5)),
        (types.Updates([types.UpdateMessageID(5, 8)], [], [], None, 0), Sent(None)),
        (types.UpdatesTooLong(), Sent(None)),
    ):
        assert read(updates, compressed=compressed) == expected


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<I", 0xBC799737),  # boolFalse
        struct.pack("<Ii", 0x1CB5C415, 0),  # an empty vector
        struct.pack("<I", 0xDEADBEEF) + bytes(8),
        bytes(types.UpdateShortSentMessage(77, 5, 1, None))[:6],
        bytes(types.Pong(1, 2)),
    ],
    ids=["false", "vector", "unknown", "cut", "other"],
)
def test_an_answer_that_tells_nothing_leaves_it_in_doubt(body: bytes, compressed: bool) -> None:
    assert read(body, compressed=compressed) == WRONG_ANSWER


@pytest.mark.parametrize("short", [True, False])
async def test_both_ways_have_the_same_outcomes(
    short: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "_fast_client", cache(client._fast_client.__wrapped__))
    if not short:
        monkeypatch.setattr(client, "missing_in_telethon", lambda: ["a name"])
    people = [contact(f"@{name}") for name in ("ana", "blocked_bruno", "some_channel", "premium_p")]
    message = TextMessage("I bought a **car**!", Format.MARKDOWN)
    for _ in range(2):
        async with open_sandbox(people) as transport:
            deliveries = [Delivery("b1", n, person, message) for n, person in enumerate(people)]
            first = [await transport.send(delivery) for delivery in deliveries]
            again = [await transport.send(delivery) for delivery in deliveries]
        assert first == again
        names = [getattr(outcome, "error", outcome) for outcome in first]
        assert names == [Sent(1), "USER_IS_BLOCKED", Sent(1), "PRIVACY_PREMIUM_REQUIRED"]
    told = [record for record in caplog.records if "public way" in record.message]
    assert len(told) == (0 if short else 1)  # once in a process


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
        sender: Any = Sender()
        if ours:
            for number, body in enumerate(bodies):
                sender.post(body, number)
        else:
            loggers: Any = defaultdict(logging.getLogger)
            sender._send_queue = MessagePacker(sender._state, loggers)
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

    async def packed_ping(sender: Any) -> tuple[int, int]:
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
        for number in range(150):
            sender.post(b"four" * 10_000, number)
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
        ack = RequestState(types.MsgsAck([5]))
        sender._send_queue.append(ack)
        loop.call_later(1.0, sender.post, b"data", 1)
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


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[TLMessage]:
    """What was left to Telethon."""
    kept: list[TLMessage] = []

    async def keep(_sender: Any, message: TLMessage) -> None:
        kept.append(message)

    monkeypatch.setattr(MTProtoSender, "_process_message", keep)
    return kept


SHORT = bytes(types.UpdateShortSentMessage(id=77, pts=5, pts_count=1, date=None))
NEWER = struct.pack("<I", 0xDEADBEEF) + bytes(8)  # than Telethon


def test_what_comes_in_a_container_reaches_whom_it_is_for(others: list[TLMessage]) -> None:
    async def main() -> None:
        sender = Sender()
        outcomes = [sender.post(b"data", number) for number in range(4)]
        batch = await sender.leave()
        first, second, third, fourth = (state.msg_id for state in batch)
        await sender._process_message(
            unread(
                (first, SHORT),
                (second, bytes(types.RpcError(403, "USER_IS_BLOCKED"))),
                (third, NEWER),
                (12345, SHORT),  # to nothing that was asked
                more=(bytes(types.Pong(1, 2)),),
            )
        )
        assert outcomes[0].result() == Sent(77)
        assert outcomes[2].result() == WRONG_ANSWER  # it tells nothing
        assert not outcomes[3].done()
        names = [type(other.obj).__name__ for other in others]
        assert names == ["RpcResult", "RpcResult", "Pong"]
        assert others[0].obj.error.error_message == "USER_IS_BLOCKED"
        assert others[1].obj.body == SHORT
        assert sender._pending_ack == {1000, 1002}
        assert set(sender._pending_state) == {second, fourth}

    asyncio.run(main())


def test_a_refusal_is_an_outcome_and_telethon_answers_the_rest() -> None:
    async def main() -> None:
        sender = Sender()
        refused = sender.post(b"data", 1)
        (posted,) = await sender.leave()
        asked = sender.ask(functions.help.GetNearestDcRequest())
        (state,) = await sender.leave()
        answer = types.NearestDc("ES", 1, 2)
        error = bytes(types.RpcError(403, "USER_IS_BLOCKED"))
        await sender._process_message(unread((posted.msg_id, error), (state.msg_id, bytes(answer))))
        assert refused.result() == finding("USER_IS_BLOCKED")
        assert (await asked).country == "ES"

    asyncio.run(main())


def test_a_message_that_is_in_no_container_is_taken_too() -> None:
    async def main() -> None:
        sender = Sender()
        outcome = sender.post(b"data", 1)
        (posted,) = await sender.leave()
        body = struct.pack("<Iq", RPC_RESULT, posted.msg_id) + SHORT
        await sender._process_message(Message(1001, 1, body))
        assert outcome.result() == Sent(77)

    asyncio.run(main())


def test_a_container_that_came_compressed_is_opened_as_well() -> None:
    async def main() -> None:
        sender = Sender()
        outcome = sender.post(b"data", 1)
        (posted,) = await sender.leave()
        whole = unread((posted.msg_id, SHORT), more=(bytes(types.Pong(1, 2)),))
        await sender._process_message(Message(1001, 1, bytes(GzipPacked(whole.body))))
        assert outcome.result() == Sent(77)

    asyncio.run(main())


def test_a_bug_reaches_whoever_waits() -> None:
    async def main() -> None:
        sender = Sender()
        answer = sender.post(b"", 1)
        (posted,) = sender.sent
        posted.future.set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await answer
        assert not sender.failed_with

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
        sender = Sender()
        answer = sender.post(b"", 1)
        (posted,) = sender.sent
        posted.future.set_exception(error)
        assert answer.result() == outcome_of(error)
        assert not isinstance(answer.result(), Sent)
        assert sender.failed_with == ([error] if is_lost else [])

    virtual.run(main())


def test_a_message_that_the_server_finds_wrong_ends_the_connection() -> None:
    async def main() -> None:
        sender = Sender()
        answer = sender.post(b"", 1)
        (posted,) = await sender.leave()
        wrong = types.BadMsgNotification(posted.msg_id, 1, 64)
        await sender._process_message(Message(1001, 1, bytes(wrong)))
        assert answer.result() == NOT_CONNECTED
        (error,) = sender.failed_with
        assert isinstance(error, errors.BadMessageError)

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 3])
def test_what_the_server_did_not_take_leaves_once_more_under_other_ids(count: int) -> None:
    async def main() -> None:
        sender = Sender()
        outcomes = [sender.post(b"data", number) for number in range(count)]
        first = await sender.leave()
        before = [posted.msg_id for posted in first]
        refused = first[0].container_id or first[0].msg_id
        wrong = types.BadServerSalt(refused, 1, 48, new_server_salt=99)
        await sender._process_message(Message(1001, 1, bytes(wrong)))
        assert sender._state.salt == 99
        assert sender._pending_state == {}
        again = await sender.leave()
        assert again == first
        assert min(posted.msg_id for posted in again) > max(before)
        await sender._process_message(unread(*((posted.msg_id, SHORT) for posted in again)))
        assert [outcome.result() for outcome in outcomes] == [Sent(77)] * count

    asyncio.run(main())


def test_what_cannot_be_read_takes_no_other_answer_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        sender = Sender()
        outcomes = [sender.post(b"data", number) for number in range(3)]
        asked: Any = sender.ask(functions.PingRequest(1))
        batch = await sender.leave()
        (state,) = await sender.leave()
        first, second, third = (posted.msg_id for posted in batch)
        outcomes[0].cancel()  # by the engine
        asked.cancel()
        names = b"+34600000000"
        await sender._process_message(
            unread(
                (12345, SHORT),
                (first, SHORT[:9]),
                (second, SHORT),
                more=(NEWER + names, b"tiny", bytes(types.Pong(state.msg_id, 1))),
            )
        )
        after = unread((third, SHORT))
        await sender._process_message(after)
        assert outcomes[1].result() == outcomes[2].result() == Sent(77)
        cut = Message(5004, 0, after.body[:-4])
        await sender._process_message(cut)
        assert "600000" not in caplog.text

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert "cannot be read: TypeNotFoundError 0xdeadbeef" in caplog.text
    assert "nobody waits any more" in caplog.text
    assert "rest of a container cannot be read" in caplog.text


def test_a_bug_in_a_handler_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_sender: Any, _message: TLMessage) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MTProtoSender, "_process_message", fail)

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await Sender()._process_message(unread(more=(bytes(types.Pong(1, 2)),)))

    asyncio.run(main())


def test_a_message_is_given_up_when_its_time_is_over_and_not_before() -> None:
    async def main() -> None:
        sender = Sender()
        first = sender.post(b"", 1)
        await asyncio.sleep(20)
        second = sender.post(b"", 2)
        await asyncio.sleep(11)
        assert first.result() == NO_ANSWER
        assert not second.done()
        await asyncio.sleep(20)
        assert second.result() == NO_ANSWER
        late = sender.post(b"", 3)
        await asyncio.sleep(31)
        assert late.result() == NO_ANSWER

    virtual.run(main())


def test_a_message_that_was_answered_is_forgotten() -> None:
    async def main() -> None:
        sender = Sender()
        outcomes = [sender.post(b"", number) for number in range(3)]
        answered, refused, _ = await sender.leave()
        error = bytes(types.RpcError(403, "USER_IS_BLOCKED"))
        await sender._process_message(unread((answered.msg_id, SHORT), (refused.msg_id, error)))
        assert len(sender._under_way) == 1
        outcomes[2].cancel()  # by the engine
        await asyncio.sleep(100)
        assert outcomes[0].result() == Sent(77)
        assert outcomes[1].result() == finding("USER_IS_BLOCKED")
        assert len(sender._under_way) == 0

    virtual.run(main())


def test_with_the_connection_every_message_ends() -> None:
    async def main() -> None:
        sender = Sender()
        outcomes = [sender.post(b"", number) for number in range(3)]  # none has left yet
        await sender._disconnect(None)
        assert [outcome.result() for outcome in outcomes] == [NOT_CONNECTED] * 3
        assert sender._timer is None  # which would keep a loop busy that has nothing to do

    virtual.run(main())


# --- the codec


class Server:
    """The other end of the state of a session."""

    def __init__(self, state: FastState, *, key: bytes = KEY) -> None:
        self.state, self.key = state, key
        self._last = (int(virtual.utc().timestamp()) << 32) + 1

    def packet(self, body: bytes, **changed: int) -> bytes:
        self._last += 4
        envelope = Envelope(1, self.state.id or 0, self._last, 1, body)._replace(**changed)
        sealed = sealed_message(self.key, envelope.packed(), SERVER, os.urandom)
        return struct.pack("<Q", auth_key_id(self.key)) + sealed


def with_state(check: Callable[[FastState, Server], None]) -> None:
    async def main() -> None:
        loggers: Any = defaultdict(logging.getLogger)
        state = FastState(AuthKey(KEY), loggers, virtual.LoopClock())
        check(state, Server(state))

    virtual.run(main())


@given(st.binary(min_size=4, max_size=200).filter(lambda body: len(body) % 4 == 0))
def test_both_ends_understand_each_other(body: bytes) -> None:
    def check(state: FastState, server: Server) -> None:
        message = state.decrypt_message_data(server.packet(body))
        assert message is not None
        assert message.body == body
        packet = state.encrypt_message_data(Message(4, 1, body).packed())
        envelope = opened_message(KEY, packet[8:], CLIENT)
        assert envelope == Envelope(state.salt, state.id or 0, 4, 1, body)

    with_state(check)


def test_telethon_itself_would_read_the_same() -> None:
    def check(state: FastState, server: Server) -> None:
        packet = server.packet(bytes(types.Pong(1, 2)), msg_id=(int(time.time()) << 32) + 1)
        theirs = MTProtoState.decrypt_message_data(state, packet)
        assert theirs is not None
        assert bytes(theirs.obj) == bytes(types.Pong(1, 2))

    with_state(check)


@given(st.data())
def test_a_flipped_byte_is_refused(data: st.DataObject) -> None:
    def check(state: FastState, server: Server) -> None:
        packet = bytearray(server.packet(b"body"))
        packet[data.draw(st.integers(0, len(packet) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(errors.SecurityError):
            state.decrypt_message_data(bytes(packet))

    with_state(check)


def test_a_packet_of_another_key_is_refused() -> None:
    def check(state: FastState, _: Server) -> None:
        with pytest.raises(errors.SecurityError, match="another key"):
            state.decrypt_message_data(Server(state, key=bytes(256)).packet(b"body"))

    with_state(check)


def test_what_the_server_says_without_encryption_is_an_error_of_the_connection() -> None:
    def check(state: FastState, _: Server) -> None:
        with pytest.raises(errors.InvalidBufferError) as refused:
            state.decrypt_message_data(struct.pack("<i", -404))
        assert refused.value.code == 404

    with_state(check)


def test_a_message_of_another_session_or_time_or_twice_is_ignored() -> None:
    def check(state: FastState, server: Server) -> None:
        now = int(virtual.utc().timestamp())
        for changed in (
            {"session_id": 5},
            {"msg_id": now << 32},
            {"msg_id": (now - 400) << 32 | 1},
        ):
            assert state.decrypt_message_data(server.packet(b"body", **changed)) is None
        packet = server.packet(b"body")
        assert state.decrypt_message_data(packet) is not None
        assert state.decrypt_message_data(packet) is None
        state.reset()  # a new session

    with_state(check)


def test_the_first_word_of_a_server_with_another_time_is_believed() -> None:
    def check(state: FastState, server: Server) -> None:
        then = int(time.time()) - 3000
        wrong = bytes(types.BadMsgNotification(4, 1, 17))
        assert state.decrypt_message_data(server.packet(wrong, msg_id=then << 32 | 1)) is not None
        assert state.time_offset == pytest.approx(-3000, abs=2)

    with_state(check)
