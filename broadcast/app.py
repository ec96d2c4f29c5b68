"""The composition root: puts contacts, ledger, engine and transport together; shows nothing."""

from __future__ import annotations

import asyncio
import math
import secrets
import signal
import time
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from broadcast.checks import (
    ONLY_PEOPLE_SCHEDULE,
    due_for,
    parts_for,
    require_all_able,
    require_bot,
    require_sendable,
)
from broadcast.core.clock import SystemClock
from broadcast.core.errors import (
    InputError,
    LockedError,
)
from broadcast.core.ids import broadcast_id
from broadcast.core.lifecycle import require_resumable, require_same_message
from broadcast.core.model import Action, Contact, Counts, Halted, Message, Record, State, Status
from broadcast.engine.breaker import SHARE, Breaker
from broadcast.engine.dispatch import MAX_WAIT, Engine
from broadcast.engine.first_rate import pacer_for
from broadcast.engine.gates.chat import ChatGate
from broadcast.engine.gates.paid import PaidGate
from broadcast.engine.gates.personal import PersonalGate
from broadcast.engine.gates.punctual import PunctualGate
from broadcast.engine.outage import PATIENCE
from broadcast.engine.pacer import Known, Pacer
from broadcast.engine.ports import Terms
from broadcast.ledger.memory import MemoryRun
from broadcast.message.stored import once_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from broadcast.core.access import Access
    from broadcast.core.asker import Asker
    from broadcast.core.clock import Clock
    from broadcast.core.model import Account, Attachment, Broadcast, Delivery, Outcome
    from broadcast.engine.ports import Gate, Run, Transport, Watcher
    from broadcast.ledger.sqlite.ledger import SqliteLedger
    from broadcast.people.audience import Audience
    from broadcast.settings import Settings
    from broadcast.telegram.sender import TelethonTransport

CONCURRENCY, FULL_CONCURRENCY = 20, 300
"""Requests under way at once: enough for 30 a second when an answer takes half a second; and where
no limit is known, three MTProto containers full: one that is made, one on the way, and one that is
answered. On loopback 300 gave half as much again as 100, and more gave nothing more."""

ROUND_TRIP = 0.2
"""Seconds that an answer takes at most, as a rule: a rate needs so many times itself under way."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is done.

    `rate` is in messages a second, 0 for no limit; `max_failures` a share of 1; `max_wait` and
    `patience` are in seconds; with a `budget` of Stars the run is a paid one; `first` ends the run
    after so many recipients.
    """

    rate: float | None = None
    concurrency: int | None = None
    max_failures: float = SHARE
    max_wait: float = MAX_WAIT
    patience: float = PATIENCE
    budget: int | None = None
    first: int | None = None

    def pacer(self, known: Known, *, is_bot: bool) -> Pacer:
        """What paces an account of which `known` is known."""
        now, paid = datetime.now(UTC), self.budget is not None
        return pacer_for(self.rate, known, now, is_bot=is_bot, paid=paid)

    def seconds_for(self, count: int, known: Known, *, is_bot: bool) -> float:
        """How long so many messages take an account of which `known` is known, without floods."""
        pacer = self.pacer(known, is_bot=is_bot)
        if (held := _seconds_held(known)) > 0:
            pacer.hold(held)
        return pacer.seconds_for(count, 0.0)

    def limits(
        self,
        transport: TelethonTransport,
        pacer: Pacer,
        clock: Clock,
        *,
        spent: int = 0,
        in_doubt: Iterable[Delivery] = (),
        uploaded: Callable[[Attachment, int], None] = lambda _file, _done: None,
    ) -> tuple[ChatGate, PaidGate | None]:
        """What keeps `transport` to the limits of chats and, where it pays, to the budget.

        `spent` counts messages that were paid before, and those `in_doubt` perhaps were. Raises
        InputError when a person is to pay.
        """
        pays = self.budget is not None
        transport.begin(Terms(pays, lambda: pacer.held(clock.monotonic()), uploaded))
        chats = ChatGate(transport.is_group, clock)
        if self.budget is None:
            return chats, None
        require_bot(transport.account)
        positions = {delivery.position for delivery in in_doubt}
        return chats, PaidGate(self.budget, spent, clock, positions)

    def engine(
        self,
        work: Run,
        transport: Transport,
        pacer: Pacer,
        watcher: Watcher | None,
        gates: Iterable[Gate | None],
        *,
        clock: Clock,
        **jitter: Any,
    ) -> Engine:
        """The engine of one run; `jitter` is passed on, where it is not real."""
        return Engine(
            work,
            transport,
            pacer,
            watcher or Nobody(),
            gates=[gate for gate in gates if gate is not None],
            concurrency=self.concurrency or concurrency_for(pacer.rate),
            breaker=Breaker(1.0 if self.first else self.max_failures),  # a canary is looked at
            max_wait=self.max_wait,
            patience=self.patience,
            clock=clock,
            **jitter,
        )


