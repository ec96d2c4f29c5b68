"""What a delivery passes before it is sent, and its outcome on the way back: one gate a question.

What does this recipient get? Does it come too late, or too soon for its chat? Does the budget still
pay for it? Each gate is two plain functions, which wait for nothing (`Gate` in ports.py).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from broadcast.core.classify import reason_of
from broadcast.core.errors import MessageError
from broadcast.core.model import Action, Deferred, Delivery, Failed, Halted, Scope, Sent
from broadcast.core.moments import local
from broadcast.engine.pacer import Pacer
from broadcast.engine.ports import Gate
from broadcast.message.personal import as_edited, personal
from broadcast.message.when import moment_for, zone_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from broadcast.core.clock import Clock
    from broadcast.core.model import Contact, Outcome, Peer, When

FREE_RATE = 30.0
PAID_RATE = 1000.0
PER_STAR = 10
"""Messages for one Star."""

_GRAIN = 1e-9  # seconds: what floating point leaves of a wait that is over


def stars(messages: int) -> Fraction:
    """What so many paid messages cost."""
    return Fraction(messages, PER_STAR)


class PersonalGate(Gate):
    """Puts in place of the message of all what one recipient gets (message/personal.py).

    Templates are filled in as of `now`, a fixed moment: a broadcast that is resumed says the same
    as in the run before, and what was checked for that moment is what goes out.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        if delivery.action is Action.RECALL:
            return delivery
        contact = delivery.contact
        if delivery.action is Action.EDIT:
            contact = as_edited(contact)
        try:
            message = personal(delivery.message, contact, self._now)
        except MessageError as error:
            return Failed("TEMPLATE_INVALID", str(error).removesuffix("; nothing was sent"))
        return delivery if message is delivery.message else replace(delivery, message=message)


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
                return Failed("TOO_LATE", _reason(when, delivery.contact, late))
        return delivery


def _reason(when: When, contact: Contact, late: float) -> str:
    then = moment_for(when, contact)
    shown = local(then)
    if when.of_recipient:
        zone = zone_for(when, contact)
        shown = f"{then.astimezone(zone):%Y-%m-%d %H:%M} in {zone.key}"
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


class ChatPace:
    """1 message a second to a chat, and 20 a minute to a group.

    These are the rules of https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
    and evenly spaced messages obey them however the server counts. A chat is remembered only as
    long as it would make somebody wait.
    """

    CHAT_INTERVAL = 1.0  # seconds
    GROUP_INTERVAL = 60.0 / 20

    def __init__(self) -> None:
        self._free_at: dict[tuple[str, bool], float] = {}  # when, of each chat, as a group or not
        self._sweep_at = 64

    def __len__(self) -> int:
        """How many chats are remembered."""
        return len(self._free_at)

    def take(self, now: float, chat: str, *, is_group: bool) -> float:
        """0.0 when a send to `chat` may start now, which is then counted; else seconds to wait."""
        lane = chat, is_group
        wait = self._free_at.get(lane, now) - now
        if wait > _GRAIN:
            return wait
        self._keep(now, lane, now + (self.GROUP_INTERVAL if is_group else self.CHAT_INTERVAL))
        return 0.0

    def hold(self, now: float, chat: str, until: float) -> None:
        """Telegram named a wait for this chat alone (SLOWMODE_WAIT_x)."""
        for lane in (chat, False), (chat, True):
            self._keep(now, lane, max(until, self._free_at.get(lane, until)))

    def _keep(self, now: float, lane: tuple[str, bool], until: float) -> None:
        self._free_at[lane] = until
        if len(self._free_at) >= self._sweep_at:
            self._free_at = {lane: end for lane, end in self._free_at.items() if end > now}
            self._sweep_at = max(64, 2 * len(self._free_at))


LEAST_CHAT_WAIT = 0.001
"""Seconds of a wait: ledgers keep moments in milliseconds, so less would be due again at once, and
where time only passes while everybody waits, as in a rehearsal, again and again for ever."""


class ChatGate(Gate):
    """Defers what comes too soon for its chat; `is_group` tells which peers are groups."""

    def __init__(self, is_group: Callable[[Peer], bool], clock: Clock) -> None:
        self._is_group, self._now = is_group, clock.monotonic
        self._pace = ChatPace()

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        chat = delivery.contact.peer.chat  # all topics of a forum are one
        wait = self._pace.take(self._now(), chat.key, is_group=self._is_group(chat))
        if wait:
            wait = max(wait, LEAST_CHAT_WAIT)
            return Deferred("CHAT_PACE", reason_of("CHAT_PACE"), wait, reached=False)
        return delivery

    def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        chat = delivery.contact.peer.chat
        if self._is_group(chat):  # this very message may have found that out, and counts for it
            self._pace.take(self._now(), chat.key, is_group=True)
        if (
            isinstance(outcome, Deferred)
            and outcome.scope is Scope.DELIVERY
            and outcome.retry_after is not None
        ):
            now = self._now()  # Telegram has named a time for this chat: it is kept
            self._pace.hold(now, chat.key, now + outcome.retry_after)
        return outcome


class PaidGate(Gate):
    """Lets through what `budget` Stars can pay, and halts the run at the first message above.

    A bot may send up to 1,000 messages a second when it pays 0.1 Telegram Star for each above the
    free 30: https://core.telegram.org/bots/faq#how-can-i-message-all-of-my-bot-39s-subscribers-at-once
    Telegram does not say which messages it charged. Here those count that the free rate, as
    published, had no room for: with Telegram's own burst unknown, that is what was paid, or a
    little more.

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
