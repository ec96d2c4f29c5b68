"""An account of the pretend Telegram: a person or a bot that has signed in, with its messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from broadcast.sandbox.people.logins import PREMIUM_DIGITS

if TYPE_CHECKING:
    from broadcast.sandbox.memory.message_log import MessageLog


@dataclass(slots=True, eq=False)
class Account:
    """Somebody who signed in at least once. `contacts` are those imported, with their names.

    `strangers` are the people who were written to without being contacts, and when they first were,
    in Unix time; `stars_spent` is what paid messages have cost.
    """

    id: int
    phone: str | None
    first_name: str
    last_name: str
    is_bot: bool
    log: MessageLog
    contacts: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    strangers: dict[int, float] = field(default_factory=dict[int, float])
    stars_spent: Decimal = Decimal(0)

    @property
    def is_premium(self) -> bool:
        """Whether Telegram Premium was bought: the number says so."""
        return self.phone is not None and self.phone.endswith(PREMIUM_DIGITS)
