import asyncio
import json
import logging
import struct
from contextlib import asynccontextmanager

import pytest
from telethon import TelegramClient
from telethon.crypto import AuthKey
from telethon.crypto import rsa as telethon_rsa
from telethon.errors import AuthKeyNotFound, FloodWaitError, InvalidBufferError, RPCError
from telethon.network import (
    ConnectionTcpAbridged,
    ConnectionTcpFull,
    ConnectionTcpIntermediate,
    authenticator,
)
from telethon.network.connection.tcpintermediate import RandomizedIntermediatePacketCodec
from telethon.sessions import MemorySession
from telethon.tl import functions, types

from broadcast.core.errors import SettingsError
from broadcast.sandbox.journal import Journal
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox.server import SandboxServer
from broadcast.sandbox.world import RpcError


class StubWorld:
    """The least that Telethon's connect() needs. `on_call` hears of every request first."""

    address = ("", 0)

    def __init__(self, on_call=lambda request: None):
        self.on_call = on_call
        self.calls = []
        self.applied = []
        self._changes = []

    def call(self, key_id, request, now):
        self.calls.append(request)
        self.on_call(request)
        match request:
            case functions.users.GetUsersRequest():
                raise RpcError(401, "AUTH_KEY_UNREGISTERED")
            case functions.help.GetConfigRequest():
                return types.NearestDc("", 2, 2)  # any object does
            case functions.help.GetAppConfigRequest():
                return types.help.AppConfig(request.hash, types.JsonString("x" * 100_000))
            case functions.messages.SendMessageRequest():
                self._changes.append({"t": "message", "id": request.random_id})
                return types.UpdateShortSentMessage(request.random_id, 1, 1, None)
            case functions.help.GetPromoDataRequest():
                raise RpcError(420, "FLOOD_WAIT_31")
            case functions.help.GetNearestDcRequest():
                raise LookupError("a bug")
            case functions.help.GetSupportRequest():
                return object()  # another: nothing that can be sent
        return True

    def drain(self):
        changes, self._changes = self._changes, []
        return changes

    def keep_files(self, directory):
        pass

    def discard(self):
        self._changes.clear()

    def apply(self, record):
        if "id" not in record:
            raise ValueError("no record")
        self.applied.append(record)

    def count(self, kind):
        return sum(isinstance(request, kind) for request in self.calls)


class ConnectionTcpPadded(ConnectionTcpIntermediate):
    """Telethon knows padded intermediate only for proxies; its codec serves here as well."""

    class packet_codec(RandomizedIntermediatePacketCodec):  # noqa: N801 - Telethon's name
        tag = b"\xdd\xdd\xdd\xdd"


def send(random_id):
    return functions.messages.SendMessageRequest(
        types.InputPeerUser(1, 0), "text", random_id=random_id
    )


get_config = functions.help.GetConfigRequest()


def client_of(server, *, session=None, **options):
    telethon_rsa.add_key(server.key.public_pem(), old=False)
    session = session or MemorySession()
    session.set_dc(2, server.host, server.port)
    options = {"retry_delay": 0, "raise_last_call_error": True} | options
    return TelegramClient(session, 1, "hash", **options)


async def connect(client):
    """Connect a client that has no key yet.

    Telethon's factorisation is wrong once in a thousand times. Then the server hangs up with 404,
    and another exchange may well succeed.
    """
    for left in (2, 1, 0):
        try:
            await client.connect()
        except InvalidBufferError as error:
            client.disconnected.exception()  # or asyncio complains, at a time of its own
            if not left or error.code != 404 or client.session.auth_key:
                raise
        else:
            return


@asynccontextmanager
async def connected(server, **options):
    client = client_of(server, **options)
    try:
        await connect(client)
        yield client
    finally:
        await client.disconnect()


MODES = [ConnectionTcpFull, ConnectionTcpAbridged, ConnectionTcpIntermediate, ConnectionTcpPadded]


@pytest.mark.parametrize("mode", MODES)
async def test_telethon_exchanges_keys_and_calls(mode):
    async with SandboxServer(StubWorld()) as server, connected(server, connection=mode) as client:
        assert (await client(get_config)).this_dc == 2
        assert await client.get_me() is None


async def test_a_key_exchange_that_telethon_gets_wrong_is_tried_again(monkeypatch):
    right, tries = authenticator.Factorization.factorize, 0

    def wrong_at_first(pq):
        nonlocal tries
        tries += 1
        return right(pq) if tries > 2 else (1, pq)

    monkeypatch.setattr(authenticator.Factorization, "factorize", wrong_at_first)
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        assert (await client(get_config)).this_dc == 2
    assert tries == 3


