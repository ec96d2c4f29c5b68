"""Sends what is due: once, or as long as something is scheduled.

A person's messages wait at Telegram until their time; a bot's in the ledger, as bots cannot
schedule there (https://core.telegram.org/api/scheduled-messages). Those need a process then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadcast.core.errors import HaltedError, InputError, LockedError, LoginRequiredError
from broadcast.core.model import State
from broadcast.service.reports import Refused, Report
from broadcast.service.sending import Sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from broadcast.core.model import Broadcast
    from broadcast.service.options import RunOptions
    from broadcast.service.ports import Expected, Reporter
    from broadcast.service.requests import DueRequest

LOOK = 30.0
"""Seconds after which a waiting process looks again at most: others schedule and cancel meanwhile,
and a machine that slept has lost count of the time."""

AGAIN_AFTER = timedelta(minutes=1)
"""How long a waiting process leaves a broadcast alone that has stopped, such as by an outage."""


class Due(Sending):
    """What is sent at its time."""

    async def send_due(
        self, request: DueRequest, reporter: Reporter
    ) -> AsyncIterator[Report | Refused]:
        """Send every broadcast whose time has come, one after another; one result for each.

        With `wait` it goes on until nothing is scheduled any more: a ledger that cannot be read, a
        broadcast that is stopped or refused, another process that is faster: none ends it. What a
        run was stopped by for good waits for `resume`.
        """
        request.options.require_whole()
        self.accounts.expected(paid=request.options.paid)  # raises where nobody could sign in
        rounds = _Rounds(self, request.options)
        while not reporter.stop.is_asked:
            until: datetime | None = self.clock.utc() + AGAIN_AFTER
            try:
                for broadcast in await rounds.due():
                    if result := await rounds.send(broadcast, reporter):
                        yield result
                    if reporter.stop.is_asked:
                        return
                until = await rounds.next_moment()
            except HaltedError as error:  # the ledger itself: its trouble may pass
                if not request.wait:
                    raise
                yield Refused(None, error)
            if not request.wait or until is None:
                return
            await reporter.stop.sleep(min((until - self.clock.utc()).total_seconds(), LOOK))


class _Rounds:
    """Looks again and again; it leaves alone what has just stopped, and what was refused."""

    def __init__(self, uses: Due, options: RunOptions) -> None:
        self._uses, self._options = uses, options
        self._not_before: dict[str, datetime] = {}  # of what has stopped
        self._refused: set[str] = set()

    async def due(self, *, also_later: bool = False) -> Sequence[Broadcast]:
        """What is due; `also_later` with what has just stopped."""
        now = self._uses.clock.utc()
        return [
            broadcast
            for broadcast in await self._uses.ledger.due(now)
            if self._is_ours(broadcast)
            and broadcast.id not in self._refused
            and (also_later or self._not_before.get(broadcast.id, now) <= now)
        ]

    async def next_moment(self) -> datetime | None:
        """When to look again; None when nothing is left that time brings."""
        now = self._uses.clock.utc()
        moments = [self._not_before.get(each.id, now) for each in await self.due(also_later=True)]
        later = await self._uses.ledger.next_moment(now)
        return min([*moments, *([later] if later else [])], default=None)

    async def send(self, broadcast: Broadcast, reporter: Reporter) -> Report | Refused | None:
        """One of them; None when another process was faster, or somebody has paused it."""
        if (await self._uses.ledger.reload(broadcast)).state is not State.OPEN:
            return None
        self._not_before[broadcast.id] = self._uses.clock.utc() + AGAIN_AFTER
        try:
            report = await self._uses.go_on(broadcast, self._options, reporter)
        except LockedError:
            return None
        except InputError as error:
            self._refused.add(broadcast.id)
            is_another_s = error.code == "OTHER_ACCOUNT" and self._expected(broadcast).id is None
            return None if is_another_s else Refused(broadcast, error)
        except (HaltedError, LoginRequiredError) as error:
            return Refused(broadcast, error)
        self._not_before[broadcast.id] = self._uses.clock.utc() + AGAIN_AFTER
        return report

    def _is_ours(self, broadcast: Broadcast) -> bool:
        """Not of another account that uses this ledger: a process of its own sends that.

        Where the settings do not tell who it is, that is known only when it has signed in.
        """
        if broadcast.account is None:
            return True
        expected, server = self._expected(broadcast), self._uses.accounts.server
        if expected.is_bot is None and broadcast.server == server:
            return True
        return (broadcast.account, broadcast.server) == (expected.id, server)

    def _expected(self, broadcast: Broadcast) -> Expected:
        accounts = self._uses.accounts
        return accounts.expected(account=broadcast.account, paid=self._options.paid)
