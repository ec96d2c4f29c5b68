"""Decides whether a message comes too late to be sent at all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broadcast.core.model import Action, Failed
from broadcast.engine.ports import Gate
from broadcast.message.when import moment_for, zone_for

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.core.clock import Clock
    from broadcast.core.model import Contact, Delivery, Outcome, When


class PunctualGate(Gate):
    """Fails what is later than its message allows.

    It does so only before the first try: what has perhaps arrived is never called failed, whoever
    has the first part of a message gets the others, and whoever asks for a retry wants it now.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        when, late = delivery.message.when, delivery.message.late
        if when is not None and late is not None and _is_untouched(delivery):
            now = self._clock.utc()
            if now - moment_for(when, delivery.contact) > timedelta(seconds=late):
                return Failed("TOO_LATE", _reason(when, delivery.contact, now, late))
        return delivery


def _reason(when: When, contact: Contact, now: datetime, late: float) -> str:
    zone = zone_for(when, contact)
    then, today = moment_for(when, contact).astimezone(zone), now.astimezone(zone).date()
    shown = f"{then:%H:%M}" if then.date() == today else f"{then:%Y-%m-%d %H:%M}"
    return f"its time was {shown}, more than {_length(late)} ago, so it was not sent"


def _is_untouched(delivery: Delivery) -> bool:
    return delivery.action is Action.SEND and delivery.attempts == 0 and delivery.part == 0


def _length(seconds: float) -> str:
    """A length of time in the largest unit that it is a whole number of."""
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"
