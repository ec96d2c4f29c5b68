"""Answers whether a peer was in the list before, and in which line; for millions of them."""

from __future__ import annotations

from hashlib import blake2b

_ENTRY = 12  # bytes of hash and line


class Seen:
    """Knows in which line a peer was first, in some 14 bytes a peer.

    A dict of the keys takes more than a gigabyte for ten million peers, and so does one of their
    hashes. Here each of 16,384 buckets is one row of bytes, which is searched as a text is: 8 bytes
    of hash and 4 of the line for each peer, which takes less than a microsecond in a list of a
    million. What is compared is 78 bits of hash: among ten million peers, one pair in 10^9 lists is
    taken for one.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, bytearray] = {}

    def first(self, key: str, line: int) -> int | None:
        """Give the line in which `key` was first, or note that it is this one and give None."""
        digest = blake2b(key.encode(), digest_size=10).digest()
        number, rest = (digest[0] << 6) | (digest[1] >> 2), digest[2:]
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = bytearray()
        at = bucket.find(rest)
        while at > 0 and at % _ENTRY:  # across two entries: no peer
            at = bucket.find(rest, at + 1)
        if at >= 0:
            return int.from_bytes(bucket[at + 8 : at + _ENTRY], "little")
        bucket += rest + line.to_bytes(4, "little")
        return None
