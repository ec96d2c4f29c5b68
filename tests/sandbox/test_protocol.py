import gzip
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.tl import TLObject, functions, types

from broadcast.mtproto.encryption import CLIENT, SERVER, auth_key_id, seal, unseal
from broadcast.mtproto.received import SeenIds
from broadcast.sandbox.protocol import tl
from broadcast.sandbox.protocol.connection import Closed, Connection, KeyCreated
from broadcast.sandbox.protocol.crypto import ServerKey
from broadcast.sandbox.protocol.salts import Salts
from broadcast.sandbox.protocol.server_session import Request

NOW = 1_800_000_000.5
AUTH_KEY = random.Random(1).randbytes(256)
KEY_ID = auth_key_id(AUTH_KEY)
SESSION = 7
SALT = Salts(AUTH_KEY).current(NOW)
RPC_RESULT = 0xF35C6D01
CONTAINER = 0x73F1F8DC

get_config = functions.help.GetConfigRequest()


class Client:
    """Writes packets as a client would, with any detail wrong, and reads what the server sends.

    It speaks the intermediate transport, whose packets are the easiest to cut by hand.
    """

    def __init__(self, at=NOW):
        self.at = at
        self.server = Connection(
            ServerKey.default(), {KEY_ID: AUTH_KEY}, random.Random(1).randbytes
        )
        self._opened = False
        self._last = int(at) << 32

    def next_id(self):
        self._last += 4
        return self._last

    def packet(self, body, *, msg_id=None, salt=SALT, session=SESSION, length=None, padding=None):
        data = bytes(body)
        msg_id = self.next_id() if msg_id is None else msg_id
        length = len(data) if length is None else length
        plain = struct.pack("<qqqii", salt, session, msg_id, 1, length) + data
        padding = -(len(plain) + 12) % 16 + 12 if padding is None else padding
        return struct.pack("<Q", KEY_ID) + seal(AUTH_KEY, plain + bytes(padding), CLIENT)

    def framed(self, packet):
        tag = b"" if self._opened else b"\xee\xee\xee\xee"
        self._opened = True
        return tag + struct.pack("<i", len(packet)) + packet

    def send(self, body, **details):
        return self.server.receive(self.framed(self.packet(body, **details)), self.at)

    def container(self, *bodies, ids=None):
        ids = ids or [self.next_id() for _ in bodies]
        messages = b"".join(
            struct.pack("<qii", msg_id, 1, len(bytes(body))) + bytes(body)
            for msg_id, body in zip(ids, bodies, strict=True)
        )
        return struct.pack("<Ii", CONTAINER, len(bodies)) + messages

    def read_packets(self):
        data, packets = self.server.data_to_send(self.at), []
        while data:
            (length,) = struct.unpack_from("<i", data)
            packets.append(data[4 : 4 + length])
            data = data[4 + length :]
        return packets

    def read(self):
        """Every message as (msg_id, seq_no, body), with the containers taken apart."""
        messages = []
        for packet in self.read_packets():
            assert packet[:8] == struct.pack("<Q", KEY_ID)
            plain = unseal(AUTH_KEY, packet[8:], SERVER)
            salt, _session, msg_id, seq_no, length = struct.unpack_from("<qqqii", plain)
            assert salt == SALT
            assert 12 <= len(plain) - 32 - length <= 1024
            body = plain[32 : 32 + length]
            if body[:4] == struct.pack("<I", CONTAINER):
                messages += contained(body)
            messages.append((msg_id, seq_no, body))
        return messages

    def read_objects(self):
        """What the server says, without containers, and results as (msg_id, object)."""
        return [readable(body) for _, _, body in self.read() if not is_container(body)]

    def exchange(self, body, **details):
        """Open the session, forget what was said about it, and send this."""
        self.send(functions.PingRequest(0))
        self.read()
        events = self.send(body, **details)
        return events, self.read_objects()


def is_container(body):
    return body[:4] == struct.pack("<I", CONTAINER)


