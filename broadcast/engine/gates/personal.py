"""Decides what message each recipient gets: their own, with the template filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from broadcast.core.errors import MessageError
from broadcast.core.model import Action, Delivery, Failed
from broadcast.engine.ports import Gate
from broadcast.message.personal import as_edited, personal

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.core.model import Outcome


class PersonalGate(Gate):
    """Puts in place of the message of all what one recipient gets (message/personal.py).

    Templates are filled in as of `now`, a fixed moment: a broadcast that is resumed says the same
    as in the run before, and what was checked for that moment is what goes out.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        contact = delivery.contact
        is_personal = delivery.message.template or contact.overrides
        if not is_personal or delivery.action is Action.RECALL:
            return delivery
        if delivery.action is Action.EDIT:
            contact = as_edited(contact)
        try:
            message = personal(delivery.message, contact, self._now)
        except MessageError as error:
            return Failed("TEMPLATE_INVALID", str(error).removesuffix("; nothing was sent"))
        return delivery if message is delivery.message else replace(delivery, message=message)
