"""One process at work on one broadcast of the durable ledger: the port `Run` (engine/ports.py)."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any

from broadcast.core.classify import finding
from broadcast.core.errors import LockedError, NextStep
from broadcast.core.lifecycle import tried
from broadcast.core.model import Broadcast, Deferred, Failed, Halted, Outcome, Scope, Sent
from broadcast.ledger.process import LEASE, process_of
from broadcast.ledger.sqlite.rows import (
    delivery_of,
    keys,
    milliseconds,
    moment,
    others_row,
    own_reason,
    shift,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from broadcast.core.clock import Clock
    from broadcast.core.model import Delivery
    from broadcast.engine.pacer import Learned
    from broadcast.ledger.sqlite.database import Database, Statements
    from broadcast.ledger.sqlite.lookup import Leases

HEARTBEAT = 0.5  # seconds between two looks at what others ask for


class SqliteRun:
    """Holds the lease of `broadcast`, now `row`; every write is refused once it is lost.

    A claim writes one row for a whole slice, `slice`, and no delivery: what is in a slice and has
    no outcome is being sent, or was when the process died. Of a message that was split a slice
    hands out the first parts; each later one comes from `waiting`, where the commit puts it that
    records the one before as sent.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        leases: Leases,
        broadcast: Broadcast,
        row: Any,
        *,
        first: int | None = None,
        learned: Callable[[], Learned | None] = lambda: None,
    ) -> None:
        self.broadcast = broadcast
        self._database, self._clock, self._leases = database, clock, leases
        self._epoch = row["epoch"]
        self._first = first  # claim for so many recipients, the first that are left
        self._learned = learned  # of the account's limits
        self._halted: Halted | None = None
        self._end: int | None = None  # the key from which on they are too many, once it is known
        self._alive_until = clock.monotonic() + LEASE.total_seconds()
        self._low = keys(broadcast.number)["low"]
        self._next = self._low + row["next_position"]  # the first key that was never claimed
        self._beyond = self._low + row["end_position"]  # the first that is no delivery's
        self._slices: dict[int, list[int]] = {}  # first key -> [last key, how many are unsettled]
        self._waiting: set[int] = set()  # claimed keys that stand in `waiting` and in no slice

    async def claim(self, limit: int, now: datetime) -> Sequence[Delivery]:
        return await self._database.write(lambda sql: self._claim(sql, limit, now))

    def _claim(self, sql: Statements, limit: int, now: datetime) -> list[Delivery]:
        self._renew(sql)
        if self._is_early(now):
            return []
        span = self._span(sql)
        again = sql.rows("due", **span, now=milliseconds(now), limit=limit)
        again += sql.rows("given_back", **span, limit=limit - len(again))
        before = {row["key"]: (row["attempts"], bool(row["doubt"])) for row in again}
        if before:
            sql.many("claim_waiting", ((key,) for key in before))
        self._waiting.update(before)
        rows = [row for key in before for row in self._row(sql, key)]
        if len(rows) < limit:
            rows += self._claim_slice(sql, limit - len(rows), span["high"] + 1)
        return [delivery_of(self.broadcast, *row, before=before.get(row[0])) for row in rows]

    def _is_early(self, now: datetime) -> bool:
        """Whether nobody's time has come."""
        schedule = self.broadcast.schedule
        return schedule is not None and not schedule.at_telegram and now < schedule.first

    def _span(self, sql: Statements) -> dict[str, int]:
        """The first and the last key that this run may claim."""
        span = keys(self.broadcast.number)
        if self._first is None:
            return span
        if self._end is None:
            self._end = self._key_of(sql, self._first, span)
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

    def _claim_slice(self, sql: Statements, limit: int, end: int) -> list[Any]:
        first, end = self._next, min(self._beyond, end)
        if first >= end:
            return []
        # There are gaps: where the target has failures, and where a message has more parts.
        rows = self._fresh(sql, first, end - 1, limit)
        last = rows[-1][0] if len(rows) == limit else end - 1
        self._next = last + 1
        sql.run("advance", number=self.broadcast.number, position=self._next - self._low)
        if rows:
            sql.run("insert_slice", first=first, last=last)
            self._slices[first] = [last, len(rows)]
        return rows

    def _row(self, sql: Statements, key: int) -> list[Any]:
        """The delivery with this key, as `delivery_of` takes it."""
        if self.broadcast.target is None:
            return sql.rows("recipient", key=key)
        return self._fresh(sql, key, key, 1)

    def _fresh(self, sql: Statements, low: int, high: int, limit: int) -> list[Any]:
        """Deliveries from `low` to `high` that nothing must have been sent before."""
        if self.broadcast.target is None:
            return sql.rows("first_parts", low=low, high=high, limit=limit)
        by = shift(self.broadcast)
        rows = sql.rows("messages", low=low + by, high=high + by, limit=limit)
        return [(key - by, *rest) for key, *rest in rows]

    async def settle(
        self, results: Sequence[tuple[Delivery, Outcome]], now: datetime
    ) -> Sequence[tuple[Delivery, Outcome]]:
        return await self._database.write(lambda sql: self._settle(sql, results, now))

    def _settle(
        self, sql: Statements, results: Sequence[tuple[Delivery, Outcome]], now: datetime
    ) -> list[tuple[Delivery, Outcome]]:
        """Record `results`; what has failed with them, parts that come after one that failed."""
        new = _Settled(self.broadcast, milliseconds(now))
        for delivery, outcome in results:
            new.add(delivery, outcome)
        settled = [row[0] for row in (*new.final, *new.again)]
        with_them = self._parts_after(sql, [row[0] for row in new.final if not row[1]])
        missing = finding("PART_MISSING")
        for later in with_them:
            new.add(later, missing)
        final = new.final
        sent = sum(row[1] for row in final)
        self._renew(sql, sent=sent, failed=len(final) - sent, paid=new.paid)
        if new.held_until:
            sql.run("keep_hold", **self._account, held_until=new.held_until)
        final.sort()  # rows that come in order of their keys fill their pages
        sql.many("insert_outcome", final)
        if new.scheduled:
            sql.many("insert_scheduled", new.scheduled)
        if new.doubtful:
            sql.many("insert_doubtful", new.doubtful)
        if self._waiting:
            sql.many("delete_waiting", ((row[0],) for row in final if row[0] in self._waiting))
        if new.again:
            sql.many("put_waiting", new.again)
        if self._has_parts:
            sql.many("release_next_part", ((row[0],) for row in final if row[1]))
        self._close(sql, settled)
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

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        again = [(self._low + d.position, 0, d.attempts, None, 0) for d in deliveries]

        def work(sql: Statements) -> None:
            self._renew(sql)
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
        """A wall clock that was set tells nothing: `now` does not count."""
        return self._clock.monotonic() >= self._alive_until

    async def renew(self, now: datetime) -> None:
        await self._database.write(self._renew)

    async def next_due(self) -> datetime | None:
        row = await self._database.write(lambda sql: sql.one("next_due", **self._span(sql)))
        return None if row is None else moment(row["due"])

    def stopped_by(self, halted: Halted) -> None:
        self._halted = halted

    @property
    def _account(self) -> dict[str, Any]:
        return {"id": self.broadcast.account, "server": self.broadcast.server or ""}

    def _renew(self, sql: Statements, *, sent: int = 0, failed: int = 0, paid: int = 0) -> None:
        """Prolong the lease and count, in the transaction of the caller.

        Raises LockedError when another process has taken over: nothing is written then.
        """
        number, alive_until = self.broadcast.number, self._clock.monotonic()
        which = {"number": number, "epoch": self._epoch}
        counted = {"sent": sent, "failed": failed, "paid": paid}
        changed = sql.run("count_and_renew", **which, **counted, **self._leases.until()).rowcount
        if changed != 1:
            raise self._taken_over(sql.one("broadcast_by_number", number=number))
        self._alive_until = alive_until + LEASE.total_seconds()

    def _taken_over(self, row: Any) -> LockedError:
        identity, owner = self.broadcast.id, row["owner"]
        by = "another process" if owner is None else process_of(owner)
        return LockedError(
            f"broadcast {identity} was taken over by {by}, while this process gave no sign of life "
            f"for {LEASE.seconds} seconds",
            NextStep("status", identity, purpose="tells what became of it"),
            code="TAKEN_OVER",
        )

    async def beat(
        self,
        on_stop: Callable[[], None],
        *,
        every: float = HEARTBEAT,
        renew_after: float = LEASE.seconds / 3,
    ) -> None:
        """Keep the lease alive, and call `on_stop` when another process asks to stop."""
        number, renewed = self.broadcast.number, self._clock.monotonic()
        while True:
            await asyncio.sleep(every)
            ((wanted, epoch),) = await self._database.rows("asked", number=number)
            if wanted:
                on_stop()
            if epoch != self._epoch or self._clock.monotonic() - renewed >= renew_after:
                renewed = self._clock.monotonic()
                await self._database.write(partial(self._sign_of_life, self._learned()))

    def _sign_of_life(self, learned: Learned | None, sql: Statements) -> None:
        self._renew(sql)
        self._keep(sql, learned)

    async def finish(self) -> None:
        """Give the lease back, and note why the run stopped early."""
        halted = self._halted
        values = {
            "number": self.broadcast.number,
            "epoch": self._epoch,
            "note": halted and halted.reason,
            "halted": halted and halted.error,
            "ends_by_itself": int(halted is not None and halted.ends_by_itself),
        }
        learned = self._learned()

        def work(sql: Statements) -> None:
            self._keep(sql, learned)
            sql.run("finish", **values)

        await self._database.write(work)

    def _keep(self, sql: Statements, learned: Learned | None) -> None:
        """Keep what was learned of the account, for the next broadcast."""
        if learned is not None:
            values = {"rate": learned.rate, "burst": learned.burst}
            at = milliseconds(self._clock.utc())
            sql.run("keep_learned", **self._account, **values, learned_at=at)