def contained(body):
    (count,) = struct.unpack_from("<i", body, 4)
    position, messages = 8, []
    for _ in range(count):
        msg_id, seq_no, length = struct.unpack_from("<qii", body, position)
        messages.append((msg_id, seq_no, body[position + 16 : position + 16 + length]))
        position += 16 + length
    assert position == len(body)
    return messages


def readable(body):
    if body[:4] != struct.pack("<I", RPC_RESULT):
        return tl.read(body)[0]
    (msg_id,) = struct.unpack_from("<q", body, 4)
    result = body[12:]
    if result[:4] == struct.pack("<I", tl.GZIP_PACKED):
        result = tl.unpack(result)
    return msg_id, tl.read(result)[0]


class Raw(TLObject):
    """Bytes that stand for themselves."""

    def __init__(self, data):
        self.data = data

    def _bytes(self):
        return self.data


def zipped(body):
    return struct.pack("<I", tl.GZIP_PACKED) + TLObject.serialize_bytes(gzip.compress(bytes(body)))


# Requests and answers


def test_a_request_is_an_event_and_its_answer_finds_it():
    client = Client()
    [request] = client.send(get_config)
    assert isinstance(request, Request)
    assert (request.key_id, request.session_id) == (KEY_ID, SESSION)
    assert request.body == get_config
    client.server.answer(request, types.Pong(1, 2))
    assert client.read_objects()[-1] == (request.msg_id, types.Pong(1, 2))
    assert client.server.data_to_send(NOW) == b""


def test_an_error_is_an_answer_too():
    client = Client()
    [request] = client.send(get_config)
    client.server.fail(request, 420, "FLOOD_WAIT_31")
    msg_id, error = client.read_objects()[-1]
    assert (msg_id, error.error_code, error.error_message) == (
        request.msg_id,
        420,
        "FLOOD_WAIT_31",
    )


@pytest.mark.parametrize(
    ("result", "written"),
    [
        (True, struct.pack("<I", 0x997275B5)),
        (False, struct.pack("<I", 0xBC799737)),
        (5, struct.pack("<i", 5)),
        ([], struct.pack("<Ii", 0x1CB5C415, 0)),
        (
            [types.PeerUser(1), types.PeerUser(2)],
            struct.pack("<Ii", 0x1CB5C415, 2) + bytes(types.PeerUser(1)) + bytes(types.PeerUser(2)),
        ),
    ],
)
def test_results_that_are_no_objects(result, written):
    client = Client()
    [request] = client.send(get_config)
    client.server.answer(request, result)
    assert client.read()[-2][2] == struct.pack("<Iq", RPC_RESULT, request.msg_id) + written


def test_what_has_no_tl_form_is_a_bug_of_the_caller():
    client = Client()
    [request] = client.send(get_config)
    with pytest.raises(TypeError):
        client.server.answer(request, object())


def test_a_big_answer_is_packed_and_a_small_one_is_not():
    client = Client()
    [request] = client.send(get_config)
    big = types.DataJSON("x" * 10_000)
    client.server.answer(request, big)
    client.server.answer(request, types.DataJSON("x" * 400))
    noise = types.DataJSON(random.Random(1).randbytes(2_000).hex()[:513])
    client.server.answer(request, noise)
    bodies = [body for _, _, body in client.read() if body[:4] == struct.pack("<I", RPC_RESULT)]
    assert len(bodies[0]) < 200
    assert [readable(body)[1] for body in bodies] == [big, types.DataJSON("x" * 400), noise]
    assert bodies[1][12:16] == struct.pack("<I", types.DataJSON.CONSTRUCTOR_ID)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda query: functions.InvokeWithLayerRequest(229, query),
        lambda query: functions.InitConnectionRequest(1, "", "", "", "", "", "", query),
        functions.InvokeWithoutUpdatesRequest,
        lambda query: functions.InvokeAfterMsgRequest(1, query),
        lambda query: functions.InvokeAfterMsgsRequest([1], query),
        lambda query: Raw(zipped(query)),
        lambda query: Raw(zipped(functions.InvokeWithLayerRequest(229, query))),
        lambda query: functions.InvokeWithLayerRequest(
            229,
            functions.InitConnectionRequest(
                1, "", "", "", "", "", "", functions.InvokeWithoutUpdatesRequest(query)
            ),
        ),
    ],
)
def test_wrappers_are_taken_off(wrap):
    [request] = Client().send(wrap(get_config))
    assert request.body == get_config


