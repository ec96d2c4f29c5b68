"""Answers who of an audience is not among others: compared on disk, as both may be a million."""

from __future__ import annotations

import sqlite3
import weakref
from typing import TYPE_CHECKING

from broadcast.people.audience import Audience, contact_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class Newcomers:
    """Those of `audience` that were not left out yet, by the key of their peer.

    They stand in a temporary file of SQLite's, which is gone with this object.
    """

    def __init__(self, audience: Audience) -> None:
        self.count_left_out = 0
        self._audience = audience
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._file.close)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE new (peer TEXT PRIMARY KEY) WITHOUT ROWID")
        self._file.execute("BEGIN")
        keys = ((contact.peer.key,) for contact in audience)
        self._file.executemany("INSERT OR IGNORE INTO new VALUES (?)", keys)

    def leave_out(self, peers: Iterable[int | str]) -> None:
        """These are among the others, as the ledger keeps them."""
        keys = ((contact_of(peer, None).peer.key,) for peer in peers)
        gone = self._file.executemany("DELETE FROM new WHERE peer = ?", keys).rowcount
        self.count_left_out += max(gone, 0)

    def left(self) -> Audience:
        """Who is new, in the order of the audience, each once."""
        take = "DELETE FROM new WHERE peer = ?"
        found = (
            contact
            for contact in self._audience
            if self._file.execute(take, (contact.peer.key,)).rowcount
        )
        return Audience(found, warnings=self._audience.warnings, doubts=self._audience.doubts)
