import hashlib
import logging
import struct
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import helpers
from telethon.crypto import AuthKey
from telethon.crypto import rsa as telethon_rsa
from telethon.network.mtprotostate import MTProtoState

from broadcast.sandbox.protocol.crypto import (
    CLIENT,
    DH_GENERATOR,
    DH_PRIME,
    SERVER,
    CryptoError,
    ServerKey,
    auth_key_id,
    decrypt_ige,
    encrypt_ige,
    exchange_key_iv,
    message_key_iv,
    open_rsa_pad,
    seal,
    sha1,
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
    with pytest.raises(CryptoError):
        unseal(auth_key, bytes(sealed), sender)


@given(padded_messages)
def test_a_packet_sent_back_to_its_sender_is_refused(message):
    auth_key = bytes(range(256))
    with pytest.raises(CryptoError):
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
    with pytest.raises(CryptoError):
        decrypt_ige(bytes(17), bytes(32), bytes(32))


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_the_exchange_key_is_telethons(server_nonce, new_nonce):
    theirs = helpers.generate_key_data_from_nonce(
        int.from_bytes(server_nonce, "little", signed=True),
        int.from_bytes(new_nonce, "little", signed=True),
    )
    assert exchange_key_iv(server_nonce, new_nonce) == theirs


def test_the_prime_is_safe_and_fits_the_generator():
    assert DH_PRIME.bit_length() == 2048
    assert pow(2, DH_PRIME - 1, DH_PRIME) == 1
    assert pow(2, (DH_PRIME - 1) // 2 - 1, (DH_PRIME - 1) // 2) == 1
    # What makes 3 a generator: security_guidelines#validation-of-dh-parameters.
    assert (DH_GENERATOR, DH_PRIME % 3) == (3, 2)


def test_telethon_reads_the_public_key_and_gives_it_the_same_fingerprint():
    key = ServerKey.default()
    loaded = telethon_rsa.rsa.PublicKey.load_pkcs1(key.public_pem().encode())
    assert (loaded.n, loaded.e) == (key.n, key.e)
    assert telethon_rsa._compute_fingerprint(loaded) == key.fingerprint
    assert key.n.bit_length() == 2048


def test_what_telethon_encrypts_with_the_public_key_is_decrypted():
    key = ServerKey.default()
    telethon_rsa.add_key(key.public_pem(), old=False)
    block = key.decrypt(telethon_rsa.encrypt(key.fingerprint, b"a secret"))
    assert block[:1] == b"\0"
    assert block[1:29] == sha1(b"a secret") + b"a secret"
    assert open_rsa_pad(block) is None


@pytest.mark.parametrize("block", [b"", bytes(255), bytes(257), b"\xff" * 256])
def test_a_block_of_another_key_is_refused(block):
    with pytest.raises(CryptoError):
        ServerKey.default().decrypt(block)


@given(st.binary(min_size=192, max_size=192), st.binary(min_size=32, max_size=32))
def test_rsa_pad_is_opened(padded, temp_key):
    hashed = padded[::-1] + hashlib.sha256(temp_key + padded).digest()
    cipher = encrypt_ige(hashed, temp_key, bytes(32))
    mask = hashlib.sha256(cipher).digest()
    masked = bytes(a ^ b for a, b in zip(temp_key, mask, strict=True))
    assert open_rsa_pad(masked + cipher) == padded


def test_a_generated_key_is_another_one_of_the_same_size():
    key = ServerKey.generate()
    assert key.n.bit_length() == 2048
    assert key.fingerprint != ServerKey.default().fingerprint
    assert key.decrypt(pow(42, key.e, key.n).to_bytes(256, "big")) == (42).to_bytes(256, "big")


def test_a_private_key_is_not_shown():
    key = ServerKey.default()
    assert str(key.p) not in repr(key)
    assert str(key.q) not in repr(key)
