"""What a ledger promises: the durable record of broadcasts, deliveries and accounts.

Every method may cross a network, so all of them are async. Every one raises HaltedError, with what
to do, when the record cannot be read or written: no ledger lets an exception of its library out.
Deliveries are addressed by (broadcast, position). What may follow what is decided on values, by
core/lifecycle.py: a ledger looks the values up, in the transaction that acts on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from broadcast.core.lifecycle import Standing
    from broadcast.core.model import (
        Action,
        Broadcast,
        Contact,
        Delivery,
        Failed,
        Message,
        Record,
        Selection,
        State,
        Status,
    )
    from broadcast.engine.pacer import Known, Learned
    from broadcast.engine.ports import Run
    from broadcast.people.audience import Audience


class Store(Protocol):
    """Makes broadcasts, and finds them."""

    async def create(
        self,
        identity: str,
        message: Message,
        audience: Audience,
        *,
        once: str | None = None,
        parts: Callable[[Contact], int] | None = None,
        due: Callable[[Contact], datetime | None] | None = None,
        made_at: datetime | None = None,
        selection: Selection | None = None,
        alone: bool = False,
    ) -> Broadcast:
        """Freeze `message` and `audience` as a new broadcast, in one transaction.

        It was made at `made_at`, or now: templates are filled in as of then. `selection` is how the
        audience was chosen.

        `parts` says how many deliveries a contact gets, one after the other. With `due` nothing is
        handed out to a contact before that moment; without it, a message that has a time (for one
        contact, perhaps) goes to Telegram at once, and waits there until then.

        When another process has just used the key `once` for the same message and selection, that
        broadcast. With `alone` no unfinished broadcast may have the very same message: raises what
        `repeats.require_no_twin` raises. Raises InputError where the moment of a contact is not
        known.
        """
        ...

    async def newcomers(self, broadcast: Broadcast, audience: Audience) -> Audience:
        """Those of `audience` whose peers are not among the recipients of `broadcast`."""
        ...

    async def count_reached(self, broadcast: Broadcast, audience: Audience) -> int:
        """How many of `audience`, told apart by their peers, have got a message of `broadcast`."""
        ...

    async def extend(
        self,
        broadcast: Broadcast,
        audience: Audience,
        parts: Callable[[Contact], int] | None = None,
    ) -> Broadcast:
        """Add those of `audience` who are new, in one transaction: it is open again then.

        `parts` as in `create`. Nobody is added twice, whoever else does the same just now. Raises
        what `lifecycle.require_extendable` raises.
        """
        ...

    async def create_change(
        self, identity: str, action: Action, target: Broadcast, message: Message
    ) -> Broadcast:
        """An edit or a recall of everything that `target` has sent until now.

        A recall cancels what is pending. Earlier edits that are unfinished are overtaken. Raises
        what `lifecycle.require_changeable` raises.
        """
        ...

    async def reload(self, broadcast: Broadcast) -> Broadcast:
        """The same broadcast as it is now."""
        ...

    async def find(self, prefix: str | None = None, *, unfinished: bool = False) -> Broadcast:
        """The broadcast whose id starts with `prefix`; without one the last (unfinished) one.

        Raises InputError when there is none, or several.
        """
        ...

    async def by_once(self, key: str) -> Broadcast | None:
        """The broadcast that was made with `--once KEY`."""
        ...

    async def newest(self, limit: int = 50) -> Sequence[Broadcast]:
        """The last broadcasts, newest first."""
        ...

    async def unfinished(self) -> Sequence[Broadcast]:
        """All that are open or paused, newest first."""
        ...

    async def standing(self, broadcast: Broadcast) -> Standing:
        """All that core/lifecycle.py needs to say what may be done with `broadcast` now."""
        ...

    def records(self, broadcast: Broadcast, *wanted: Status) -> AsyncIterator[Record]:
        """Every delivery with its state, or those in the `wanted` ones, in order of position.

        It is a stream, not a list, and may be left before its end.
        """
        ...

    async def failures(self, broadcast: Broadcast) -> Sequence[tuple[Failed, int]]:
        """What went wrong, and how often, the most frequent first. It costs no look at each."""
        ...

    async def ask(self, broadcast: Broadcast, state: State) -> bool:
        """Pause or cancel. True when a living process runs it: it is asked to stop by itself.

        One that is done stays so. Raises InputError when a cancelled one is to be paused.
        """
        ...

    async def requeue_failed(self, broadcast: Broadcast, *, insist: bool) -> int:
        """Make failed deliveries pending again, and say how many.

        Without `insist` only those where another try can help. Raises what
        `lifecycle.require_retryable` raises.
        """
        ...


class Runs(Protocol):
    """Lets one process work on one broadcast, and one process use one account."""

    def start(
        self,
        broadcast: Broadcast,
        *,
        account: int,
        server: str | None = None,
        first: int | None = None,
        on_stop: Callable[[], None] = lambda: None,
        learned: Callable[[], Learned | None] = lambda: None,
    ) -> AbstractAsyncContextManager[Run]:
        """Run `broadcast` in this process, alone, as `account` of `server`.

        It hands out the first `first` recipients that are left, or all. `on_stop` is called when
        somebody asks to stop, `learned` with every sign of life: what it tells of the account's
        limits is kept.

        Raises LockedError when a living process runs the broadcast, uses the account, or takes
        over in mid-run; InputError when nothing of it may be sent any more, or when it was started
        as another account. What is raised inside, by a TaskGroup of the caller or by the ledger,
        comes out bare: as a group only where a bug stands beside other errors.

        A process on another machine that held it is watched first, for 15 seconds.
        """
        ...

    async def known(self, account: int, server: str | None) -> Known:
        """What earlier broadcasts learned about the limits of `account` at `server`."""
        ...

    async def last_person(self, server: str | None) -> int:
        """The account that sent the last broadcast at `server`; 0 when there is none."""
        ...


class Schedules(Protocol):
    """Keeps broadcasts until their time."""

    async def due(self, now: datetime) -> Sequence[Broadcast]:
        """The scheduled broadcasts of which something may go now, and that no process runs.

        Not one whose last run was stopped by something that only a person can fix.
        """
        ...

    async def next_moment(self, now: datetime) -> datetime | None:
        """When something will be due next of what the ledger keeps; None when nothing is left."""
        ...

    async def scheduled(self) -> Sequence[Broadcast]:
        """What is still to come at its time: here, or as far as is known at Telegram."""
        ...

    async def bring_forward(self, broadcast: Broadcast) -> None:
        """Make due now what the ledger keeps for later. Raises LockedError while it is sent."""
        ...


class Doubts(Protocol):
    """Knows what is perhaps sent, and learns what was."""

    async def update_state(self, broadcast: Broadcast) -> str | None:
        """Where the account's updates stood when `broadcast` was started first."""
        ...

    async def keep_update_state(self, broadcast: Broadcast, state: str) -> None:
        """Keep where the account's updates stand, unless an earlier run has."""
        ...

    async def without_id(self, broadcast: Broadcast) -> Sequence[Delivery]:
        """The deliveries that Telegram accepted without telling the message's id."""
        ...

    async def learn_ids(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """Keep the ids of messages, by position, that became known later; an album has several."""
        ...

    async def in_doubt(self, broadcast: Broadcast) -> Sequence[Delivery]:
        """What a process that has died may have sent, and nobody knows."""
        ...

    async def learn_sent(self, broadcast: Broadcast, found: Mapping[int, Sequence[int]]) -> None:
        """Record as sent, with the ids of its messages, what was in doubt and has arrived."""
        ...


class Ledger(Store, Runs, Schedules, Doubts, Protocol):
    """All of it."""
