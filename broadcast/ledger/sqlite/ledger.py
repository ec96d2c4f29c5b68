"""The durable ledger: all broadcasts of one BROADCAST_HOME, in one SQLite file.

It refuses a second process on one broadcast, and to go on as another account than it began with.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from broadcast.core.classify import may_help_to_retry
from broadcast.core.errors import HaltedError, InputError
from broadcast.core.model import Action, Broadcast, Deferred, Message, State, Status
from broadcast.ledger.process import this_process
from broadcast.ledger.sqlite.database import BUSY_TIMEOUT, Database
from broadcast.ledger.sqlite.freeze import Shares, freeze
from broadcast.ledger.sqlite.rows import (
    broadcast_of,
    content_of,
    delivery_of,
    ended_by,
    is_alive,
    keys,
    known_of,
    milliseconds,
    moment,
    others_row,
    record_of,
    shift,
    state_of,
)
from broadcast.ledger.sqlite.rules import (
    require_changeable,
    require_idle,
    require_resumable,
    require_retryable,
    require_whole,
)
from broadcast.ledger.sqlite.run import LEASE, SqliteRun
from broadcast.message.own import own_when
from broadcast.message.when import moment_for
from broadcast.people.audience import Audience

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from broadcast.core.model import Contact, Delivery, Record, When
    from broadcast.engine.pacer import Known
    from broadcast.ledger.sqlite.database import Statements


def _moment_at_telegram(when: When | None, contact: Contact) -> datetime | None:
    """Until when a message lies at Telegram; None when it goes out at once."""
    when = own_when(when, contact)
    return None if when is None else moment_for(when, contact)


GOES_ON_BY_ITSELF = (None, "OFFLINE", "WAIT_TOO_LONG")
"""What may have stopped a run that goes on unattended: its end was foreseen, and time fixes it.
The engine gives it these names (engine/dispatch.py). Another stop is for a person to look at."""


def _to_retry(failed: list[Any], *, insist: bool) -> tuple[list[int], list[int]]:
    """Of the rows of `failed`, in order: the keys to try again, and the parts that follow those."""
    first: list[int] = []
    later: list[int] = []
    chosen: int | None = None  # the key before, when it is tried again
    for row in failed:
        key, error = row["key"], row["error"]
        if error == "PART_MISSING":
            if chosen != key - 1:
                continue
            later.append(key)
        elif insist or may_help_to_retry(error):
            first.append(key)
        else:
            continue
        chosen = key
    return first, later


class SqliteLedger:
    """Use it in a `with`; `start` gives a `Run` over one broadcast.

    Every method raises HaltedError, with what to do, when the file cannot be read or written, or
    when another program holds it for more than `busy_timeout` seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        busy_timeout: float = BUSY_TIMEOUT,
    ) -> None:
        self._database = Database(path, busy_timeout=busy_timeout)
        self._clock = clock

    def __enter__(self) -> Self:
        self._database.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._database.__exit__(*error)

    # --- making and finding -------------------------------------------------------------------

    async def create(
        self,
        identity: str,
        message: Message,
        audience: Iterable[Contact],
        *,
        once: str | None = None,
        parts: Callable[[Contact], int] | None = None,
        due: Callable[[Contact], datetime | None] | None = None,
    ) -> Broadcast:
        """Freeze `message` and `audience` as a new broadcast, in one transaction.

        `parts` says how many deliveries a contact gets, one after the other. With `due` nothing is
        handed out to a contact before that moment; without it, a message that has a time (for one
        contact, perhaps) goes to Telegram at once, and lies there until then.

        When another process has just used the key `once` for the same message, that broadcast.
        Raises InputError where the moment of a contact is not known.
        """
        contacts = audience if isinstance(audience, Audience) else Audience(audience)
        at_telegram = due is None
        if at_telegram and (message.when is not None or contacts.any_overrides):
            due = partial(_moment_at_telegram, message.when)
        shares = await asyncio.to_thread(Shares.of, contacts, parts, due)

        def work(sql: Statements) -> int:
            earlier: Any = sql.one("broadcast_by_once", once_key=once)
            if earlier is not None:
                self.require_same(broadcast_of(earlier, self._clock()), message)
                return earlier["number"]
            number = self._insert(sql, identity, Action.SEND, message, once=once)
            freeze(sql, number, contacts, shares, at_telegram=at_telegram)
            return number

        return self._by_number(await self._database.write(work))

    async def create_change(
        self, identity: str, action: Action, target: Broadcast, message: Message
    ) -> Broadcast:
        """An edit or a recall of everything that `target` has sent until now.

        A recall cancels what is pending, and knows the time of what lies at Telegram until then.
        Earlier edits that are unfinished are overtaken.
        """
        require_whole(action, message)
        if action is Action.RECALL and target.schedule and target.schedule.at_telegram:
            message = replace(message, when=target.message.when)

        def work(sql: Statements) -> int:
            row: Any = sql.one("broadcast_by_number", number=target.number)
            require_changeable(sql, row, action, self._clock())
            sql.run("fence", number=target.number)
            for change in sql.rows("changes_of", target=target.number):
                sql.run("fence", number=change["number"])
            if action is Action.RECALL and row["sent"] + row["failed"] < row["total"]:
                sql.run("set_state", number=target.number, state=State.CANCELLED)
            sql.run("overtake", target=target.number)
            totals = {"total": row["sent"], "end_position": row["end_position"]}
            return self._insert(sql, identity, action, message, target=target.number, **totals)

        return self._by_number(await self._database.write(work))

    def _insert(
        self,
        sql: Statements,
        identity: str,
        action: Action,
        message: Message,
        *,
        once: str | None = None,
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
            created_at=milliseconds(self._clock()),
            total=total,
            end_position=end_position,
        ).lastrowid
        assert number is not None  # noqa: S101 - an INSERT has one
        return number

    def _by_number(self, number: int) -> Broadcast:
        (row,) = self._database.read("broadcast_by_number", number=number)
        return self._broadcast(row)

    def _broadcast(self, row: Any) -> Broadcast:
        now, in_doubt = self._clock(), 0
        broadcast = broadcast_of(row, now)
        if broadcast.state is State.CANCELLED:
            span = keys(broadcast.number)
            ((in_doubt,),) = self._database.read("in_doubt", **span, shift=shift(broadcast))
        return broadcast_of(row, now, in_doubt=in_doubt) if in_doubt else broadcast

    def reload(self, broadcast: Broadcast) -> Broadcast:
        """The same broadcast as it is now."""
        return self._by_number(broadcast.number)

    def recall_of(self, broadcast: Broadcast) -> Broadcast | None:
        """The recall of `broadcast`, if there is one: then nothing of it is sent any more."""
        rows = self._database.read("recall_of", target=broadcast.number)
        return self._broadcast(rows[0]) if rows else None

    def require_resumable(self, broadcast: Broadcast) -> None:
        """Raise InputError when nothing of `broadcast` may be sent any more, or LockedError."""
        self._database.look(
            lambda sql: require_resumable(sql, self._row(sql, broadcast), self._clock())
        )

    def require_changeable(self, target: Broadcast, action: Action) -> None:
        """Raise InputError when `target` cannot be edited or recalled now, or LockedError."""
        self._database.look(
            lambda sql: require_changeable(sql, self._row(sql, target), action, self._clock())
        )

    @staticmethod
    def _row(sql: Statements, broadcast: Broadcast) -> Any:
        return sql.one("broadcast_by_number", number=broadcast.number)

    def newest(self, limit: int = 50) -> list[Broadcast]:
        """The last broadcasts, newest first."""
        rows = self._database.read("newest_broadcasts", limit=limit)
        return [self._broadcast(row) for row in rows]

    def unfinished(self) -> list[Broadcast]:
        """All that are open or paused, newest first."""
        rows = self._database.read("unfinished_broadcasts")
        return [self._broadcast(row) for row in rows]

    def find(self, prefix: str | None = None, *, unfinished: bool = False) -> Broadcast:
        """The broadcast whose id starts with `prefix`; without one the last (unfinished) one.

        Raises InputError when there is none, or several.
        """
        if prefix is None and unfinished:
            rows = self._database.read("unfinished_broadcasts")
        elif prefix is None:
            rows = self._database.read("newest_broadcasts", limit=1)
        elif not prefix.isascii():  # and a terminal may pass what is not text at all
            rows = []
        else:
            rows = self._database.read("broadcast_by_prefix", prefix=prefix.lower())
        if not rows and prefix is None:
            what = "no broadcast is unfinished" if unfinished else "nothing was sent yet"
            raise InputError(f"{what}; `broadcast list` shows what there is")
        if not rows:
            raise InputError(f"no broadcast has the id {prefix}; `broadcast list` shows the ids")
        if len(rows) > 1 and prefix is not None:
            raise InputError(
                f"several broadcasts start with {prefix}, such as {rows[0]['id']} and "
                f"{rows[1]['id']}: give more of the id"
            )
        return self._broadcast(rows[0])

    def by_once(self, key: str) -> Broadcast | None:
        """The broadcast that was made with `--once KEY`."""
        rows = self._database.read("broadcast_by_once", once_key=key)
        return self._broadcast(rows[0]) if rows else None

    def require_same(self, broadcast: Broadcast, message: Message) -> None:
        """Raise InputError, showing both, when `broadcast` says something else than `message`.

        When it says so does not matter: `--in 2h` is another moment each time.
        """
        then, now = (replace(each, when=None, late=None) for each in (broadcast.message, message))
        if then != now:
            names = [
                f.name for f in fields(Message) if getattr(then, f.name) != getattr(now, f.name)
            ]
            others = [name.replace("_", " ") for name in names if name not in ("text", "format")]
            also = f"\n  they differ in: {', '.join(others)}" if others else ""
            raise InputError(
                f"the key {broadcast.once} was used for another message, broadcast "
                f"{broadcast.id}; nothing was sent.\n"
                f"  then ({then.format}): {then.text}\n"
                f"  now  ({now.format}): {now.text}{also}\nUse another key for another message"
            )

    def records(self, broadcast: Broadcast, *wanted: Status) -> Iterator[Record]:
        """Every delivery with its state, or those in the `wanted` ones, in order of position.

        It is a stream, not a list.
        """
        return self._records(broadcast, keys(broadcast.number), *wanted)

    def _records(
        self, broadcast: Broadcast, span: dict[str, int], *wanted: Status
    ) -> Iterator[Record]:
        name = "records" if broadcast.target is None else "changes"
        about = {**span, "shift": shift(broadcast), "ended": ended_by(wanted)}
        for row in self._database.stream(name, **about):
            record = record_of(broadcast, row)
            if not wanted or record.status in wanted:
                yield record

    # --- schedules ------------------------------------------------------------------------------

    def due(self, now: datetime) -> list[Broadcast]:
        """The scheduled broadcasts of which something may go now, and that no process runs.

        Not one whose last run was stopped by something that only a person can mend.
        """
        return [
            self._broadcast(row)
            for row in self._kept()
            if not is_alive(row, now) and self._has_due(row, now)
        ]

    def next_moment(self, now: datetime) -> datetime | None:
        """When something will be due next of what the ledger keeps; None when nothing is left."""
        at = milliseconds(now)
        kept = self._kept()
        moments: list[int] = [row["due_first"] for row in kept if row["due_first"] > at]
        for row in kept:
            rows = self._database.read("next_in_waiting", **keys(row["number"]), now=at)
            moments += [found["due"] for found in rows]
        return moment(min(moments)) if moments else None

    def scheduled(self) -> list[Broadcast]:
        """What is still to come at its time: here, or as far as is known at Telegram."""
        rows = self._database.read("schedules", now=milliseconds(self._clock()))
        return [self._broadcast(row) for row in rows]

    def count_scheduled(self, broadcast: Broadcast) -> int:
        """How many of the pending deliveries only wait for their time, which is still to come."""
        schedule, now = broadcast.schedule, self._clock()
        if schedule is None or schedule.at_telegram or now >= schedule.last:
            return 0
        if now < schedule.first:
            return broadcast.counts.pending
        span = keys(broadcast.number)
        ((count,),) = self._database.read("count_scheduled", **span, now=milliseconds(now))
        return count

    async def bring_forward(self, broadcast: Broadcast) -> None:
        """Make due now what the ledger keeps for later. Raises LockedError while it is sent."""
        now = self._clock()

        def work(sql: Statements) -> None:
            require_idle(self._row(sql, broadcast), now)
            at = {"now": milliseconds(now)}
            sql.run("bring_forward", number=broadcast.number, **at)
            sql.run("bring_forward_waiting", **keys(broadcast.number), **at)

        await self._database.write(work)

    def _kept(self) -> list[Any]:
        """The rows of what the ledger keeps until its time, unless a person must look at it."""
        rows = self._database.read("unfinished_schedules")
        return [row for row in rows if row["halted"] in GOES_ON_BY_ITSELF]

    def _has_due(self, row: Any, now: datetime) -> bool:
        if milliseconds(now) < row["due_first"]:
            return False
        span, at = keys(row["number"]), milliseconds(now)
        ((waiting,),) = self._database.read("has_due", **span, now=at)
        return bool(waiting) or row["next_position"] < row["end_position"]

    # --- what people ask for --------------------------------------------------------------------

    async def ask(self, broadcast: Broadcast, state: State) -> bool:
        """Pause or cancel. True when a living process runs it: it is asked to stop by itself.

        One that is done stays so. Raises InputError when a cancelled one is to be paused.
        """
        number = broadcast.number

        def work(sql: Statements) -> bool:
            row: Any = sql.one("broadcast_by_number", number=number)
            if is_alive(row, self._clock()):
                sql.run("ask", number=number, wanted=state)
                return True
            now = state_of(row, self._clock())
            if now is State.CANCELLED and state is not now:
                raise InputError(f"broadcast {broadcast.id} was cancelled: it is over")
            if now is not State.DONE:
                sql.run("fence", number=number)
                sql.run("set_state", number=number, state=state)
            return False

        return await self._database.write(work)

    async def requeue_failed(self, broadcast: Broadcast, *, insist: bool) -> int:
        """Make failed deliveries pending again, and say how many: without `insist` only those
        where another try can help. A part follows the one that it failed with."""

        def work(sql: Statements) -> int:
            row = self._row(sql, broadcast)
            require_retryable(sql, row, self._clock())
            failed, parts = _to_retry(sql.rows("failed", **keys(broadcast.number)), insist=insist)
            sql.many("delete_outcome", ((key,) for key in (*failed, *parts)))
            # Who had their time once is not late now: a person wants it sent.
            attempts = 0 if row["due_first"] is None else 1
            sql.many("put_waiting", ((key, 0, attempts, None, 0) for key in failed))
            failed += parts
            if failed:
                sql.run("fence", number=broadcast.number)
                sql.run("reopen", number=broadcast.number, count=len(failed))
            return len(failed)

        return await self._database.write(work)

    def update_state(self, broadcast: Broadcast) -> str | None:
        """Where the account's updates stood when `broadcast` was started first."""
        (row,) = self._database.read("broadcast_by_number", number=broadcast.number)
        return row["update_state"]

    async def keep_update_state(self, broadcast: Broadcast, state: str) -> None:
        """Keep where the account's updates stand, unless an earlier run has."""
        values = {"number": broadcast.number, "update_state": state}
        await self._database.write(lambda sql: sql.run("keep_update_state", **values))

    def last_person(self, server: str | None) -> int:
        """The account that sent the last broadcast at `server`; 0 when there is none."""
        rows = self._database.read("last_account", server=server or "")
        return rows[0]["account"] if rows else 0

    def known(self, account: int, server: str | None) -> Known:
        """What earlier broadcasts learned about the limits of `account` at `server`."""
        rows = self._database.read("account", id=account, server=server or "")
        return known_of(rows[0] if rows else None)

    def without_id(self, broadcast: Broadcast) -> list[Delivery]:
        """The deliveries that Telegram accepted without telling the message's id."""
        rows = self._database.read("without_id", **keys(broadcast.number))
        return [delivery_of(broadcast, *row) for row in rows]

    async def learn_ids(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """Keep the ids of messages, by position, that became known later; an album has several."""
        low = keys(broadcast.number)["low"]
        rows = [(ids[0], others_row(ids[1:]), low + position) for position, ids in found.items()]
        await self._database.write(lambda sql: sql.many("set_message_id", rows))

    def in_doubt(self, broadcast: Broadcast) -> list[Delivery]:
        """What a process that has died may have sent, and nobody knows."""
        if broadcast.owner is not None:
            return []
        (span,) = self._database.read("span_in_doubt", **keys(broadcast.number))
        return [
            record.delivery
            for record in self._records(broadcast, dict(span), Status.PENDING, Status.SENDING)
            if isinstance(record.outcome, Deferred) and record.outcome.error == "IN_DOUBT"
        ]

    async def learn_sent(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """Record as sent, with the ids of its messages, what was in doubt and has arrived."""
        low = keys(broadcast.number)["low"]
        at = milliseconds(self._clock()) - milliseconds(broadcast.created_at)

        def work(sql: Statements) -> None:
            require_idle(self._row(sql, broadcast), self._clock())
            sql.run("fence", number=broadcast.number)
            self._requeue_in_doubt(sql, broadcast)
            rows = [
                (low + position, 1, ids[0], at, None, others_row(ids[1:]), None)
                for position, ids in sorted(found.items())
            ]
            sql.many("insert_outcome", rows)
            sql.many("delete_waiting", ((row[0],) for row in rows))
            if broadcast.later_parts:
                sql.many("release_next_part", ((row[0],) for row in rows))
            sql.run("count_found", number=broadcast.number, sent=len(rows))

        await self._database.write(work)

    @staticmethod
    def _requeue_in_doubt(sql: Statements, broadcast: Broadcast) -> None:
        span = keys(broadcast.number)
        sql.run("requeue_in_doubt", **span, shift=shift(broadcast))
        sql.run("drop_slices", **span)
        sql.run("unclaim_waiting", **span)

    @asynccontextmanager
    async def start(
        self,
        broadcast: Broadcast,
        *,
        account: int,
        server: str | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[SqliteRun]:
        """Run `broadcast` in this process, alone; `on_stop` is called when somebody asks to stop.

        Raises what `take_over` raises. LockedError also when another process takes over, within an
        exception group.
        """
        run = await self.take_over(broadcast, account=account, server=server)
        try:
            async with asyncio.TaskGroup() as group:
                heart = group.create_task(run.beat(on_stop))
                yield run
                heart.cancel()
        finally:
            with suppress(HaltedError):  # a lease that cannot be given back ends by itself
                await run.finish()

    async def take_over(
        self, broadcast: Broadcast, *, account: int, server: str | None = None
    ) -> SqliteRun:
        """Take the lease of `broadcast`, which ends soon unless the run's `beat` keeps it alive.

        What an earlier process left in doubt is pending again. Raises LockedError when a living
        process runs it, and InputError when nothing of it may be sent any more, or when it was
        started as another account: the random_ids of that one would be others.
        """
        epoch = await self._database.write(
            lambda sql: self._take_over(sql, broadcast, account, server)
        )
        return SqliteRun(self._database, self.reload(broadcast), epoch, self._clock)

    def _take_over(
        self, sql: Statements, broadcast: Broadcast, account: int, server: str | None
    ) -> int:
        number, identity = broadcast.number, broadcast.id
        row: Any = sql.one("broadcast_by_number", number=number)
        require_resumable(sql, row, self._clock())
        if row["account"] is not None and (row["account"], row["server"]) != (account, server):
            raise InputError(
                f"broadcast {identity} was started as account {row['account']} at "
                f"{row['server'] or 'Telegram'}: sign in there to go on, so that nobody gets it "
                "twice"
            )
        self._requeue_in_doubt(sql, broadcast)
        sql.run(
            "take_over",
            number=number,
            owner=this_process(),
            lease_until=milliseconds(self._clock() + LEASE),
            server=server,
            account=account,
        )
        return row["epoch"] + 1
