import hashlib
import os
import random
import time
from dataclasses import replace

import pytest
from telethon.crypto import rsa as telethon_rsa
from telethon.errors import SecurityError
from telethon.network.authenticator import do_authentication
from telethon.tl import functions, types

from broadcast.mtproto.encryption import auth_key_id, encrypt_ige, sha1
from broadcast.sandbox.protocol import tl
from broadcast.sandbox.protocol.crypto import ServerKey, exchange_key_iv
from broadcast.sandbox.protocol.handshake import (
    Agreed,
    HandshakeError,
    ParamsSent,
    PqSent,
    Start,
    offer_pq,
    step,
)
from broadcast.sandbox.safe_prime import SAFE_PRIME

KEY = ServerKey.default()
NOW = 1_800_000_000.0
NONCE = 11
NEW_NONCE = 22
G_B = pow(3, 2**256 + 1, SAFE_PRIME)


class Server:
    """Takes the place of Telethon's plain sender, without a network between the two sides."""

    def __init__(self):
        self.state = Start()

    async def send(self, request):
        return self.answer(request)

    def answer(self, request):
        request, _ = tl.read(bytes(request))
        answer, self.state = step(self.state, request, key=KEY, randomness=os.urandom, now=NOW)
        return tl.read(tl.write(answer))[0]


def inner_data(kind=types.PQInnerData, **changes):
    fields = {
        "pq": b"",
        "p": b"",
        "q": b"",
        "nonce": NONCE,
        "server_nonce": 0,
        "new_nonce": NEW_NONCE,
    }
    return kind(**(fields | changes))


def encrypt_old(data):
    block = b"\0" + sha1(data) + data + bytes(235 - len(data))
    return pow(int.from_bytes(block, "big"), KEY.e, KEY.n).to_bytes(256, "big")


def encrypt_rsa_pad(data):
    padded, temp_key = data + bytes(192 - len(data)), bytes(32)
    hashed = padded[::-1] + hashlib.sha256(temp_key + padded).digest()
    cipher = encrypt_ige(hashed, temp_key, bytes(32))
    block = hashlib.sha256(cipher).digest() + cipher
    if int.from_bytes(block, "big") >= KEY.n:
        return None
    return pow(int.from_bytes(block, "big"), KEY.e, KEY.n).to_bytes(256, "big")


def start():
    server = Server()
    server.answer(functions.ReqPqMultiRequest(NONCE))
    return server


def params_request(server, *, encrypt=encrypt_old, inner=None, **changes):
    state = server.state
    p, q = (number.to_bytes(4, "big") for number in (state.p, state.q))
    right = {
        "pq": (state.p * state.q).to_bytes(8, "big"),
        "p": p,
        "q": q,
        "server_nonce": state.server_nonce,
    }
    inner = inner_data(**(right | (inner or {})))
    fields = {
        "nonce": NONCE,
        "server_nonce": state.server_nonce,
        "p": p,
        "q": q,
        "public_key_fingerprint": KEY.fingerprint,
        "encrypted_data": encrypt(bytes(inner)),
    }
    return functions.ReqDHParamsRequest(**(fields | changes))


def client_params_request(server, *, g_b=G_B, digest=None, inner=None, **changes):
    state = server.state
    fields = {
        "nonce": NONCE,
        "server_nonce": state.server_nonce,
        "retry_id": 0,
        "g_b": g_b.to_bytes(256, "big"),
    }
    data = bytes(types.ClientDHInnerData(**(fields | (inner or {}))))
    hashed = (digest or sha1(data)) + data
    key, iv = exchange_key_iv(
        state.server_nonce.to_bytes(16, "little", signed=True),
        NEW_NONCE.to_bytes(32, "little"),
    )
    fields = {
        "nonce": NONCE,
        "server_nonce": state.server_nonce,
        "encrypted_data": encrypt_ige(hashed + bytes(-len(hashed) % 16), key, iv),
    }
    return functions.SetClientDHParamsRequest(**(fields | changes))


async def agree_with_telethon():
    telethon_rsa.add_key(KEY.public_pem(), old=False)
    server = Server()
    for _ in range(5):
        try:
            return server, await do_authentication(server)
        except SecurityError as error:
            # One key in 256 starts with a zero byte. Telethon 1.45 drops it, finds another hash
            # than the server, and starts again, as its sender does.
            if "new nonce hash" not in str(error):
                raise
    raise AssertionError("five keys in a row that start with a zero")


async def test_telethon_and_the_server_agree_on_a_key():
    server, (auth_key, _) = await agree_with_telethon()
    assert isinstance(server.state, Agreed)
    assert server.state.auth_key == auth_key.key
    assert server.state.key_id == auth_key.key_id == auth_key_id(auth_key.key)


async def test_the_client_learns_the_servers_time():
    _, (_, offset) = await agree_with_telethon()
    assert abs(time.time() + offset - NOW) < 30


