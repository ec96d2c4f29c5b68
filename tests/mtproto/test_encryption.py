"""What one end encrypts the other opens, Telethon's too; whatever is wrong about it is refused."""

import logging
import os
import struct
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.crypto import AuthKey
from telethon.network.mtprotostate import MTProtoState

from broadcast.mtproto.encryption import (
    BLOCK,
    CLIENT,
    LEAST_PADDING,
    MOST_PADDING,
    SERVER,
    EncryptionError,
    Envelope,
    auth_key_id,
    decrypt_ige,
    message_key_iv,
    opened_message,
    seal,
    sealed_message,
    unseal,
)

auth_keys = st.binary(min_size=256, max_size=256)
senders = st.sampled_from([CLIENT, SERVER])
padded_messages = st.integers(1, 20).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


@given(auth_keys, st.binary(min_size=16, max_size=16), st.booleans())
def test_the_key_schedule_is_telethons(auth_key, msg_key, is_client):
    ours = message_key_iv(auth_key, msg_key, CLIENT if is_client else SERVER)
    assert ours == MTProtoState._calc_key(auth_key, msg_key, is_client)


@given(auth_keys)
def test_a_key_has_the_id_that_telethon_gives_it(auth_key):
    assert auth_key_id(auth_key) == AuthKey(auth_key).key_id


@given(auth_keys, padded_messages, senders)
def test_what_is_sealed_can_be_unsealed(auth_key, message, sender):
    assert unseal(auth_key, seal(auth_key, message, sender), sender) == message


@given(auth_keys, padded_messages, senders, st.data())
def test_a_changed_bit_is_noticed(auth_key, message, sender, data):
    sealed = bytearray(seal(auth_key, message, sender))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EncryptionError):
        unseal(auth_key, bytes(sealed), sender)


@given(padded_messages)
def test_a_packet_sent_back_to_its_sender_is_refused(message):
    auth_key = bytes(range(256))
    with pytest.raises(EncryptionError):
        unseal(auth_key, seal(auth_key, message, SERVER), CLIENT)


def test_what_telethon_encrypts_can_be_unsealed():
    auth_key = bytes(range(256))
    state = MTProtoState(AuthKey(auth_key), loggers=defaultdict(logging.getLogger))
    packet = state.encrypt_message_data(b"sixteen or not")
    plain = unseal(auth_key, packet[8:], CLIENT)
    assert packet[:8] == struct.pack("<Q", auth_key_id(auth_key))
    assert plain[:16] == struct.pack("<qq", state.salt, state.id)
    assert plain[16:].startswith(b"sixteen or not")


def test_data_that_is_not_whole_blocks_is_refused():
    with pytest.raises(EncryptionError):
        decrypt_ige(bytes(17), bytes(32), bytes(32))


longs = st.integers(-(2**63), 2**63 - 1)
ints = st.integers(-(2**31), 2**31 - 1)
bodies = st.integers(0, 100).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
envelopes = st.builds(Envelope, longs, longs, longs, ints, bodies)
KEY = bytes(range(256))


@given(auth_keys, envelopes, senders)
def test_what_one_end_packs_the_other_opens(auth_key, envelope, sender):
    sealed = sealed_message(auth_key, envelope.packed(), sender, os.urandom)
    assert len(sealed) % BLOCK == 0
    assert opened_message(auth_key, sealed, sender) == envelope


@given(envelopes, senders, st.data())
def test_any_flipped_byte_is_refused(envelope, sender, data):
    sealed = bytearray(sealed_message(KEY, envelope.packed(), sender, os.urandom))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EncryptionError):
        opened_message(KEY, bytes(sealed), sender)


@given(envelopes, st.data())
def test_a_message_that_is_cut_off_is_refused(envelope, data):
    sealed = sealed_message(KEY, envelope.packed(), SERVER, os.urandom)
    with pytest.raises(EncryptionError):
        opened_message(KEY, sealed[: data.draw(st.integers(0, len(sealed) - 1))], SERVER)


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_but_an_encryption_error(garbage):
    with pytest.raises(EncryptionError):
        opened_message(KEY, garbage, SERVER)


def padded(length, padding, body=b"body"):
    return struct.pack("<qqqii", 1, 2, 3, 4, length) + body + bytes(padding)


@pytest.mark.parametrize("padding", [LEAST_PADDING, 1020])
def test_padding_within_its_limits_is_taken(padding):
    whole = padded(4, padding)
    assert len(whole) % BLOCK == 0
    assert opened_message(KEY, seal(KEY, whole, SERVER), SERVER).body == b"body"


@pytest.mark.parametrize(
    "whole",
    [
        padded(4, LEAST_PADDING + MOST_PADDING),
        padded(8, LEAST_PADDING),  # four bytes of the padding taken for text
        padded(-4, LEAST_PADDING),
        padded(3, LEAST_PADDING),
        padded(2**30, LEAST_PADDING),
    ],
    ids=["too much padding", "too little padding", "negative", "no whole words", "beyond the end"],
)
def test_a_length_that_cannot_be_is_refused(whole):
    whole += bytes(-len(whole) % BLOCK)
    with pytest.raises(EncryptionError, match="impossible length"):
        opened_message(KEY, seal(KEY, whole, SERVER), SERVER)


def test_the_sender_is_part_of_the_key():
    sealed = sealed_message(KEY, Envelope(1, 2, 3, 4, b"body").packed(), CLIENT, os.urandom)
    with pytest.raises(EncryptionError):
        opened_message(KEY, sealed, SERVER)
