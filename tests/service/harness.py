"""The use cases over a real ledger in a file, with everything around them made for a test."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from broadcast.core.model import Action, Contact, Message, State, When
from broadcast.core.peers import parse_peer
from broadcast.ledger.sqlite.ledger import SqliteLedger
from broadcast.people.audience import Audience
from broadcast.service.options import RunOptions
from broadcast.service.requests import (
    AudienceRequest,
    ChangeRequest,
    DueRequest,
    ResumeRequest,
    RetryRequest,
    SendRequest,
)
from broadcast.service.service import Service
from broadcast.staging import RehearsalStages
from tests.clocks import START
from tests.service.fakes import FakeAccounts, RecordingReporter, ScriptedAsker
from tests.service.patient_loop import PatientClock, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from broadcast.core.model import Broadcast, Record, Status
    from broadcast.ledger.port import Ledger
    from broadcast.service.changing import Changed
    from broadcast.service.reports import Refused, Report

HELLO = Message("I bought a car!")
SIX = START.replace(hour=18)


def on_virtual_time(test: Callable[..., Any]) -> Callable[..., None]:
    """Runs an async test on a loop whose time jumps, from START on."""

    @functools.wraps(test)
    def run_it(*args: Any, **given: Any) -> None:
        run(test(*args, **given))

    return run_it


def people(*names: str | int) -> list[Contact]:
    """Contacts with these names; of a number so many of them."""
    if len(names) == 1 and isinstance(names[0], int):
        names = tuple(f"friend{number}" for number in range(names[0]))
    return [Contact(parse_peer(f"@{name}"), str(name).title()) for name in names]


def at(moment: datetime, *, of_recipient: bool = False) -> When:
    """That time on the clocks of UTC, or of each recipient."""
    return When(moment.replace(tzinfo=None), "UTC", of_recipient=of_recipient)


class Harness:
    """The use cases, and what a test needs to see of what they did.

    `accounts`, `asker` and `reporter` may be exchanged at any time.
    """

    def __init__(self, ledger: Ledger, **given: Any) -> None:
        self.ledger = ledger
        self.accounts = FakeAccounts(**given)
        self.asker: ScriptedAsker | None = None
        self.reporter = RecordingReporter()
        self.lists: tuple[Path, ...] = ()
        self.stages = RehearsalStages()
        self.clock = PatientClock()
        self.chance = Random(0)

    @property
    def service(self) -> Service:
        return Service(
            self.ledger,
            self.accounts,
            self.clock,
            self.asker,
            lists=self.lists,
            stages=self.stages,
            chance=self.chance,
        )

    def become(self, **given: Any) -> None:
        """Somebody else signs in from here on."""
        self.accounts = FakeAccounts(**given)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Who got what, in order."""
        return self.accounts.connection.texts

    @property
    def tried(self) -> list[tuple[Action, str]]:
        """What was asked of Telegram, in order."""
        return [(each.action, each.contact.peer.text) for each in self.accounts.connection.tried]

    def request(
        self, message: Message = HELLO, to: Iterable[Contact] | int = 3, **given: Any
    ) -> SendRequest:
        """A request; options of a run may be given beside those of the request itself."""
        chosen = Audience(people(to) if isinstance(to, int) else to)
        ours = {name: given.pop(name) for name in ("once", "confirmed") if name in given}
        return SendRequest(message, AudienceRequest(chosen=chosen), RunOptions(**given), **ours)

    async def send(
        self, message: Message = HELLO, to: Iterable[Contact] | int = 3, **given: Any
    ) -> Report:
        """Plan it and send it."""
        plan = await self.service.plan(self.request(message, to, **given))
        return await self.service.send(plan, self.reporter)

    async def schedule(
        self, message: Message | None = None, to: Iterable[Contact] | int = 2
    ) -> Broadcast:
        """A broadcast for six o'clock."""
        message = message or Message(HELLO.text, when=at(SIX))
        service = self.service
        return await service.make(message, _audience(to), self.accounts.connection.account)

    async def resume(
        self, identity: str | None = None, *, now: bool = False, **given: Any
    ) -> Report:
        plan = await self.service.plan_resume(ResumeRequest(identity, RunOptions(**given), now))
        return await self.service.resume(plan, self.reporter)

    async def retry(self, identity: str | None = None, *, insist: bool = False) -> Report:
        plan = await self.service.plan_retry(RetryRequest(identity, RunOptions(), insist))
        return await self.service.retry(plan, self.reporter)

    async def change(
        self, identity: str | None, action: Action, message: Message | None = None, **given: Any
    ) -> Changed:
        request = ChangeRequest(identity, action, message, **given)
        plan = await self.service.plan_change(request)
        return await self.service.change(plan, self.reporter)

    async def edit(self, identity: str, text: str, **given: Any) -> Changed:
        return await self.change(identity, Action.EDIT, Message(text), **given)

    async def recall(self, identity: str, **given: Any) -> Changed:
        return await self.change(identity, Action.RECALL, **given)

    async def send_due(self, *, wait: bool = False, **given: Any) -> list[Report | Refused]:
        request = DueRequest(RunOptions(**given), wait)
        return [each async for each in self.service.send_due(request, self.reporter)]

    async def records(self, broadcast: Broadcast | str, *wanted: Status) -> list[Record]:
        if isinstance(broadcast, str):
            broadcast = await self.ledger.find(broadcast)
        return [record async for record in self.ledger.records(broadcast, *wanted)]

    async def state(self, broadcast: Broadcast) -> State:
        return (await self.ledger.reload(broadcast)).state

    async def started_as(
        self, broadcast: Broadcast, account: int, server: str | None = None
    ) -> None:
        """Somebody began it as `account`, and got no further."""
        async with self.ledger.start(broadcast, account=account, server=server):
            pass


def _audience(to: Iterable[Contact] | int) -> Audience:
    return Audience(people(to) if isinstance(to, int) else to)


@contextmanager
def opened(home: Path, **given: Any) -> Iterator[Harness]:
    """A harness over a ledger in `home`."""
    with SqliteLedger(home / "ledger.db", clock=PatientClock(), busy_timeout=0.05) as ledger:
        yield Harness(ledger, **given)
