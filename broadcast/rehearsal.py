"""Answers how a broadcast would go, without sending it: hours of it in seconds, on virtual time.

The real engine, pacer and transport work against the pretend Telegram, which is called directly.
Nothing is written and no socket is opened. What it cannot know: docs/rehearsal.md.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from broadcast.app import Options, Report, as_meant
from broadcast.checks import parts_for, require_all_able
from broadcast.core.model import Action, Sent, State
from broadcast.engine.dispatch import JITTER
from broadcast.engine.pacer import Known
from broadcast.ledger.memory import MemoryRun

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from broadcast.core.model import Contact, Message
    from broadcast.engine.ports import Watcher
    from broadcast.sandbox.limits import Limits
    from broadcast.sandbox.virtual_time import VirtualLoop
    from broadcast.sandbox.world import World
    from broadcast.telegram.addresses import Address
    from broadcast.telegram.sender import TelethonTransport

ID = "rehearsal"
"""The broadcast's id in every rehearsal: the same id makes the same `random_id`s."""


@dataclass(frozen=True)
class Rehearsal:
    """How it would go. `report` has it recipient by recipient, and its times are virtual ones.

    `floods` is how often Telegram would ask to wait, `stars` what it would charge.
    """

    report: Report
    floods: int
    stars: Decimal


def rehearse(
    message: Message,
    audience: Iterable[Contact],
    options: Options,
    *,
    is_bot: bool,
    known: Known | None = None,
    watcher: Watcher | None = None,
    limits: Limits | None = None,
    starts_at: datetime | None = None,
) -> Rehearsal:
    """Do the whole broadcast against the pretend Telegram, and say how it went.

    A bot sends, or a person whose contacts they all are. `limits` are Telegram's published ones
    unless others are given; the rate is the one that was learned, when `known` says that there is
    one. `starts_at`, an aware datetime, is now. The same arguments give the same rehearsal.

    Raises InputError when the account cannot send such a message, or a person is to pay,
    KeyboardInterrupt at Ctrl-C, and RuntimeError within
    a running event loop, because it runs one of its own.
    """
    from broadcast.sandbox.virtual_time import VirtualLoop  # noqa: PLC0415 - Telethon costs 0.3 s
    from broadcast.sandbox.world import World  # noqa: PLC0415

    known = known or Known()
    contacts = list(islice(audience, options.first))
    friends = () if is_bot else [contact.peer for contact in contacts]  # a bot has no contacts
    world = World(contacts=friends, limits=limits or _limits(known), only_names=True)
    chance = random.Random(0)
    loop = VirtualLoop(starts_at or datetime.now(UTC))
    ledger = MemoryRun(ID, message, contacts, parts_for(message, contacts, loop.utc()))

    async def run() -> Rehearsal:
        transport = _transport(world, loop, is_bot=is_bot)
        require_all_able(message, contacts, transport.account, loop.utc())
        pacer = options.pacer(known, is_bot=is_bot)
        engine = options.engine(
            ledger,
            transport,
            pacer,
            watcher,
            (*as_meant(loop.utc(), loop), *options.limits(transport, pacer, loop)),
            clock=loop,
            jitter=lambda: chance.uniform(JITTER / 2, JITTER),
        )
        held = known.held_until and (known.held_until - loop.utc()).total_seconds()
        if held and held > 0:
            pacer.hold(loop.time() + held)
        await engine.run()
        counts = ledger.counts()
        report = Report(
            ID,
            Action.SEND,
            counts,
            loop.time(),
            state=State.OPEN if counts.pending else State.DONE,
            halted=engine.halted if counts.pending else None,
            stopped=False,
            paid=0 if options.budget is None else _paid(ledger),
            _records=ledger.records,
        )
        return Rehearsal(report, world.floods, world.stars_spent(transport.account.id))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


def _limits(known: Known) -> Limits:
    """What is published; and what was learned, where something was."""
    from broadcast.sandbox.limits import Limits  # noqa: PLC0415 - Telethon costs 0.3 s

    if known.learned is None:
        return Limits()
    rate, burst = known.learned.rate, known.learned.burst
    return Limits(
        bot_messages_per_second=rate,
        bot_burst=burst,
        user_messages_per_second=rate,
        user_burst=burst,
    )


class _Kept:
    """Keeps the addresses that were looked up as long as the process lives."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}

    def get(self, account: int, peer: str) -> Address | None:
        return self._addresses.get(peer)

    def put(self, account: int, peer: str, address: Address) -> None:
        self._addresses[peer] = address

    def forget(self, account: int, peer: str) -> None:
        self._addresses.pop(peer, None)


def _transport(world: World, loop: VirtualLoop, *, is_bot: bool) -> TelethonTransport:
    """The real one, signed in to `world`."""
    from broadcast.sandbox.in_process import DirectClient  # noqa: PLC0415 - Telethon costs 0.3 s
    from broadcast.telegram.account import Account  # noqa: PLC0415
    from broadcast.telegram.addresses import Addresses  # noqa: PLC0415
    from broadcast.telegram.sender import TelethonTransport  # noqa: PLC0415

    client = DirectClient(world, loop, is_bot=is_bot)
    account = Account(client.me.id, is_bot, client.me.first_name or "")
    return TelethonTransport(client, account, Addresses(account, _Kept(), loop), clock=loop)


def _paid(ledger: MemoryRun) -> int:
    outcomes = (record.outcome for record in ledger.records())
    return sum(isinstance(outcome, Sent) and outcome.paid for outcome in outcomes)
