"""What all use cases share: the record, who sends, the time, and whoever can be asked."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broadcast.core.errors import DeclinedError
from broadcast.core.ids import broadcast_id
from broadcast.core.lifecycle import require_same_account
from broadcast.service.checks import require_payable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broadcast.core.asker import Asker, Question
    from broadcast.core.clock import Clock
    from broadcast.core.model import Broadcast
    from broadcast.ledger.port import Ledger
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

        Raises DeclinedError when the answer is no; nothing was sent.
        """
        if self.asker is None or confirmed:
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
