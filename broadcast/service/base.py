"""What all use cases share: the record, who sends, the time, and whoever can be asked."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broadcast.core.errors import DeclinedError, InputError, NextStep, UnconfirmedError
from broadcast.core.ids import broadcast_id
from broadcast.core.lifecycle import require_same_account
from broadcast.core.repeats import other_audience, require_no_twin, require_same_selection
from broadcast.service.checks import require_payable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broadcast.core.asker import Asker, Question
    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast, Message, Selection
    from broadcast.ledger.port import Ledger
    from broadcast.people.audience import Audience
    from broadcast.service.options import RunOptions
    from broadcast.service.ports import Accounts
    from broadcast.service.stage import Stages


@dataclass(frozen=True)
class UseCases:
    """The base of each group of use cases.

    Without an `asker` nobody can be asked. `lists` are the places where a contact list is looked
    for, `stages` where a rehearsal happens. `chance` is what a rehearsal repeats.
    """

    ledger: Ledger
    accounts: Accounts
    clock: Clock
    asker: Asker | None = None
    lists: tuple[Path, ...] = ()
    stages: Stages | None = None
    chance: random.Random = field(default_factory=random.Random)

    def new_id(self) -> str:
        """An id for a new broadcast: short, and sorted by time."""
        return broadcast_id(self.clock.utc().timestamp(), self.chance.getrandbits(20))

    async def require_confirmed(self, questions: Iterable[Question], *, confirmed: bool) -> None:
        """Ask each question, where somebody can be asked.

        Raises DeclinedError when the answer is no, and UnconfirmedError when there is a doubt and
        nobody to ask; nothing was sent.
        """
        if confirmed:
            return
        if self.asker is None:
            if doubts := [question for question in questions if question.is_doubt]:
                raise UnconfirmedError(doubts)
            return
        for question in questions:
            if not await self.asker.confirm(question):
                raise DeclinedError("nothing was sent")

    def require_account_of(self, broadcast: Broadcast, options: RunOptions) -> None:
        """Raise InputError when the settings lead to another account than `broadcast` began as.

        Or when that one cannot pay for it, and is to. A person's id is known only when signed in.
        """
        expected = self.accounts.expected(account=broadcast.account, paid=options.paid)
        if options.paid:
            require_payable(broadcast.action, is_bot=expected.is_bot)
        account = expected.id or broadcast.account
        if account is not None:
            require_same_account(broadcast, account, self.accounts.server)

    async def newcomers(
        self, broadcast: Broadcast, audience: Audience, selection: Selection | None
    ) -> Audience:
        """Those of `audience` who are no recipients of `broadcast`, which has the same key.

        Raises InputError when they were chosen in another way, by `selection`.
        """
        require_same_selection(broadcast, selection)
        found = await self.ledger.newcomers(broadcast, audience) if audience else audience
        then = broadcast.selection
        if found and then and selection and then.path != selection.path:
            raise other_audience(broadcast, selection)
        return found

    async def running(self) -> Broadcast | None:
        """What a process is at work on: an older one where it is resumed or retried."""
        return next((each for each in await self.ledger.unfinished() if each.owner), None)

    async def only_one(self, command: str) -> Broadcast:
        """What runs, or the only one of which something is still to come, also at Telegram.

        Raises InputError when there is none, or several: it names them, for `command`.
        """
        if (running := await self.running()) is not None:
            return running
        both = (*await self.ledger.unfinished(), *await self.ledger.scheduled())
        found = {each.id: each for each in both}
        if not found:
            raise InputError(
                f"no broadcast is unfinished or scheduled: give the id of the one to {command}",
                NextStep("list", purpose="shows them"),
                code="NOT_FOUND",
            )
        if len(found) > 1:
            raise InputError(
                f"{len(found)} broadcasts are unfinished or scheduled: say which one",
                *(NextStep(command, each) for each in found),
                code="AMBIGUOUS_ID",
            )
        return next(iter(found.values()))

    async def require_none_unfinished(self, message: Message) -> None:
        """Raise what `require_no_twin` raises, before anybody signs in."""
        require_no_twin(message, await self.ledger.unfinished())
