"""Decides whether a message comes too soon for its chat or group; the others never wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.classify import reason_of
from broadcast.core.model import Deferred, Scope
from broadcast.engine.chat_pace import ChatPace

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadcast.core.clock import Clock
    from broadcast.core.model import Delivery, Outcome, Peer


class ChatGate:
    """Defers what comes too soon for its chat; `is_group` tells which peers are groups."""

    def __init__(self, is_group: Callable[[Peer], bool], clock: Clock) -> None:
        self._is_group, self._now = is_group, clock.monotonic
        self._pace = ChatPace()

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        """See `Gate.before`."""
        chat = delivery.contact.peer.chat  # all topics of a forum are one
        wait = self._pace.take(self._now(), chat.key, is_group=self._is_group(chat))
        if wait:
            return Deferred("CHAT_PACE", reason_of("CHAT_PACE"), wait, reached=False)
        return delivery

    def after(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        """See `Gate.after`: where Telegram has named a time for this chat, it is kept."""
        chat = delivery.contact.peer.chat
        if self._is_group(chat):  # this very message may have found that out, and counts for it
            self._pace.take(self._now(), chat.key, is_group=True)
        if (
            isinstance(outcome, Deferred)
            and outcome.scope is Scope.DELIVERY
            and outcome.retry_after is not None
        ):
            now = self._now()
            self._pace.hold(now, chat.key, now + outcome.retry_after)
        return outcome
