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
        return cls(
            None if parts is None else array("I", (max(parts(each), 1) for each in audience)),
            None if due is None else array("q", (_moment(due, each) for each in audience)),
        )

    def first_and_last(self) -> tuple[int, int] | None:
        """The first and the last moment; None where all go at once."""
        timed = array("q", (each for each in self.moments or () if each != AT_ONCE))
        return (min(timed), max(timed)) if timed else None


def freeze(
    sql: Statements,
    number: int,
    audience: Audience,
    shares: Shares,
    *,
    at_telegram: bool,
    first: int = 0,
) -> None:
    """Write `audience` as the recipients of the broadcast `number`, from the position `first` on,
    and count them.

    Where all get one part at once the rows go from file to file as they are. One moment for all is
    kept with the broadcast; only where they differ is it kept for each, so that a million rows are
    not written twice, and not at all for what lies `at_telegram`.
    """
    low = key = keys(number)["low"] + first
    times = shares.first_and_last()
    is_mixed = times is not None and times[0] != times[1] and not at_telegram
    counts = repeat(1) if shares.parts is None else iter(shares.parts)
    dues = iter(shares.moments or ()) if is_mixed else repeat(AT_ONCE)
    for peers, others, _ in audience.rows():
        if shares.parts is None and not is_mixed:
            sql.many("insert_recipient", zip(count(key), peers, others, repeat(None)))
            key += len(peers)
            continue
        rows: list[tuple[Any, ...]] = []
        waiting: list[tuple[Any, ...]] = []
        for peer, more, parts, due in zip(peers, others, counts, dues):  # noqa: B905 - endless
            waiting.append((key, due, 0, None, 0))
            for part in range(parts):
                rows.append((key, peer, more, part or None))
                key += 1
        sql.many("insert_recipient", rows)
        if is_mixed:
            sql.many("put_waiting", waiting)
    total = key - low
    sql.run("count_recipients", number=number, count=total, later_parts=total - len(audience))
    if times is not None:
        when = {"first": times[0], "last": times[1], "at_telegram": int(at_telegram)}
        sql.run("set_schedule", number=number, **when)
    if is_mixed:
        sql.run("hand_out_from_waiting", number=number)


def _moment(due: Callable[[Contact], datetime | None], contact: Contact) -> int:
    try:
        found = due(contact)
    except WhenError as error:
        raise InputError(f"{error}; nothing was sent") from None
    return AT_ONCE if found is None else milliseconds(found)
