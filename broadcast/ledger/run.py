"""One process at work on one broadcast of the durable ledger: the port `Run` (core/ports.py)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import LockedError
from broadcast.core.model import Broadcast, Deferred, Failed, Halted, Outcome, Scope, Sent
from broadcast.ledger.owner import in_words
from broadcast.ledger.rows import delivery_of, keys, milliseconds, moment, shift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from broadcast.core.model import Delivery
    from broadcast.core.pace import Learned
    from broadcast.ledger.database import Database, Statements

LEASE = timedelta(seconds=15)  # after which a process that writes nothing counts as dead
HEARTBEAT = 0.5  # seconds between two looks at what others ask for


class SqliteRun:
    """Holds the lease of `broadcast` since `epoch`; every write is refused once it is lost.

    A claim writes one row for a whole slice, `slice`, and no delivery: what lies in a slice and has
    no outcome is being sent, or was when the process died.
    """

    def __init__(
        self, database: Database, broadcast: Broadcast, epoch: int, clock: Callable[[], datetime]
    ) -> None:
        self.broadcast = broadcast
        self.note: str | None = None
        self.until: int | None = None  # claim nothing from this position on
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
        span = keys(self.broadcast.number)
        again = sql.rows("due", **span, now=milliseconds(now), limit=limit)
        again += sql.rows("given_back", **span, limit=limit - len(again))
        attempts: dict[int, int] = {row["key"]: row["attempts"] for row in again}
        sql.many("claim_waiting", ((key,) for key in attempts))
        self._waiting.update(attempts)
        rows = [row for key in attempts for row in self._rows(sql, key, key, 1)]
        if len(rows) < limit:
            rows += self._claim_slice(sql, limit - len(rows))
        return [
            delivery_of(
                self.broadcast,
                key,
                peer,
                contact,
                message_id=message_id,
                attempts=attempts.get(key, 0),
            )
            for key, peer, contact, message_id in rows
        ]

    def _claim_slice(self, sql: Statements, limit: int) -> list[tuple[Any, ...]]:
        number = self.broadcast.number
        row: Any = sql.one("broadcast_by_number", number=number)
        end = row["end_position"] if self.until is None else min(self.until, row["end_position"])
        first, end = self._low + row["next_position"], self._low + end
        if first >= end:
            return []
        if self.broadcast.target is None:
            last = min(first + limit, end) - 1
            rows = self._rows(sql, first, last, limit)
        else:  # where the target has failures there are gaps
            rows = self._rows(sql, first, end - 1, limit)
            last = rows[-1][0] if len(rows) == limit else end - 1
        sql.run("advance", number=number, position=last + 1 - self._low)
        if rows:
            sql.run("insert_slice", first=first, last=last)
            self._slices[first] = [last, len(rows)]
        return rows

    def _rows(self, sql: Statements, low: int, high: int, limit: int) -> list[tuple[Any, ...]]:
        """(key, peer, contact, message id) of the deliveries from `low` to `high`."""
        if self.broadcast.target is None:
            return [(*row, None) for row in sql.rows("recipients", low=low, high=high)]
        by = shift(self.broadcast)
        rows = sql.rows("messages", low=low + by, high=high + by, limit=limit)
        return [(key - by, *rest) for key, *rest in rows]

    async def settle(self, results: Sequence[tuple[Delivery, Outcome]], now: datetime) -> None:
        """See `Run.settle`."""
        await self._database.write(lambda sql: self._settle(sql, results, now))

    def _settle(
        self, sql: Statements, results: Sequence[tuple[Delivery, Outcome]], now: datetime
    ) -> None:
        at = milliseconds(now)
        since = at - milliseconds(self.broadcast.created_at)
        final: list[tuple[int, int, int | None, int, str | None]] = []
        again: list[tuple[int, int, int, str | None, int]] = []
        held = 0.0
        for delivery, outcome in results:
            key = self._low + delivery.position
            match outcome:
                case Sent(message_id):
                    final.append((key, 1, message_id, since, None))
                case Failed(error):
                    final.append((key, 0, None, since, error))
                case Deferred(error):
                    due = at + round(1000 * (outcome.retry_after or 0.0))
                    if outcome.reached and outcome.scope is Scope.ACCOUNT:
                        held = max(held, due)
                    tries = delivery.attempts + outcome.counts
                    again.append((key, due, tries, error, int(outcome.perhaps_sent)))
                case Halted(error):
                    again.append((key, 0, delivery.attempts, error, 0))
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
        self._close(sql, (row[0] for row in (*final, *again)))

    async def release(self, deliveries: Iterable[Delivery]) -> None:
        """See `Run.release`."""
        again = [(self._low + d.position, 0, d.attempts, None, 0) for d in deliveries]

        def work(sql: Statements) -> None:
            self._renew(sql, self._clock())
            sql.many("put_waiting", again)
            self._close(sql, (row[0] for row in again))

        await self._database.write(work)

    def _close(self, sql: Statements, settled: Iterable[int]) -> None:
        """Count `settled` off their slices, and forget a slice after its last delivery."""
        for key in settled:
            if key in self._waiting:
                self._waiting.discard(key)
                continue
            first = next(f for f, (last, _) in self._slices.items() if f <= key <= last)
            self._slices[first][1] -= 1
            if self._slices[first][1] == 0:
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
        number = self.broadcast.number
        row = await self._database.write(lambda sql: sql.one("next_due", **keys(number)))
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
        values = {"number": self.broadcast.number, "epoch": self._epoch, "note": self.note}
        learned = self.learned()

        def work(sql: Statements) -> None:
            self._keep(sql, learned, self._clock())
            sql.run("finish", **values)

        await self._database.write(work)

    def _keep(self, sql: Statements, learned: Learned | None, now: datetime) -> None:
        """Keep what was learned of the account, for the next broadcast."""
        if learned is not None:
            values = {"rate": learned.rate, "burst": learned.burst}
            sql.run("keep_learned", **self._account, **values, learned_at=milliseconds(now))
