"""What became of a run, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from broadcast.core.model import Broadcast, Counts, Halted, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from decimal import Decimal

    from broadcast.core.errors import BroadcastError
    from broadcast.core.model import Action, Failed, Record, State
    from broadcast.ledger.port import Store

CANARY_FAILED = Halted(
    "CANARY_FAILED",
    "too many of the first failed. Look at the list before the account suffers; resuming goes on",
)


@dataclass(frozen=True)
class Report:
    """What became of a broadcast. `before` is how far it was when this run began.

    `seconds` is what the run took. `halted` says why it stopped early by itself; `stopped` is True
    when somebody asked for it. `paid` is how many messages cost Stars, in all runs. Of those
    pending, `scheduled` only wait for their time, which is still to come.
    """

    after: Broadcast
    before: Counts
    seconds: float
    halted: Halted | None
    stopped: bool
    paid: int
    scheduled: int
    _ledger: Store

    @classmethod
    def of_nothing_left(cls, broadcast: Broadcast, ledger: Store) -> Self:
        """That of a run over a broadcast that was done before."""
        return cls(
            broadcast,
            before=broadcast.counts,
            seconds=0.0,
            halted=None,
            stopped=False,
            paid=broadcast.paid,
            scheduled=0,
            _ledger=ledger,
        )

    @property
    def broadcast(self) -> str:
        """The broadcast's id."""
        return self.after.id

    @property
    def action(self) -> Action:
        """What it does."""
        return self.after.action

    @property
    def state(self) -> State:
        """What it was left in."""
        return self.after.state

    @property
    def counts(self) -> Counts:
        """How many of the whole are in each state."""
        return self.after.counts

    @property
    def is_unfinished(self) -> bool:
        """Whether something is left that could have been sent by now."""
        return self.counts.pending > (0 if self.stopped else self.scheduled)

    @property
    def of_this_run(self) -> Counts:
        """What this run has sent and what has failed in it, and what is left."""
        now, before = self.counts, self.before
        return Counts(
            now.sent - before.sent, now.failed - before.failed, 0, now.pending, now.in_doubt
        )

    def records(self, *wanted: Status) -> AsyncIterator[Record]:
        """Every delivery with its state, or those in the `wanted` ones, in the audience's order."""
        return self._ledger.records(self.after, *wanted)

    async def failures(self) -> Sequence[tuple[Failed, int]]:
        """What went wrong, and how often, the most frequent first."""
        return await self._ledger.failures(self.after)

    def pending(self) -> AsyncIterator[Record]:
        """The deliveries that are neither sent nor failed nor skipped."""
        return self.records(Status.PENDING, Status.SENDING)

    def since(self, first: Report) -> Report:
        """This run and the one `first`, right before it, as one."""
        return replace(self, before=first.before, seconds=first.seconds + self.seconds)


@dataclass(frozen=True)
class Rehearsal:
    """How it would go. `report` has it recipient by recipient, and its times are virtual ones.

    `floods` is how often Telegram would ask to wait, `stars` what it would charge.
    """

    report: Report
    floods: int
    stars: Decimal


@dataclass(frozen=True, slots=True)
class Stopped:
    """A broadcast that was asked to end, and whether a process was at work on it then.

    With `nothing_to_stop` it had ended otherwise before.
    With `is_at_telegram` its messages wait in Telegram's schedule, and only a recall takes them
    back.
    """

    broadcast: Broadcast
    is_at_telegram: bool = False
    was_running: bool = False
    nothing_to_stop: bool = False


@dataclass(frozen=True)
class Refused:
    """A broadcast whose time had come, and why nothing of it could be sent.

    `broadcast` is None when the ledger itself could not be asked.
    """

    broadcast: Broadcast | None
    error: BroadcastError