def test_a_wrapped_ping_is_still_a_ping():
    events, answers = Client().exchange(
        functions.InvokeWithLayerRequest(229, functions.PingRequest(5))
    )
    assert events == []
    assert answers[0].ping_id == 5


def test_a_container_is_its_messages_in_order():
    client = Client()
    bodies = [
        functions.messages.GetMessagesViewsRequest(types.InputPeerSelf(), [n], False)
        for n in range(3)
    ]
    events = client.send(client.container(*bodies))
    assert [event.body.id for event in events] == [[0], [1], [2]]


def test_a_packed_container_is_a_container():
    client = Client()
    events = client.send(zipped(client.container(get_config, Raw(zipped(get_config)))))
    assert [event.body for event in events] == [get_config, get_config]


@pytest.mark.parametrize(
    "make",
    [
        lambda client: client.container(Raw(client.container(get_config))),
        lambda client: client.container(get_config)[:-4],
        lambda client: client.container(get_config)[:12],
        lambda client: client.container(get_config, ids=[5]),
        lambda client: struct.pack("<I", CONTAINER),
        lambda client: struct.pack("<Ii", CONTAINER, 0),
        lambda client: struct.pack("<Ii", CONTAINER, -1),
        lambda client: struct.pack("<Ii", CONTAINER, 1021),
        lambda client: struct.pack("<Iiqii", CONTAINER, 1, 4, 0, -16) + bytes(16),
    ],
)
def test_a_bad_container_is_refused_whole(make):
    client = Client()
    events, [answer] = client.exchange(make(client))
    assert events == []
    assert isinstance(answer, types.BadMsgNotification)
    assert answer.error_code == 64


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (struct.pack("<II", 0xDEADBEEF, 0), f"INPUT_METHOD_INVALID_{0xDEADBEEF}"),
        (
            struct.pack("<IiI", functions.InvokeWithLayerRequest.CONSTRUCTOR_ID, 1, 0xDEADBEEF),
            f"INPUT_METHOD_INVALID_{0xDEADBEEF}",
        ),
        (bytes(types.PeerUser(1)), f"INPUT_METHOD_INVALID_{types.PeerUser.CONSTRUCTOR_ID}"),
        (
            bytes(functions.messages.GetMessagesViewsRequest(types.InputPeerSelf(), [1], False))[
                :-4
            ],
            "INPUT_FETCH_ERROR",
        ),
        (struct.pack("<I", tl.GZIP_PACKED) + bytes(8), "INPUT_FETCH_ERROR"),
        (zipped(b"\0" * 2**25), "INPUT_FETCH_ERROR"),
        (struct.pack("<I", 0x997275B5), "INPUT_FETCH_ERROR"),
        (
            struct.pack("<IiI", functions.InvokeWithLayerRequest.CONSTRUCTOR_ID, 1, 0x997275B5),
            "INPUT_FETCH_ERROR",
        ),
    ],
)
def test_an_unreadable_request_fails_alone(bad, name):
    client = Client()
    ids = [client.next_id() for _ in range(3)]
    events = client.send(client.container(get_config, Raw(bad), get_config, ids=ids))
    assert [event.msg_id for event in events] == [ids[0], ids[2]]
    failures = [answer for answer in client.read_objects() if isinstance(answer, tuple)]
    assert [(msg_id, e.error_code, e.error_message) for msg_id, e in failures] == [
        (ids[1], 400, name)
    ]