def test_a_key_keeps_its_leading_zeros():
    # auth_key, step 8: the key is 2048 bits, whatever its value.
    server = start()
    server.answer(params_request(server))
    server.state = replace(server.state, a=65537)  # a short exponent finds such a key sooner
    g_b = next(
        g_b
        for exponent in range(700, 10_000)
        if (g_b := pow(3, exponent, SAFE_PRIME)) >> 2040
        and pow(g_b, server.state.a, SAFE_PRIME) >> 2040 == 0
        and 2**1984 <= g_b <= SAFE_PRIME - 2**1984
    )
    server.answer(client_params_request(server, g_b=g_b))
    assert len(server.state.auth_key) == 256
    assert server.state.auth_key[0] == 0


def test_the_product_is_of_two_primes_and_quick_to_take_apart():
    for seed in range(50):
        _, state = offer_pq(NONCE, KEY, random.Random(seed).randbytes)
        assert state.p < state.q < 2**22
        for prime in (state.p, state.q):
            assert all(prime % divisor for divisor in range(2, 1500))


def test_the_steps_depend_on_nothing_but_their_arguments():
    first = offer_pq(NONCE, KEY, random.Random(1).randbytes)
    again = offer_pq(NONCE, KEY, random.Random(1).randbytes)
    assert first == again


def test_rsa_pad_is_accepted_too():
    server = start()
    request = params_request(server, encrypt=lambda data: encrypt_rsa_pad(data) or bytes(256))
    while request.encrypted_data == bytes(256):  # the block was no number below n: another try
        server = start()
        request = params_request(server, encrypt=lambda data: encrypt_rsa_pad(data) or bytes(256))
    assert isinstance(server.answer(request), types.ServerDHParamsOk)


@pytest.mark.parametrize("request_type", [functions.ReqPqRequest, functions.ReqPqMultiRequest])
def test_a_client_may_start_afresh_at_any_time(request_type):
    server = start()
    server.answer(params_request(server))
    assert isinstance(server.state, ParamsSent)
    assert server.answer(request_type(5)).nonce == 5
    assert isinstance(server.state, PqSent)


def test_the_old_exchange_is_over_when_a_new_one_starts():
    server = start()
    old = params_request(server)
    server.answer(functions.ReqPqMultiRequest(NONCE))
    with pytest.raises(HandshakeError, match="another exchange"):
        server.answer(old)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 5},
        {"server_nonce": 5},
        {"public_key_fingerprint": 5},
        {"encrypted_data": bytes(256)},
        {"encrypted_data": b"short"},
        {"inner": {"nonce": 5}},
        {"inner": {"server_nonce": 5}},
        {"inner": {"p": b"\5"}},
        {"inner": {"q": b"\5"}},
        {"inner": {"pq": b"\5"}},
        {"encrypt": lambda data: encrypt_old(data[:-4] + b"\0")},
        {"encrypt": lambda _: encrypt_old(bytes(types.Pong(1, 2)))},
        {"encrypt": lambda data: encrypt_old(data)[:-1] + b"\0"},
    ],
)
def test_a_wrong_proof_is_refused(changes):
    server = start()
    with pytest.raises(HandshakeError):
        server.answer(params_request(server, **changes))


def test_temporary_keys_are_refused():
    server = start()
    state = server.state
    inner = inner_data(
        types.PQInnerDataTemp,
        pq=(state.p * state.q).to_bytes(8, "big"),
        server_nonce=state.server_nonce,
        expires_in=60,
    )
    with pytest.raises(HandshakeError, match="PQInnerDataTemp"):
        server.answer(params_request(server, encrypt=lambda _: encrypt_old(bytes(inner))))


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 5},
        {"server_nonce": 5},
        {"encrypted_data": bytes(17)},
        {"encrypted_data": bytes(64)},
        {"digest": bytes(20)},
        {"inner": {"nonce": 5}},
        {"inner": {"server_nonce": 5}},
        {"g_b": 0},
        {"g_b": 1},
        {"g_b": SAFE_PRIME - 1},
        {"g_b": 2**1984 - 1},
        {"g_b": SAFE_PRIME - 2**1984 + 1},
    ],
)
def test_wrong_parameters_of_the_client_are_refused(changes):
    server = start()
    server.answer(params_request(server))
    with pytest.raises(HandshakeError):
        server.answer(client_params_request(server, **changes))


def test_steps_out_of_order_are_refused():
    with pytest.raises(HandshakeError, match="ReqDHParamsRequest after Start"):
        Server().answer(functions.ReqDHParamsRequest(1, 2, b"", b"", 3, b""))
    with pytest.raises(HandshakeError, match="SetClientDHParamsRequest after PqSent"):
        start().answer(functions.SetClientDHParamsRequest(1, 2, b""))
    with pytest.raises(HandshakeError, match="PingRequest"):
        start().answer(functions.PingRequest(1))


def test_a_key_is_not_shown():
    server = start()
    server.answer(params_request(server))
    assert str(server.state.a) not in repr(server.state)
    server.answer(client_params_request(server))
    assert server.state.auth_key.hex() not in repr(server.state)
    assert repr(server.state.auth_key) not in repr(server.state)
