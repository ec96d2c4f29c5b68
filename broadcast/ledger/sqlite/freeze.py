"""Writes the audience of a new broadcast: a row per recipient and part, and when each is due."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import count, repeat
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import InputError
from broadcast.ledger.sqlite.rows import keys, milliseconds
from broadcast.message.when import WhenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from broadcast.core.model import Contact
    from broadcast.ledger.sqlite.database import Statements
    from broadcast.people.audience import Audience

AT_ONCE = -1  # instead of a moment


@dataclass(frozen=True)
class Shares:
    """What each contact of an audience gets: in how many parts, and when, as the ledger keeps it.

    None where it is one part for all, and at once. It is found out before anything is written,
    which may take its time: a transaction keeps every other process from writing.
    """

    parts: array[int] | None
    moments: array[int] | None

    @classmethod
    def of(
        cls,
        audience: Audience,
        parts: Callable[[Contact], int] | None,
        due: Callable[[Contact], datetime | None] | None,
    ) -> Shares:
        """`due` says when a contact's turn is, None for at once. Raises InputError where it does
        not know."""
        counts = None if parts is None else array("I")
        moments = None if due is None else array("q")
        for contact in audience if parts or due else ():
            if counts is not None and parts is not None:
                counts.append(max(parts(contact), 1))
            if moments is not None and due is not None:
                moments.append(_moment(due, contact))
        return cls(counts, moments)


def freeze(
    sql: Statements, number: int, audience: Audience, shares: Shares, *, at_telegram: bool
) -> None:
    """Write `audience` as the recipients of the broadcast `number`, and count them.

    Where all get one part at once the rows go from file to file as they are. One moment for all is
    kept with the broadcast; only where they differ is it kept for each, so that a million rows are
    not written twice, and not at all for what lies `at_telegram`.
    """
    span = keys(number)
    times = _Times(sql, span["low"], is_kept_for_each=not at_telegram)
    key = span["low"]
    counts = repeat(1) if shares.parts is None else iter(shares.parts)
    dues = repeat(AT_ONCE) if shares.moments is None else iter(shares.moments)
    for peers, others, _ in audience.rows():
        if shares.parts is None and shares.moments is None:
            sql.many("insert_recipient", zip(count(key), peers, others, repeat(None)))
            key += len(peers)
            continue
        rows: list[tuple[Any, ...]] = []
        moments: list[tuple[int, int]] = []
        for peer, more, parts, moment in zip(peers, others, counts, dues):  # noqa: B905 - endless
            if moment != AT_ONCE:
                moments.append((key, moment))
            for part in range(parts):
                rows.append((key, peer, more, part or None))
                key += 1
        times.add(moments)
        sql.many("insert_recipient", rows)
    total = key - span["low"]
    sql.run("set_total", number=number, total=total, later_parts=total - len(audience))
    if times.first is not None:
        when = {"first": times.first, "last": times.last, "at_telegram": int(at_telegram)}
        sql.run("set_schedule", number=number, **when)
    if times.is_mixed:
        sql.run("hand_out_from_waiting", number=number)


def _moment(due: Callable[[Contact], datetime | None], contact: Contact) -> int:
    try:
        found = due(contact)
    except WhenError as error:
        raise InputError(f"{error}; nothing was sent") from None
    return AT_ONCE if found is None else milliseconds(found)


class _Times:
    """The moments of an audience: nothing is written of them until a second one turns up."""

    def __init__(self, sql: Statements, low: int, *, is_kept_for_each: bool) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self.is_mixed = False
        self._sql, self._low, self._is_kept = sql, low, is_kept_for_each

    def add(self, moments: list[tuple[int, int]]) -> None:
        """Add (key, moment) of the next recipients, whose rows are not written yet."""
        if not moments:
            return
        least, most = min(due for _, due in moments), max(due for _, due in moments)
        alone = self.first
        self.first = least if self.first is None else min(self.first, least)
        self.last = most if self.last is None else max(self.last, most)
        if not self._is_kept or self.first == self.last:
            return
        if not self.is_mixed and alone is not None:
            until = {"low": self._low, "high": moments[0][0] - 1}
            self._sql.run("set_all_waiting", **until, due=alone)
        self.is_mixed = True
        self._sql.many("put_waiting", ((key, due, 0, None, 0) for key, due in moments))