def _seconds_held(known: Known) -> float:
    """For how long Telegram does not want to hear from the account; 0.0 when it may be asked."""
    until = known.held_until
    return 0.0 if until is None else max((until - datetime.now(UTC)).total_seconds(), 0.0)


def concurrency_for(rate: float | None) -> int:
    """How many requests must be under way to send `rate` messages a second; None: no limit."""
    if rate is None:
        return FULL_CONCURRENCY
    return max(CONCURRENCY, min(math.ceil(rate * ROUND_TRIP), FULL_CONCURRENCY))


class Nobody:
    """Looks on without a word."""

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""

    def uploaded(self, file: Attachment, done: int) -> None:
        """See `Watcher`."""


@dataclass(frozen=True)
class Report:
    """What became of a broadcast. `counts` are those of the whole, `before` what they were when
    this run began, `seconds` what it took.

    `halted` says why the run stopped early by itself; `stopped` is True when somebody asked for it.
    `state` is what the broadcast was left in, and `paid` how many messages cost Stars. Of those
    pending, `scheduled` only wait for their time, which is still to come.
    """

    broadcast: str
    action: Action
    counts: Counts
    seconds: float
    state: State
    halted: Halted | None
    stopped: bool
    paid: int
    _records: Callable[..., Iterator[Record]]
    scheduled: int = 0
    before: Counts = field(default_factory=Counts)

    @property
    def is_unfinished(self) -> bool:
        """Whether something is left that could have been sent by now."""
        return self.counts.pending > (0 if self.stopped else self.scheduled)

    @property
    def of_this_run(self) -> Counts:
        """What this run has sent and what has failed in it, and what is left."""
        now, before = self.counts, self.before
        return Counts(now.sent - before.sent, now.failed - before.failed, 0, now.pending)

    def records(self, *wanted: Status) -> Iterator[Record]:
        """Every delivery with its state, or those in the `wanted` ones, in the audience's order."""
        return self._records(*wanted)

    def pending(self) -> Iterator[Record]:
        """The deliveries that are neither sent nor failed nor skipped."""
        return self.records(Status.PENDING, Status.SENDING)


async def make(
    ledger: SqliteLedger,
    message: Message,
    audience: Audience,
    transport: TelethonTransport,
    *,
    once: str | None = None,
) -> Broadcast:
    """A new broadcast of `message`, by the account of `transport`.

    Raises InputError when that account cannot send such a message; nothing was sent.
    """
    account, now = transport.account, datetime.now(UTC)
    has_time = require_all_able(message, audience, account, now)
    parts = parts_for(message, audience, now)
    due = partial(due_for, message, now) if has_time and account.is_bot else None
    identity = new_id(once, message)
    return await ledger.create(identity, message, audience, once=once, parts=parts, due=due)


def as_meant(made_at: datetime, clock: Clock) -> tuple[PersonalGate, PunctualGate]:
    """Everybody gets their own form of the message, and nobody too late.

    Templates are filled in as of `made_at`, so that a run that goes on says the same.
    """
    return PersonalGate(made_at), PunctualGate(clock)


def new_id(once: str | None = None, message: Message | None = None) -> str:
    """An id for a new broadcast: short, and sorted by time.

    Under a key of `--once` it is made from the key and the message, so that every message has the
    same random_id again even when the ledger was lost in between.
    """
    if once is None or message is None:
        return broadcast_id(time.time(), secrets.randbits(20))
    return once_identity(once, message)