async def test_a_packed_answer_is_read():
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        answer = await client(functions.help.GetAppConfigRequest(5))
        assert answer.config.value == "x" * 100_000


async def test_the_protocols_own_messages_reach_telethon():
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        assert (await client(functions.PingRequest(5))).ping_id == 5
        assert len((await client(functions.GetFutureSaltsRequest(3))).salts) == 3
        destroyed = await client(functions.DestroySessionRequest(5))
        assert destroyed == types.DestroySessionNone(5)


async def test_many_requests_at_once_are_all_answered():
    world = StubWorld()
    async with SandboxServer(world) as server, connected(server) as client:
        futures = client._sender.send([send(number) for number in range(1, 1001)])
        assert [(await future).id for future in futures] == list(range(1, 1001))
    assert world.count(functions.messages.SendMessageRequest) == 1000


async def test_errors_reach_telethon():
    async with (
        SandboxServer(StubWorld()) as server,
        connected(server, flood_sleep_threshold=0) as client,
    ):
        with pytest.raises(FloodWaitError) as flood:
            await client(functions.help.GetPromoDataRequest())
        assert flood.value.seconds == 31


@pytest.mark.parametrize(
    "request_", [functions.help.GetNearestDcRequest(), functions.help.GetSupportRequest()]
)
async def test_a_bug_of_the_world_is_logged_and_harms_nobody(caplog, request_):
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        with pytest.raises(RPCError, match="INTERNAL"):  # past the retries of client(...)
            await client._sender.send(request_)
        assert (await client(get_config)).this_dc == 2
    [record] = [record for record in caplog.records if record.name.startswith("broadcast")]
    assert (record.levelno, record.message) == (
        logging.ERROR,
        f"the sandbox failed to answer {type(request_).__name__}",
    )


async def test_two_clients_have_keys_of_their_own():
    keys = {}
    async with (
        SandboxServer(StubWorld(), keys=keys) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        assert (await one(get_config)).this_dc == (await two(get_config)).this_dc == 2
        theirs = {one.session.auth_key.key_id, two.session.auth_key.key_id}
        assert len(theirs) == 2
        # Telethon gets about one exchange in 256 wrong and tries again, which leaves a key more.
        assert theirs <= set(keys)


async def test_a_key_is_good_for_a_second_connection_and_a_second_server():
    keys, session = {}, MemorySession()
    async with SandboxServer(StubWorld(), keys=keys) as server:
        async with connected(server, session=session):
            agreed_on = set(keys)  # one, or two where Telethon got the first exchange wrong
        async with connected(server, session=session) as client:
            assert (await client(get_config)).this_dc == 2
    async with (
        SandboxServer(StubWorld(), keys=keys) as server,
        connected(server, session=session) as client,
    ):
        assert (await client(get_config)).this_dc == 2
    assert set(keys) == agreed_on


async def test_telethon_reconnects_after_a_dropped_connection():
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        for _ in range(3):
            server.drop_connections()
            assert (await client(get_config)).this_dc == 2


async def test_a_request_whose_answer_was_lost_comes_again():
    drops = iter([True])

    def on_call(request):
        if isinstance(request, functions.messages.SendMessageRequest) and next(drops, False):
            server.drop_connections()

    world = StubWorld(on_call)
    server = SandboxServer(world)
    async with server, connected(server) as client:
        assert (await client(send(5))).id == 5
    assert world.count(functions.messages.SendMessageRequest) == 2


async def test_a_client_does_not_trust_a_server_with_another_key():
    default = ServerKey.default()
    stranger = ServerKey(default.p, default.q, e=257)
    async with SandboxServer(StubWorld(), key=stranger) as server:
        session = MemorySession()
        session.set_dc(2, server.host, server.port)
        client = TelegramClient(session, 1, "hash", connection_retries=1, retry_delay=0)
        with pytest.raises(ConnectionError, match="auth_key generation failed"):
            await client.connect()
        await client.disconnect()


async def test_an_unknown_auth_key_is_told_to_the_client():
    session = MemorySession()
    session.auth_key = AuthKey(bytes(range(256)))
    async with SandboxServer(StubWorld()) as server:
        session.set_dc(2, server.host, server.port)
        session.auth_key = AuthKey(bytes(range(256)))
        client = TelegramClient(session, 1, "hash", retry_delay=0)
        with pytest.raises(AuthKeyNotFound):
            await client.connect()
        with pytest.raises(AuthKeyNotFound):  # or asyncio complains, at a time of its own
            await client.disconnected
        await client.disconnect()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 4,
        b"\xef\x02" + bytes(8),
        b"\xee" * 4 + struct.pack("<i", 40) + b"\1" * 40,
    ],
)
async def test_the_server_hangs_up_on_garbage_and_disturbs_nobody_else(garbage):
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(garbage)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        assert (await client(get_config)).this_dc == 2


