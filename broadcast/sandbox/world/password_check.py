"""The server's half of the password check (SRP); it stores nothing.

The protocol is SRP 6a as in https://core.telegram.org/api/srp, whose names are used here.
The server's secret is derived from the check's id, so that no half-finished check is stored. Real
servers draw it at random: here the only password is written in the documentation.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b, pbkdf2_hmac, sha256, shake_256
from hmac import compare_digest

from broadcast.sandbox.people.logins import PASSWORD
from broadcast.sandbox.safe_prime import GENERATOR, SAFE_PRIME

SALT_1 = b"sandbox salt 1"
SALT_2 = b"sandbox salt 2"
SIZE = 256

PRIME_BYTES = SAFE_PRIME.to_bytes(SIZE, "big")


def check_id(key_id: int, now: int) -> int:
    """The id of a password check that this login begins now; it contains the time."""
    return int.from_bytes(now.to_bytes(4, "big") + _mac(key_id, now), "big", signed=True)


def is_check_id(srp_id: int, key_id: int, now: int, lifetime: int) -> bool:
    """Whether this is the id of a check that this login began and that is not too old."""
    begun = int.from_bytes(srp_id.to_bytes(8, "big", signed=True)[:4], "big")
    return 0 <= now - begun <= lifetime and srp_id == check_id(key_id, begun)


def challenge(srp_id: int) -> bytes:
    """`srp_B`: the server's public half, k*v + g^b."""
    b = _secret(srp_id)
    return ((_k() * _verifier() + pow(GENERATOR, b, SAFE_PRIME)) % SAFE_PRIME).to_bytes(SIZE, "big")


def accepts(srp_id: int, a_bytes: bytes, proof: bytes) -> bool:
    """Whether the client's `A` and `M1` prove that it knows the password."""
    a = int.from_bytes(a_bytes, "big")
    if len(a_bytes) > SIZE or not 1 < a < SAFE_PRIME - 1:
        return False
    a_bytes, b_bytes = a.to_bytes(SIZE, "big"), challenge(srp_id)
    u = int.from_bytes(_h(a_bytes, b_bytes), "big")
    shared = pow(a * pow(_verifier(), u, SAFE_PRIME), _secret(srp_id), SAFE_PRIME)
    generator = GENERATOR.to_bytes(SIZE, "big")
    expected = _h(
        bytes(p ^ g for p, g in zip(_h(PRIME_BYTES), _h(generator), strict=True)),
        _h(SALT_1),
        _h(SALT_2),
        a_bytes,
        b_bytes,
        _h(shared.to_bytes(SIZE, "big")),
    )
    return compare_digest(expected, proof)


@cache
def _verifier() -> int:
    """g^x: all that a server knows of a password. The derivation takes 100,000 rounds: once."""
    inner = _salted(SALT_2, _salted(SALT_1, PASSWORD.encode()))
    slow = pbkdf2_hmac("sha512", inner, SALT_1, 100_000)
    return pow(GENERATOR, int.from_bytes(_salted(SALT_2, slow), "big"), SAFE_PRIME)


def _k() -> int:
    return int.from_bytes(_h(PRIME_BYTES, GENERATOR.to_bytes(SIZE, "big")), "big")


def _secret(srp_id: int) -> int:
    return int.from_bytes(
        shake_256(b"srp" + srp_id.to_bytes(8, "big", signed=True)).digest(SIZE), "big"
    )


def _salted(salt: bytes, data: bytes) -> bytes:
    return _h(salt, data, salt)


def _h(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def _mac(key_id: int, now: int) -> bytes:
    name = b"%d %d" % (key_id, now)
    return blake2b(name, digest_size=4).digest()