async def send(
    message: Message | str,
    audience: Iterable[Contact],
    transport: Transport,
    *,
    pacer: Pacer | None = None,
    concurrency: int | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Send `message` to everybody in `audience`, each once, and report on every one.

    Expected trouble is in the report and never raises. The record of it lives as long as the
    process: a broadcast that must survive its process belongs in a ledger, see `run`. Without a
    `pacer` the account starts as carefully as on the command line.

    Raises InputError, before anything is sent, when somebody cannot get the message, or the account
    cannot send it. A time is for people, whose messages Telegram keeps until then: a bot's has to
    be kept in a ledger.
    """
    if isinstance(message, str):
        message = Message(message)
    audience, now = list(audience), datetime.now(UTC)
    require_sendable(message, audience, "the audience")
    account: Account | None = getattr(transport, "account", None)  # a fake has none, and no limits
    if account and require_all_able(message, audience, account, now) and account.is_bot:
        raise InputError(ONLY_PEOPLE_SCHEDULE)
    ledger = MemoryRun(new_id(), message, audience, parts_for(message, audience, now))
    options = Options(concurrency=concurrency)
    if pacer is None:
        pacer = options.pacer(Known(), is_bot=account.is_bot) if account else Pacer(None)
    clock = SystemClock()
    gates: list[Gate | None] = [*as_meant(now, clock)]
    if account:  # the real one, and not a fake or somebody's own
        real = cast("TelethonTransport", transport)
        gates += options.limits(real, pacer, clock)
    engine = options.engine(ledger, transport, pacer, watcher, gates, clock=clock)
    seconds = await _timed(engine)
    counts = ledger.counts()
    return Report(
        ledger.broadcast,
        Action.SEND,
        counts,
        seconds,
        state=State.OPEN if counts.pending else State.DONE,
        halted=engine.halted if counts.pending else None,
        stopped=False,
        paid=0,
        _records=ledger.records,
    )


async def run(
    broadcast: Broadcast,
    ledger: SqliteLedger,
    transport: TelethonTransport,
    options: Options,
    *,
    server: str | None = None,
    pacer: Pacer | None = None,
    watcher: Watcher | None = None,
    stopping: Callable[[Callable[[], None]], AbstractContextManager[None]] | None = None,
) -> Report:
    """Do what is left of `broadcast`, durably: whatever dies, another `run` goes on.

    `stopping` receives the function that ends the run early and is entered around it, such as
    `stop_on_signals`. Raises LockedError when another process runs the broadcast or takes it over,
    HaltedError when the ledger cannot be written, InputError when it was started as somebody else,
    or when a person is to pay.
    """
    if options.budget is not None and broadcast.action is not Action.SEND:
        raise InputError(
            f"--paid is for sending: to {broadcast.action} costs nothing. Leave --paid out"
        )
    account, clock = transport.account, SystemClock()
    known = ledger.known(account.id, server)
    pacer = pacer or options.pacer(known, is_bot=account.is_bot)
    watcher = watcher or Nobody()
    in_doubt = () if options.budget is None else ledger.in_doubt(broadcast)
    chats, budget = options.limits(
        transport, pacer, clock, spent=broadcast.paid, in_doubt=in_doubt, uploaded=watcher.uploaded
    )
    gates = (*as_meant(broadcast.created_at, clock), chats, budget)
    engines: list[Engine] = []
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        for engine in engines:
            engine.stop()

    async with ledger.start(
        broadcast,
        account=account.id,
        server=server,
        first=options.first,
        on_stop=stop,
        learned=pacer.learned if options.budget is None else lambda: None,
    ) as work:
        engine = options.engine(work, transport, pacer, watcher, gates, clock=clock)
        engines.append(engine)
        state = await transport.update_state()
        if state is not None:
            await ledger.keep_update_state(broadcast, state)
        if (held := _seconds_held(known)) > 0:
            pacer.hold(clock.monotonic() + held)
            if held <= options.max_wait:
                watcher.held(held, "Telegram has asked this account to wait")
        with stopping(stop) if stopping else nullcontext():
            seconds = await _timed(engine)
        await _find_ids(broadcast, ledger, transport)
        halted = engine.halted if ledger.reload(broadcast).counts.pending else None
        if halted:
            work.stopped_by(halted)
    after = ledger.reload(broadcast)
    return Report(
        after.id,
        after.action,
        after.counts,
        seconds,
        state=after.state,
        halted=halted,
        stopped=asked,
        paid=after.paid + (budget.perhaps_paid if budget else 0),
        _records=partial(ledger.records, after),
        scheduled=ledger.count_scheduled(after),
        before=broadcast.counts,
    )


async def _find_ids(
    broadcast: Broadcast, ledger: SqliteLedger, transport: TelethonTransport
) -> None:
    """Learn the ids of messages that Telegram accepted without telling, to reach them later."""
    since = ledger.update_state(broadcast)
    unknown = ledger.without_id(broadcast) if broadcast.action is Action.SEND else []
    if since is not None and unknown:
        await ledger.learn_ids(broadcast, await transport.find_ids(since, unknown))


async def find_in_doubt(
    broadcast: Broadcast, ledger: SqliteLedger, transport: TelethonTransport
) -> None:
    """Learn which of the messages that a dead process left in doubt have arrived."""
    since, unknown = ledger.update_state(broadcast), ledger.in_doubt(broadcast)
    if since is not None and unknown:
        await ledger.learn_sent(broadcast, await transport.find_ids(since, unknown))


async def _timed(engine: Engine) -> float:
    started = asyncio.get_running_loop().time()
    await engine.run()
    return asyncio.get_running_loop().time() - started


@contextmanager
def stop_on_signals(stop: Callable[[], None], told: Callable[[], None]) -> Generator[None]:
    """The first Ctrl-C or SIGTERM calls `told` and `stop`, the second cancels the current task."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    signals = (signal.SIGINT, signal.SIGTERM)
    count = 0

    def on_signal() -> None:
        nonlocal count
        count += 1
        if count == 1:
            told()
            stop()
        elif task is not None:
            task.cancel()

    with suppress(NotImplementedError):  # loops on Windows know no signals: there Ctrl-C cancels
        for number in signals:
            loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)


