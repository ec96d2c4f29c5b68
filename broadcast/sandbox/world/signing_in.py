"""Signing in to the sandbox: codes, passwords, bot tokens.

Nothing is stored before somebody is signed in: the hash of a code contains its time and a seal.

- Any number may ask for a code, and the code is `CODE` of people/logins.py.
- Numbers that end in an even digit have an account; the others must sign up, which Telegram allows
  to its own apps only, so that Telethon refuses it too.
- Numbers that end in `PASSWORD_DIGITS` also have a password: `PASSWORD`.
- Every well-formed bot token signs in as the bot whose id it begins with.
"""

# Telethon ships no stubs; pyright reads its source.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from telethon.tl import functions, types

from broadcast.sandbox.people import phonebook
from broadcast.sandbox.people.logins import CODE, PASSWORD_DIGITS
from broadcast.sandbox.safe_prime import GENERATOR
from broadcast.sandbox.world import password_check
from broadcast.sandbox.world.input_peers import user_of
from broadcast.sandbox.world.rpc_error import RpcError

if TYPE_CHECKING:
    from broadcast.sandbox.memory.member import Account
    from broadcast.sandbox.memory.state import State

CODE_LIFETIME = 300
PASSWORD_LIFETIME = 300

_PHONE = re.compile(r"\+?([0-9]{7,15})\Z")  # Telethon sends numbers without their +
_TOKEN = re.compile(r"([1-9][0-9]{0,15}):[A-Za-z0-9_-]{35}\Z")

Authorization = types.auth.Authorization | types.auth.AuthorizationSignUpRequired


def send_code(
    _state: State, _key_id: int, request: functions.auth.SendCodeRequest, now: float
) -> types.auth.SentCode:
    """auth.sendCode."""
    if request.api_id <= 0:
        raise RpcError(400, "API_ID_INVALID")
    return _sent(_number(request.phone_number), now)


def resend_code(
    _state: State, _key_id: int, request: functions.auth.ResendCodeRequest, now: float
) -> types.auth.SentCode:
    """auth.resendCode."""
    phone = _number(request.phone_number)
    _check_code_hash(phone, request.phone_code_hash, now)
    return _sent(phone, now)


def sign_in(
    state: State, key_id: int, request: functions.auth.SignInRequest, now: float
) -> Authorization:
    """auth.signIn."""
    phone = _number(request.phone_number)
    _check_code_hash(phone, request.phone_code_hash, now)
    if not request.phone_code:
        raise RpcError(400, "PHONE_CODE_EMPTY")
    if request.phone_code != CODE:
        raise RpcError(400, "PHONE_CODE_INVALID")
    entry = _owner(phone)
    if entry.id not in state.accounts and int(phone) % 2:
        return types.auth.AuthorizationSignUpRequired()
    state.learn(entry)
    account = state.open_account(entry.id, entry.phone, entry.title, "", is_bot=False)
    if phone.endswith(PASSWORD_DIGITS):
        state.sign_in(key_id, account, let_in=False)
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    return _let_in(state, key_id, account)


def sign_up(
    state: State, key_id: int, request: functions.auth.SignUpRequest, now: float
) -> Authorization:
    """auth.signUp. The code itself was checked by the auth.signIn that asked to sign up."""
    phone = _number(request.phone_number)
    _check_code_hash(phone, request.phone_code_hash, now)
    entry = _owner(phone)
    if entry.id in state.accounts or int(phone) % 2 == 0:
        raise RpcError(400, "PHONE_NUMBER_OCCUPIED")
    if not request.first_name.strip():
        raise RpcError(400, "FIRSTNAME_INVALID")
    names = request.first_name, request.last_name
    return _let_in(state, key_id, state.open_account(entry.id, entry.phone, *names, is_bot=False))


