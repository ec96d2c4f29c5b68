"""Looks back at what was sent, and asks what is being sent to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from broadcast.core.errors import InputError
from broadcast.core.model import State
from broadcast.people.lists import is_list
from broadcast.service.base import UseCases
from broadcast.service.reports import Stopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from broadcast.core.model import Broadcast, Record, Status
    from broadcast.service.ports import Reporter
    from broadcast.service.stop import Stop

WATCH_INTERVAL = 0.5  # seconds between two looks at a broadcast that runs elsewhere
ASK_PATIENCE = 10.0  # seconds to wait for another process to stop


class History(UseCases):
    """What was sent, and what became of it."""

    async def list(self, limit: int = 50) -> Sequence[Broadcast]:
        """The last broadcasts, newest first."""
        return await self.ledger.newest(limit)

    async def scheduled(self, limit: int = 50) -> Sequence[Broadcast]:
        """What is still to come at its time, the earliest first."""
        return (await self.ledger.scheduled())[:limit]

    async def find(self, id: str | None = None) -> Broadcast:  # noqa: A002 - what it is called
        """The broadcast whose id begins with `id`; None: the last one.

        Raises InputError when there is none, or several.
        """
        return await self.ledger.find(id)

    async def current(self, id: str | None = None) -> Broadcast:  # noqa: A002
        """The same; without an id the one that is being sent now, or else the last one."""
        return (await self.running() if id is None else None) or await self.ledger.find(id)

    def records(self, broadcast: Broadcast, *wanted: Status) -> AsyncIterator[Record]:
        """Its deliveries, or those in the `wanted` states, in the audience's order."""
        return self.ledger.records(broadcast, *wanted)

    def require_no_list(self, path: Path, *, report_begins: str) -> None:
        """Raise InputError when `path`, which is to be replaced, is a contact list.

        It is where it is one of those that are looked for, or where it can be read as one and its
        first line is not that of a report, `report_begins`.
        """
        in_use = any(each.exists() and each.samefile(path) for each in self.lists)
        with path.open("rb") as stream:
            start = stream.read(len(report_begins) + 3).removeprefix(b"\xef\xbb\xbf")
        is_report = start.startswith(report_begins.encode())
        if in_use or (not is_report and is_list(path)):
            raise InputError(f"{path} is a contact list: a report never replaces one. Name another")

    async def watch(self, broadcast: Broadcast) -> AsyncIterator[Broadcast]:
        """`broadcast` as it is, again and again, until no process is at work on it any more."""
        while broadcast.owner is not None:
            await asyncio.sleep(WATCH_INTERVAL)
            broadcast = await self.ledger.reload(broadcast)
            yield broadcast

    async def pause(self, id: str | None, reporter: Reporter) -> Stopped:  # noqa: A002
        """Stop a broadcast for now. Without an id the one that runs, or the last unfinished one."""
        running = await self.running() if id is None else None
        found = running or await self.ledger.find(id, unfinished=id is None)
        return await self._stop(found, State.PAUSED, reporter)

    async def cancel(self, id: str | None, reporter: Reporter) -> Stopped:  # noqa: A002
        """Stop a broadcast for good: what is pending is not sent any more.

        Without an id the one that runs, or the only one that is unfinished or scheduled, also at
        Telegram. Raises InputError, which names them, when there are several.

        What waits in Telegram's schedule is not touched: only a recall takes it back.
        """
        found = await self.only_one("cancel") if id is None else await self.ledger.find(id)
        if found.owner is None and await self._is_at_telegram(found):
            return Stopped(found, is_at_telegram=True)
        return await self._stop(found, State.CANCELLED, reporter)

    async def _stop(self, broadcast: Broadcast, state: State, reporter: Reporter) -> Stopped:
        """Pause or cancel a broadcast, whoever runs it; how it was left."""
        was_asked = await self.ledger.ask(broadcast, state)
        if was_asked:
            reporter.asking_to_stop(broadcast)
        broadcast = await self._await_end(broadcast, reporter.stop) if was_asked else broadcast
        broadcast = await self.ledger.reload(broadcast)
        is_there = broadcast.owner is None and await self._is_at_telegram(broadcast)
        return Stopped(
            broadcast,
            is_at_telegram=is_there,
            was_running=was_asked,
            nothing_to_stop=not was_asked and broadcast.state is not state,
        )

    async def _await_end(self, broadcast: Broadcast, stop: Stop) -> Broadcast:
        """Wait until the other process has recorded what was under way, but not for ever."""
        now = self.clock.monotonic
        deadline = now() + ASK_PATIENCE
        while broadcast.owner is not None and not stop.is_asked and now() < deadline:
            await stop.sleep(WATCH_INTERVAL / 5)
            broadcast = await self.ledger.reload(broadcast)
        return broadcast

    async def _is_at_telegram(self, broadcast: Broadcast) -> bool:
        """Whether messages of it are in Telegram's schedule now, as far as the ledger knows."""
        schedule = broadcast.schedule
        if schedule is None or not schedule.at_telegram or self.clock.utc() >= schedule.last:
            return False
        standing = await self.ledger.standing(broadcast)
        has_some = broadcast.counts.sent > 0 or standing.in_doubt > 0
        return has_some and standing.recall is None