def open_telegram(
    settings: Settings, prompts: Asker | None = None
) -> AbstractAsyncContextManager[TelethonTransport]:
    """A transport to Telegram, signed in; `prompts` asks the person when that is needed."""
    return open_access(settings.access(), prompts)


def open_access(
    access: Access, prompts: Asker | None
) -> AbstractAsyncContextManager[TelethonTransport]:
    """A transport to wherever `access` leads."""
    from broadcast.telegram.sender import open_transport  # noqa: PLC0415 - Telethon costs 0.3 s

    return open_transport(access, prompts)


async def login(settings: Settings, prompts: Asker | None) -> Account:
    """Sign in, unless somebody is signed in already."""
    async with open_telegram(settings, prompts) as transport:
        return transport.account


async def whoami(settings: Settings) -> Account | None:
    """Who is signed in; None when nobody is."""
    from broadcast.telegram.account import open_account  # noqa: PLC0415 - Telethon costs 0.3 s

    async with open_account(settings.access()) as opener:
        return await opener.signed_in()


async def logout(settings: Settings) -> bool:
    """End the session; False when nobody was signed in."""
    from broadcast.telegram.account import open_account  # noqa: PLC0415 - Telethon costs 0.3 s

    async with open_account(settings.access()) as opener:
        return await opener.logout()


def open_ledger(settings: Settings, *, sandbox: bool = False) -> SqliteLedger:
    """The ledger of `settings`, to be used in a `with`; the sandbox has one of its own."""
    from broadcast.ledger.sqlite.ledger import SqliteLedger  # noqa: PLC0415 - `--help` needs none

    home = settings.sandbox_home if sandbox else settings.home
    return SqliteLedger(home / "ledger.db")


def known_before(settings: Settings) -> Known:
    """What is known of the account of `settings` before anybody signs in.

    Of a person, what is known of whoever sent the last broadcast there. Nothing is written.
    """
    if not (settings.home / "ledger.db").exists():
        return Known()
    with open_ledger(settings) as ledger:
        server = None if settings.server is None else str(settings.server)
        account = settings.credentials and settings.credentials.bot_id
        return ledger.known(account or ledger.last_person(server), server)


def earlier(ledger: SqliteLedger, message: Message, once: str | None) -> Broadcast | None:
    """The broadcast that was made under the key `once`, when there is one: it is gone on with.

    Raises InputError when that one says something else, when it was cancelled or recalled, or when
    an unfinished broadcast has the very same text: sending anew would reach some people twice.
    LockedError when a process is sending that one right now.
    """
    if once is None:
        for other in ledger.unfinished():
            if other.action is Action.SEND and other.message == message:
                sent, total = other.counts.sent, other.counts.total
                if other.owner is not None:
                    raise LockedError(
                        f"broadcast {other.id} with this very text is being sent by {other.owner}, "
                        f"{sent} of {total} have it. `broadcast status {other.id} --watch` shows it"
                    )
                raise InputError(
                    f"broadcast {other.id} with this very text is unfinished, {sent} of {total} "
                    f"have it. Go on with it: `broadcast resume {other.id}`; or give it up, and "
                    f"then send anew: `broadcast cancel {other.id}`"
                )
        return None
    found = ledger.by_once(once)
    if found is None:
        return None
    require_same_message(found, message)
    if found.state is not State.DONE:
        require_resumable(ledger.standing(found))
    return found
