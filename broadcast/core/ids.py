"""Makes the ids of broadcasts and of messages; time and randomness are passed in."""

from __future__ import annotations

from hashlib import blake2b

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_EPOCH = 1_577_836_800  # 2020-01-01 UTC; six characters of seconds last until 2054


def broadcast_id(now: float, chance: int) -> str:
    """Ten characters that sort by the second `now` (Unix time) and end in 20 bits of `chance`."""
    number = (int(now) - _EPOCH) << 20 | chance & 0xFFFFF
    return _letters(number)


def once_id(key: str, content: str) -> str:
    """The id of the broadcast under a key of `--once`: made from nothing but key and content."""
    digest = blake2b(f"{key}\0{content}".encode(), digest_size=7).digest()
    return _letters(int.from_bytes(digest, "big"))


def _letters(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(45, -5, -5))


def random_id(broadcast: str, account: int, peer: str, part: int = 0) -> int:
    """The `random_id` of one message: the same from any machine, at any time, in any order.

    A signed 64-bit number, never 0 (https://core.telegram.org/method/messages.sendMessage): a
    blake2b of its four arguments. `peer` is the recipient as resolved, not as the list writes it,
    so that a person listed twice, under a name and under a number, still gets one message.
    """
    text = f"{broadcast}\0{account}\0{peer}\0{part}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True) or 1