@pytest.mark.parametrize("half", [b"", b"\xee\xee", struct.pack("<II", 16, 0) + b"half"])
async def test_a_client_that_goes_in_mid_packet_disturbs_nobody_else(half):
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(half)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert (await client(get_config)).this_dc == 2


async def test_a_client_that_resets_its_connection_disturbs_nobody_else():
    async with SandboxServer(StubWorld()) as server, connected(server) as client:
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"\xef")
        writer.transport.abort()
        assert (await client(get_config)).this_dc == 2


async def test_closing_the_server_closes_every_connection():
    async with SandboxServer(StubWorld()) as server:
        connections = [await asyncio.open_connection(server.host, server.port) for _ in range(3)]
        port = server.port
    for reader, writer in connections:
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_an_error_in_the_block_is_raised_as_it_is():
    with pytest.raises(LookupError):  # noqa: PT012 - the block is what is tested
        async with SandboxServer(StubWorld()) as server:
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.close()
            raise LookupError


async def test_the_block_can_be_cancelled():
    async def serve():
        async with SandboxServer(StubWorld()):
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve())
        await started.wait()
        task.cancel()
    assert task.cancelled()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", ""])  # noqa: S104 - refused
def test_only_loopback_is_served(host):
    with pytest.raises(SettingsError, match="is not loopback"):
        SandboxServer(StubWorld(), host=host)


async def test_the_address_is_where_it_listens():
    world = StubWorld()
    async with SandboxServer(world, host="localhost") as server:
        assert server.address == f"127.0.0.1:{server.port}"
        assert world.address == ("127.0.0.1", server.port)
    assert SandboxServer(StubWorld(), host="::1", port=5).address == "[::1]:5"


async def test_a_port_that_is_taken_is_named():
    async with SandboxServer(StubWorld()) as server:
        why = f"cannot listen on {server.address}: .*another port"
        with pytest.raises(SettingsError, match=why):
            async with SandboxServer(StubWorld(), port=server.port):
                pass


# The journal


async def test_what_was_journalled_is_there_after_a_restart(tmp_path):
    session = MemorySession()
    with Journal(tmp_path / "journal") as journal:
        async with (
            SandboxServer(StubWorld(), journal=journal) as server,
            connected(server, session=session) as client,
        ):
            await client(send(5))
            await client(send(6))
    world = StubWorld()
    with Journal(tmp_path / "journal") as journal:
        async with SandboxServer(world, journal=journal) as server:
            assert world.applied == [{"t": "message", "id": 5}, {"t": "message", "id": 6}]
            async with connected(server, session=session) as client:
                assert (await client(get_config)).this_dc == 2


async def test_a_change_is_in_the_journal_before_its_answer_leaves(tmp_path):
    class Ordered(Journal):
        def append(self, records):
            super().append(records)
            if any(record["t"] == "message" for record in records):
                server.drop_connections()  # the answer cannot leave any more

    path = tmp_path / "journal"
    with Ordered(path) as journal:
        world = StubWorld()
        server = SandboxServer(world, journal=journal)
        async with server, connected(server, auto_reconnect=False) as client:
            with pytest.raises(asyncio.IncompleteReadError):
                await client(send(5))
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert {"t": "message", "id": 5} in written
    assert written[0]["t"] == "key"


@pytest.mark.parametrize(
    "line",
    [
        '{"t":"key"}',
        '{"t":"key","id":5,"key":"nohex"}',
        '{"t":"key","id":5,"key":5}',
        '{"t":"message"}',
    ],
)
async def test_a_record_that_cannot_be_replayed_is_named(tmp_path, line):
    path = tmp_path / "journal"
    path.write_text(f'{{"t":"message","id":1}}\n{line}\n')
    with Journal(path) as journal, pytest.raises(SettingsError, match=f"{path}:2: "):
        async with SandboxServer(StubWorld(), journal=journal):
            pass
