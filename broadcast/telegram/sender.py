"""Sends one delivery through a `Client` and says what became of it; it trusts only its own retries.

Why raw requests and not `client.send_message`: docs/architecture.md.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from telethon import errors
from telethon.tl import functions, types

from broadcast.core.classify import NOT_CONNECTED, WRONG_ANSWER, finding, reason_of
from broadcast.core.clock import Clock, SystemClock
from broadcast.core.errors import BroadcastError, HaltedError, LoginRequiredError, MessageError
from broadcast.core.ids import random_id
from broadcast.core.model import Action, Deferred, Failed, Halted, Outcome, Sent
from broadcast.engine.ports import Terms
from broadcast.telegram.account import open_account
from broadcast.telegram.addresses import Address, AddressCache, Addresses
from broadcast.telegram.client import Reconnecting, TelethonClient, disconnect
from broadcast.telegram.error_translation import (
    ConnectionLostError,
    UnreadableAnswerError,
    outcome_of,
    telegram_error,
)
from broadcast.telegram.message_requests import (
    CHANGES,
    RequestContext,
    edit_of,
    is_of_schedule,
    message_ids_of,
    numbers_needed,
    request_of,
)
from broadcast.telegram.prepared import PreparedMessages
from broadcast.telegram.serialised import peer_bytes
from broadcast.telegram.uploads import EXPIRED, RefusedError, UploadCache, Uploads

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence

    from broadcast.core.access import Access
    from broadcast.core.asker import Asker
    from broadcast.core.model import Account, Attachment, Delivery, Forward, Message, Peer
    from broadcast.telegram.client import Client

_STALE = {"PEER_ID_INVALID", "USER_ID_INVALID", "CHANNEL_INVALID", "CHANNEL_PRIVATE"}
"""Refusals that an address kept from an earlier run can cause by itself."""

NOT_NOW = Deferred("FLOOD_WAIT", reason_of("FLOOD_WAIT"), 0.0, reached=False)
"""While this one looked somebody up, or uploaded, everybody was asked to wait: do not knock."""

NOT_TOLD = (errors.RPCError, TimeoutError, BroadcastError)
"""What a question about lost answers may raise: nobody has to stop for it."""

SLICES = 1000  # of a difference that are read, at most


_HALTS: Mapping[type[BroadcastError], str] = {
    LoginRequiredError: "AUTH_KEY_UNREGISTERED",
    MessageError: "FILE_CHANGED",
}
"""What stops a run that has begun, by Telegram's name or ours in core/classify.py."""