def test_endless_nesting_is_an_unreadable_request():
    nested = struct.pack("<Ii", functions.InvokeWithLayerRequest.CONSTRUCTOR_ID, 1) * 5_000
    events, [(_, error)] = Client().exchange(nested)
    assert events == []
    assert error.error_message == "INPUT_FETCH_ERROR"


def test_an_update_reaches_every_session():
    client = Client()
    client.send(functions.PingRequest(1), session=1)
    client.send(functions.PingRequest(1), session=2)
    client.read()
    client.server.push(types.UpdatesTooLong())
    assert client.read_objects() == [types.UpdatesTooLong(), types.UpdatesTooLong()]


# Message ids, salts and sessions


def test_a_new_session_is_announced_once_with_its_first_message():
    client = Client()
    ids = [client.next_id() for _ in range(2)]
    client.send(client.container(get_config, functions.PingRequest(1), ids=ids))
    [created, _pong] = client.read_objects()
    assert isinstance(created, types.NewSessionCreated)
    assert (created.first_msg_id, created.server_salt) == (ids[0], SALT)
    client.send(get_config)
    assert client.read() == []


@pytest.mark.parametrize(
    ("seconds", "code"), [(-301, 16), (-299, None), (29, None), (31, 17), (-(10**9), 16)]
)
def test_a_message_of_another_time_is_refused(seconds, code):
    client = Client()
    msg_id = int(NOW + seconds) << 32
    events, answers = client.exchange(get_config, msg_id=msg_id)
    if code is None:
        assert [event.msg_id for event in events] == [msg_id]
    else:
        assert events == []
        assert [(answer.bad_msg_id, answer.error_code) for answer in answers] == [(msg_id, code)]


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_a_message_with_the_id_of_a_server_is_refused(bits):
    client = Client()
    events, [answer] = client.exchange(get_config, msg_id=client.next_id() + bits)
    assert (events, answer.error_code) == ([], 18)


def test_a_wrong_salt_is_answered_with_the_right_one():
    client = Client()
    msg_id = client.next_id()
    assert client.send(get_config, msg_id=msg_id, salt=0) == []
    [answer] = client.read_objects()
    assert isinstance(answer, types.BadServerSalt)
    assert (answer.bad_msg_id, answer.error_code, answer.new_server_salt) == (msg_id, 48, SALT)
    # The refused message was not taken: it may come again, and still opens the session.
    assert len(client.send(get_config, msg_id=msg_id)) == 1
    assert isinstance(client.read_objects()[0], types.NewSessionCreated)


def test_the_last_salt_is_good_for_another_half_hour():
    salts = Salts(AUTH_KEY)
    old = salts.current(NOW)
    assert salts.accepts(old, NOW + 1800)
    assert salts.current(NOW + 1800) != old
    assert not salts.accepts(old, NOW + 3600)
    assert Salts(AUTH_KEY).current(NOW) == old != Salts(bytes(256)).current(NOW)


def test_coming_salts_are_those_that_will_be_accepted():
    _, [future] = Client().exchange(functions.GetFutureSaltsRequest(3))
    assert len(future.salts) == 3
    salts = Salts(AUTH_KEY)
    for salt in future.salts:
        start, end = salt.valid_since.timestamp(), salt.valid_until.timestamp()
        assert salts.current(start) == salt.salt
        assert salts.accepts(salt.salt, end - 1)
        assert not salts.accepts(salt.salt, end)


def test_a_message_that_comes_twice_is_taken_once_and_acknowledged():
    client = Client()
    msg_id = client.next_id()
    assert len(client.send(get_config, msg_id=msg_id)) == 1
    client.read()
    assert client.send(get_config, msg_id=msg_id) == []
    [ack] = client.read_objects()
    assert (type(ack), ack.msg_ids) == (types.MsgsAck, [msg_id])
    inside = client.container(get_config, get_config, ids=[msg_id, client.next_id()])
    assert len(client.send(inside)) == 1


