"""Makes broadcasts in SQLite, finds them, and knows what is perhaps sent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from broadcast.core.lifecycle import (
    ambiguous,
    is_in_doubt,
    not_found,
    require_changeable,
    require_extendable,
    require_idle,
    require_retryable,
    require_whole,
    state_to_set,
    to_retry,
)
from broadcast.core.model import Action, Broadcast, Message, State, Status
from broadcast.core.repeats import require_no_twin, require_same_message, require_same_selection
from broadcast.ledger.sqlite.freeze import Shares, freeze
from broadcast.ledger.sqlite.lookup import Lookup
from broadcast.ledger.sqlite.newcomers import Newcomers
from broadcast.ledger.sqlite.rows import (
    content_of,
    delivery_of,
    ended_by,
    failed_of,
    keys,
    milliseconds,
    others_row,
    recalled_of,
    record_of,
    selection_row,
    shift,
    to_recall,
)
from broadcast.message.when import moment_for, own_when
from broadcast.people.audience import Audience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from broadcast.core.lifecycle import Standing
    from broadcast.core.model import Contact, Delivery, Failed, Record, Selection, When
    from broadcast.ledger.sqlite.database import Statements

CHUNK = 1_000  # deliveries that are read at once


class SqliteStore(Lookup):
    """The ports `Store` and `Doubts` (ledger/port.py)."""

    async def create(
        self,
        identity: str,
        message: Message,
        audience: Iterable[Contact],
        *,
        once: str | None = None,
        parts: Callable[[Contact], int] | None = None,
        due: Callable[[Contact], datetime | None] | None = None,
        made_at: datetime | None = None,
        selection: Selection | None = None,
        alone: bool = False,
    ) -> Broadcast:
        contacts = audience if isinstance(audience, Audience) else Audience(audience)
        at_telegram, now = due is None, self._clock.utc()
        if due is not None:
            due = partial(_moment_here, due, now)
        if at_telegram and (message.when is not None or contacts.any_overrides):
            due = partial(_moment_at_telegram, message.when)
        shares = await self._database.aside(partial(Shares.of, contacts, parts, due))

        def work(sql: Statements) -> Broadcast:
            earlier: Any = sql.one("broadcast_by_once", once_key=once)
            if earlier is not None:
                found = self._broadcast(sql, earlier)
                require_same_message(found, message)
                require_same_selection(found, selection)
                return found
            if alone:
                unfinished = sql.rows("unfinished_broadcasts")
                require_no_twin(message, (self._broadcast(sql, row) for row in unfinished))
            number = self._insert(
                sql,
                identity,
                Action.SEND,
                message,
                once=once,
                made_at=made_at,
                selection=selection,
            )
            freeze(sql, number, contacts, shares, at_telegram=at_telegram)
            return self._reloaded(sql, number)

        return await self._database.write(work)

    async def newcomers(self, broadcast: Broadcast, audience: Audience) -> Audience:
        found = await self._without(broadcast, audience, "peers")
        return await self._database.aside(found.left)

    async def count_reached(self, broadcast: Broadcast, audience: Audience) -> int:
        return (await self._without(broadcast, audience, "peers_reached")).count_left_out

    async def _without(self, broadcast: Broadcast, audience: Audience, name: str) -> Newcomers:
        """`audience` without those recipients of `broadcast` that the statement `name` reads."""
        found = await self._database.aside(partial(Newcomers, audience))
        (row,) = await self._database.rows("broadcast_by_number", number=broadcast.number)
        low = keys(broadcast.number)["low"]
        end = low + row["end_position"]
        for first in range(low, end, CHUNK):
            last = min(first + CHUNK, end) - 1
            rows = await self._database.rows(name, low=first, high=last)
            await self._database.aside(partial(found.leave_out, [row["peer"] for row in rows]))
        return found

    async def extend(
        self,
        broadcast: Broadcast,
        audience: Audience,
        parts: Callable[[Contact], int] | None = None,
    ) -> Broadcast:
        """The comparison takes its time, so it is made before the transaction, and made again when
        another process was faster."""
        while True:
            before = await self.reload(broadcast)
            added = await self.newcomers(before, audience)
            shares = await self._database.aside(partial(Shares.of, added, parts, None))
            after = await self._database.write(partial(self._append, before, added, shares))
            if after is not None:
                return after

    def _append(
        self, before: Broadcast, added: Audience, shares: Shares, sql: Statements
    ) -> Broadcast | None:
        """Add `added` to the audience of `before`; None when that is another one by now."""
        standing = self._standing(sql, self._row(sql, before))
        require_extendable(standing)
        total = standing.broadcast.counts.total
        if total != before.counts.total:
            return None
        if added:
            sql.run("fence", number=before.number)
            freeze(sql, before.number, added, shares, at_telegram=False, first=total)
            sql.run("reopen", number=before.number, count=0)
        return self._reloaded(sql, before.number)

    async def create_change(
        self, identity: str, action: Action, target: Broadcast, message: Message
    ) -> Broadcast:
        """A recall knows the time of what waits at Telegram."""
        require_whole(action, message)
        if action is Action.RECALL and target.schedule and target.schedule.at_telegram:
            message = replace(message, when=target.message.when)

        def work(sql: Statements) -> Broadcast:
            row = self._row(sql, target)
            standing = self._standing(sql, row)
            require_changeable(standing, action, self._clock.utc())
            for each in (standing.broadcast, *standing.changes):
                sql.run("fence", number=each.number)
            counts = standing.broadcast.counts
            if action is Action.RECALL and counts.pending + counts.skipped:
                sql.run("set_state", number=target.number, state=State.CANCELLED)
            sql.run("overtake", target=target.number)
            totals = {"total": row["sent"], "end_position": row["end_position"]}
            made = self._insert(sql, identity, action, message, target=target.number, **totals)
            return self._reloaded(sql, made)

        return await self._database.write(work)

    def _insert(
        self,
        sql: Statements,
        identity: str,
        action: Action,
        message: Message,
        *,
        once: str | None = None,
        made_at: datetime | None = None,
        selection: Selection | None = None,
        target: int | None = None,
        total: int = 0,
        end_position: int = 0,
    ) -> int:
        number = sql.run(
            "insert_broadcast",
            id=identity,
            action=action,
            target=target,
            text=message.text,
            format=message.format,
            content=content_of(message),
            once_key=once,
            created_at=milliseconds(made_at or self._clock.utc()),
            total=total,
            end_position=end_position,
            selection=selection_row(selection),
        ).lastrowid
        assert number is not None  # noqa: S101 - an INSERT has one
        return number

    async def reload(self, broadcast: Broadcast) -> Broadcast:
        return await self._database.read(lambda sql: self._reloaded(sql, broadcast.number))

    async def find(self, prefix: str | None = None, *, unfinished: bool = False) -> Broadcast:
        return await self._database.read(lambda sql: self._find(sql, prefix, unfinished=unfinished))

    def _find(self, sql: Statements, prefix: str | None, *, unfinished: bool) -> Broadcast:
        if prefix is None and unfinished:
            rows = sql.rows("unfinished_broadcasts")
        elif prefix is None:
            rows = sql.rows("newest_broadcasts", limit=1)
        elif not prefix.isascii():  # and a terminal may pass what is not text at all
            rows = []
        else:
            rows = sql.rows("broadcast_by_prefix", prefix=prefix.lower())
        if not rows:
            raise not_found(prefix, unfinished=unfinished)
        if len(rows) > 1 and prefix is not None:
            raise ambiguous(prefix, rows[0]["id"], rows[1]["id"])
        return self._broadcast(sql, rows[0])

    async def by_once(self, key: str) -> Broadcast | None:

        def work(sql: Statements) -> Broadcast | None:
            row = sql.one("broadcast_by_once", once_key=key)
            return None if row is None else self._broadcast(sql, row)

        return await self._database.read(work)

    async def newest(self, limit: int = 50) -> list[Broadcast]:
        return await self._all("newest_broadcasts", limit=limit)

    async def unfinished(self) -> list[Broadcast]:
        return await self._all("unfinished_broadcasts")

    async def _all(self, name: str, **values: object) -> list[Broadcast]:
        return await self._database.read(
            lambda sql: [self._broadcast(sql, row) for row in sql.rows(name, **values)]
        )

    async def standing(self, broadcast: Broadcast) -> Standing:
        return await self._database.read(lambda sql: self._standing(sql, self._row(sql, broadcast)))

    def records(self, broadcast: Broadcast, *wanted: Status) -> AsyncIterator[Record]:
        return self._records(broadcast, None, *wanted)

    async def failures(self, broadcast: Broadcast) -> list[tuple[Failed, int]]:
        rows = await self._database.rows("failures", **keys(broadcast.number))
        return [(failed_of(*failed), count) for *failed, count in rows]

    async def _records(
        self, broadcast: Broadcast, within: range | None, *wanted: Status
    ) -> AsyncIterator[Record]:
        """Those with keys `within` a range, so many at once that nobody waits long."""
        name = "records" if broadcast.target is None else "changes"
        about: dict[str, Any] = {"shift": shift(broadcast), "ended": ended_by(wanted)}
        (row,) = await self._database.rows("broadcast_by_number", number=broadcast.number)
        recalled, now = recalled_of(row), self._clock.utc()
        if broadcast.target is None:
            about["recall"] = to_recall(row)
        if within is None:
            low = keys(broadcast.number)["low"]
            within = range(low, low + row["end_position"])
        end = within.stop
        for first in within[::CHUNK]:
            span = {"low": first, "high": min(first + CHUNK, end) - 1}
            for row in await self._database.rows(name, **span, **about):
                record = record_of(broadcast, row, recalled, now)
                if not wanted or record.status in wanted:
                    yield record

    async def ask(self, broadcast: Broadcast, state: State) -> bool:
        number = broadcast.number

        def work(sql: Statements) -> bool:
            now = self._reloaded(sql, number)
            if now.owner is not None:
                sql.run("ask", number=number, wanted=state)
                return True
            if (to_set := state_to_set(now, state)) is not None:
                sql.run("fence", number=number)
                sql.run("set_state", number=number, state=to_set)
            return False

        return await self._database.write(work)

    async def requeue_failed(self, broadcast: Broadcast, *, insist: bool) -> int:
        """A part follows the one that it failed with."""
        span = keys(broadcast.number)
        low = span["low"]

        def work(sql: Statements) -> int:
            standing = self._standing(sql, self._row(sql, broadcast))
            require_retryable(standing)
            rows = sql.rows("failed", **span)
            failed = ((row["key"] - low, row["error"]) for row in rows)
            first, later = to_retry(failed, insist=insist)
            sql.many("delete_outcome", ((low + position,) for position in (*first, *later)))
            # Who had their time once is not late now: a person wants it sent.
            attempts = 0 if standing.broadcast.schedule is None else 1
            doubts = {row["key"] for row in rows if row["doubt"]}
            sql.many(
                "put_waiting",
                ((low + each, 0, attempts, None, int(low + each in doubts)) for each in first),
            )
            sql.many("delete_doubtful", ((low + each,) for each in first))
            count = len(first) + len(later)
            if count:
                sql.run("fence", number=broadcast.number)
                sql.run("reopen", number=broadcast.number, count=count)
            return count

        return await self._database.write(work)

    # --- doubts

    async def update_state(self, broadcast: Broadcast) -> str | None:
        (row,) = await self._database.rows("broadcast_by_number", number=broadcast.number)
        return row["update_state"]

    async def keep_update_state(self, broadcast: Broadcast, state: str) -> None:
        values = {"number": broadcast.number, "update_state": state}
        await self._database.write(lambda sql: sql.run("keep_update_state", **values))

    async def without_id(self, broadcast: Broadcast) -> list[Delivery]:
        rows = await self._database.rows("without_id", **keys(broadcast.number))
        return [delivery_of(broadcast, *row) for row in rows]

    async def learn_ids(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        low = keys(broadcast.number)["low"]
        rows = [(ids[0], others_row(ids[1:]), low + position) for position, ids in found.items()]
        await self._database.write(lambda sql: sql.many("set_message_id", rows))

    async def in_doubt(self, broadcast: Broadcast) -> list[Delivery]:
        if broadcast.owner is not None:
            return []
        (span,) = await self._database.rows("span_in_doubt", **keys(broadcast.number))
        if span["low"] is None:
            return []
        within = range(span["low"], span["high"] + 1)
        unsettled = self._records(broadcast, within, Status.PENDING, Status.SENDING, Status.FAILED)
        return [record.delivery async for record in unsettled if is_in_doubt(record)]

    async def learn_sent(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        low = keys(broadcast.number)["low"]
        at = milliseconds(self._clock.utc()) - milliseconds(broadcast.created_at)
        rows = [
            (low + position, 1, ids[0], at, None, others_row(ids[1:]), None)
            for position, ids in sorted(found.items())
        ]

        def work(sql: Statements) -> None:
            require_idle(self._reloaded(sql, broadcast.number))
            sql.run("fence", number=broadcast.number)
            self._requeue_in_doubt(sql, broadcast)
            refused = max(sql.many("delete_outcome", ((row[0],) for row in rows)), 0)
            sql.many("delete_doubtful", ((row[0],) for row in rows))
            sql.many("insert_outcome", rows)
            sql.many("delete_waiting", ((row[0],) for row in rows))
            if broadcast.later_parts:
                sql.many("release_next_part", ((row[0],) for row in rows))
            sql.run("count_found", number=broadcast.number, sent=len(rows), refused=refused)

        await self._database.write(work)


def _moment_here(
    due: Callable[[Contact], datetime | None], now: datetime, contact: Contact
) -> datetime:
    """When a contact's turn is, who may get it at once."""
    return due(contact) or now


def _moment_at_telegram(when: When | None, contact: Contact) -> datetime | None:
    """Until when a message waits at Telegram; None when it goes out at once."""
    when = own_when(when, contact)
    return None if when is None else moment_for(when, contact)
