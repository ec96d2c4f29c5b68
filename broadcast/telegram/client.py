"""One client after the other: makes requests within a time limit, and drops a lost connection."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import telethon
from telethon import TelegramClient

from broadcast.telegram.error_translation import (
    LOST,
    UNREADABLE,
    ConnectionLostError,
    UnreadableAnswerError,
)
from broadcast.telegram.telethon_shape import missing_in_telethon

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable

    from telethon.tl import TLRequest

    from broadcast.core.clock import Clock
    from broadcast.core.model import Outcome
    from broadcast.telegram.fast_path import FastClient

REQUEST_TIMEOUT = 30.0
"""Seconds for one request. Telethon has no limit of its own, and some requests wait for ever."""

CLOSED = "the transport is closed: send inside of its `async with`"
"""A bug of the program: whoever connected anew would use a session that is no longer theirs."""

_LOG = logging.getLogger("broadcast.telegram")


class Client(Protocol):
    """Telegram, as the transport uses it. The sandbox has one without a connection."""

    async def call(self, request: TLRequest) -> Any:
        """The answer to a request.

        Raises Telethon's RPCError for a refusal, TimeoutError when none comes in time,
        ConnectionLostError with the connection, UnreadableAnswerError when Telegram has accepted
        it, and HaltedError when there is no connection to be had.
        """
        ...

    @property
    def takes_serialised(self) -> bool:
        """Whether `post_serialised` is there just now; else `call` is the way."""
        ...

    def post_serialised(self, data: bytes, random_id: int) -> Future[Outcome]:
        """The outcome of a serialised request that sends one message."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class TelethonClient:
    """A connected Telethon client and its end: once it is lost, it is for nothing but closing."""

    def __init__(self, client: TelegramClient, timeout: float = REQUEST_TIMEOUT) -> None:
        self.is_lost = False
        self._client, self._timeout = client, timeout
        fast = _fast_client()
        self._fast = client.fast_sender if fast is not None and isinstance(client, fast) else None
        self._calls: set[asyncio.Timeout] = set()
        client.disconnected.add_done_callback(self._ended)

    async def call(self, request: TLRequest) -> Any:
        try:
            if self._fast is None:
                bytes(request)  # what cannot be written is a bug, and no answer that cannot be read
                answer: Awaitable[Any] = self._client(request)
            else:  # the public way waits for two seconds where Telegram has trouble
                answer = self._fast.ask(request)
        except LOST as error:
            self.lose()
            raise ConnectionLostError("the connection was lost") from error
        try:
            async with asyncio.timeout(self._timeout) as limit:
                self._calls.add(limit)
                try:
                    return await answer
                finally:
                    self._calls.discard(limit)
        except (asyncio.CancelledError, *LOST) as error:
            if isinstance(error, TimeoutError) and self._client.is_connected():
                raise
            # Telethon cancels what is under way when its connection ends without an error. A task
            # knows of itself whether it was the task that was cancelled.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self.lose()
            raise ConnectionLostError("the connection was lost") from error
        except UNREADABLE:
            raise UnreadableAnswerError from None

    @property
    def takes_serialised(self) -> bool:
        return self._fast is not None and self._fast.is_connected()

    def post_serialised(self, data: bytes, random_id: int) -> Future[Outcome]:
        if self._fast is None:
            raise RuntimeError("this Telethon takes no serialised requests")
        return self._fast.post(data, random_id)

    async def close(self) -> None:
        self.lose()
        await disconnect(self._client)

    def lose(self) -> None:
        """The connection has failed: what is under way ends, and its queue may hang for ever."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._fast is not None:
            self._fast.end_posted()
        for limit in self._calls:  # with its connection Telethon forgets those in its queue
            if not limit.expired():
                limit.reschedule(0.0)

    def _ended(self, ended: Future[Any]) -> None:
        if not ended.cancelled():
            ended.exception()  # asked for, so that asyncio does not log it
        self.lose()


class Reconnecting:
    """Telegram over one client after the other; `connect` makes the next when one is lost."""

    def __init__(
        self, client: TelethonClient, connect: Callable[[], Awaitable[TelethonClient]]
    ) -> None:
        self._client, self._connect = client, connect
        self._connecting = asyncio.Lock()
        self._tries = 0  # to connect anew, that have ended
        self._is_closed = False

    async def call(self, request: TLRequest) -> Any:
        return await (await self._connected()).call(request)

    @property
    def takes_serialised(self) -> bool:
        return not self._client.is_lost and self._client.takes_serialised

    def post_serialised(self, data: bytes, random_id: int) -> Future[Outcome]:
        return self._client.post_serialised(data, random_id)

    async def close(self) -> None:
        self._is_closed = True
        await self._client.close()

    async def _connected(self) -> TelethonClient:
        tries = self._tries
        if not self._client.is_lost:
            return self._client
        async with self._connecting:
            if self._client.is_lost:
                if self._is_closed:
                    raise RuntimeError(CLOSED)
                if self._tries != tries:
                    raise ConnectionLostError("no connection")  # as another call has found
                try:
                    await self._client.close()
                    self._client = await self._connect()
                finally:
                    self._tries += 1
                if self._is_closed:  # meanwhile
                    await self._client.close()
                    raise RuntimeError(CLOSED)
            return self._client


@cache
def _fast_client() -> type[FastClient] | None:
    """The client with the fast path; None, and said once, where Telethon has not its shape."""
    if missing := list(missing_in_telethon()):
        _LOG.warning(
            "Telethon %s is not built as expected (%s): messages go its public way, which costs "
            "three times as much CPU. Nothing else changes",
            telethon.__version__,
            "; ".join(missing),
        )
        return None
    from broadcast.telegram.fast_path import FastClient  # noqa: PLC0415 - it needs that shape

    return FastClient


def make_client(
    session: Any, api_id: int, api_hash: str, clock: Clock, **options: Any
) -> TelegramClient:
    """A client that takes the fast path, where the installed Telethon has the shape for it."""
    fast = _fast_client()
    if fast is None:
        return TelegramClient(session, api_id, api_hash, **options)
    return fast(session, api_id, api_hash, clock=clock, answer_timeout=REQUEST_TIMEOUT, **options)


async def disconnect(client: TelegramClient) -> None:
    """Disconnect `client`; Telethon says only at run time that this can be awaited.

    An error that is on its way goes on as it is.
    """
    underway = sys.exc_info()[1]
    try:
        ending: Any = client.disconnect()
        if ending is not None:
            await ending
    except sqlite3.Error as error:  # the session file: it says nothing of what was sent
        if underway is None:
            _LOG.warning("the session file could not be written at the end: %s", error)
    ended: Any = client.disconnected
    if ended.done() and not ended.cancelled():
        ended.exception()  # asked for, so that asyncio does not log a lost connection by itself