def test_a_container_that_comes_twice_is_taken_once():
    client = Client()
    msg_id = client.next_id()
    assert len(client.send(client.container(get_config, get_config), msg_id=msg_id)) == 2
    client.read()
    assert client.send(client.container(get_config), msg_id=msg_id) == []
    [ack] = client.read_objects()
    assert (type(ack), ack.msg_ids) == (types.MsgsAck, [msg_id])


def test_the_same_id_in_another_session_is_another_message():
    client = Client()
    msg_id = client.next_id()
    assert len(client.send(get_config, msg_id=msg_id, session=1)) == 1
    assert len(client.send(get_config, msg_id=msg_id, session=2)) == 1


@given(st.lists(st.integers(1, 60), max_size=200))
def test_no_id_is_new_twice(ids):
    seen, taken = SeenIds(keep=5), []
    for msg_id in ids:
        if msg_id not in seen and not seen.is_forgotten(msg_id):
            seen.add(msg_id)
            taken.append(msg_id)
    assert len(taken) == len(set(taken))
    assert all(msg_id in seen for msg_id in taken[-5:])


def test_what_may_have_been_forgotten_is_refused():
    client = Client()
    ids = [client.next_id() for _ in range(2**16 + 1)]
    session_ids = iter(ids[1:])
    for _ in range(2**16 // 1000):
        batch = [next(session_ids) for _ in range(1000)]
        client.send(client.container(*[get_config] * 1000, ids=batch))
    client.send(client.container(*[get_config] * 536, ids=list(session_ids)))
    client.read()
    assert client.send(get_config, msg_id=ids[0]) == []
    assert client.read_objects()[0].error_code == 20
    inside = client.container(get_config, get_config, ids=[ids[0], client.next_id()])
    assert len(client.send(inside)) == 1
    [refusal] = client.read_objects()
    assert (refusal.bad_msg_id, refusal.error_code) == (ids[0], 20)


def test_our_ids_grow_and_are_odd_and_our_numbers_count_what_needs_an_ack():
    client = Client()
    for _ in range(3):
        for request in client.send(client.container(*[get_config] * 3)):
            client.server.answer(request, types.RpcAnswerUnknown())
        client.send(functions.PingRequest(1))
    messages = client.read()
    client.send(functions.PingRequest(1))
    messages += client.read()
    ids = [msg_id for msg_id, _, _ in messages]
    assert ids == sorted(set(ids))
    assert all(msg_id % 4 in (1, 3) for msg_id in ids)
    assert all(abs((msg_id >> 32) - NOW) < 2 for msg_id in ids)
    content = 0
    for _, seq_no, body in messages:
        needs_ack = not is_container(body) and not isinstance(readable(body), types.Pong)
        assert seq_no == content * 2 + needs_ack
        content += needs_ack


# The protocol's own messages


@pytest.mark.parametrize(
    "ping", [functions.PingRequest(5), functions.PingDelayDisconnectRequest(5, 60)]
)
def test_a_ping_is_answered_at_once(ping):
    client = Client()
    msg_id = client.next_id()
    events, [pong] = client.exchange(ping, msg_id=msg_id)
    assert (events, pong) == ([], types.Pong(msg_id, 5))


@pytest.mark.parametrize(
    "silent",
    [
        types.MsgsAck([1]),
        types.HttpWait(1, 2, 3),
        types.MsgsStateInfo(1, "x"),
        types.MsgsAllInfo([1], "x"),
    ],
)
def test_some_messages_need_no_answer(silent):
    assert Client().exchange(silent) == ([], [])


def test_the_state_of_messages_is_told():
    client = Client()
    known = client.next_id()
    client.send(get_config, msg_id=known)
    unknown, too_new = client.next_id(), int(NOW + 60) << 32
    _, [info] = client.exchange(types.MsgsStateReq([known, unknown, too_new]))
    assert info.info == "\x04\x02\x03"


def test_nothing_can_be_sent_again():
    _, [info] = Client().exchange(types.MsgResendReq([5, 9]))
    assert (type(info), info.info) == (types.MsgsStateInfo, "\x01\x01")


def test_an_answer_cannot_be_dropped_any_more():
    client = Client()
    msg_id = client.next_id()
    _, answers = client.exchange(functions.RpcDropAnswerRequest(5), msg_id=msg_id)
    assert answers == [(msg_id, types.RpcAnswerUnknown())]


def test_a_session_may_destroy_another_one():
    client = Client()
    [request] = client.send(get_config, session=1)
    _, answers = client.exchange(functions.DestroySessionRequest(1))
    assert answers == [types.DestroySessionOk(1)]
    client.server.answer(request, True)
    client.server.fail(request, 400, "X")
    assert client.read() == []
    client.send(functions.DestroySessionRequest(1))
    client.send(functions.DestroySessionRequest(SESSION))
    assert client.read_objects() == [
        types.DestroySessionNone(1),
        types.DestroySessionNone(SESSION),
    ]


# Containers of ours


def test_a_lone_answer_travels_without_a_container():
    client = Client()
    client.send(functions.PingRequest(1))
    client.read()
    client.send(functions.PingRequest(1))
    [packet] = client.read_packets()
    assert not is_container(unseal(AUTH_KEY, packet[8:], SERVER)[32:])


def test_answers_share_containers_of_at_most_a_hundred():
    client = Client()
    requests = client.send(client.container(*[get_config] * 250))
    client.read()
    for request in requests:
        client.server.answer(request, True)
    sizes = [
        struct.unpack_from("<i", body, 4)[0] for _, _, body in client.read() if is_container(body)
    ]
    assert sizes == [100, 100, 50]


def test_a_container_stays_below_a_megabyte():
    client = Client()
    requests = client.send(client.container(*[get_config] * 10))
    client.read()
    answers = [types.DataJSON(random.Random(n).randbytes(200_000).hex()) for n in range(10)]
    for request, answer in zip(requests, answers, strict=True):
        client.server.answer(request, answer)
    packets = client.read_packets()
    assert 2 <= len(packets) <= 4
    assert all(len(packet) <= 1_044_456 for packet in packets)


# What breaks the connection


def error_of(client):
    [packet] = client.read_packets()
    return struct.unpack("<i", packet)[0]


def test_an_unknown_key_is_told_with_404():
    client = Client()
    packet = bytearray(client.packet(get_config))
    packet[0] ^= 1
    [event] = client.server.receive(client.framed(bytes(packet)), NOW)
    assert isinstance(event, Closed)
    assert error_of(client) == -404
    assert client.server.data_to_send(NOW) == b""


def test_a_failed_key_exchange_is_told_with_404():
    client = Client()
    body = bytes(functions.SetClientDHParamsRequest(1, 2, b""))
    [event] = client.server.receive(
        client.framed(struct.pack("<qqi", 0, client.next_id(), len(body)) + body), NOW
    )
    assert isinstance(event, Closed)
    assert error_of(client) == -404


def test_only_the_key_exchange_may_be_unencrypted():
    client = Client()
    body = bytes(get_config)
    [event] = client.server.receive(
        client.framed(struct.pack("<qqi", 0, client.next_id(), len(body)) + body), NOW
    )
    assert isinstance(event, Closed)


@pytest.mark.parametrize(
    "make",
    [
        lambda client: b"",
        lambda client: b"shrt",
        lambda client: client.packet(get_config)[:40],
        lambda client: client.packet(get_config)[:-16],
        lambda client: client.packet(get_config)[:-1] + b"\0",
        lambda client: client.packet(get_config, length=400),
        lambda client: client.packet(get_config, length=-4),
        lambda client: client.packet(Raw(b"12345678"), length=7),
        lambda client: client.packet(Raw(bytes(8)), padding=8),
        lambda client: client.packet(get_config, padding=1036),
        lambda client: struct.pack("<qqi", 0, 4, 100) + bytes(4),
        lambda client: struct.pack("<qqi", 0, 4, -1),
        lambda client: struct.pack("<qq", 0, 4),
        lambda client: struct.pack("<qqi", 0, 4, 4) + b"\xde\xad\xbe\xef",
    ],
)
def test_a_broken_packet_closes_the_connection(make):
    client = Client()
    client.send(get_config)
    [event] = client.server.receive(client.framed(make(client)), NOW)
    assert isinstance(event, Closed)
    assert client.send(get_config) == []


def test_what_came_before_the_broken_packet_is_still_answered():
    client = Client()
    data = client.framed(client.packet(get_config)) + client.framed(b"shrt")
    [request, closed] = client.server.receive(data, NOW)
    assert isinstance(closed, Closed)
    client.server.answer(request, True)
    assert client.read()[0][2] != b""


def test_the_padding_of_the_padded_transport_is_ignored():
    for extra in range(16):
        client = Client()
        packet = client.packet(get_config) + bytes(extra)
        data = b"\xdd" * 4 + struct.pack("<i", len(packet)) + packet
        [event] = client.server.receive(data, NOW)
        assert isinstance(event, Request)


# Laws


def described(events):
    return [
        (event.msg_id, bytes(event.body)) if isinstance(event, Request) else event
        for event in events
    ]


bodies = st.sampled_from(
    [
        bytes(get_config),
        bytes(functions.PingRequest(1)),
        zipped(get_config),
        struct.pack("<I", 0xDEADBEEF),
        bytes(types.MsgsAck([1])),
    ]
)


@given(st.lists(bodies, max_size=6), st.binary(max_size=30), st.data())
def test_any_chunking_gives_the_same_events_and_answers(sent, garbage, data):
    client = Client()
    raw = b"".join(client.framed(client.packet(body)) for body in sent) + garbage
    whole, pieces = Client().server, Client().server
    expected = described(whole.receive(raw, NOW))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        events += pieces.receive(raw[start:end], NOW)
    assert described(events) == expected
    assert pieces.data_to_send(NOW) == whole.data_to_send(NOW)


@given(st.binary(max_size=300))
def test_garbage_is_an_event_and_never_an_exception(garbage):
    server = Client().server
    assert all(isinstance(event, Closed) for event in server.receive(garbage, NOW))
    server.data_to_send(NOW)


@given(st.binary(max_size=300))
def test_an_encrypted_message_of_garbage_is_never_an_exception(garbage):
    client = Client()
    garbage += bytes(-len(garbage) % 4)
    for event in client.send(garbage):
        client.server.answer(event, True)
    client.read()


constructors = st.sampled_from(
    [
        kind.CONSTRUCTOR_ID
        for module in (functions, functions.messages, functions.auth, types)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, TLObject) and kind.CONSTRUCTOR_ID
    ]
)


