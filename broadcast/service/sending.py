"""Sends: a plan, what is left of an earlier broadcast, or those that failed in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question, SendFacts
from broadcast.core.lifecycle import (
    require_resumable,
    require_retryable,
    require_same_account,
    to_retry,
)
from broadcast.core.model import Action, Failed, State, Status
from broadcast.engine.gates import stars
from broadcast.message.stored import once_identity
from broadcast.service.base import UseCases
from broadcast.service.carry_out import Work, carry_out
from broadcast.service.checks import due_for, parts_for, require_all_able, require_payable
from broadcast.service.reports import CANARY_FAILED, Report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable
    from datetime import datetime

    from broadcast.core.model import Account, Broadcast, Contact, Message, Selection
    from broadcast.engine.ports import Connection
    from broadcast.people.audience import Audience
    from broadcast.service.options import RunOptions
    from broadcast.service.plan import Plan
    from broadcast.service.ports import Reporter
    from broadcast.service.requests import ResumeRequest, RetryRequest


@dataclass(frozen=True, slots=True)
class TakeUp:
    """What a resume or a retry of an earlier broadcast will do.

    `not_yet`: nothing of it is due before its time; with `now` it does not wait for that. `retries`
    failures are tried again, with `insist` also those where it can hardly help.
    """

    broadcast: Broadcast
    options: RunOptions
    not_yet: bool = False
    now: bool = False
    retries: int = 0
    insist: bool = False


class Sending(UseCases):
    """Sends, and goes on with what was begun."""

    async def send(self, plan: Plan, reporter: Reporter) -> Report:
        """Do what `plan` says: make the broadcast, and send it as far as it goes.

        Raises DeclinedError when a question is answered with no; SettingsError, LoginRequiredError,
        LockedError or HaltedError when nobody can sign in; InputError when only Telegram could tell
        that this account cannot send this. Nothing was sent then.
        """
        confirmed = plan.request.confirmed
        doubts = [question for question in plan.questions if question.code is not Ask.SEND]
        await self.require_confirmed(doubts, confirmed=confirmed)
        earlier = plan.earlier
        if earlier is not None and plan.is_done:
            return Report.of_nothing_left(earlier, self.ledger)
        if plan.missing is not None:
            raise plan.missing
        if earlier is None:
            opening = self.accounts.open(self.asker, people=plan.audience, is_bot=plan.is_bot)
        elif plan.audience:
            opening = self._as_before(earlier, plan.options, plan.audience)
        else:
            return await self.go_on(earlier, plan.options, reporter)
        async with opening as connection:
            if plan.options.paid:
                require_payable(Action.SEND, is_bot=connection.account.is_bot)
            if self.asker is not None and not confirmed:
                last = [
                    replace(question, sending=await self._to_send(plan, connection))
                    for question in plan.questions
                    if question.code is Ask.SEND
                ]
                await self.require_confirmed(last, confirmed=False)
            broadcast = await self._frozen(plan, connection.account)
            return await self._run(broadcast, connection, plan.options, reporter)

    async def _frozen(self, plan: Plan, account: Account) -> Broadcast:
        """The broadcast that `plan` makes, or the one that it adds to."""
        message, audience, made_at = plan.message, plan.audience, plan.made_at
        if plan.earlier is not None:
            require_all_able(message, audience, account, made_at)
            parts = parts_for(message, audience, made_at)
            return await self.ledger.extend(plan.earlier, audience, parts)
        broadcast = await self.make(
            message,
            audience,
            account,
            once=plan.request.once,
            made_at=made_at,
            selection=plan.selection,
            alone=plan.request.once is None,
        )
        if broadcast.selection != plan.selection:  # another process has just used the key
            await self.newcomers(broadcast, audience, plan.selection)
        return broadcast

    async def _to_send(self, plan: Plan, connection: Connection) -> SendFacts:
        """What is said in the question before a send: only now it is known who sends."""
        peers = (contact.peer for contact in plan.audience)
        return SendFacts(
            connection.account,
            plan.messages,
            plan.seconds,
            float(min(stars(plan.messages), plan.options.stars_budget or 0)),
            plan.message.when,
            await connection.strangers(peers),
        )

    async def plan_resume(self, request: ResumeRequest) -> TakeUp:
        """What is left of a broadcast, when it may be sent.

        Raises InputError or LockedError where not.
        """
        request.options.require_whole()
        broadcast = await self.ledger.find(request.id, unfinished=True)
        require_resumable(await self.ledger.standing(broadcast))
        self.require_account_of(broadcast, request.options)
        waiting = 0 if request.now else broadcast.not_due
        not_yet = 0 < broadcast.counts.pending == waiting
        return TakeUp(broadcast, request.options, not_yet, request.now)

    async def plan_retry(self, request: RetryRequest) -> TakeUp:
        """The failed that will be tried again.

        Raises InputError or LockedError where that is not allowed.
        """
        request.options.require_whole()
        broadcast = await self.ledger.find(request.id)
        self.require_account_of(broadcast, request.options)
        require_retryable(await self.ledger.standing(broadcast))
        failed = [
            (record.delivery.position, record.outcome.error)
            async for record in self.ledger.records(broadcast, Status.FAILED)
            if isinstance(record.outcome, Failed)
        ]
        count = sum(map(len, to_retry(failed, insist=request.insist)))
        return TakeUp(broadcast, request.options, retries=count, insist=request.insist)

    async def resume(self, plan: TakeUp, reporter: Reporter) -> Report:
        """Do what is left, or what is retried: nobody gets it twice, nobody is missed.

        Raises what `send` raises.
        """
        async with self._as_before(plan.broadcast, plan.options) as connection:
            if plan.now:
                await self.ledger.bring_forward(plan.broadcast)
            if plan.retries:
                await self.ledger.requeue_failed(plan.broadcast, insist=plan.insist)
            return await self._run(plan.broadcast, connection, plan.options, reporter)

    async def retry(self, plan: TakeUp, reporter: Reporter) -> Report:
        """The same for what `plan_retry` has planned."""
        return await self.resume(plan, reporter)

    async def make(
        self,
        message: Message,
        audience: Audience,
        account: Account,
        *,
        once: str | None = None,
        made_at: datetime | None = None,
        selection: Selection | None = None,
        alone: bool = False,
    ) -> Broadcast:
        """A new broadcast by `account`, of which nothing is sent yet.

        It was made at `made_at`, or now: what was shown then is what goes out, however long
        somebody has thought about it.

        Raises InputError when that account cannot send such a message; with `alone` also what
        `require_no_twin` raises: somebody may have thought for long, or two have begun at once.
        """
        now = made_at or self.clock.utc()
        has_time = require_all_able(message, audience, account, now)
        return await self.ledger.create(
            self.new_id() if once is None else once_identity(once, message),
            message,
            audience,
            once=once,
            parts=parts_for(message, audience, now),
            due=partial(due_for, message, now) if has_time and account.is_bot else None,
            made_at=now,
            selection=selection,
            alone=alone,
        )

    async def go_on(self, broadcast: Broadcast, options: RunOptions, reporter: Reporter) -> Report:
        """Do what is left of `broadcast`, as the account that began it."""
        return await self.resume(TakeUp(broadcast, options), reporter)

    @asynccontextmanager
    async def _as_before(
        self, broadcast: Broadcast, options: RunOptions, added: Iterable[Contact] = ()
    ) -> AsyncGenerator[Connection]:
        """Signed in as the account that `broadcast` was started with."""
        expected = self.accounts.expected(account=broadcast.account, paid=options.paid)
        opening = self.accounts.open(
            self.asker, people=self._people_of(broadcast, added), is_bot=bool(expected.is_bot)
        )
        async with opening as connection:
            require_same_account(broadcast, connection.account.id, self.accounts.server)
            yield connection

    async def _people_of(
        self, broadcast: Broadcast, added: Iterable[Contact]
    ) -> AsyncIterator[Contact]:
        async for record in self.ledger.records(broadcast):
            yield record.delivery.contact
        for contact in added:
            yield contact

    async def _run(
        self,
        broadcast: Broadcast,
        connection: Connection,
        options: RunOptions,
        reporter: Reporter,
    ) -> Report:
        """The canary first, if there is one, and the others when few of it failed."""
        go = partial(self._run_once, broadcast, connection, options, reporter)
        if options.canary is None:
            return await go(None)
        first = await go(options.canary)
        if first.halted or first.stopped or not first.is_unfinished:
            return first
        is_good = options.allows(first.of_this_run)
        await reporter.canary(first, is_good=is_good)
        question = Question(Ask.CANARY_FAILED, first.counts.pending, broadcast.id)
        if not is_good and not await self._confirms(question):
            return replace(first, halted=CANARY_FAILED)
        now = await self.ledger.reload(broadcast)
        if now.state is not State.OPEN:  # somebody paused it while a person was asked
            return replace(first, after=now, stopped=True)
        return (await go(None)).since(first)

    async def _confirms(self, question: Question) -> bool:
        return self.asker is not None and await self.asker.confirm(question)

    async def _run_once(
        self,
        broadcast: Broadcast,
        connection: Connection,
        options: RunOptions,
        reporter: Reporter,
        first: int | None,
    ) -> Report:
        broadcast = await self.ledger.reload(broadcast)
        account, pending = connection.account, broadcast.counts.pending
        if options.paid:
            reporter.cost(pending, options.stars_budget or 0, broadcast.paid)
        known = await self.ledger.known(account.id, self.accounts.server)
        pacer = options.pacer(known, self.clock.utc(), is_bot=account.is_bot)
        total = pending if first is None else min(pending, first)
        with reporter.watch(total, pacer, broadcast.counts) as watcher:
            return await carry_out(
                Work(
                    broadcast=broadcast,
                    ledger=self.ledger,
                    transport=connection,
                    recovery=connection,
                    options=options,
                    pacer=pacer,
                    watcher=watcher,
                    clock=self.clock,
                    stop=reporter.stop,
                    chance=self.chance,
                    server=self.accounts.server,
                    first=first,
                )
            )
