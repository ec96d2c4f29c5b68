"""What a test gives the use cases: accounts without a network, somebody who answers, and looks on.

None of it is a mock: each keeps what its port promises, and remembers what happened.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import SettingsError
from broadcast.core.model import Account, Action, Delivery, Outcome, Sent
from broadcast.engine.fake import FakeTransport
from broadcast.message.placeholders import fill
from broadcast.message.text import parts
from broadcast.message.when import moment_for
from broadcast.sandbox.virtual_time import VirtualLoop
from broadcast.service.ports import Expected
from broadcast.service.stop import Stop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
    from datetime import datetime

    from broadcast.core.asker import Asker, Question
    from broadcast.core.errors import BroadcastError
    from broadcast.core.model import Attachment, Broadcast, Counts, Peer
    from broadcast.engine.pacer import Known, Pacer
    from broadcast.engine.ports import Terms
    from broadcast.service.ports import People
    from broadcast.service.reports import Report

ME = 4711
SIGNED_OUT = SettingsError("TELEGRAM_API_ID is missing; nothing was sent")


class FakeConnection(FakeTransport):
    """A `Connection` that is a bot or a person, and delivers each part of a message by itself.

    `tried` holds every delivery as it came to be sent, and `accepted` who was sent what, also where
    it was the same message again. A person's message with a time waits in
    Telegram's schedule. `state` is where the updates stand, `found` the ids that they tell.
    """

    def __init__(self, account: Account, script: Any = None) -> None:
        super().__init__(script)
        self._signed_in = account
        self.tried: list[Delivery] = []
        self.accepted: list[tuple[str, str]] = []
        self.terms: list[Terms] = []
        self.state: str | None = None
        self.known: set[str] = set()
        self.found: dict[int, Sequence[int]] = {}
        self.asked_for: list[list[int]] = []

    @property
    def account(self) -> Account:
        return self._signed_in

    def begin(self, terms: Terms) -> None:
        self.terms.append(terms)

    def is_group(self, peer: Peer) -> bool:
        return False

    async def send(self, delivery: Delivery) -> Outcome:
        self.tried.append(delivery)
        cut = _as_cut(delivery)
        outcome = await super().send(cut)
        if isinstance(outcome, Sent):
            told = fill(cut.message.text, cut.message.values)
            self.accepted.append((delivery.contact.peer.text, told))
        when = delivery.message.when
        is_later = when is not None and delivery.action is Action.SEND
        if is_later and not self.account.is_bot and isinstance(outcome, Sent):
            return replace(outcome, scheduled_until=moment_for(when, delivery.contact))
        return outcome

    async def strangers(self, peers: Iterable[Peer]) -> int | None:
        known = self.known
        return None if self.account.is_bot else sum(peer.text not in known for peer in peers)

    async def update_state(self) -> str | None:
        return self.state

    async def find_ids(
        self, since: str, deliveries: Iterable[Delivery]
    ) -> Mapping[int, Sequence[int]]:
        wanted = [each.position for each in deliveries]
        self.asked_for.append(wanted)
        return {position: self.found[position] for position in wanted if position in self.found}

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Who got what, in order."""
        return [(each.peer, each.text) for each in self.delivered]


def _as_cut(delivery: Delivery) -> Delivery:
    """The delivery with its part of the text, as a real transport cuts it."""
    message = delivery.message
    if not message.split:
        return delivery
    text, _ = parts(message)[delivery.part]
    return replace(delivery, message=replace(message, text=text, values=()))


@dataclass
class FakeAccounts:
    """`Accounts` of one connection. With `tells` the settings say who it is; see `Expected`.

    `missing` is raised where somebody asks who signs in, `refuses` where somebody signs in.
    """

    is_bot: bool = True
    id: int = ME
    tells: bool = True
    server: str | None = None
    missing: SettingsError | None = None
    refuses: BroadcastError | None = None
    script: Any = None
    is_premium: bool = False
    opened: int = 0
    asked_to_be_bot: list[bool] = field(default_factory=list)
    connection: FakeConnection = field(init=False)

    def __post_init__(self) -> None:
        account = Account(self.id, self.is_bot, "Shop", self.is_premium)
        self.connection = FakeConnection(account, self.script)

    def expected(self, *, account: int | None = None, paid: bool = False) -> Expected:
        if self.missing is not None:
            raise self.missing
        if not self.tells:
            return Expected()
        return Expected(self.is_bot, self.id if self.is_bot else None)

    @asynccontextmanager
    async def open(
        self, asker: Asker | None, *, people: People = (), is_bot: bool = False
    ) -> AsyncGenerator[FakeConnection]:
        if self.refuses is not None:
            raise self.refuses
        self.opened += 1
        self.asked_to_be_bot.append(is_bot)
        yield self.connection

    async def whoami(self) -> Account | None:
        return self.connection.account

    async def logout(self) -> bool:
        return True


class FakeStage:
    """A stage where everybody can be reached, and all that is said is remembered."""

    floods, stars = 0, Decimal(0)

    def __init__(self, starts_at: datetime, *, is_bot: bool) -> None:
        self.loop = self.clock = VirtualLoop(starts_at)
        self.accounts = FakeAccounts(is_bot=is_bot, is_premium=not is_bot)


class FakeStages:
    """Builds them; `built` is the last one."""

    built: FakeStage

    def build(self, *, is_bot: bool, known: Known, starts_at: datetime) -> FakeStage:
        self.built = FakeStage(starts_at, is_bot=is_bot)
        return self.built


@dataclass
class ScriptedAsker:
    """Answers questions from a script, and remembers them; one that it lacks fails the test."""

    answers: list[bool] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)

    async def confirm(self, question: Question) -> bool:
        self.asked.append(question)
        assert self.answers, f"nobody expected {question}"
        return self.answers.pop(0)

    async def phone(self) -> str:
        raise AssertionError("nobody signs in here")

    async def code(self, where: str) -> str:
        raise AssertionError("nobody signs in here")

    async def password(self) -> str:
        raise AssertionError("nobody signs in here")

    async def wrong(self, message: str) -> None:
        raise AssertionError(message)


class RecordingReporter:
    """Looks on and remembers; `on_settled` is called with each delivery."""

    def __init__(self, on_settled: Callable[[Delivery], None] = lambda _: None) -> None:
        self.stop = Stop()
        self.on_settled = on_settled
        self.settlements: list[tuple[Delivery, Outcome]] = []
        self.holds: list[tuple[float, str]] = []
        self.costs: list[tuple[int, int, int]] = []
        self.canaries: list[bool] = []
        self.asked_to_stop: list[str] = []
        self.totals: list[int] = []
        self.stood: list[Counts] = []
        self.ended = 0

    def cost(self, messages: int, budget: int, spent: int) -> None:
        self.costs.append((messages, budget, spent))

    async def canary(self, report: Report, *, is_good: bool) -> None:
        self.canaries.append(is_good)

    def asking_to_stop(self, broadcast: Broadcast) -> None:
        self.asked_to_stop.append(broadcast.id)

    @contextmanager
    def watch(self, total: int, pacer: Pacer, before: Counts) -> Generator[RecordingReporter]:
        self.totals.append(total)
        self.stood.append(before)
        try:
            yield self
        finally:
            self.ended += 1

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        self.settlements.append((delivery, outcome))
        self.on_settled(delivery)

    def held(self, seconds: float, reason: str) -> None:
        self.holds.append((seconds, reason))

    def uploaded(self, file: Attachment, done: int) -> None:
        pass
