"""Sends through the real Telethon client; it trusts neither its retries nor its waits.

Why raw requests and not `client.send_message`: docs/architecture.md.
"""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from telethon import TelegramClient, errors
from telethon.tl import functions, types

from broadcast.core.classify import finding, reason_of
from broadcast.core.errors import BroadcastError, HaltedError, LoginRequiredError, MessageError
from broadcast.core.ids import random_id
from broadcast.core.model import Action, Deferred, Failed, Halted, Outcome, Sent
from broadcast.telegram.account import disconnect, open_account
from broadcast.telegram.addresses import Address, AddressCache, Addresses
from broadcast.telegram.errors import LOST, NOT_CONNECTED, outcome_of, telegram_error
from broadcast.telegram.fast_path import Wire, message_ids_of, wire_of
from broadcast.telegram.prepared import Desk, Ready
from broadcast.telegram.requests import edit_of, numbers_needed
from broadcast.telegram.serialised import peer_bytes
from broadcast.telegram.uploads import EXPIRED, RefusedError, UploadCache, Uploads

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence

    from broadcast.core.access import Access
    from broadcast.core.model import Account, Delivery, Forward, Message, Peer
    from broadcast.telegram.account import AccountOpener, Prompts

REQUEST_TIMEOUT = 30.0
"""Seconds for one request. Telethon has no limit of its own, and some requests wait for ever."""

DIFFERENCE_SLICES = 1000  # of a difference that are read to find ids, at most

_STALE = {"PEER_ID_INVALID", "USER_ID_INVALID", "CHANNEL_INVALID", "CHANNEL_PRIVATE"}
"""Refusals that an address kept from an earlier run can cause by itself."""


_ANSWERED = (errors.RPCError, errors.AuthKeyNotFound, errors.TypeNotFoundError, TimeoutError)
"""What a request ends with on a connection that goes on, or that Telegram ends for good."""


NOT_NOW = Deferred("FLOOD_WAIT", reason_of("FLOOD_WAIT"), 0.0, reached=False)
"""While this one looked somebody up, or uploaded, everybody was asked to wait: do not knock."""


class ConnectionLostError(BroadcastError):
    """The connection went away under a request; whether Telegram carried it out is not known."""


