"""Decides whether a message comes too soon for its chat or group; the others never wait for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broadcast.core.classify import reason_of
from broadcast.core.model import Deferred, Scope
from broadcast.engine.ports import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadcast.core.clock import Clock
    from broadcast.core.model import Delivery, Outcome, Peer

_GRAIN = 1e-9  # seconds: what floating point leaves of a wait that is over


class _Recent:
    """The chats written to within the last `interval`, in seconds; each is forgotten soon after.

    There are two generations, and the old one is dropped as a whole: a look costs the same however
    many chats there are.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._young: dict[str, float] = {}  # when each is free, of those taken since `turned`
        self._old: dict[str, float] = {}  # of those taken before
        self._turned = -math.inf

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def free_at(self, chat: str, now: float) -> float:
        """When `chat` is free, and `now` where it is."""
        if now - self._turned >= self._interval:
            self._old, self._young, self._turned = self._young, {}, now
        young = self._young.get(chat)
        return self._old.get(chat, now) if young is None else young

    def take(self, chat: str, now: float) -> None:
        """From now on the chat is taken."""
        self._young[chat] = now + self._interval


class ChatPace:
    """1 message a second to a chat, and 20 a minute to a group.

    These are the rules of https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
    and evenly spaced messages obey them however the server counts. A chat is remembered only as
    long as it would make somebody wait.
    """

    CHAT_INTERVAL = 1.0  # seconds
    GROUP_INTERVAL = 60.0 / 20

    def __init__(self) -> None:
        self._chats, self._groups = _Recent(self.CHAT_INTERVAL), _Recent(self.GROUP_INTERVAL)
        self._held: dict[str, float] = {}
        self._sweep_at = 64

    def __len__(self) -> int:
        """How many chats are remembered."""
        return len(self._chats) + len(self._groups) + len(self._held)

    def take(self, now: float, chat: str, *, is_group: bool) -> float:
        """0.0 when a send to `chat` may start now, which is then counted; else seconds to wait."""
        recent = self._groups if is_group else self._chats
        free_at = recent.free_at(chat, now)
        if self._held:
            free_at = max(free_at, self._held.get(chat, now))
        if free_at - now > _GRAIN:
            return free_at - now
        recent.take(chat, now)
        return 0.0

    def hold(self, now: float, chat: str, until: float) -> None:
        """Telegram named a wait for this chat alone (SLOWMODE_WAIT_x)."""
        self._held[chat] = max(until, self._held.get(chat, until))
        if len(self._held) >= self._sweep_at:
            self._held = {name: end for name, end in self._held.items() if end > now}
            self._sweep_at = max(64, 2 * len(self._held))


class ChatGate(Gate):
    """Defers what comes too soon for its chat; `is_group` tells which peers are groups."""

    def __init__(self, is_group: Callable[[Peer], bool], clock: Clock) -> None:
        self._is_group, self._now = is_group, clock.monotonic
        self._pace = ChatPace()

    def before(self, delivery: Delivery) -> Delivery | Outcome:
        chat = delivery.contact.peer.chat  # all topics of a forum are one
        wait = self._pace.take(self._now(), chat.key, is_group=self._is_group(chat))
        if wait:
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
