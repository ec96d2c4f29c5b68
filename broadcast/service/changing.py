"""Changes what was sent: an edit, a recall. What is still pending a recall cancels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from broadcast.core.asker import Ask, Question
from broadcast.core.errors import InputError
from broadcast.core.lifecycle import require_changeable, require_whole
from broadcast.core.model import Action, Format, Message
from broadcast.service.carry_out import learn_what_arrived
from broadcast.service.checks import require_able, require_editable, require_payable
from broadcast.service.sending import Sending

if TYPE_CHECKING:
    from broadcast.core.model import Broadcast
    from broadcast.service.options import RunOptions
    from broadcast.service.ports import Reporter
    from broadcast.service.reports import Report
    from broadcast.service.requests import ChangeRequest


LEAST_ID = 4
"""How many characters of an id lead to what is edited or recalled: a slip may leave one or two, and
of one broadcast any beginning is unique."""


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What an edit or a recall will do to the messages of `target`.

    `count` people have it, or perhaps have it. An edit gives them `message`.
    """

    target: Broadcast
    action: Action
    message: Message
    count: int
    options: RunOptions
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of an edit or a recall; of `in_doubt` more nobody knows whether they have it."""

    report: Report
    target: Broadcast
    in_doubt: int


def _require_long(beginning: str, action: Action) -> None:
    """Raise InputError when so little of an id could be a slip."""
    if len(beginning) < LEAST_ID:
        raise InputError(
            f"{beginning!r} is too little of an id to {action} by: give at least {LEAST_ID} "
            "characters of it; nothing was changed"
        )


class Changing(Sending):
    """Edits and recalls."""

    async def plan_change(self, request: ChangeRequest) -> ChangePlan:
        """What `request` comes to. Raises InputError or LockedError where it is not allowed."""
        from broadcast.message.doubts import doubts  # noqa: PLC0415 - its patterns are slow to make

        action, options = request.action, request.options
        options.require_whole()
        if options.paid:
            require_payable(action, is_bot=None)
        now = self.clock.utc()
        if request.id is None:
            target = await self.only_one(action)
        else:
            _require_long(request.id, action)
            target = await self.ledger.find(request.id)
        message = request.message or Message("", Format.PLAIN)
        left: tuple[Question, ...] = ()
        if action is Action.EDIT:  # the files stay: the text is their caption
            message = replace(message, files=target.message.files)
            left = await require_editable(message, target, self.ledger, now)
        require_whole(action, message)
        standing = await self.ledger.standing(target)
        require_changeable(standing, action, now)
        self.require_account_of(target, options)
        count = target.counts.sent + (standing.in_doubt if action is Action.RECALL else 0)
        asked = [
            *doubts(message, count),
            *left,
            Question(Ask(action.upper()), count, target.id, message=request.message),
        ]
        questions = () if request.confirmed else tuple(asked)
        return ChangePlan(target, action, message, count, options, questions)

    async def change(self, plan: ChangePlan, reporter: Reporter) -> Changed:
        """Do it. Raises what `send` raises; nothing was changed then."""
        await self.require_confirmed(plan.questions, confirmed=False)
        async with self._as_before(plan.target, plan.options) as connection:
            if plan.action is Action.RECALL:
                await learn_what_arrived(plan.target, self.ledger, connection)
            require_able(plan.message, connection.account)
            broadcast = await self.ledger.create_change(
                self.new_id(), plan.action, plan.target, plan.message
            )
            report = await self._run(broadcast, connection, plan.options, reporter)
        target = await self.ledger.reload(plan.target)
        return Changed(report, target, (await self.ledger.standing(target)).in_doubt)