class TelethonTransport:
    """Sends as one account over one connection, made anew when it is lost.

    With `is_direct` there is none to lose: `client` is not Telethon's, and it answers in time.
    """

    def __init__(
        self,
        opener: AccountOpener,
        client: TelegramClient,
        account: Account,
        addresses: Addresses,
        uploads: UploadCache | None = None,
        *,
        timeout: float = REQUEST_TIMEOUT,
        is_direct: bool = False,
    ) -> None:
        self.account = account
        self.pays = False  # a bot's messages above the free rate cost Stars, instead of a wait
        self.held: Callable[[], float] = lambda: 0.0  # for how many seconds nobody may send
        self._is_direct = is_direct
        self._opener = opener
        self._client: TelegramClient | None = client
        self._wire: Wire | None = None
        self._calls: set[asyncio.Timeout] = set()
        self._timeout = timeout
        if not is_direct:
            self._use(client)
        self._lost: list[TelegramClient] = []  # still to be disconnected
        self._addresses = addresses
        self.uploads = Uploads(self._call, account, uploads)
        self._desk = Desk(account, partial(addresses.find, self._call), self.uploads)
        self._connecting = asyncio.Lock()
        self._tries = 0  # to connect anew

    def send(self, delivery: Delivery) -> Coroutine[Any, Any, Outcome] | Future[Outcome]:
        """See `Transport.send`. Where all that is needed is at hand there is no task."""
        return self._send_at_once(delivery) or self._send_in_steps(delivery)

    def _send_at_once(self, delivery: Delivery) -> Future[Outcome] | None:
        wire = self._wire
        if wire is None or not wire.is_open or delivery.action is not Action.SEND:
            return None
        address = self._addresses.at_hand(delivery.contact.peer)
        template = self._desk.at_hand(delivery, pays=self.pays)
        if address is None or template is None:
            return None
        (number,) = self._random_ids(delivery, address)
        return wire.post(template.fill(peer_bytes(address), number, delivery.message), number)

    async def _send_in_steps(self, delivery: Delivery) -> Outcome:
        """Look up, upload, connect anew: whatever it takes."""
        try:
            outcome = await self._send(delivery)
            stale = isinstance(outcome, Failed) and outcome.error in _STALE
            if stale and self._addresses.forget(delivery.contact.peer):
                # Refused, so certainly not sent: look the recipient up once more and try there.
                outcome = await self._send(delivery)
        except (ConnectionLostError, HaltedError):
            return NOT_CONNECTED
        except LoginRequiredError as error:
            return Halted("AUTH_KEY_UNREGISTERED", str(error))
        except RefusedError as refused:
            return refused.outcome
        except MessageError as error:
            return Halted("FILE_CHANGED", str(error))
        return outcome

    async def _send(self, delivery: Delivery) -> Outcome:
        peer = delivery.contact.peer
        try:
            address = self._addresses.at_hand(peer)
            if address is None:
                address = await self._addresses.find(self._call, peer)
                if not isinstance(address, Address):
                    return address
            if delivery.action is not Action.SEND:
                return await self._change(delivery, address)
            return await self._deliver(delivery, address)
        except _ANSWERED as error:
            return outcome_of(error)

    def is_group(self, peer: Peer) -> bool:
        """See `Addresses.is_group`."""
        return self._addresses.is_group(peer)

    async def _deliver(self, delivery: Delivery, address: Address) -> Outcome:
        message, numbers = delivery.message, self._random_ids(delivery, address)
        ready = await self._desk.ready(delivery, pays=self.pays)
        if self.held():
            return NOT_NOW
        try:
            ids, lies_there = await self._post_message(ready, address, numbers)
        except errors.RPCError as error:
            name = telegram_error(error).name
            if message.forward and name == "MESSAGE_ID_INVALID":
                raise RefusedError(_no_such_post(message.forward)) from error
            if not (ready.stored and name.startswith(EXPIRED)):
                raise
            # Refused, so certainly not sent: with another reference, or a new upload, it can be.
            await self._desk.renew(ready)
            ready = await self._desk.ready(delivery, pays=self.pays)
            ids, lies_there = await self._post_message(ready, address, numbers)
        if lies_there:
            at = ready.around.at or self._desk.moment(delivery)
            return Sent(ids[0] if ids else None, others=tuple(ids[1:]), scheduled_until=at)
        if ids and ready.stored:
            for file, stored, number in zip(message.files, ready.stored, ids, strict=False):
                self.uploads.seen(file, stored, address, number)
        note = await self._pin(message, address, ids) if message.pin else ""
        return Sent(ids[0] if ids else None, others=tuple(ids[1:]), note=note)

    async def _post_message(
        self, ready: Ready, address: Address, numbers: Sequence[int]
    ) -> tuple[list[int], bool]:
        """The ids of the messages that were made, none when Telegram does not tell; and whether
        these are ids of its schedule.

        The answer decides that: by its own clock Telegram may send at once what we wanted to lie
        there, and a repeat close to its time finds what was scheduled long before.
        """
        try:
            answer = await self._ask(self._post, ready.request(address.input_peer(), numbers))
        except (errors.TypeNotFoundError, BufferError):
            # no error, so it was accepted; Telethon cannot read what else it says
            return [], ready.around.at is not None
        return message_ids_of(answer, numbers), is_of_schedule(answer)

    async def _pin(self, message: Message, address: Address, ids: Sequence[int]) -> str:
        """Pin what was sent, where that is usual; what to say when it could not be."""
        if not ids or not address.is_group:
            return ""
        request = functions.messages.UpdatePinnedMessageRequest(
            address.input_peer(), ids[0], silent=message.silent or None
        )
        try:
            await self._call(request)
        except errors.RPCError as error:
            return f"not pinned: {telegram_error(error).name}"
        return ""

    async def _change(self, delivery: Delivery, address: Address) -> Outcome:
        """Edit or recall a message that was sent."""
        peer, message_id = address.input_peer(), delivery.message_id
        if message_id is None:
            return finding("MESSAGE_ID_UNKNOWN")
        if self.held():
            return NOT_NOW
        if delivery.action is Action.EDIT:
            # Telegram refuses an edit that changes nothing, and so a repeat: the text is there.
            with suppress(errors.MessageNotModifiedError):
                await self._call(edit_of(delivery.message, peer, message_id))
            return Sent(message_id)
        ids = [message_id, *delivery.others]
        if delivery.is_scheduled:  # ids of the schedule, which are no messages' ids
            if self._desk.moment(delivery) <= datetime.now(UTC):
                return finding("SCHEDULE_PAST")
            await self._call(functions.messages.DeleteScheduledMessagesRequest(peer, ids))
        elif address.kind == "channel":
            await self._call(functions.channels.DeleteMessagesRequest(peer, ids))
        else:  # for everybody; what is gone already is no error, so a repeat is none
            await self._call(functions.messages.DeleteMessagesRequest(ids, revoke=True))
        return Sent(message_id)

    async def update_state(self) -> str | None:
        """Where the account's updates stand now; None when Telegram does not tell."""
        try:
            state = await self._call(functions.updates.GetStateRequest())
        except (errors.RPCError, TimeoutError, BroadcastError):
            return None
        return f"{state.pts} {state.qts} {int(state.date.timestamp())}"

    async def find_ids(
        self, since: str, deliveries: Iterable[Delivery]
    ) -> dict[int, Sequence[int]]:
        """The message ids, by position, of `deliveries` that were accepted without telling theirs.

        Telegram repeats updateMessageID in the difference: https://core.telegram.org/api/updates.
        `since` is an `update_state` from before they were sent. What is not found is left out.
        """
        made: dict[int, Sequence[int]] = {}
        told: dict[int, int] = {}
        try:
            for delivery in deliveries:
                made[delivery.position] = await self._numbers(delivery)
            wanted = {number for numbers in made.values() for number in numbers}
            pts, qts, date = (int(part) for part in since.split())
            for _ in range(DIFFERENCE_SLICES):
                moment = datetime.fromtimestamp(date, UTC)
                answer = await self._call(
                    functions.updates.GetDifferenceRequest(pts=pts, date=moment, qts=qts)
                )
                for update in getattr(answer, "other_updates", ()):
                    if isinstance(update, types.UpdateMessageID) and update.random_id in wanted:
                        told[update.random_id] = update.id
                if not isinstance(answer, types.updates.DifferenceSlice):
                    break
                state: Any = answer.intermediate_state
                pts, qts, date = state.pts, state.qts, int(state.date.timestamp())
        except (errors.RPCError, TimeoutError, BroadcastError):
            pass  # what was found until here counts; a recall names the rest
        return {
            position: [told[number] for number in numbers if number in told]
            for position, numbers in made.items()
            if numbers and numbers[0] in told
        }

    async def _numbers(self, delivery: Delivery) -> Sequence[int]:
        address = await self._addresses.find(self._call, delivery.contact.peer)
        return self._random_ids(delivery, address) if isinstance(address, Address) else ()

    def _random_ids(self, delivery: Delivery, address: Address) -> list[int]:
        """One for each message: those of an album after its first count down from part -1."""
        broadcast, account, key = delivery.broadcast, self.account.id, address.key
        if delivery.contact.peer.topic is not None:
            key = f"{key}/{delivery.contact.peer.topic}"
        more = range(1, numbers_needed(delivery.message, delivery.part))
        parts = (delivery.part, *(-place for place in more))
        return [random_id(broadcast, account, key, part) for part in parts]

    def _post(self, client: TelegramClient, request: Any) -> Awaitable[Any]:
        """Telethon's public way waits two seconds by itself where Telegram has internal trouble."""
        return client(request) if self._wire is None else self._wire.call(request)

    async def _call(self, request: Any) -> Any:
        """The answer to a request, the public way. See `_ask`."""
        return await self._ask(TelegramClient.__call__, request)

    async def _ask(self, way: Callable[[TelegramClient, Any], Awaitable[Any]], request: Any) -> Any:
        """What is answered to `request` when it goes that way.

        Raises ConnectionLostError with the connection, TimeoutError when it goes on without an
        answer, and otherwise what Telethon raises.
        """
        client = await self._connected()
        if self._is_direct:
            return await client(request)
        try:
            async with asyncio.timeout(self._timeout) as limit:
                self._calls.add(limit)
                try:
                    return await way(client, request)
                finally:
                    self._calls.discard(limit)
        except (asyncio.CancelledError, *LOST) as error:
            if isinstance(error, TimeoutError) and client.is_connected():
                raise
            # Telethon cancels what is under way when its connection ends without an error. A task
            # knows of itself whether it was the task that was cancelled.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self._discard(client)
            raise ConnectionLostError("the connection was lost") from error

    async def _connected(self) -> TelegramClient:
        if self._client is not None:
            return self._client
        tries = self._tries
        async with self._connecting:
            if self._client is None:
                if self._tries != tries:
                    raise ConnectionLostError("no connection")  # as another call has found
                self._tries += 1
                await self._disconnect_lost()
                self._client = await self._opener.connect()
                self._use(self._client)
            return self._client

    def _use(self, client: TelegramClient) -> None:
        self._wire = wire_of(client, self._timeout, partial(self._discard, client))
        client.disconnected.add_done_callback(partial(self._ended, client))

    def _ended(self, client: TelegramClient, ended: Future[Any]) -> None:
        if not ended.cancelled():
            ended.exception()  # asked for, so that asyncio does not log it
        self._discard(client)

    def _discard(self, client: TelegramClient) -> None:
        """Drop a client whose connection has failed: its queue may hang for ever."""
        if self._client is not client:
            return
        wire, self._client, self._wire = self._wire, None, None
        self._lost.append(client)
        if wire is not None:
            wire.end()
        for limit in self._calls:  # with its connection Telethon forgets those in its queue
            if not limit.expired():
                limit.reschedule(0.0)

    async def _disconnect_lost(self) -> None:
        while self._lost:
            await disconnect(self._lost.pop())

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._discard(self._client)
        await self._disconnect_lost()


