"""The key exchange, seen from the server: pure steps of (state, request) -> (answer, state).

It refuses temporary keys (perfect forward secrecy): Telethon asks for none.
Steps and names are those of https://core.telegram.org/mtproto/auth_key.
"""

# Telethon ships no types.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telethon.tl.functions import (
    ReqDHParamsRequest,
    ReqPqMultiRequest,
    ReqPqRequest,
    SetClientDHParamsRequest,
)
from telethon.tl.types import (
    ClientDHInnerData,
    DhGenOk,
    PQInnerData,
    PQInnerDataDc,
    ResPQ,
    ServerDHInnerData,
    ServerDHParamsOk,
)

from broadcast.mtproto.encryption import (
    BLOCK,
    EncryptionError,
    auth_key_id,
    decrypt_ige,
    encrypt_ige,
    sha1,
)
from broadcast.sandbox.protocol import tl
from broadcast.sandbox.protocol.crypto import (
    ServerKey,
    exchange_key_iv,
    open_rsa_pad,
)
from broadcast.sandbox.safe_prime import GENERATOR, SAFE_PRIME

if TYPE_CHECKING:
    from telethon.tl import TLObject

Randomness = Callable[[int], bytes]


class HandshakeError(Exception):
    """The client's step does not follow from the ones before, or proves a wrong key."""


@dataclass(frozen=True, slots=True)
class Start:
    """Nothing was exchanged yet."""


@dataclass(frozen=True, slots=True)
class PqSent:
    """The client has resPQ and looks for the factors of `p * q`."""

    nonce: int
    server_nonce: int
    p: int
    q: int


@dataclass(frozen=True, slots=True)
class ParamsSent:
    """The client has server_DH_params_ok and computes the key."""

    nonce: int
    server_nonce: int
    new_nonce: bytes = field(repr=False)
    a: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both sides have the key."""

    key_id: int
    auth_key: bytes = field(repr=False)


State = Start | PqSent | ParamsSent | Agreed


def step(
    state: State, request: TLObject, *, key: ServerKey, randomness: Randomness, now: float
) -> tuple[TLObject, State]:
    """Answer one unencrypted request. Raises HandshakeError, after which only Start is left.

    A client may start afresh at any time: Telethon does so when a step failed on its side.
    """
    match state, request:
        case _, ReqPqRequest() | ReqPqMultiRequest():
            return offer_pq(request.nonce, key, randomness)
        case PqSent(), ReqDHParamsRequest():
            return offer_params(state, request, key, randomness, now)
        case ParamsSent(), SetClientDHParamsRequest():
            return agree(state, request)
        case _:
            raise HandshakeError(f"{type(request).__name__} after {type(state).__name__}")


def offer_pq(nonce: int, key: ServerKey, randomness: Randomness) -> tuple[ResPQ, PqSent]:
    """Steps 1 and 2: a product for the client to take apart, as its proof of work."""
    p, q = sorted(_primes(randomness))
    state = PqSent(nonce, _signed(randomness(16)), p, q)
    answer = ResPQ(
        nonce=nonce,
        server_nonce=state.server_nonce,
        # All 8 bytes: Telethon reads the number as signed, so its first bit must be clear.
        pq=(p * q).to_bytes(8, "big"),
        server_public_key_fingerprints=[key.fingerprint],
    )
    return answer, state


def offer_params(
    state: PqSent, request: ReqDHParamsRequest, key: ServerKey, randomness: Randomness, now: float
) -> tuple[ServerDHParamsOk, ParamsSent]:
    """Steps 4 and 5: open the client's proof and offer g, the prime and g_a."""
    _check_nonces(state, request.nonce, request.server_nonce)
    if request.public_key_fingerprint != key.fingerprint:
        raise HandshakeError("the client chose a key that was not offered")
    inner = _open_pq_inner_data(request.encrypted_data, key)
    _check_nonces(state, inner.nonce, inner.server_nonce)
    numbers = [int.from_bytes(number, "big") for number in (inner.pq, inner.p, inner.q)]
    if numbers != [state.p * state.q, state.p, state.q]:
        raise HandshakeError("wrong factors of pq")

    new_nonce = inner.new_nonce.to_bytes(32, "little", signed=True)
    a = int.from_bytes(randomness(256), "big")
    data = tl.write(
        ServerDHInnerData(
            nonce=state.nonce,
            server_nonce=state.server_nonce,
            g=GENERATOR,
            dh_prime=SAFE_PRIME.to_bytes(256, "big"),
            g_a=pow(GENERATOR, a, SAFE_PRIME).to_bytes(256, "big"),
            server_time=int(now),
        )
    )
    hashed = sha1(data) + data
    encrypted = encrypt_ige(
        hashed + randomness(-len(hashed) % BLOCK), *_exchange_key_iv(state.server_nonce, new_nonce)
    )
    answer = ServerDHParamsOk(
        nonce=state.nonce, server_nonce=state.server_nonce, encrypted_answer=encrypted
    )
    return answer, ParamsSent(state.nonce, state.server_nonce, new_nonce, a)