@given(constructors, st.lists(st.one_of(constructors, st.integers(0, 2**32 - 1)), max_size=40))
def test_a_known_constructor_before_garbage_is_never_an_exception(first, words):
    client = Client()
    for event in client.send(struct.pack(f"<{len(words) + 1}I", first, *words)):
        client.server.answer(event, True)
    client.read()


def test_a_key_exchange_is_one_event_and_the_key_is_in_the_store():
    keys = {}
    server = Connection(ServerKey.default(), keys, random.Random(1).randbytes)
    # The steps themselves are in test_handshake.py; here the packets around them.
    body = bytes(functions.ReqPqMultiRequest(5))
    plain = struct.pack("<qqi", 0, 4, len(body)) + body
    assert server.receive(b"\xee" * 4 + struct.pack("<i", len(plain)) + plain, NOW) == []
    answer = server.data_to_send(NOW)[4:]
    zero, msg_id, length = struct.unpack_from("<qqi", answer)
    assert (zero, msg_id % 4, length) == (0, 1, len(answer) - 20)
    assert tl.read(answer[20:])[0].nonce == 5
    assert keys == {}


def test_a_key_is_not_shown():
    assert AUTH_KEY.hex() not in repr(KeyCreated(1, AUTH_KEY))
    assert repr(AUTH_KEY) not in repr(KeyCreated(1, AUTH_KEY))
