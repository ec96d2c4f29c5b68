"""Does what is left of a broadcast: the one place where ledger, transport and engine meet."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broadcast.core.errors import LockedError
from broadcast.core.model import Action, State
from broadcast.engine.breaker import Breaker
from broadcast.engine.dispatch import JITTER, Engine
from broadcast.engine.gates import ChatGate, PaidGate, PersonalGate, PunctualGate
from broadcast.engine.ports import Terms
from broadcast.service.checks import require_payable
from broadcast.service.options import seconds_held
from broadcast.service.reports import Report
from broadcast.service.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast, Halted
    from broadcast.engine.pacer import Pacer
    from broadcast.engine.ports import Gate, Recovery, Transport, Watcher
    from broadcast.ledger.port import Ledger
    from broadcast.service.options import RunOptions


@dataclass(frozen=True, kw_only=True)
class Work:
    """One run of one broadcast, before it starts. `first`: only so many recipients.

    `recovery` is None where no answer is ever lost.
    """

    broadcast: Broadcast
    ledger: Ledger
    transport: Transport
    recovery: Recovery | None
    options: RunOptions
    pacer: Pacer
    watcher: Watcher
    clock: Clock
    stop: Stop
    chance: Random
    server: str | None = None
    first: int | None = None


async def carry_out(work: Work) -> Report:
    """Do what is left of it, durably: whatever dies, another run goes on.

    Raises LockedError when another process runs the broadcast, uses the account or takes over,
    HaltedError when the ledger cannot be written, InputError when the broadcast was started as
    another account, or when a person is to pay.
    """
    ledger, clock, pacer, options = work.ledger, work.clock, work.pacer, work.options
    account = work.transport.account
    account_id = 0 if account is None else account.id
    budget = await _budget(work)
    asked = Stop()  # this run alone, as by another process that pauses this broadcast and no other
    work.transport.begin(
        Terms(options.paid, lambda: pacer.held(clock.monotonic()), work.watcher.uploaded)
    )
    async with ledger.start(
        work.broadcast,
        account=account_id,
        server=work.server,
        first=work.first,
        on_stop=asked.ask,
        learned=pacer.learned if budget is None else lambda: None,  # the free limit is another
    ) as run:
        engine = Engine(
            run,
            work.transport,
            pacer,
            work.watcher,
            gates=_gates(work, budget),
            concurrency=options.concurrency_at(pacer.rate),
            breaker=Breaker(1.0 if work.first else options.max_failures),  # a canary is looked at
            max_wait=options.max_wait,
            patience=options.patience,
            clock=clock,
            jitter=partial(work.chance.uniform, JITTER / 2, JITTER),
        )
        await _keep_update_state(work)
        await _sit_out_hold(work, account_id)
        started = clock.monotonic()
        with work.stop.calling(asked.ask), asked.calling(engine.stop):
            await engine.run()
        seconds = clock.monotonic() - started
        await _learn_ids(work)
        halted = engine.halted if (await ledger.reload(work.broadcast)).counts.pending else None
        if halted is not None:
            run.stopped_by(halted)
    is_stopped = asked.is_asked or work.stop.is_asked
    if engine.halted is None and not is_stopped and work.recovery is not None:
        with suppress(LockedError):  # another process goes on with it already, and finds out
            await learn_what_arrived(await ledger.reload(work.broadcast), ledger, work.recovery)
    after = await _ended(work, halted)
    return Report(
        after,
        before=work.broadcast.counts,
        seconds=seconds,
        halted=halted,
        stopped=is_stopped,
        paid=after.paid + (0 if budget is None else budget.perhaps_paid),
        scheduled=after.not_due,
        _ledger=ledger,
    )


async def _ended(work: Work, halted: Halted | None) -> Broadcast:
    """The broadcast after its run: cancelled where it cannot be sent, and nobody has any of it."""
    after = await work.ledger.reload(work.broadcast)
    if halted is None or halted.resumable or after.counts.sent + after.counts.in_doubt > 0:
        return after
    await work.ledger.ask(after, State.CANCELLED)
    return await work.ledger.reload(after)


async def _budget(work: Work) -> PaidGate | None:
    """What keeps a paid run to its Stars; what is in doubt has perhaps been paid."""
    broadcast, options = work.broadcast, work.options
    if not options.paid:
        return None
    account = work.transport.account
    require_payable(broadcast.action, is_bot=None if account is None else account.is_bot)
    positions = {delivery.position for delivery in await work.ledger.in_doubt(broadcast)}
    return PaidGate(options.stars_budget or 0, broadcast.paid, work.clock, positions)


def _gates(work: Work, budget: PaidGate | None) -> Sequence[Gate]:
    """Templates are filled in as of the broadcast's making, so that a resume says the same."""
    gates: list[Gate] = [
        PersonalGate(work.broadcast.created_at),
        PunctualGate(work.clock),
    ]
    if work.transport.account is not None:  # to a fake no limit applies
        gates.append(ChatGate(work.transport.is_group, work.clock))
    if budget is not None:
        gates.append(budget)
    return gates


async def _sit_out_hold(work: Work, account: int) -> None:
    """Start with the wait that an earlier run was told, and that is not over."""
    known = await work.ledger.known(account, work.server)
    held = seconds_held(known, work.clock.utc())
    if held > 0:
        work.pacer.hold(work.clock.monotonic() + held)
        if held <= work.options.max_wait:
            work.watcher.held(held, "Telegram has asked this account to wait")


async def _keep_update_state(work: Work) -> None:
    """Remember where the account's updates stand: from there on ids can be found."""
    state = None if work.recovery is None else await work.recovery.update_state()
    if state is not None:
        await work.ledger.keep_update_state(work.broadcast, state)


async def _learn_ids(work: Work) -> None:
    """Learn the ids of messages that Telegram accepted without telling, to reach them later."""
    if work.recovery is None or work.broadcast.action is not Action.SEND:
        return
    since = await work.ledger.update_state(work.broadcast)
    unknown = await work.ledger.without_id(work.broadcast)
    if since is not None and unknown:
        found = await work.recovery.find_ids(since, unknown)
        await work.ledger.learn_ids(work.broadcast, found)


async def learn_what_arrived(broadcast: Broadcast, ledger: Ledger, recovery: Recovery) -> None:
    """Learn which of the messages that are in doubt have arrived.

    A dead process has left them, or an answer was lost before one that refused the message.
    """
    if broadcast.action is not Action.SEND:
        return
    since, unknown = await ledger.update_state(broadcast), await ledger.in_doubt(broadcast)
    if since is not None and unknown:
        found = await recovery.find_ids(since, unknown)
        if found:
            await ledger.learn_sent(broadcast, found)
