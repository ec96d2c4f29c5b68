import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import helpers
from telethon.crypto import rsa as telethon_rsa

from broadcast.mtproto.encryption import EncryptionError, encrypt_ige, sha1
from broadcast.sandbox.protocol.crypto import (
    ServerKey,
    exchange_key_iv,
    open_rsa_pad,
)
from broadcast.sandbox.safe_prime import GENERATOR, SAFE_PRIME


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_the_exchange_key_is_telethons(server_nonce, new_nonce):
    theirs = helpers.generate_key_data_from_nonce(
        int.from_bytes(server_nonce, "little", signed=True),
        int.from_bytes(new_nonce, "little", signed=True),
    )
    assert exchange_key_iv(server_nonce, new_nonce) == theirs


def test_the_prime_is_safe_and_fits_the_generator():
    assert SAFE_PRIME.bit_length() == 2048
    assert pow(2, SAFE_PRIME - 1, SAFE_PRIME) == 1
    assert pow(2, (SAFE_PRIME - 1) // 2 - 1, (SAFE_PRIME - 1) // 2) == 1
    # What makes 3 a generator: security_guidelines#validation-of-dh-parameters.
    assert (GENERATOR, SAFE_PRIME % 3) == (3, 2)


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
    with pytest.raises(EncryptionError):
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
