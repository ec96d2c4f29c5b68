"""Sends through the real Telethon client; it trusts neither its retries nor its waits.

Why raw requests and not `client.send_message`: docs/architecture.md.
"""

# Telethon ships no type information, so every value of it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING, Any

from telethon import errors
from telethon.tl import functions, types

from broadcast.core.classify import finding
from broadcast.core.errors import BroadcastError, HaltedError, LoginRequiredError
from broadcast.core.model import Action, Failed, Halted, Outcome, Sent
from broadcast.core.plan import random_id
from broadcast.transport.account import disconnect, open_account
from broadcast.transport.addresses import Address, AddressCache, Addresses
from broadcast.transport.text import parse
from broadcast.transport.translate import LOST, NOT_CONNECTED, outcome_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from telethon import TelegramClient

    from broadcast.core.access import Access
    from broadcast.core.model import Delivery
    from broadcast.transport.account import Account, AccountOpener, Prompts

REQUEST_TIMEOUT = 30.0
"""Seconds for one request. Telethon has no limit of its own, and some requests wait for ever."""

_STALE = {"PEER_ID_INVALID", "USER_ID_INVALID", "CHANNEL_INVALID", "CHANNEL_PRIVATE"}
"""Refusals that an address kept from an earlier run can cause by itself."""


class ConnectionLostError(BroadcastError):
    """The connection went away under a request; whether Telegram carried it out is not known."""


class TelethonTransport:
    """Sends as one account over one connection, made anew when it is lost."""

    def __init__(
        self,
        opener: AccountOpener,
        client: TelegramClient,
        account: Account,
        addresses: Addresses,
        *,
        timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        self.account = account
        self._opener = opener
        self._client: TelegramClient | None = client
        self._addresses = addresses
        self._timeout = timeout
        self._connecting = asyncio.Lock()

    async def send(self, delivery: Delivery) -> Outcome:
        """See `Transport.send`."""
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
        return outcome

    async def _send(self, delivery: Delivery) -> Outcome:
        try:
            address = await self._addresses.find(self._call, delivery.contact.peer)
            if not isinstance(address, Address):
                return address
            return await self._act(delivery, address)
        except (errors.RPCError, TimeoutError) as error:
            return outcome_of(error)

    async def _act(self, delivery: Delivery, address: Address) -> Outcome:
        peer, message_id = address.input_peer(), delivery.message_id
        text, entities = parse(delivery.message)
        if delivery.action is Action.SEND:
            number = random_id(delivery.broadcast, self.account.id, address.key)
            request = functions.messages.SendMessageRequest(
                peer=peer, message=text, entities=list(entities) or None, random_id=number
            )
            return Sent(message_id_of(await self._call(request), number))
        if message_id is None:
            return finding("MESSAGE_ID_UNKNOWN")
        if delivery.action is Action.EDIT:
            # Telegram refuses an edit that changes nothing, and so a repeat: the text is there.
            with suppress(errors.MessageNotModifiedError):
                request = functions.messages.EditMessageRequest(
                    peer=peer, id=message_id, message=text, entities=list(entities)
                )
                await self._call(request)
        elif address.kind == "channel":
            await self._call(functions.channels.DeleteMessagesRequest(peer, [message_id]))
        else:  # for everybody; what is gone already is no error, so a repeat is none
            await self._call(functions.messages.DeleteMessagesRequest([message_id], revoke=True))
        return Sent(message_id)

    async def _call(self, request: Any) -> Any:
        """One request, once. Raises ConnectionLostError when the connection is gone."""
        client = await self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                return await client(request)
        except asyncio.CancelledError:
            # Telethon cancels what is under way when its connection ends without an error. That
            # is not a cancellation of ours, which a task knows of itself.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            await self._discard(client)
            raise ConnectionLostError from None
        except TimeoutError:
            raise
        except LOST as error:
            await self._discard(client)
            raise ConnectionLostError from error

    async def _connected(self) -> TelegramClient:
        async with self._connecting:
            if self._client is None:
                self._client = await self._opener.connect()
            return self._client

    async def _discard(self, client: TelegramClient) -> None:
        """Drop a client whose connection has failed: its queue may hang for ever."""
        if self._client is client:
            self._client = None
            await disconnect(client)

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            client, self._client = self._client, None
            await disconnect(client)


def message_id_of(answer: Any, number: int) -> int | None:
    """The id of the message that `number`, its random_id, made; None when the answer tells none.

    The first send to a user is answered by UpdateShortSentMessage, a repeat and any send to a
    chat by Updates: https://core.telegram.org/api/updates
    """
    if isinstance(answer, types.UpdateShortSentMessage):
        return answer.id
    for update in getattr(answer, "updates", ()):
        if isinstance(update, types.UpdateMessageID) and update.random_id == number:
            return update.id
    return None


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
        transport = TelethonTransport(opener, client, account, Addresses(account, cache))
        stack.push_async_callback(transport.close)
        yield transport