def agree(state: ParamsSent, request: SetClientDHParamsRequest) -> tuple[DhGenOk, Agreed]:
    """Steps 7 to 9: take g_b and prove that the key is the same on both sides."""
    _check_nonces(state, request.nonce, request.server_nonce)
    key, iv = _exchange_key_iv(state.server_nonce, state.new_nonce)
    inner = _open_hashed(_decrypted(request.encrypted_data, key, iv))
    if not isinstance(inner, ClientDHInnerData):
        raise HandshakeError(f"{type(inner).__name__} instead of client_DH_inner_data")
    _check_nonces(state, inner.nonce, inner.server_nonce)
    g_b = int.from_bytes(inner.g_b, "big")
    margin = 1 << (2048 - 64)  # security_guidelines#g-a-and-g-b-validation
    if not margin <= g_b <= SAFE_PRIME - margin:
        raise HandshakeError("g_b is out of range")
    auth_key = pow(g_b, state.a, SAFE_PRIME).to_bytes(256, "big")
    proof = sha1(state.new_nonce + b"\x01" + sha1(auth_key)[:8])[4:]
    answer = DhGenOk(
        nonce=state.nonce, server_nonce=state.server_nonce, new_nonce_hash1=_signed(proof)
    )
    return answer, Agreed(auth_key_id(auth_key), auth_key)


def _open_pq_inner_data(encrypted: bytes, key: ServerKey) -> PQInnerData | PQInnerDataDc:
    try:
        block = key.decrypt(encrypted)
    except EncryptionError as error:
        raise HandshakeError(str(error)) from None
    padded = open_rsa_pad(block)
    # Before RSA_PAD there was sha1(data) + data + random, 255 bytes; Telethon 1.45 still does that.
    inner = _open_hashed(block[1:]) if padded is None else _read(padded)[0]
    if not isinstance(inner, PQInnerData | PQInnerDataDc):
        raise HandshakeError(f"{type(inner).__name__} instead of p_q_inner_data")
    return inner


def _open_hashed(data: bytes) -> TLObject:
    """Read sha1(object) + object + padding."""
    digest, rest = data[:20], data[20:]
    inner, size = _read(rest)
    if sha1(rest[:size]) != digest:
        raise HandshakeError("the hash does not match the data")
    return inner


def _decrypted(cipher: bytes, key: bytes, iv: bytes) -> bytes:
    try:
        return decrypt_ige(cipher, key, iv)
    except EncryptionError as error:
        raise HandshakeError(str(error)) from None


def _read(data: bytes) -> tuple[TLObject, int]:
    try:
        return tl.read(data)
    except tl.UnreadableError as error:
        raise HandshakeError(str(error)) from None


def _check_nonces(state: PqSent | ParamsSent, nonce: int, server_nonce: int) -> None:
    if (nonce, server_nonce) != (state.nonce, state.server_nonce):
        raise HandshakeError("the nonces are those of another exchange")


def _exchange_key_iv(server_nonce: int, new_nonce: bytes) -> tuple[bytes, bytes]:
    return exchange_key_iv(server_nonce.to_bytes(16, "little", signed=True), new_nonce)


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _primes(randomness: Randomness) -> set[int]:
    """Choose two primes of 21 bits: a client takes their product apart in about a millisecond."""
    primes: set[int] = set()
    while len(primes) < 2:
        primes.add(_prime_from((1 << 20) + int.from_bytes(randomness(3), "big") % (1 << 20)))
    return primes


def _prime_from(number: int) -> int:
    candidate = number | 1
    while any(candidate % divisor == 0 for divisor in range(3, int(candidate**0.5) + 1, 2)):
        candidate += 2
    return candidate
