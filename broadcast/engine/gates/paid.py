"""Decides whether the budget of a paid broadcast still pays for a message, and counts its Stars.

A bot may send up to 1,000 messages a second when it pays 0.1 Telegram Star for each above the free
30 a second: https://core.telegram.org/bots/faq#how-can-i-message-all-of-my-bot-39s-subscribers-at-once
Telegram does not say which messages it charged. Here those count that the free rate, as published,
had no room for: with Telegram's own burst unknown, that is what was paid, or a little more.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from broadcast.core.model import Deferred, Halted, Sent
from broadcast.engine.pacer import Pacer
from broadcast.engine.ports import Gate

if TYPE_CHECKING:
    from collections.abc import Collection

    from broadcast.core.clock import Clock
    from broadcast.core.model import Delivery, Outcome

FREE_RATE = 30.0
PAID_RATE = 1000.0
PER_STAR = 10
"""Messages for one Star."""


def stars(messages: int) -> Fraction:
    """What so many paid messages cost."""
    return Fraction(messages, PER_STAR)


class PaidGate(Gate):
    """Lets through what `budget` Stars can pay, and halts the run at the first message above.

    `spent` counts the messages that earlier runs of the same broadcast have paid. `in_doubt` are
    the positions of which such a run does not know whether they were sent, and so paid.
    """

    def __init__(
        self, budget: int, spent: int, clock: Clock, in_doubt: Collection[int] = ()
    ) -> None:
        self._budget = budget
        self._free = Pacer(FREE_RATE)
        self._now = clock.monotonic
        # The price of these is set aside, for the first try or for the next: Telegram takes it
        # once. Where it does not suffice for all in doubt, nobody knows which of them are paid.
        left = max(budget * PER_STAR - spent, 0)
        suffices = len(in_doubt) <= left
        self._perhaps_paid = set(in_doubt) if suffices else set[int]()
        self._left, self._unknown = (left - len(in_doubt), 0) if suffices else (0, left)
        self._under_way: set[int] = set()  # positions whose price was taken for this try

    @property
    def perhaps_paid(self) -> int:
        """How many messages have perhaps been paid, and are not known to be sent."""
        return len(self._perhaps_paid) + self._unknown

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        position = delivery.position
        if position in self._perhaps_paid or self._free.take(self._now()) == 0.0:
            return delivery
        if self._left <= 0:
            return Halted("BUDGET_SPENT", f"the budget of {self._budget} Stars is spent")
        self._left -= 1  # before it goes out: many are under way at once
        self._under_way.add(position)
        return delivery

    def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        position = delivery.position
        pays_now = position in self._under_way
        if not pays_now and position not in self._perhaps_paid:
            return outcome  # it went free
        self._under_way.discard(position)
        if isinstance(outcome, Sent):
            self._perhaps_paid.discard(position)
            return replace(outcome, paid=True)
        if isinstance(outcome, Deferred) and outcome.perhaps_sent:
            self._perhaps_paid.add(position)
        elif pays_now:  # certainly not sent, so it costs nothing; an earlier try may have cost
            self._left += 1
        return outcome
