"""Messages come out of a container as they went in; one that lies is refused."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.extensions import BinaryReader
from telethon.tl.core import MessageContainer
from telethon.tl.types import BadMsgNotification, BadServerSalt, Pong

from broadcast.mtproto.containers import (
    BAD_MSG_NOTIFICATION,
    BAD_SERVER_SALT,
    MOST_MESSAGES,
    MSG_CONTAINER,
    ContainerError,
    Message,
    constructor_of,
    contained,
    container_of,
    is_container,
)

bodies = st.integers(1, 50).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
messages = st.builds(
    Message, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1), bodies
).filter(lambda message: not is_container(message.body))


@given(st.lists(messages, min_size=1, max_size=20))
def test_what_is_packed_is_taken_out(packed):
    whole = container_of(packed)
    assert is_container(whole)
    assert list(contained(whole)) == packed


def test_telethon_reads_the_same():
    pongs = [Pong(number, number) for number in range(3)]
    whole = container_of([Message(n, n, bytes(pong)) for n, pong in enumerate(pongs)])
    read = BinaryReader(whole).tgread_object()
    assert isinstance(read, MessageContainer)
    assert [(m.msg_id, m.seq_no, m.obj.msg_id) for m in read.messages] == [
        (n, n, n) for n in range(3)
    ]


@given(st.lists(messages, min_size=1, max_size=5), st.data())
def test_a_container_that_is_cut_off_is_refused(packed, data):
    whole = container_of(packed)
    with pytest.raises(ContainerError):
        list(contained(whole[: data.draw(st.integers(0, len(whole) - 1))]))


@given(st.binary(max_size=100))
def test_garbage_raises_nothing_but_a_container_error(garbage):
    with suppress(ContainerError):
        list(contained(struct.pack("<I", MSG_CONTAINER) + garbage))


@pytest.mark.parametrize("count", [-1, 0, MOST_MESSAGES + 1])
def test_a_count_that_cannot_be_is_refused(count):
    with pytest.raises(ContainerError):
        list(contained(struct.pack("<Ii", MSG_CONTAINER, count) + bytes(100)))


def test_a_container_within_a_container_is_refused():
    inner = container_of([Message(1, 1, b"four")])
    with pytest.raises(ContainerError):
        list(contained(container_of([Message(2, 2, inner)])))


def test_the_messages_before_a_wrong_one_are_there():
    whole = container_of([Message(1, 1, b"four"), Message(2, 1, b"five" * 5)])[:-1]
    found = []
    with pytest.raises(ContainerError):
        found += (message for message in contained(whole))
    reading = contained(whole)
    assert next(reading) == Message(1, 1, b"four")


def test_the_constructors_are_telethons():
    assert MSG_CONTAINER == MessageContainer.CONSTRUCTOR_ID
    assert BAD_MSG_NOTIFICATION == BadMsgNotification.CONSTRUCTOR_ID
    assert BAD_SERVER_SALT == BadServerSalt.CONSTRUCTOR_ID
    assert constructor_of(bytes(Pong(1, 1))) == Pong.CONSTRUCTOR_ID
    assert constructor_of(b"abc") is None
