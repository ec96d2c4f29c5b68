"""The server's half of the password check; it keeps nothing.

The protocol is SRP 6a as in https://core.telegram.org/api/srp, whose names are used here.
The server's secret is derived from the check's id, so that no half-finished check is stored. Real
servers draw it at random: here the only password is written in the documentation.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b, pbkdf2_hmac, sha256, shake_256
from hmac import compare_digest

PASSWORD = "sandbox"  # noqa: S105 - it is in docs/sandbox.md
SALT_1 = b"sandbox salt 1"
SALT_2 = b"sandbox salt 2"
GENERATOR = 3
SIZE = 256

# Telegram's own 2048-bit safe prime; a client need not test it, it knows it.
PRIME_BYTES = bytes.fromhex(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f"
    "48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37"
    "20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64"
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4"
    "a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754"
    "fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4"
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f"
    "0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b"
)
PRIME = int.from_bytes(PRIME_BYTES, "big")


def check_id(key_id: int, now: int) -> int:
    """The id of a password check begun now by this login. It carries its own time."""
    return int.from_bytes(now.to_bytes(4, "big") + _mac(key_id, now), "big", signed=True)


def is_check_id(srp_id: int, key_id: int, now: int, lifetime: int) -> bool:
    """Whether this is the id of a check that this login began and that is not too old."""
    begun = int.from_bytes(srp_id.to_bytes(8, "big", signed=True)[:4], "big")
    return 0 <= now - begun <= lifetime and srp_id == check_id(key_id, begun)


def challenge(srp_id: int) -> bytes:
    """`srp_B`: the server's public half, k*v + g^b."""
    b = _secret(srp_id)
    return ((_k() * _verifier() + pow(GENERATOR, b, PRIME)) % PRIME).to_bytes(SIZE, "big")


def accepts(srp_id: int, a_bytes: bytes, proof: bytes) -> bool:
    """Whether the client's `A` and `M1` prove that it knows the password."""
    a = int.from_bytes(a_bytes, "big")
    if len(a_bytes) > SIZE or not 1 < a < PRIME - 1:
        return False
    a_bytes, b_bytes = a.to_bytes(SIZE, "big"), challenge(srp_id)
    u = int.from_bytes(_h(a_bytes, b_bytes), "big")
    shared = pow(a * pow(_verifier(), u, PRIME), _secret(srp_id), PRIME)
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
    return pow(GENERATOR, int.from_bytes(_salted(SALT_2, slow), "big"), PRIME)


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
