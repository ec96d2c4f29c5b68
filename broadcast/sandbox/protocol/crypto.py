"""The arithmetic of a key exchange that only a server does: RSA and its numbers for Diffie-Hellman.

Pure: no sockets, no clock, no randomness of its own. The sections named in the comments are those
of https://core.telegram.org/mtproto.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from functools import cache, cached_property

import rsa

from broadcast.mtproto.encryption import EncryptionError, decrypt_ige, sha1


def exchange_key_iv(server_nonce: bytes, new_nonce: bytes) -> tuple[bytes, bytes]:
    """The temporary AES key and iv of the key exchange (auth_key, step 6)."""
    a = sha1(new_nonce + server_nonce)
    b = sha1(server_nonce + new_nonce)
    c = sha1(new_nonce + new_nonce)
    return a + b[:12], b[12:] + c + new_nonce[:4]


def open_rsa_pad(block: bytes) -> bytes | None:
    """What RSA_PAD(data, key) carried, with its padding; None when `block` is not of that kind.

    auth_key#rsa-paddata-server-public-key-mentioned-above-is-implemented-as-follows. `block` is
    already decrypted with the server's key.
    """
    masked_key, cipher = block[:32], block[32:]
    mask = hashlib.sha256(cipher).digest()
    temp_key = bytes(a ^ b for a, b in zip(masked_key, mask, strict=True))
    plain = decrypt_ige(cipher, temp_key, bytes(32))
    padded = plain[:192][::-1]
    return padded if hashlib.sha256(temp_key + padded).digest() == plain[192:] else None


@dataclass(frozen=True)
class ServerKey:
    """The RSA key by which a client recognises its server. 2048 bits, as MTProto demands."""

    p: int = field(repr=False)
    q: int = field(repr=False)
    e: int = 65537

    @staticmethod
    def default() -> ServerKey:
        """Return the key of every sandbox, so that a client needs to be told about only one.

        Its private half stands in the source, public on purpose: the sandbox listens on loopback
        only and protects nothing. Never trust this key anywhere else.
        """
        return _default_key()

    @staticmethod
    def generate() -> ServerKey:
        """Make a key that no client knows. Takes seconds."""
        _, private = rsa.newkeys(2048)
        return ServerKey(private.p, private.q, private.e)

    @property
    def n(self) -> int:
        """The modulus."""
        return self.p * self.q

    @cached_property
    def fingerprint(self) -> int:
        """How resPQ names the key: the low 64 bits of the SHA-1 of its TL form, signed."""
        return int.from_bytes(
            sha1(_short_bytes(self.n) + _short_bytes(self.e))[-8:], "little", signed=True
        )

    def public_pem(self) -> str:
        """Give the public half as a PKCS#1 `RSA PUBLIC KEY`, the form that Telethon loads."""
        return rsa.PublicKey(self.n, self.e).save_pkcs1().decode("ascii")

    def decrypt(self, block: bytes) -> bytes:
        """RSA without any padding: 256 bytes in, 256 bytes out. Raises EncryptionError."""
        cipher = int.from_bytes(block, "big")
        if len(block) != 256 or cipher >= self.n:
            raise EncryptionError("the RSA block is not of this key")
        # The Chinese remainder theorem: four times faster than one power modulo n.
        p, q, d_p, d_q, q_inverse = self._crt
        by_q = pow(cipher, d_q, q)
        h = (pow(cipher, d_p, p) - by_q) * q_inverse % p
        return (by_q + h * q).to_bytes(256, "big")

    @cached_property
    def _crt(self) -> tuple[int, int, int, int, int]:
        p, q = self.p, self.q
        d = pow(self.e, -1, (p - 1) * (q - 1))
        return p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)


def _short_bytes(number: int) -> bytes:
    """Write a number as TL `bytes`, big endian; the sizes of an RSA key are all it must handle."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + struct.pack("<I", len(data))[:3]
    return head + data + bytes(-(len(head) + len(data)) % 4)


@cache
def _default_key() -> ServerKey:
    return ServerKey(
        p=int(
            "e69afd45b88f2dc42410250e628864a4648135f992e4276745c3fbe611c7c9d5"
            "1c5b45c4649faff8355fbab5b91379572ada39740d3ffa2a9df1fdc623dfe639"
            "969084c8b58075590b74ad92c5104f99089aaa2d846ca3a712c6a8e6262bc125"
            "418f7d54bacce48b8c85e5a516adb0df357d7c085b85f31414159151da4a9d90"
            "32d74cdc68d72ff3",
            16,
        ),
        q=int(
            "9d5d6a8aedef999720ff73c6f02646458ee892f360484b21395e301f74bb367b"
            "56f1991de62dc390a522ada6a1f256bd1f62ffe737cbc2984e31c951462d2e0e"
            "0fbe07bb1d28a76e2ddae2b70e4421dc57f9cc2c7720b05e6a0cf14e43d82f67"
            "ef745f1ce6be9bae6b654fc07b59b71ad79556d11b72e945",
            16,
        ),
    )
