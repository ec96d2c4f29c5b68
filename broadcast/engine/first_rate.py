"""Answers at which rate a run begins: the last one learned, the published one, or a given one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadcast.engine.gates import PAID_RATE
from broadcast.engine.pacer import Known, Learned, Pacer

if TYPE_CHECKING:
    from datetime import datetime

BOT = Learned(30.0, 30)
"""Messages a second of a bot: https://core.telegram.org/bots/faq#broadcasting-to-users"""

PERSON = Learned(1.0, 10)
"""Nothing is published for people. Ten at once is what a person does by forwarding to friends;
then one a second, which is what Telegram publishes for one chat, as long as nothing was learned."""

PAID = Learned(PAID_RATE, 30)
"""What a bot may send that pays for it."""

FRESH = timedelta(days=1)
"""For so long a limit that was met holds against a higher rate that somebody states."""


def pacer_for(
    rate: float | None, known: Known, now: datetime, *, is_bot: bool, paid: bool = False
) -> Pacer:
    """What paces an account of which `known` is known; `rate` is in messages a second.

    Without a rate it starts where the last broadcast ended, or with what is published, and learns.
    A rate is a cap: nothing above it is tried. 0 means no limit at all.
    """
    if rate == 0.0:
        return Pacer(None)
    start = PAID if paid else BOT if is_bot else PERSON
    learned = None if paid else known.learned  # the free limit tells nothing about the paid one
    age = now - (known.at or now)
    if rate is not None and (learned is None or learned.rate >= rate or age > FRESH):
        return Pacer(rate)
    ceiling = PAID_RATE if paid and rate is None else rate
    return Pacer.starting(start, learned, age.total_seconds(), ceiling=ceiling)
