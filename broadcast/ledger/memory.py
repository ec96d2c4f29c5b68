"""A ledger that lives as long as its process: the port `Ledger` without a file, and no leases."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from broadcast.core.clock import Clock, SystemClock
from broadcast.core.errors import InputError
from broadcast.core.lifecycle import (
    Standing,
    ambiguous,
    goes_on_by_itself,
    not_found,
    require_changeable,
    require_free_account,
    require_idle,
    require_resumable,
    require_retryable,
    require_same_account,
    require_same_message,
    require_whole,
    state_to_set,
    to_retry,
)
from broadcast.core.model import Action, Broadcast, Schedule, Sent, State, Status
from broadcast.core.ungrouped import ungrouped
from broadcast.engine.pacer import Known
from broadcast.ledger.memory_run import MemoryChange, MemoryRun
from broadcast.ledger.process import process_of, this_process
from broadcast.message.when import WhenError, moment_for, own_when
from broadcast.people.audience import Audience

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Iterable,
        Mapping,
        Sequence,
    )
    from datetime import datetime

    from broadcast.core.model import Contact, Delivery, Message, Record
    from broadcast.engine.pacer import Learned


@dataclass
class _Kept:
    """A broadcast as it was made or started, and all that became of it."""

    broadcast: Broadcast
    run: MemoryRun
    wanted: State | None = None
    on_stop: Callable[[], None] | None = None  # while somebody runs it
    update_state: str | None = None


class MemoryLedger:
    """The port `Ledger` (ledger/port.py). `known` is what is known of every account at first."""

    def __init__(self, clock: Clock | None = None, known: Known | None = None) -> None:
        self._clock, self._known_at_first = clock or SystemClock(), known or Known()
        self._known: dict[tuple[int, str | None], Known] = {}
        self._all: list[_Kept] = []

    # --- store ----------------------------------------------------------------------------------

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
        """See `Store.create`."""
        if once is not None and (earlier := await self.by_once(once)) is not None:
            require_same_message(earlier, message)
            return earlier
        now = self._clock.utc()
        when = None if due is None else partial(_moment, lambda contact: due(contact) or now)
        run = MemoryRun(identity, message, audience, parts, when)
        schedule = run.schedule if due else _schedule_at_telegram(message, run)
        return self._add(identity, Action.SEND, message, run, once=once, schedule=schedule)

    def _add(
        self,
        identity: str,
        action: Action,
        message: Message,
        run: MemoryRun,
        *,
        once: str | None = None,
        target: int | None = None,
        schedule: Schedule | None = None,
    ) -> Broadcast:
        made = Broadcast(
            len(self._all) + 1,
            identity,
            action,
            message,
            self._clock.utc(),
            State.OPEN,
            run.counts(),
            target=target,
            once=once,
            schedule=schedule,
            later_parts=run.later_parts,
        )
        self._all.append(_Kept(made, run))
        return made

    async def create_change(
        self, identity: str, action: Action, target: Broadcast, message: Message
    ) -> Broadcast:
        """See `Store.create_change`."""
        require_whole(action, message)
        standing, kept = await self.standing(target), self._kept(target)
        require_changeable(standing, action, self._clock.utc())
        if action is Action.RECALL:
            if target.schedule and target.schedule.at_telegram:
                message = replace(message, when=target.message.when)
            if standing.broadcast.counts.pending:
                kept.broadcast = replace(kept.broadcast, state=State.CANCELLED)
        for change in standing.changes:
            if change.state in {State.OPEN, State.PAUSED}:
                overtaken = self._kept(change)
                overtaken.broadcast = replace(overtaken.broadcast, state=State.CANCELLED)
        run = MemoryChange(identity, action, message, kept.run)
        return self._add(identity, action, message, run, target=target.number)

    def _kept(self, broadcast: Broadcast) -> _Kept:
        return self._all[broadcast.number - 1]

    async def reload(self, broadcast: Broadcast) -> Broadcast:
        """See `Store.reload`."""
        return _now(self._kept(broadcast))

    async def find(self, prefix: str | None = None, *, unfinished: bool = False) -> Broadcast:
        """See `Store.find`."""
        if prefix is None:
            found = await (self.unfinished() if unfinished else self.newest(1))
        else:
            found = [each for each in await self._newest() if each.id.startswith(prefix.lower())]
        if not found:
            raise not_found(prefix, unfinished=unfinished)
        if len(found) > 1 and prefix is not None:
            raise ambiguous(prefix, found[0].id, found[1].id)
        return found[0]

    async def by_once(self, key: str) -> Broadcast | None:
        """See `Store.by_once`."""
        return next((each for each in await self._newest() if each.once == key), None)

    async def newest(self, limit: int = 50) -> Sequence[Broadcast]:
        """See `Store.newest`."""
        return (await self._newest())[:limit]

    async def _newest(self) -> list[Broadcast]:
        return [_now(kept) for kept in reversed(self._all)]

    async def unfinished(self) -> Sequence[Broadcast]:
        """See `Store.unfinished`."""
        return [each for each in await self._newest() if each.state in {State.OPEN, State.PAUSED}]

    async def standing(self, broadcast: Broadcast) -> Standing:
        """See `Store.standing`."""
        now = await self.reload(broadcast)
        target = now.number if now.target is None else now.target
        changes = tuple(each for each in await self._newest() if each.target == target)
        return Standing(now, changes, len(await self.in_doubt(now)))

    async def records(self, broadcast: Broadcast, *wanted: Status) -> AsyncIterator[Record]:
        """See `Store.records`."""
        kept = self._kept(broadcast)
        for record in kept.run.records(*wanted, of=_now(kept)):
            yield record

    async def ask(self, broadcast: Broadcast, state: State) -> bool:
        """See `Store.ask`."""
        kept = self._kept(broadcast)
        if kept.on_stop is not None:
            kept.wanted = State.CANCELLED if kept.wanted is State.CANCELLED else state
            kept.on_stop()
            return True
        if (to_set := state_to_set(_now(kept), state)) is not None:
            kept.broadcast = replace(kept.broadcast, state=to_set)
        return False

    async def requeue_failed(self, broadcast: Broadcast, *, insist: bool) -> int:
        """See `Store.requeue_failed`."""
        require_retryable(await self.standing(broadcast))
        kept = self._kept(broadcast)
        first, later = to_retry(kept.run.failed(), insist=insist)
        kept.run.requeue(first, later)
        if first:
            kept.broadcast = replace(kept.broadcast, state=State.OPEN)
        return len(first) + len(later)

    # --- runs -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def start(
        self,
        broadcast: Broadcast,
        *,
        account: int,
        server: str | None = None,
        first: int | None = None,
        on_stop: Callable[[], None] = lambda: None,
        learned: Callable[[], Learned | None] = lambda: None,
    ) -> AsyncGenerator[MemoryRun]:
        """See `Runs.start`."""
        require_resumable(await self.standing(broadcast))
        kept = self._kept(broadcast)
        require_same_account(kept.broadcast, account, server)
        others = [each for each in await self._newest() if each.number != broadcast.number]
        here = (each for each in others if (each.account, each.server) == (account, server))
        require_free_account(kept.broadcast, account, here)
        kept.broadcast = replace(kept.broadcast, account=account, server=server, state=State.OPEN)
        kept.wanted, kept.on_stop = None, on_stop
        kept.run.begin(first)
        try:
            with ungrouped():
                yield kept.run
        finally:
            kept.on_stop = None
            state = kept.wanted or State.OPEN if kept.run.counts().pending else State.DONE
            kept.broadcast = replace(kept.broadcast, state=state)
            self._learn(kept.run, account, server, learned())

    def _learn(
        self, run: MemoryRun, account: int, server: str | None, learned: Learned | None
    ) -> None:
        before = self._known.get((account, server), self._known_at_first)
        held = max(filter(None, (before.held_until, run.held_until)), default=None)
        at = before.at if learned is None else self._clock.utc()
        self._known[account, server] = Known(learned or before.learned, at, held)

    async def known(self, account: int, server: str | None) -> Known:
        """See `Runs.known`."""
        return self._known.get((account, server), self._known_at_first)

    async def last_person(self, server: str | None) -> int:
        """See `Runs.last_person`."""
        began = (each for each in await self._newest() if each.account is not None)
        return next((each.account or 0 for each in began if each.server == server), 0)

    # --- schedules ------------------------------------------------------------------------------

    async def due(self, now: datetime) -> Sequence[Broadcast]:
        """See `Schedules.due`."""
        return [
            each
            for each in self._kept_here()
            if each.owner is None and self._kept(each).run.has_due(now)
        ]

    async def next_moment(self, now: datetime) -> datetime | None:
        """See `Schedules.next_moment`."""
        moments = [self._kept(each).run.next_moment(now) for each in self._kept_here()]
        return min(filter(None, moments), default=None)

    def _kept_here(self) -> list[Broadcast]:
        """What is kept until its time, the earliest first, unless a person must look at it."""
        found = [_now(kept) for kept in self._all if kept.run.schedule and kept.wanted is None]
        open_ones = [each for each in found if each.state is State.OPEN and goes_on_by_itself(each)]
        return sorted(open_ones, key=_first_moment)

    async def scheduled(self) -> Sequence[Broadcast]:
        """See `Schedules.scheduled`."""
        now = self._clock.utc()
        recalled = {each.target for each in await self._newest() if each.action is Action.RECALL}
        found = [each for each in await self._newest() if each.number not in recalled]
        return sorted((each for each in found if _is_to_come(each, now)), key=_first_moment)

    async def count_scheduled(self, broadcast: Broadcast) -> int:
        """See `Schedules.count_scheduled`."""
        return self._kept(broadcast).run.count_scheduled(self._clock.utc())

    async def bring_forward(self, broadcast: Broadcast) -> None:
        """See `Schedules.bring_forward`."""
        kept = self._kept(broadcast)
        require_idle(_now(kept))
        kept.run.bring_forward(self._clock.utc())
        kept.broadcast = replace(kept.broadcast, schedule=kept.run.schedule)

    # --- doubts ---------------------------------------------------------------------------------

    async def update_state(self, broadcast: Broadcast) -> str | None:
        """See `Doubts.update_state`."""
        return self._kept(broadcast).update_state

    async def keep_update_state(self, broadcast: Broadcast, state: str) -> None:
        """See `Doubts.keep_update_state`."""
        kept = self._kept(broadcast)
        kept.update_state = kept.update_state or state

    async def without_id(self, broadcast: Broadcast) -> Sequence[Delivery]:
        """See `Doubts.without_id`."""
        return [
            record.delivery
            for record in self._kept(broadcast).run.records(Status.SENT)
            if isinstance(record.outcome, Sent) and record.outcome.message_id is None
        ]

    async def learn_ids(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_ids`."""
        self._kept(broadcast).run.learn_ids(found)

    async def in_doubt(self, broadcast: Broadcast) -> Sequence[Delivery]:
        """See `Doubts.in_doubt`: what was under way when a run was cancelled."""
        kept = self._kept(broadcast)
        if kept.on_stop is not None:
            return ()
        positions = set(kept.run.in_doubt())
        records = kept.run.records(Status.PENDING, Status.SENDING) if positions else ()
        return [each.delivery for each in records if each.delivery.position in positions]

    async def learn_sent(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """See `Doubts.learn_sent`."""
        kept = self._kept(broadcast)
        require_idle(_now(kept))
        kept.run.learn_sent(found, self._clock.utc())
        if not kept.run.counts().pending:
            kept.broadcast = replace(kept.broadcast, state=State.DONE)


def _now(kept: _Kept) -> Broadcast:
    made, run = kept.broadcast, kept.run
    owner = None if kept.on_stop is None else process_of(this_process())
    counts = run.counts(made.state)
    return replace(made, counts=counts, owner=owner, halted=run.halted, paid=run.paid)


def _moment(due: Callable[[Contact], datetime], contact: Contact) -> datetime:
    """When a contact's turn is. Raises InputError where that is not known."""
    try:
        return due(contact)
    except WhenError as error:
        raise InputError(f"{error}; nothing was sent") from None


def _schedule_at_telegram(message: Message, run: MemoryRun) -> Schedule | None:
    """Until when messages wait at Telegram, if they do."""
    people = run.audience
    if message.when is None and isinstance(people, Audience) and not people.any_overrides:
        return None  # nobody has a time, which is known without a look at each
    moments = [
        _moment(partial(moment_for, when), contact)
        for contact in people
        if (when := own_when(message.when, contact)) is not None
    ]
    return Schedule(min(moments), max(moments), at_telegram=True) if moments else None


def _first_moment(broadcast: Broadcast) -> tuple[datetime, int]:
    schedule = broadcast.schedule
    return (broadcast.created_at if schedule is None else schedule.first), broadcast.number


def _is_to_come(broadcast: Broadcast, now: datetime) -> bool:
    schedule = broadcast.schedule
    if schedule is None or broadcast.state is State.CANCELLED:
        return False
    return now < schedule.last if schedule.at_telegram else broadcast.state is not State.DONE