class TelethonTransport:
    """Sends as one account through `client`: see `Connection` in engine/ports.py."""

    def __init__(
        self,
        client: Client,
        account: Account,
        addresses: Addresses,
        uploads: UploadCache | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.account = account
        self._client, self._addresses = client, addresses
        self._clock = clock or SystemClock()
        self._terms = Terms()
        self._uploads = Uploads(client.call, account, uploads, self._told)
        find = partial(addresses.find, client.call)
        self._prepared = PreparedMessages(account, find, self._uploads, self._clock)

    def begin(self, terms: Terms) -> None:
        self._terms = terms
        self._prepared.forget()  # who pays is part of a request

    async def strangers(self, peers: Iterable[Peer]) -> int | None:
        if self.account.is_bot:
            return None
        try:
            return await self._addresses.strangers(self._client.call, peers)
        except (ConnectionLostError, HaltedError, errors.RPCError, TimeoutError):
            return None

    def _told(self, file: Attachment, done: int) -> None:
        self._terms.uploaded(file, done)

    def send(self, delivery: Delivery) -> Coroutine[Any, Any, Outcome] | Future[Outcome]:
        return self._send_at_once(delivery) or self._send_in_steps(delivery)

    def _send_at_once(self, delivery: Delivery) -> Future[Outcome] | None:
        if delivery.action is not Action.SEND or not self._client.takes_serialised:
            return None
        address = self._addresses.at_hand(delivery.contact.peer)
        serialised = self._prepared.serialised(delivery, pays=self._terms.pays)
        if address is None or serialised is None:
            return None
        (number,) = self._random_ids(delivery, address)
        data = serialised.filled(peer_bytes(address), number, delivery.message)
        return self._client.post_serialised(data, number)

    async def _send_in_steps(self, delivery: Delivery) -> Outcome:
        """Look up, upload, connect anew: whatever it takes."""
        outcome = await self._try(delivery)
        stale = isinstance(outcome, Failed) and outcome.error in _STALE
        if stale and self._addresses.forget(delivery.contact.peer):
            # Refused, so certainly not sent: look the recipient up once more and try there.
            outcome = await self._try(delivery)
        return outcome

    async def _try(self, delivery: Delivery) -> Outcome:
        try:
            address = await self._addresses.find(self._client.call, delivery.contact.peer)
            if not isinstance(address, Address):
                return address
            step = self._deliver if delivery.action is Action.SEND else self._change
            return await step(delivery, address)
        except UnreadableAnswerError:
            return finding("ANSWER_UNREADABLE")
        except (ConnectionLostError, HaltedError):
            return NOT_CONNECTED
        except RefusedError as refused:
            return refused.outcome
        except BroadcastError as error:  # of a file, or of connecting anew
            return Halted(_HALTS.get(type(error), error.code), error.message)
        except (errors.RPCError, errors.AuthKeyNotFound, TimeoutError) as error:
            outcome = outcome_of(error)
            if outcome is None:
                raise
            return outcome

    def is_group(self, peer: Peer) -> bool:
        return self._addresses.is_group(peer)

    async def _deliver(self, delivery: Delivery, address: Address) -> Outcome:
        message, numbers = delivery.message, self._random_ids(delivery, address)
        context = await self._prepared.prepare(delivery, pays=self._terms.pays)
        if self._terms.held():
            return NOT_NOW
        try:
            ids, is_scheduled = await self._post_message(delivery, context, address, numbers)
        except errors.RPCError as error:
            name = telegram_error(error).name
            if message.forward and name == "MESSAGE_ID_INVALID":
                raise RefusedError(_no_such_post(message.forward)) from error
            if not (context.stored and name.startswith(EXPIRED)):
                raise
            # Refused, so certainly not sent: with another reference, or a new upload, it can be.
            await self._prepared.renew(message, context)
            context = await self._prepared.prepare(delivery, pays=self._terms.pays)
            ids, is_scheduled = await self._post_message(delivery, context, address, numbers)
        if is_scheduled:
            at = context.at or self._prepared.moment(delivery)
            return Sent(ids[0] if ids else None, others=tuple(ids[1:]), scheduled_until=at)
        for file, stored, number in zip(message.files, context.stored, ids, strict=False):
            self._uploads.seen(file, stored, address, number)
        note = await self._pin(message, address, ids) if message.pin else ""
        return Sent(ids[0] if ids else None, others=tuple(ids[1:]), note=note)

    async def _post_message(
        self,
        delivery: Delivery,
        context: RequestContext,
        address: Address,
        numbers: Sequence[int],
    ) -> tuple[list[int], bool]:
        """The ids of the messages that were made, none when Telegram does not tell; and whether
        these are ids of its schedule.

        The answer decides that: by its own clock Telegram may send at once what we wanted to
        schedule, and a repeat close to its time finds what was scheduled long before.
        """
        peer = address.input_peer()
        request = request_of(delivery.message, delivery.part, context, peer, numbers)
        answer = await self._answer(request)
        return message_ids_of(answer, numbers), is_of_schedule(answer)

    async def _answer(self, request: Any) -> Any:
        """The answer to a request that changes something.

        Raises RefusedError when it is none, such as a boolean: whether anything changed is not
        known then, and asking the same again does no harm.
        """
        try:
            answer = await self._client.call(request)
        except UnreadableAnswerError:
            raise RefusedError(WRONG_ANSWER) from None
        if not isinstance(answer, CHANGES):
            raise RefusedError(WRONG_ANSWER)
        return answer

    async def _pin(self, message: Message, address: Address, ids: Sequence[int]) -> str:
        """Pin what was sent, where that is usual; what to say when it could not be."""
        if not ids or not address.is_group:
            return ""
        request = functions.messages.UpdatePinnedMessageRequest(
            address.input_peer(), ids[0], silent=message.silent or None
        )
        try:
            with suppress(RefusedError):  # it is sent, pinned or not
                await self._answer(request)
        except errors.RPCError as error:
            return f"not pinned: {telegram_error(error).name}"
        return ""

    async def _change(self, delivery: Delivery, address: Address) -> Outcome:
        """Edit or recall a message that was sent."""
        peer, message_id = address.input_peer(), delivery.message_id
        if message_id is None:
            return finding("MESSAGE_ID_UNKNOWN")
        if self._terms.held():
            return NOT_NOW
        if delivery.action is Action.EDIT:
            # Telegram refuses an edit that changes nothing, and so a repeat: the text is there.
            with suppress(errors.MessageNotModifiedError):
                await self._answer(edit_of(delivery.message, peer, message_id))
            return Sent(message_id)
        ids = [message_id, *delivery.others]
        if delivery.is_scheduled:  # ids of the schedule, which are no messages' ids
            if self._prepared.moment(delivery) <= self._clock.utc():
                return finding("SCHEDULE_PAST")
            await self._answer(functions.messages.DeleteScheduledMessagesRequest(peer, ids))
        elif address.kind == "channel":
            await self._answer(functions.channels.DeleteMessagesRequest(peer, ids))
        else:  # for everybody; what is gone already is no error, so a repeat is none
            await self._answer(functions.messages.DeleteMessagesRequest(ids, revoke=True))
        return Sent(message_id)

    async def update_state(self) -> str | None:
        try:
            return _packed(await self._client.call(functions.updates.GetStateRequest()))
        except NOT_TOLD:
            return None

    async def find_ids(
        self, since: str, deliveries: Iterable[Delivery]
    ) -> dict[int, Sequence[int]]:
        made: dict[int, Sequence[int]] = {}
        told: dict[int, int] = {}
        with suppress(*NOT_TOLD):  # what was found until then counts; a recall names the rest
            for delivery in deliveries:
                made[delivery.position] = await self._numbers(delivery)
            await self._read_difference(since, told)
        return {
            position: [told[number] for number in numbers if number in told]
            for position, numbers in made.items()
            if numbers and numbers[0] in told
        }

    async def _read_difference(self, since: str, told: dict[int, int]) -> None:
        """Add the id of each message, by its random_id, that was made since an update state.

        Telegram repeats updateMessageID in the difference: https://core.telegram.org/api/updates
        """
        for _ in range(SLICES):
            pts, qts, date = (int(part) for part in since.split())
            answer = await self._client.call(
                functions.updates.GetDifferenceRequest(
                    pts=pts, date=datetime.fromtimestamp(date, UTC), qts=qts
                )
            )
            for update in getattr(answer, "other_updates", ()):
                if isinstance(update, types.UpdateMessageID):
                    told[update.random_id] = update.id
            if not isinstance(answer, types.updates.DifferenceSlice):
                return
            since = _packed(answer.intermediate_state)

    async def _numbers(self, delivery: Delivery) -> Sequence[int]:
        address = await self._addresses.find(self._client.call, delivery.contact.peer)
        return self._random_ids(delivery, address) if isinstance(address, Address) else ()

    def _random_ids(self, delivery: Delivery, address: Address) -> list[int]:
        """One for each message: those of an album after its first count down from part -1."""
        broadcast, account, key = delivery.broadcast, self.account.id, address.key
        if delivery.contact.peer.topic is not None:
            key = f"{key}/{delivery.contact.peer.topic}"
        more = range(1, numbers_needed(delivery.message, delivery.part))
        parts = (delivery.part, *(-place for place in more))
        return [random_id(broadcast, account, key, part) for part in parts]


def _packed(state: Any) -> str:
    return f"{state.pts} {state.qts} {int(state.date.timestamp())}"


def _no_such_post(forward: Forward) -> Halted:
    """It is wrong for everybody, so nobody else is tried."""
    place = f"{forward.peer.text}/{forward.message_id}"
    reason = f"there is no message {place}, or this account cannot see it"
    return Halted("FORWARD_INVALID", reason, resumable=False)


@asynccontextmanager
async def open_transport(
    access: Access, asker: Asker | None = None, clock: Clock | None = None
) -> AsyncGenerator[TelethonTransport]:
    """A transport that is connected and signed in; signs in through `asker` when it must.

    Raises SettingsError, LoginRequiredError, LockedError or HaltedError; nothing is sent then.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(open_account(access, clock))
        client = await opener.connect()
        account = await opener.whoami(client)
        if account is None:
            await disconnect(client)
            account = await opener.login(asker)
            client = await opener.connect()

        async def connect() -> TelethonClient:
            return TelethonClient(await opener.connect())

        connection = Reconnecting(TelethonClient(client), connect)
        stack.push_async_callback(connection.close)
        cache = stack.enter_context(closing(AddressCache(access.addresses)))
        uploads = stack.enter_context(closing(UploadCache(access.addresses)))
        addresses = Addresses(account, cache, clock)
        yield TelethonTransport(connection, account, addresses, uploads, clock)
