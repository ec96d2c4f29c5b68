"""The server salts of a key: numbers that every message of a client must carry; they change.

https://core.telegram.org/mtproto/description#server-salt
"""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime
from typing import Final

from telethon.tl.types import FutureSalt


class Salts:
    """The salts of one key.

    Computed from the key and the half hour, so that nothing about them must be kept: every
    connection, and a sandbox that was started again, agrees on them.
    """

    PERIOD: Final = 1800

    def __init__(self, auth_key: bytes) -> None:
        self._auth_key = auth_key
        self._period = -1
        self._valid: tuple[int, int] = (0, 0)

    def current(self, now: float) -> int:
        """Give the salt that a client should use now."""
        return self._at(now)[0]

    def accepts(self, salt: int, now: float) -> bool:
        """Tell whether a message may carry this salt: for a half hour the last one still may."""
        return salt in self._at(now)

    def coming(self, now: float, count: int) -> list[FutureSalt]:
        """List the current salt and those after it, with the times of their validity."""
        first = int(now) // self.PERIOD
        return [
            FutureSalt(
                datetime.fromtimestamp(period * self.PERIOD, UTC),
                datetime.fromtimestamp((period + 2) * self.PERIOD, UTC),
                self._of(period),
            )
            for period in range(first, first + count)
        ]

    def _at(self, now: float) -> tuple[int, int]:
        period = int(now) // self.PERIOD
        if period != self._period:
            self._period, self._valid = period, (self._of(period), self._of(period - 1))
        return self._valid

    def _of(self, period: int) -> int:
        digest = hashlib.sha256(self._auth_key + struct.pack("<q", period)).digest()
        return int.from_bytes(digest[:8], "little", signed=True)
