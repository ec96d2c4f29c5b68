"""Prepares messages to be sent: files uploaded, channels looked up, the request serialised.

All that stays the same from one delivery of a message to the next is done once, here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from broadcast.core.model import Failed, Halted
from broadcast.message.when import moment_for, own_when
from broadcast.telegram.addresses import Address
from broadcast.telegram.message_requests import PLAIN, RequestContext, request_of
from broadcast.telegram.serialised import SerialisedRequest
from broadcast.telegram.uploads import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from broadcast.core.clock import Clock
    from broadcast.core.model import Account, Delivery, Message, Outcome, Peer
    from broadcast.telegram.uploads import Uploads

MOST_PREPARED = 64
"""Prepared messages that are kept: one text, and each zone or topic in which it is sent."""

LEAST_AHEAD = timedelta(seconds=10)
"""What is scheduled for sooner is sent at once: https://core.telegram.org/api/scheduled-messages"""


class PreparedMessages:
    """The messages of one account as they are sent, kept for the next recipient.

    `find` looks an address up.
    """

    def __init__(
        self,
        account: Account,
        find: Callable[[Peer], Awaitable[Address | Outcome]],
        uploads: Uploads,
        clock: Clock,
    ) -> None:
        self._account, self._find, self._uploads = account, find, uploads
        self._clock = clock
        self._kept: dict[Any, tuple[Message, RequestContext]] = {}
        self._serialised: dict[tuple[int, str, int, int | None], SerialisedRequest] = {}

    def forget(self) -> None:
        """Prepare everything anew: something that is part of requests has changed."""
        self._kept.clear()
        self._serialised.clear()

    def serialised(self, delivery: Delivery, *, pays: bool) -> SerialisedRequest | None:
        """The request that sends `delivery`; None when that is not all there is to do.

        All whose message was made from the same one, and has the same text around its values,
        share one.
        """
        message, part, topic = delivery.message, delivery.part, delivery.contact.peer.topic
        origin = message if message.origin is None else message.origin
        key = id(origin), message.text, part, topic
        found = self._serialised.get(key)
        if found is None and self._is_plain(message):
            context = RequestContext(topic=topic, pays=pays) if topic or pays else PLAIN
            if len(self._serialised) >= MOST_PREPARED:
                self._serialised.clear()
            found = SerialisedRequest(
                message,
                lambda message, peer, number: request_of(message, part, context, peer, [number]),
            )
            self._serialised[key] = found
        return found

    def _is_plain(self, message: Message) -> bool:
        """Whether nothing must be looked up or uploaded, can be stale by then, or follows."""
        if message.files or message.forward or message.send_as or message.pin:
            return False
        if message.when is not None and not self._account.is_bot:
            return False
        if message.origin is not None:  # buttons have no placeholders, and parts cut through them
            return not (message.buttons or message.split)
        return not message.values

    async def prepare(self, delivery: Delivery, *, pays: bool) -> RequestContext:
        """What the request for `delivery` needs, its files uploaded.

        Raises RefusedError where it cannot be had, and what the requests for it raise.
        """
        message, topic, at = delivery.message, delivery.contact.peer.topic, self.scheduled(delivery)
        key = id(message), topic, at
        if key not in self._kept:
            context = await self._context(message, topic, at, pays=pays)
            if len(self._kept) >= MOST_PREPARED:
                self._kept.clear()
            self._kept[key] = message, context  # the message too, so that its id stays its own
            return context
        return self._kept[key][1]

    async def renew(self, message: Message, context: RequestContext) -> None:
        """Telegram has refused the files of `message`: ask for them anew, or upload them again."""
        for file, stored in zip(message.files, context.stored, strict=True):
            await self._uploads.renew(file, stored)
        self._kept.clear()

    def scheduled(self, delivery: Delivery) -> datetime | None:
        """The moment for which Telegram keeps it: it does so for people, and not for bots."""
        if delivery.message.when is None or self._account.is_bot:
            return None
        moment = self.moment(delivery)
        return moment if moment > self._clock.utc() + LEAST_AHEAD else None

    def moment(self, delivery: Delivery) -> datetime:
        """When the message of `delivery`, which has a time, is to go out.

        A recall says the time of all; a contact may have one of their own.
        """
        when = own_when(delivery.message.when, delivery.contact)
        if when is None:
            raise TypeError("this message has no time")
        return moment_for(when, delivery.contact)

    async def _context(
        self, message: Message, topic: int | None, at: datetime | None, *, pays: bool
    ) -> RequestContext:
        send_as, forward = message.send_as, message.forward
        if not (message.files or send_as or forward or topic or at or pays):
            return PLAIN
        return RequestContext(
            tuple([await self._uploads.stored(file) for file in message.files]),
            send_as=send_as and await self._named(send_as, "SEND_AS_INVALID", "to send as"),
            source=forward
            and await self._named(forward.peer, "FORWARD_CHAT_INVALID", "to forward from"),
            topic=topic,
            at=at,
            pays=pays,
        )

    async def _named(self, peer: Peer, error: str, what: str) -> Any:
        """The input peer of somebody whom the message names; `error` is for when there is none."""
        found = await self._find(peer)
        if isinstance(found, Address):
            return found.input_peer()
        if isinstance(found, Failed):
            reason = f"the chat {what}, {peer.text}: {found.reason} ({found.error})"
            raise RefusedError(Halted(error, reason, resumable=False))
        raise RefusedError(found)