def _no_such_post(forward: Forward) -> Halted:
    """It is wrong for everybody, so nobody else is tried."""
    place = f"{forward.peer.text}/{forward.message_id}"
    reason = f"there is no message {place}, or this account cannot see it"
    return Halted("FORWARD_INVALID", reason, resumable=False)


def is_of_schedule(answer: Any) -> bool:
    """Whether the ids that `answer` tells are of Telegram's schedule, and not of messages.

    https://core.telegram.org/api/scheduled-messages
    """
    return any(
        isinstance(update, types.UpdateNewScheduledMessage)
        for update in getattr(answer, "updates", ())
    )


@asynccontextmanager
async def open_transport(
    access: Access, prompts: Prompts | None = None
) -> AsyncGenerator[TelethonTransport]:
    """A transport that is connected and signed in; signs in through `prompts` when it must.

    Raises SettingsError, LoginRequiredError, LockedError or HaltedError; nothing is sent then.
    """
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(open_account(access))
        client = await opener.connect()
        account = await opener.whoami(client)
        if account is None:
            await disconnect(client)
            account = await opener.login(prompts)
            client = await opener.connect()
        cache = stack.enter_context(closing(AddressCache(access.addresses)))
        uploads = stack.enter_context(closing(UploadCache(access.addresses)))
        transport = TelethonTransport(opener, client, account, Addresses(account, cache), uploads)
        stack.push_async_callback(transport.close)
        yield transport
