"""Encrypts and opens MTProto messages, for both ends; refuses to know what is in them.

Pure: whoever calls brings the randomness. The sections named in the comments are those of
https://core.telegram.org/mtproto.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import cryptg

if TYPE_CHECKING:
    from collections.abc import Callable

# The "x" of description#defining-aes-key-and-initialization-vector: who wrote the message.
CLIENT: Final = 0
SERVER: Final = 8

BLOCK: Final = 16  # bytes of AES

# description#encrypted-message-encrypted-data
LEAST_PADDING: Final = 12
MOST_PADDING: Final = 1024

_ENVELOPE = struct.Struct("<qqqii")


class EncryptionError(Exception):
    """What was received does not decrypt: a wrong key, or not MTProto at all."""


class Envelope(NamedTuple):
    """One message as it was encrypted: description#encrypted-message-encrypted-data."""

    salt: int
    session_id: int
    msg_id: int
    seq_no: int
    body: bytes

    def packed(self) -> bytes:
        """The bytes of it, without any padding."""
        salt, session_id, msg_id, seq_no, body = self
        return _ENVELOPE.pack(salt, session_id, msg_id, seq_no, len(body)) + body


def sha1(data: bytes) -> bytes:
    """SHA-1, where the protocol's text names it (fingerprints, key ids, the key exchange)."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def encrypt_ige(plain: bytes, key: bytes, iv: bytes) -> bytes:
    """AES-256-IGE. `plain` must be whole blocks of 16 bytes."""
    return cryptg.encrypt_ige(plain, key, iv)


def decrypt_ige(cipher: bytes, key: bytes, iv: bytes) -> bytes:
    """Undo `encrypt_ige`. Raises EncryptionError when `cipher` is not whole blocks."""
    if len(cipher) % BLOCK:
        raise EncryptionError("the encrypted data is not whole AES blocks")
    return cryptg.decrypt_ige(cipher, key, iv)


def auth_key_id(auth_key: bytes) -> int:
    """How packets name the key: the low 64 bits of its SHA-1, unsigned (auth_key, step 9)."""
    return int.from_bytes(sha1(auth_key)[-8:], "little")


def message_key_iv(auth_key: bytes, msg_key: bytes, sender: int) -> tuple[bytes, bytes]:
    """MTProto 2.0's AES key and iv for one message of `sender`, which is CLIENT or SERVER.

    description#defining-aes-key-and-initialization-vector
    """
    a = hashlib.sha256(msg_key + auth_key[sender : sender + 36]).digest()
    b = hashlib.sha256(auth_key[sender + 40 : sender + 76] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]


def seal(auth_key: bytes, padded: bytes, sender: int) -> bytes:
    """Encrypt one padded message: the message key, then the encrypted data."""
    msg_key = _msg_key(auth_key, padded, sender)
    key, iv = message_key_iv(auth_key, msg_key, sender)
    return msg_key + encrypt_ige(padded, key, iv)


def unseal(auth_key: bytes, sealed: bytes, sender: int) -> bytes:
    """Undo `seal`. Raises EncryptionError when the message key is not that of the data.

    security_guidelines#checking-sha256-hash-value-of-msg-key
    """
    msg_key = sealed[:BLOCK]
    key, iv = message_key_iv(auth_key, msg_key, sender)
    padded = decrypt_ige(sealed[BLOCK:], key, iv)
    if not hmac.compare_digest(_msg_key(auth_key, padded, sender), msg_key):
        raise EncryptionError("the message key does not match the data")
    return padded


def sealed_message(
    auth_key: bytes, plain: bytes, sender: int, randomness: Callable[[int], bytes]
) -> bytes:
    """A packed `Envelope`, padded and encrypted. In a packet the id of the key comes before it.

    `randomness` gives that many random bytes.
    """
    padding = randomness(-(len(plain) + LEAST_PADDING) % BLOCK + LEAST_PADDING)
    return seal(auth_key, plain + padding, sender)


def opened_message(auth_key: bytes, sealed: bytes, sender: int) -> Envelope:
    """Undo `sealed_message`, with every check that needs no more than the key.

    Raises EncryptionError. What is left, the session and the message ids, is for received.py.
    """
    if len(sealed) < BLOCK + _ENVELOPE.size + LEAST_PADDING:
        raise EncryptionError("the encrypted message is cut off")
    plain = unseal(auth_key, sealed, sender)
    salt, session_id, msg_id, seq_no, length = _ENVELOPE.unpack_from(plain)
    padding = len(plain) - _ENVELOPE.size - length
    # security_guidelines#checking-message-length
    if length < 0 or length % 4 or not LEAST_PADDING <= padding <= MOST_PADDING:
        raise EncryptionError("the encrypted message has an impossible length")
    body = plain[_ENVELOPE.size : _ENVELOPE.size + length]
    return Envelope(salt, session_id, msg_id, seq_no, body)


def _msg_key(auth_key: bytes, padded: bytes, sender: int) -> bytes:
    """description#message-key-msg-key."""
    return hashlib.sha256(auth_key[88 + sender : 120 + sender] + padded).digest()[8:24]
