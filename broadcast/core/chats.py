"""Keeps to what Telegram publishes for one chat and one group; the others never wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.core.classify import reason_of
from broadcast.core.model import Deferred, Scope
from broadcast.core.pace import ChatLanes

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadcast.core.model import Delivery, Outcome, Peer
    from broadcast.core.ports import Transport


class ChatPacedTransport:
    """Sends through `transport`, and defers what comes too soon for its chat.

    `is_group` tells which peers are groups, `now` is in seconds.
    """

    def __init__(
        self, transport: Transport, is_group: Callable[[Peer], bool], now: Callable[[], float]
    ) -> None:
        self._transport, self._is_group, self._now = transport, is_group, now
        self._lanes = ChatLanes()

    async def send(self, delivery: Delivery) -> Outcome:
        """See `Transport.send`."""
        peer = delivery.contact.peer
        is_group = self._is_group(peer)
        wait = self._lanes.take(self._now(), peer.key, is_group=is_group)
        if wait:
            return Deferred("CHAT_PACE", reason_of("CHAT_PACE"), wait, reached=False)
        outcome = await self._transport.send(delivery)
        if not is_group and self._is_group(peer):  # as this very message has found out
            self._lanes.take(self._now(), peer.key, is_group=True)
        if (
            isinstance(outcome, Deferred)
            and outcome.scope is Scope.DELIVERY
            and outcome.retry_after is not None
        ):
            now = self._now()
            self._lanes.hold(now, peer.key, now + outcome.retry_after)
        return outcome