def get_password(
    state: State, key_id: int, _request: functions.account.GetPasswordRequest, now: float
) -> types.account.Password:
    """account.getPassword."""
    login = state.logins.get(key_id)
    if login is None:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")
    phone = state.accounts[login[0]].phone
    has_password = phone is not None and phone.endswith(PASSWORD_DIGITS)
    srp_id = password_check.check_id(key_id, int(now))
    algo = types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
        password_check.SALT_1, password_check.SALT_2, GENERATOR, password_check.PRIME_BYTES
    )
    return types.account.Password(
        new_algo=algo,
        new_secure_algo=types.SecurePasswordKdfAlgoUnknown(),
        secure_random=blake2b(b"%d" % srp_id, digest_size=32).digest(),
        has_password=has_password,
        current_algo=algo if has_password else None,
        srp_B=password_check.challenge(srp_id) if has_password else None,
        srp_id=srp_id if has_password else None,
        hint="the sandbox's password is in its documentation" if has_password else None,
    )


def check_password(
    state: State, key_id: int, request: functions.auth.CheckPasswordRequest, now: float
) -> Authorization:
    """auth.checkPassword."""
    login = state.logins.get(key_id)
    if login is None:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")
    check = request.password
    if not isinstance(check, types.InputCheckPasswordSRP):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    if not password_check.is_check_id(check.srp_id, key_id, int(now), PASSWORD_LIFETIME):
        raise RpcError(400, "SRP_ID_INVALID")
    if not password_check.accepts(check.srp_id, check.A, check.M1):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    return _let_in(state, key_id, state.accounts[login[0]])


def import_bot_authorization(
    state: State, key_id: int, request: functions.auth.ImportBotAuthorizationRequest, _now: float
) -> Authorization:
    """auth.importBotAuthorization."""
    if request.api_id <= 0:
        raise RpcError(400, "API_ID_INVALID")
    token = _TOKEN.match(request.bot_auth_token)
    if not token:
        raise RpcError(400, "ACCESS_TOKEN_INVALID")
    bot_id = int(token[1])
    names = f"{phonebook.by_id(bot_id).title} Bot", ""
    return _let_in(state, key_id, state.open_account(bot_id, None, *names, is_bot=True))


def log_out(
    state: State, key_id: int, _request: functions.auth.LogOutRequest, _now: float
) -> types.auth.LoggedOut:
    """auth.logOut."""
    if key_id not in state.logins:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")
    state.sign_out(key_id)
    return types.auth.LoggedOut()


def _let_in(state: State, key_id: int, account: Account) -> types.auth.Authorization:
    state.sign_in(key_id, account, let_in=True)
    return types.auth.Authorization(user_of(state, account, account.id))


def _number(written: str) -> str:
    number = _PHONE.match(written)
    if not number:
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    return number[1]


def _owner(phone: str) -> phonebook.Entry:
    entry = phonebook.by_phone(f"+{phone}")
    if entry is None:
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    return entry


def _sent(phone: str, now: float) -> types.auth.SentCode:
    return types.auth.SentCode(
        # Telethon's annotation of `type` names a module by mistake.
        type=types.auth.SentCodeTypeApp(length=len(CODE)),  # pyright: ignore[reportArgumentType]
        phone_code_hash=_code_hash(phone, int(now)),
        timeout=60,
    )


def _code_hash(phone: str, sent_at: int) -> str:
    seal = blake2b(f"{phone} {sent_at}".encode(), digest_size=6).hexdigest()
    return f"{sent_at:08x}{seal}"


def _check_code_hash(phone: str, code_hash: str, now: float) -> None:
    if not code_hash:
        raise RpcError(400, "PHONE_CODE_HASH_EMPTY")
    try:
        sent_at = int(code_hash[:8], 16)
    except ValueError:
        sent_at = -1
    if code_hash != _code_hash(phone, sent_at) or not 0 <= int(now) - sent_at <= CODE_LIFETIME:
        raise RpcError(400, "PHONE_CODE_EXPIRED")