class _Settled:
    """The rows of what was settled in one commit, and what it tells of the account."""

    def __init__(self, broadcast: Broadcast, at: int) -> None:
        self.final: list[tuple[int, int, int | None, int, str | None, str | None, str | None]] = []
        self.again: list[tuple[int, int, int, str | None, int]] = []
        self.scheduled: list[tuple[int, int]] = []
        self.doubtful: list[tuple[int]] = []
        self.held_until = 0  # as Telegram has named it
        self.paid = 0
        self._low, self._at = keys(broadcast.number)["low"], at
        self._since = at - milliseconds(broadcast.created_at)

    def add(self, delivery: Delivery, outcome: Outcome) -> None:
        key = self._low + delivery.position
        match outcome:
            case Sent(message_id):
                others, note = others_row(outcome.others), outcome.note or None
                self.final.append((key, 1, message_id, self._since, None, others, note))
                self.paid += outcome.paid
                if outcome.scheduled_until:
                    self.scheduled.append((key, milliseconds(outcome.scheduled_until)))
            case Failed(error):
                why = own_reason(outcome)
                self.final.append((key, 0, None, self._since, error, None, why))
                if outcome.perhaps_sent:
                    self.doubtful.append((key,))
            case Deferred(error):
                due = self._at + round(1000 * (outcome.retry_after or 0.0))
                if outcome.reached and outcome.scope is Scope.ACCOUNT:
                    self.held_until = max(self.held_until, due)
                doubt = int(outcome.perhaps_sent)
                self.again.append((key, due, tried(delivery, outcome), error, doubt))
            case Halted(error):
                self.again.append((key, 0, delivery.attempts, error, 0))
