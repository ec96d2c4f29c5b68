"""Says how a broadcast would go, without sending it: hours of it in seconds, on virtual time.

The same use cases do the same plan, with another ledger, another account and another clock: that is
all that makes it a rehearsal. What it cannot know: docs/rehearsal.md.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

from broadcast.core.errors import InputError
from broadcast.core.model import Status
from broadcast.ledger.memory import in_memory
from broadcast.people.audience import Audience
from broadcast.service.plan import Planning
from broadcast.service.reports import Rehearsal, Report
from broadcast.service.sending import Sending

if TYPE_CHECKING:
    from broadcast.core.model import Broadcast, Contact
    from broadcast.service.plan import Plan
    from broadcast.service.ports import Reporter
    from broadcast.service.stage import Stage


class Rehearsing(Planning, Sending):
    """Rehearsals."""

    async def rehearse(self, plan: Plan, reporter: Reporter) -> Rehearsal:
        """Do all of `plan` on a stage, in a thread of its own, and say how it went.

        Raises InputError when the account cannot send such a message.
        """
        if self.stages is None:
            raise InputError("there is no stage for a rehearsal here")
        if plan.earlier is not None:
            left = await self._left_of(plan.earlier, plan.audience)
            plan = replace(plan, message=plan.earlier.message, audience=left)
        stage = self.stages.build(is_bot=plan.is_bot, known=plan.known, starts_at=plan.made_at)
        return await rehearse_on(stage, plan, reporter)

    async def _left_of(self, broadcast: Broadcast, added: Audience) -> Audience:
        """Those who get something of it yet: each once, whatever the number of parts."""
        left: dict[int, Contact] = {}
        async for record in self.ledger.records(broadcast, Status.PENDING, Status.SENDING):
            delivery = record.delivery
            left[delivery.position - delivery.part] = delivery.contact
        return Audience(chain(left.values(), added))


async def rehearse_on(stage: Stage, plan: Plan, reporter: Reporter) -> Rehearsal:
    """Do all of `plan` on `stage`, in a thread of its own; it ends when the caller is cancelled."""
    tasks: list[asyncio.Task[Report]] = []
    given_up = threading.Event()
    work = partial(_rehearse, stage, plan, reporter, tasks, given_up)
    try:
        return await asyncio.get_running_loop().run_in_executor(None, work)
    except asyncio.CancelledError:
        given_up.set()  # first: whoever is not among the tasks yet looks at it afterwards
        for task in tasks:
            with suppress(RuntimeError):  # its loop has just ended
                stage.loop.call_soon_threadsafe(task.cancel)
        raise


def _rehearse(
    stage: Stage,
    plan: Plan,
    reporter: Reporter,
    tasks: list[asyncio.Task[Report]],
    given_up: threading.Event,
) -> Rehearsal:
    """Do it in this thread. Its task is put into `tasks`, to be cancelled."""

    async def do() -> Report:
        task = asyncio.current_task()
        if task is not None:
            tasks.append(task)
        if given_up.is_set():
            raise asyncio.CancelledError
        ledger = in_memory(known=plan.known, clock=stage.clock)
        uses = Sending(ledger, stage.accounts, stage.clock, chance=Random(0))
        report = await uses.send(_without_questions(plan), reporter)
        while report.scheduled and not (report.halted or report.stopped):
            until = await ledger.next_moment(stage.clock.utc())
            if until is None:
                break
            await asyncio.sleep((until - stage.clock.utc()).total_seconds())
            after = await uses.go_on(report.after, plan.options, reporter)
            report = after.since(report)
        return report

    with asyncio.Runner(loop_factory=lambda: stage.loop) as runner:
        report = runner.run(do())
    return Rehearsal(report, stage.floods, stage.stars)


def _without_questions(plan: Plan) -> Plan:
    """What a rehearsal makes of a plan: nobody is asked, and nothing was made before."""
    request = replace(plan.request, once=None, include_new=False)
    return replace(plan, request=request, questions=(), missing=None, earlier=None)
