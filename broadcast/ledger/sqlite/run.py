"""One process at work on one broadcast of the durable ledger: the port `Run` (engine/ports.py)."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from broadcast.core.classify import finding
from broadcast.core.errors import LockedError
from broadcast.core.model import Broadcast, Deferred, Failed, Halted, Outcome, Scope, Sent
from broadcast.ledger.process import in_words
from broadcast.ledger.sqlite.rows import (
    delivery_of,
    keys,
    milliseconds,
    moment,
    others_row,
    own_reason,
    shift,
    tried,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from broadcast.core.model import Delivery
    from broadcast.engine.pacer import Learned
    from broadcast.ledger.sqlite.database import Database, Statements

LEASE = timedelta(seconds=15)  # after which a process that writes nothing counts as dead
HEARTBEAT = 0.5  # seconds between two looks at what others ask for


class SqliteRun:
    """Holds the lease of `broadcast` since `epoch`; every write is refused once it is lost.

    A claim writes one row for a whole slice, `slice`, and no delivery: what lies in a slice and has
    no outcome is being sent, or was when the process died. Of a message that was split a slice
    hands out the first parts; each later one comes from `waiting`, where the commit puts it that
    records the one before as sent.
    """

    def __init__(
        self, database: Database, broadcast: Broadcast, epoch: int, clock: Callable[[], datetime]
    ) -> None:
        self.broadcast = broadcast
        self.note: str | None = None  # why the run stopped early
        self.halted: str | None = None  # and the name of that error
        self.until: int | None = None  # claim for so many recipients, the first that are left
        self._end: int | None = None  # the key from which on they are too many, once it is known
        self.ended: Callable[[Delivery, Outcome, datetime], None] = lambda _, __, ___: None
        """Is told what has failed with the part before it, as nobody ever tries it."""
        self.learned: Callable[[], Learned | None] = lambda: None  # of the account's limits
        self._database = database
        self._epoch = epoch
        self._clock = clock
        self._lease_until = clock() + LEASE
        self._low = keys(broadcast.number)["low"]
        self._slices: dict[int, list[int]] = {}  # first key -> [last key, how many are unsettled]
        self._waiting: set[int] = set()  # claimed keys that stand in `waiting` and in no slice

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        """See `Run.claim`."""
        return await self._database.write(lambda sql: self._claim(sql, limit, now))

    def _claim(self, sql: Statements, limit: int, now: datetime) -> list[Delivery]:
        self._renew(sql, now)
        if self._is_early(now):
            return []
        span = self._span(sql)
        again = sql.rows("due", **span, now=milliseconds(now), limit=limit)
        again += sql.rows("given_back", **span, limit=limit - len(again))
        attempts: dict[int, int] = {row["key"]: row["attempts"] for row in again}
        sql.many("claim_waiting", ((key,) for key in attempts))
        self._waiting.update(attempts)
        rows = [row for key in attempts for row in self._row(sql, key)]
        if len(rows) < limit:
            rows += self._claim_slice(sql, limit - len(rows), span["high"] + 1)
        return [delivery_of(self.broadcast, *row, attempts=attempts.get(row[0], 0)) for row in rows]

    def _is_early(self, now: datetime) -> bool:
        """Whether nobody's time has come."""
        schedule = self.broadcast.schedule
        return schedule is not None and not schedule.at_telegram and now < schedule.first

    def _span(self, sql: Statements) -> dict[str, int]:
        """The first and the last key that this run may claim."""
        span = keys(self.broadcast.number)
        if self.until is None:
            return span
        if self._end is None:
            self._end = self._key_of(sql, self.until, span)
        return {"low": span["low"], "high": self._end - 1}

    def _key_of(self, sql: Statements, count: int, span: dict[str, int]) -> int:
        """The key of the recipient after the first `count` that are left."""
        by, row = shift(self.broadcast), None
        if self.broadcast.target is None:
            row = sql.one("key_of_recipient", **span, count=count)
        else:
            low, high = span["low"] + by, span["high"] + by
            row = sql.one("key_of_change", low=low, high=high, shift=by, count=count)
        return span["high"] + 1 if row is None else row["key"] - by

    def _claim_slice(self, sql: Statements, limit: int, end: int) -> list[tuple[Any, ...]]:
        number = self.broadcast.number
        row: Any = sql.one("broadcast_by_number", number=number)
        first, end = self._low + row["next_position"], min(self._low + row["end_position"], end)
        if first >= end:
            return []
        # There are gaps: where the target has failures, and where a message has more parts.
        rows = self._fresh(sql, first, end - 1, limit)
        last = rows[-1][0] if len(rows) == limit else end - 1
        sql.run("advance", number=number, position=last + 1 - self._low)
        if rows:
            sql.run("insert_slice", first=first, last=last)
            self._slices[first] = [last, len(rows)]
        return rows

    def _row(self, sql: Statements, key: int) -> list[tuple[Any, ...]]:
        """The delivery with this key, as `delivery_of` takes it."""
        if self.broadcast.target is None:
            return [tuple(row) for row in sql.rows("recipient", key=key)]
        return self._fresh(sql, key, key, 1)

    def _fresh(self, sql: Statements, low: int, high: int, limit: int) -> list[tuple[Any, ...]]:
        """Deliveries from `low` to `high` that nothing must have been sent before."""
        if self.broadcast.target is None:
            found = sql.rows("first_parts", low=low, high=high, limit=limit)
            return [tuple(row) for row in found]
        by = shift(self.broadcast)
        rows = sql.rows("messages", low=low + by, high=high + by, limit=limit)
        return [(key - by, *rest) for key, *rest in rows]

    async def settle(self, results: Sequence[tuple[Delivery, Outcome]], now: datetime) -> None:
        """See `Run.settle`."""
        with_them = await self._database.write(lambda sql: self._settle(sql, results, now))
        for delivery, outcome in with_them:
            self.ended(delivery, outcome, now)

    def _settle(
        self, sql: Statements, results: Sequence[tuple[Delivery, Outcome]], now: datetime
    ) -> list[tuple[Delivery, Outcome]]:
        """Record `results`; what has failed with them, parts that come after one that failed."""
        at = milliseconds(now)
        since = at - milliseconds(self.broadcast.created_at)
        final: list[tuple[int, int, int | None, int, str | None, str | None, str | None]] = []
        again: list[tuple[int, int, int, str | None, int]] = []
        held = 0.0
        for delivery, outcome in results:
            key = self._low + delivery.position
            match outcome:
                case Sent(message_id):
                    others, note = others_row(outcome.others), outcome.note or None
                    final.append((key, 1, message_id, since, None, others, note))
                case Failed(error):
                    final.append((key, 0, None, since, error, None, own_reason(outcome)))
                case Deferred(error):
                    due = at + round(1000 * (outcome.retry_after or 0.0))
                    if outcome.reached and outcome.scope is Scope.ACCOUNT:
                        held = max(held, due)
                    tries, doubt = tried(delivery, outcome), int(outcome.perhaps_sent)
                    again.append((key, due, tries, error, doubt))
                case Halted(error):
                    again.append((key, 0, delivery.attempts, error, 0))
        with_them = self._parts_after(sql, [row[0] for row in final if not row[1]])
        missing = finding("PART_MISSING")
        final += [
            (self._low + later.position, 0, None, since, missing.error, None, None)
            for later in with_them
        ]
        sent = sum(row[1] for row in final)
        paid = sum(isinstance(outcome, Sent) and outcome.paid for _, outcome in results)
        self._renew(sql, now, sent=sent, failed=len(final) - sent, paid=paid)
        if held:
            sql.run("keep_hold", **self._account, held_until=held)
        final.sort()  # rows that come in order of their keys fill their pages
        sql.many("insert_outcome", final)
        if self._waiting:
            sql.many("delete_waiting", ((row[0],) for row in final if row[0] in self._waiting))
        sql.many("put_waiting", again)
        if self._has_parts:
            sql.many("release_next_part", ((row[0],) for row in final if row[1]))
        settled = {later.position for later in with_them}
        self._close(sql, [row[0] for row in final if row[0] - self._low not in settled])
        self._close(sql, [row[0] for row in again])
        return [(later, missing) for later in with_them]

    @property
    def _has_parts(self) -> bool:
        """Whether the order of deliveries matters: an edit or a recall knows of no parts."""
        return self.broadcast.later_parts > 0

    def _parts_after(self, sql: Statements, failed: Iterable[int]) -> list[Delivery]:
        """The parts that must not go out because the one before, of these keys, has failed."""
        if not self._has_parts:
            return []
        high = keys(self.broadcast.number)["high"]
        return [
            delivery_of(self.broadcast, *row)
            for key in failed
            for row in sql.rows("later_parts", key=key, high=high)
        ]

    async def release(self, deliveries: Iterable[Delivery]) -> None:
        """See `Run.release`."""
        again = [(self._low + d.position, 0, d.attempts, None, 0) for d in deliveries]

        def work(sql: Statements) -> None:
            self._renew(sql, self._clock())
            sql.many("put_waiting", again)
            self._close(sql, [row[0] for row in again])

        await self._database.write(work)

    def _close(self, sql: Statements, settled: list[int]) -> None:
        """Count `settled` keys off their slices, and forget a slice after its last delivery."""
        if self._waiting:
            from_waiting = self._waiting.intersection(settled)
            self._waiting -= from_waiting
            settled = [key for key in settled if key not in from_waiting]
        settled.sort()
        for first, slice_ in list(self._slices.items()):
            slice_[1] -= bisect_right(settled, slice_[0]) - bisect_left(settled, first)
            if slice_[1] == 0:
                del self._slices[first]
                sql.run("delete_slice", first=first)

    def has_lapsed(self, now: datetime) -> bool:
        """See `Run.has_lapsed`."""
        return now >= self._lease_until

    async def renew(self, now: datetime) -> None:
        """See `Run.renew`."""
        await self._database.write(lambda sql: self._renew(sql, now))

    async def next_due(self) -> datetime | None:
        """See `Run.next_due`."""
        row = await self._database.write(lambda sql: sql.one("next_due", **self._span(sql)))
        return None if row is None else moment(row["due"])

    @property
    def _account(self) -> dict[str, Any]:
        return {"id": self.broadcast.account, "server": self.broadcast.server or ""}

    def _renew(
        self, sql: Statements, now: datetime, *, sent: int = 0, failed: int = 0, paid: int = 0
    ) -> None:
        """Prolong the lease and count, in the transaction of the caller.

        Raises LockedError when another process has taken over: nothing is written then.
        """
        number = self.broadcast.number
        changed = sql.run(
            "count_and_renew",
            sent=sent,
            failed=failed,
            paid=paid,
            lease_until=milliseconds(now + LEASE),
            number=number,
            epoch=self._epoch,
        ).rowcount
        if changed != 1:
            row: Any = sql.one("broadcast_by_number", number=number)
            identity = self.broadcast.id
            what = f"taken over by {in_words(row['owner'])}"
            raise LockedError(
                f"broadcast {identity} was {what}, while this process gave no sign of life for "
                f"{LEASE.seconds} seconds. What became of it: `broadcast status {identity}`"
            )
        self._lease_until = now + LEASE

    async def beat(
        self,
        on_stop: Callable[[], None],
        *,
        every: float = HEARTBEAT,
        renew_after: float = LEASE.seconds / 3,
    ) -> None:
        """Keep the lease alive, and call `on_stop` when another process asks to stop."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(every)
            (row,) = self._database.read("broadcast_by_number", number=self.broadcast.number)
            if row["wanted"]:
                on_stop()
            if row["epoch"] != self._epoch or loop.time() - renewed > renew_after:
                renewed = loop.time()
                await self._database.write(partial(self._sign_of_life, self.learned()))

    def _sign_of_life(self, learned: Learned | None, sql: Statements) -> None:
        now = self._clock()
        self._renew(sql, now)
        self._keep(sql, learned, now)

    async def finish(self) -> None:
        """Give the lease back, and note why the run stopped early."""
        values = {"number": self.broadcast.number, "epoch": self._epoch}
        why = {"note": self.note, "halted": self.halted}
        learned = self.learned()

        def work(sql: Statements) -> None:
            self._keep(sql, learned, self._clock())
            sql.run("finish", **values, **why)

        await self._database.write(work)

    def _keep(self, sql: Statements, learned: Learned | None, now: datetime) -> None:
        """Keep what was learned of the account, for the next broadcast."""
        if learned is not None:
            values = {"rate": learned.rate, "burst": learned.burst}
            sql.run("keep_learned", **self._account, **values, learned_at=milliseconds(now))
