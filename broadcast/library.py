"""The library for programs: functions to send, to rehearse, and to open an account."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING

from broadcast.app import telegram_accounts
from broadcast.core.clock import SystemClock
from broadcast.core.errors import InputError, UnconfirmedError
from broadcast.core.ids import broadcast_id
from broadcast.core.model import Message
from broadcast.engine.pacer import Known, Pacer
from broadcast.ledger.memory import in_memory
from broadcast.people.audience import Audience
from broadcast.people.phones import BareNumbers
from broadcast.service.carry_out import Work, carry_out
from broadcast.service.checks import (
    ONLY_PEOPLE_SCHEDULE,
    doubts_about,
    parts_for,
    require_all_able,
    require_sendable,
)
from broadcast.service.options import RunOptions
from broadcast.service.plan import Planning
from broadcast.service.rehearsing import rehearse_on
from broadcast.service.requests import AudienceRequest, SendRequest
from broadcast.service.stop import Stop
from broadcast.staging import RehearsalStages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from datetime import datetime

    from broadcast.core.asker import Asker
    from broadcast.core.clock import Clock
    from broadcast.core.model import Attachment, Broadcast, Contact, Counts, Delivery, Outcome
    from broadcast.engine.ports import Connection, Transport, Watcher
    from broadcast.sandbox.limits import Limits
    from broadcast.service.ports import Reporter
    from broadcast.service.reports import Rehearsal, Report
    from broadcast.settings import Settings


class Unseen:
    """A `Watcher` and a `Reporter` that show nothing."""

    def __init__(self) -> None:
        self.stop = Stop()

    def settled(self, delivery: Delivery, outcome: Outcome, at: datetime) -> None:
        """See `Watcher`."""

    def held(self, seconds: float, reason: str) -> None:
        """See `Watcher`."""

    def uploaded(self, file: Attachment, done: int) -> None:
        """See `Watcher`."""

    def cost(self, messages: int, budget: int, spent: int) -> None:
        """See `Reporter`."""

    async def canary(self, report: Report, *, is_good: bool) -> None:
        """See `Reporter`."""

    def asking_to_stop(self, broadcast: Broadcast) -> None:
        """See `Reporter`."""

    def watch(self, total: int, pacer: Pacer, before: Counts) -> AbstractContextManager[Watcher]:
        """See `Reporter`."""
        return nullcontext(self)


def open_telegram(
    settings: Settings, asker: Asker | None = None
) -> AbstractAsyncContextManager[Connection]:
    """A transport to Telegram, signed in; `asker` is asked when signing in needs a person.

    Raises SettingsError, LoginRequiredError, LockedError or HaltedError.
    """
    return telegram_accounts(settings).open(asker)


async def send(
    message: Message | str,
    audience: Iterable[Contact],
    transport: Transport,
    *,
    pacer: Pacer | None = None,
    concurrency: int | None = None,
    watcher: Watcher | None = None,
    clock: Clock | None = None,
    confirmed: bool = False,
) -> Report:
    """Send `message` to everybody in `audience`, each once, and report on every one.

    Expected trouble is in the report and never raises. The record of it lives as long as the
    process: a broadcast that must survive its process belongs in a ledger. Without a `pacer` the
    account starts as carefully as on the command line.

    Raises InputError, before anything is sent, when somebody cannot get the message, or the account
    cannot send it; UnconfirmedError, which is one, when something looks like a slip, such as tags
    in markdown, unless it is `confirmed`. A time is for people, whose messages Telegram keeps until
    then: a bot's has to be kept in a ledger.
    """
    message = Message(message) if isinstance(message, str) else message
    clock, options = clock or SystemClock(), RunOptions(concurrency=concurrency)
    bare = BareNumbers()
    chosen = audience if isinstance(audience, Audience) else Audience(bare.seen(audience))
    now, account = clock.utc(), transport.account
    doubts = [
        *require_sendable(message, chosen, "the audience", now),
        *chosen.doubts,
        *bare.doubts(chosen),
        *doubts_about(message, chosen),
    ]
    if doubts and not confirmed:
        raise UnconfirmedError(doubts)
    if account and require_all_able(message, chosen, account, now) and account.is_bot:
        raise InputError(ONLY_PEOPLE_SCHEDULE)
    if pacer is None:  # to a fake no limit applies
        pacer = options.pacer(Known(), now, is_bot=account.is_bot) if account else Pacer(None)
    ledger, chance = in_memory(clock=clock), Random()
    identity = broadcast_id(now.timestamp(), chance.getrandbits(20))
    parts = parts_for(message, chosen, now)
    return await carry_out(
        Work(
            broadcast=await ledger.create(identity, message, chosen, parts=parts),
            ledger=ledger,
            transport=transport,
            recovery=None,
            options=options,
            pacer=pacer,
            watcher=watcher or Unseen(),
            clock=clock,
            stop=Stop(),
            chance=chance,
        )
    )


async def rehearse(
    message: Message | str,
    audience: Iterable[Contact],
    options: RunOptions | None = None,
    *,
    is_bot: bool,
    known: Known | None = None,
    reporter: Reporter | None = None,
    limits: Limits | None = None,
    starts_at: datetime | None = None,
) -> Rehearsal:
    """Do the whole broadcast against the pretend Telegram, and say how it went.

    A bot sends, or a person whose contacts they all are. `limits` are Telegram's published ones
    unless others are given; the rate is the one that was learned, when `known` says that there is
    one. `starts_at`, an aware datetime, is now. The same arguments give the same rehearsal.

    Raises InputError when the account cannot send such a message, or a person is to pay.
    """
    known, starts_at = known or Known(), starts_at or SystemClock().utc()
    stage = RehearsalStages(limits).build(is_bot=is_bot, known=known, starts_at=starts_at)
    request = SendRequest(
        Message(message) if isinstance(message, str) else message,
        AudienceRequest(chosen=Audience(audience)),
        options or RunOptions(),
    )
    ledger = in_memory(known=known, clock=stage.clock)
    try:
        plan = await Planning(ledger, stage.accounts, stage.clock).plan(request)
    except BaseException:
        stage.loop.close()
        raise
    return await rehearse_on(stage, plan, reporter or Unseen())
