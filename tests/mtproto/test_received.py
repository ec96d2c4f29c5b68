"""The checks of https://core.telegram.org/mtproto/security_guidelines that need to remember."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.mtproto.containers import BAD_MSG_NOTIFICATION, BAD_SERVER_SALT
from broadcast.mtproto.encryption import Envelope
from broadcast.mtproto.received import (
    KEPT,
    TOO_NEW,
    TOO_OLD,
    IgnoredError,
    ServerMessages,
    time_of,
)

NOW = 1_800_000_000
SESSION = 7


def envelope(msg_id, body=b"body", session=SESSION):
    return Envelope(1, session, msg_id, 1, body)


def at(seconds, kind=1):
    """The id of a message that a server has made so many seconds from now."""
    return (NOW + seconds) << 32 | kind


@pytest.mark.parametrize("kind", [1, 3])
def test_what_is_new_is_taken_once(kind):
    received = ServerMessages()
    assert received.is_empty
    received.take(envelope(at(0, kind)), SESSION, NOW)
    assert not received.is_empty
    with pytest.raises(IgnoredError, match="came before"):
        received.take(envelope(at(0, kind)), SESSION, NOW)


def test_a_message_of_another_session_is_ignored():
    with pytest.raises(IgnoredError, match="session"):
        ServerMessages().take(envelope(at(0), session=8), SESSION, NOW)


@pytest.mark.parametrize("kind", [0, 2])
def test_an_even_id_is_a_clients(kind):
    with pytest.raises(IgnoredError, match="server"):
        ServerMessages().take(envelope(at(0, kind)), SESSION, NOW)


@pytest.mark.parametrize("seconds", [-TOO_OLD, 0, TOO_NEW])
def test_what_is_about_as_old_as_it_says_is_taken(seconds):
    ServerMessages().take(envelope(at(seconds)), SESSION, NOW)


@pytest.mark.parametrize("seconds", [-TOO_OLD - 1, TOO_NEW + 1])
def test_what_is_too_old_or_too_new_is_ignored_and_not_remembered(seconds):
    received = ServerMessages()
    with pytest.raises(IgnoredError, match="seconds old"):
        received.take(envelope(at(seconds)), SESSION, NOW)
    received.take(envelope(at(seconds)), SESSION, NOW + seconds)


@pytest.mark.parametrize("constructor", [BAD_MSG_NOTIFICATION, BAD_SERVER_SALT])
def test_a_notification_about_the_time_is_taken_at_any_time(constructor):
    body = struct.pack("<I", constructor)
    ServerMessages().take(envelope(at(10_000), body), SESSION, NOW)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=200))
def test_no_message_is_taken_twice(numbers):
    received, taken = ServerMessages(), []
    for number in numbers:
        try:
            received.take(envelope(at(0) + 4 * number), SESSION, NOW)
        except IgnoredError:
            assert number in taken
        else:
            assert number not in taken
            taken.append(number)


def test_what_is_older_than_all_that_is_remembered_is_ignored():
    received = ServerMessages()
    for number in range(3 * KEPT):
        received.take(envelope(at(0) + 4 * (number + 1)), SESSION, NOW)
    with pytest.raises(IgnoredError, match="came before"):
        received.take(envelope(at(0)), SESSION, NOW)


def test_the_time_is_in_the_id():
    assert time_of(at(5)) == NOW + 5
