"""A client and its end: what is under way ends with the connection, and says what it knows."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import struct
from typing import TYPE_CHECKING, Any, cast

import pytest
from telethon import errors
from telethon.tl import functions

from broadcast.core.errors import HaltedError
from broadcast.telegram.client import Reconnecting, TelethonClient, disconnect
from broadcast.telegram.error_translation import ConnectionLostError, UnreadableAnswerError
from tests import virtual

if TYPE_CHECKING:
    from telethon import TelegramClient

PING = functions.PingRequest(1)


class Connection:
    """What is used of Telethon's client, without the fast path."""

    def __init__(self, answer: Any = None) -> None:
        self.answer, self.is_there = answer, True
        self.disconnected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self, _request: Any) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return await self.answer if isinstance(self.answer, asyncio.Future) else self.answer

    def is_connected(self) -> bool:
        return self.is_there

    async def disconnect(self) -> None:
        self.is_there = False
        if not self.disconnected.done():
            self.disconnected.set_result(None)


def client_of(connection: Connection) -> TelethonClient:
    return TelethonClient(cast("TelegramClient", connection), 30.0)


def test_an_answer_is_an_answer() -> None:
    async def main() -> None:
        client = client_of(Connection("pong"))
        assert await client.call(PING) == "pong"
        assert not client.takes_serialised  # the public way
        assert not client.is_lost

    virtual.run(main())


def test_a_request_without_an_answer_ends_in_time_and_the_connection_goes_on() -> None:
    async def main() -> None:
        client = client_of(Connection(asyncio.get_running_loop().create_future()))
        with pytest.raises(TimeoutError):
            await client.call(PING)
        assert asyncio.get_running_loop().time() == 30.0
        assert not client.is_lost

    virtual.run(main())


@pytest.mark.parametrize("error", [ConnectionError(), asyncio.IncompleteReadError(b"", 4)])
def test_an_error_of_the_connection_loses_it(error: Exception) -> None:
    async def main() -> None:
        client = client_of(Connection(error))
        with pytest.raises(ConnectionLostError):
            await client.call(PING)
        assert client.is_lost

    virtual.run(main())


def test_with_the_connection_all_calls_end_at_once() -> None:
    async def main() -> None:
        connection = Connection(asyncio.get_running_loop().create_future())
        client = client_of(connection)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(_lost(client)) for _ in range(3)]
            await asyncio.sleep(1)
            await connection.disconnect()
        assert all(call.result() for call in calls)
        assert asyncio.get_running_loop().time() == 1.0

    virtual.run(main())


async def _lost(client: TelethonClient) -> bool:
    try:
        await client.call(PING)
    except ConnectionLostError:
        return True
    return False


def test_a_call_that_is_cancelled_is_cancelled() -> None:
    async def main() -> None:
        client = client_of(Connection(asyncio.get_running_loop().create_future()))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(client.call(PING))
            await asyncio.sleep(1)
            task.cancel()
        assert task.cancelled()
        assert not client.is_lost

    virtual.run(main())


@pytest.mark.parametrize(
    "error", [errors.TypeNotFoundError(0xDEADBEEF, b"+34600"), BufferError("b'+34600'")], ids=repr
)
def test_what_cannot_be_read_shows_no_bytes(error: Exception) -> None:
    async def main() -> None:
        client = client_of(Connection(error))
        with pytest.raises(UnreadableAnswerError) as raised:
            await client.call(PING)
        assert "34600" not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
        assert not client.is_lost

    virtual.run(main())


def test_what_cannot_be_written_is_a_bug_and_not_an_answer() -> None:
    async def main() -> None:
        with pytest.raises(struct.error):
            await client_of(Connection()).call(functions.PingRequest(2**70))

    virtual.run(main())


def test_a_refusal_is_telegrams_own() -> None:
    async def main() -> None:
        with pytest.raises(errors.UserIsBlockedError):
            await client_of(Connection(errors.UserIsBlockedError(None))).call(PING)

    virtual.run(main())


def test_a_lost_client_is_followed_by_another_and_only_one() -> None:
    async def main() -> None:
        made: list[Connection] = []

        async def connect() -> TelethonClient:
            await asyncio.sleep(1)
            made.append(Connection("pong"))
            return client_of(made[-1])

        first = Connection(ConnectionError())
        telegram = Reconnecting(client_of(first), connect)
        with pytest.raises(ConnectionLostError):
            await telegram.call(PING)
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(telegram.call(PING)) for _ in range(5)]
        assert [answer.result() for answer in answers] == ["pong"] * 5
        assert not first.is_there
        assert len(made) == 1
        await telegram.close()
        assert not made[0].is_there

    virtual.run(main())


def test_whoever_waited_for_a_connection_does_not_try_again_itself() -> None:
    async def main() -> None:
        tries = 0

        async def connect() -> TelethonClient:
            nonlocal tries
            tries += 1
            await asyncio.sleep(1)
            raise HaltedError("cannot be reached")

        client = client_of(Connection())
        client.lose()
        telegram = Reconnecting(client, connect)
        results: list[type[BaseException]] = []

        async def ask() -> None:
            try:
                await telegram.call(PING)
            except (HaltedError, ConnectionLostError) as error:
                results.append(type(error))

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(ask())
        assert tries == 1
        assert results == [HaltedError, ConnectionLostError, ConnectionLostError]

    virtual.run(main())


def test_who_goes_on_after_the_end_is_not_connected_anew() -> None:
    async def main() -> None:
        async def connect() -> TelethonClient:
            raise AssertionError("the session is perhaps somebody else's by now")

        first = Connection("pong")
        telegram = Reconnecting(client_of(first), connect)
        assert await telegram.call(PING) == "pong"
        await telegram.close()
        assert not telegram.takes_serialised
        with pytest.raises(RuntimeError, match="closed"):
            await telegram.call(PING)

    virtual.run(main())


def test_a_connection_that_is_made_at_the_end_is_closed() -> None:
    async def main() -> None:
        late = Connection("pong")

        async def connect() -> TelethonClient:
            await asyncio.sleep(1)
            return client_of(late)

        client = client_of(Connection())
        client.lose()
        telegram = Reconnecting(client, connect)
        asking = asyncio.ensure_future(telegram.call(PING))
        await asyncio.sleep(0.5)
        await telegram.close()
        with pytest.raises(RuntimeError, match="closed"):
            await asking
        assert not late.is_there

    virtual.run(main())


class FullSession:
    """A client whose session file cannot be written any more."""

    class Done:
        def done(self) -> bool:
            return False

    disconnected = Done()

    async def disconnect(self) -> None:
        raise sqlite3.OperationalError("database or disk is full")


async def test_disconnecting_does_not_take_the_place_of_what_is_on_its_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = cast("TelegramClient", FullSession())
    with pytest.raises(HaltedError):  # noqa: PT012
        try:
            raise HaltedError("halted")
        finally:
            await disconnect(client)
    assert not caplog.records
    await disconnect(client)
    assert "the session file could not be written" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
