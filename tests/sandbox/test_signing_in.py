from __future__ import annotations

import pytest
from telethon import password
from telethon.tl import functions, types

from broadcast.sandbox.people import logins
from broadcast.sandbox.safe_prime import SAFE_PRIME
from broadcast.sandbox.world import RpcError, World, password_check, signing_in
from tests.sandbox.asking import PHONE, Client, bot, user

TWO_STEPS = "+34600000002"
WITHOUT_ACCOUNT = "+34600000001"

get_me = functions.users.GetUsersRequest([types.InputUserSelf()])


def refusal(name: str):
    return pytest.raises(RpcError, match=name)


def at_the_password() -> Client:
    client = Client(World())
    with refusal("SESSION_PASSWORD_NEEDED"):
        client.sign_in(TWO_STEPS)
    return client


def check(client: Client, text: str, settings: types.account.Password | None = None):
    settings = settings or client.ask(functions.account.GetPasswordRequest())
    return client.ask(functions.auth.CheckPasswordRequest(password.compute_check(settings, text)))


def test_nobody_is_signed_in_at_first():
    with refusal("AUTH_KEY_UNREGISTERED") as error:
        Client(World()).ask(get_me)
    assert error.value.code == 401


def test_the_code_signs_in_with_and_without_the_plus():
    assert user().ask(get_me)[0].phone == PHONE[1:]
    assert Client(World()).sign_in(PHONE[1:]).user.phone == PHONE[1:]


def test_the_same_phone_is_the_same_account_in_every_session():
    world = World()
    first, second = user(world), user(world, key_id=2)
    assert first.ask(get_me) == second.ask(get_me)
    assert world.account_of(1) == world.account_of(2)


def test_a_code_is_required():
    with refusal("PHONE_CODE_EMPTY"):
        Client(World()).sign_in(code="")


@pytest.mark.parametrize("code", ["12346", "1234", "00000"])
def test_a_wrong_code_is_refused(code):
    with refusal("PHONE_CODE_INVALID"):
        Client(World()).sign_in(code=code)


def test_a_code_is_good_for_five_minutes():
    client = Client(World())
    code_hash = client.ask_for_code(PHONE)
    client.now += signing_in.CODE_LIFETIME
    sign_in = functions.auth.SignInRequest(PHONE, code_hash, logins.CODE)
    client.now += 1
    with refusal("PHONE_CODE_EXPIRED"):
        client.ask(sign_in)
    client.now -= 1
    assert client.ask(sign_in).user.is_self


def test_a_code_hash_belongs_to_its_phone():
    client = Client(World())
    code_hash = client.ask_for_code("+34600000004")
    for wrong in (code_hash, "nonsense", ""):
        with pytest.raises(RpcError, match=r"PHONE_CODE_(EXPIRED|HASH_EMPTY)"):
            client.ask(functions.auth.SignInRequest(PHONE, wrong, logins.CODE))


def test_a_code_can_be_sent_again():
    client = Client(World())
    code_hash = client.ask_for_code(PHONE)
    again = client.ask(functions.auth.ResendCodeRequest(PHONE, code_hash))
    assert again.type == types.auth.SentCodeTypeApp(len(logins.CODE))


@pytest.mark.parametrize("phone", ["", "+", "abc", "+12345", "+1234567890123456", "me"])
def test_what_is_no_number_gets_no_code(phone):
    with refusal("PHONE_NUMBER_INVALID"):
        Client(World()).ask_for_code(phone)


def test_an_odd_number_must_sign_up_first():
    client = Client(World())
    assert isinstance(client.sign_in(WITHOUT_ACCOUNT), types.auth.AuthorizationSignUpRequired)
    with refusal("AUTH_KEY_UNREGISTERED"):
        client.ask(get_me)
    code_hash = client.ask_for_code(WITHOUT_ACCOUNT)
    with refusal("FIRSTNAME_INVALID"):
        client.ask(functions.auth.SignUpRequest(WITHOUT_ACCOUNT, code_hash, " ", ""))
    client.ask(functions.auth.SignUpRequest(WITHOUT_ACCOUNT, code_hash, "Ana", "Maria"))
    assert client.ask(get_me)[0].first_name == "Ana"
    with refusal("PHONE_NUMBER_OCCUPIED"):
        client.ask(functions.auth.SignUpRequest(WITHOUT_ACCOUNT, code_hash, "Ana", ""))
    assert Client(client.world, 2).sign_in(WITHOUT_ACCOUNT).user.last_name == "Maria"


def test_the_right_password_signs_in():
    client = at_the_password()
    with refusal("AUTH_KEY_UNREGISTERED"):
        client.ask(get_me)
    assert client.world.account_of(1) is None
    assert check(client, logins.PASSWORD).user.is_self
    assert client.ask(get_me)[0].phone == TWO_STEPS[1:]


@pytest.mark.parametrize("wrong", ["", "Sandbox", "sandbox "])
def test_a_wrong_password_is_refused(wrong):
    client = at_the_password()
    with refusal("PASSWORD_HASH_INVALID"):
        check(client, wrong)
    with refusal("AUTH_KEY_UNREGISTERED"):
        client.ask(get_me)


def test_a_password_check_needs_a_login_and_a_proof():
    empty = functions.auth.CheckPasswordRequest(types.InputCheckPasswordEmpty())
    with refusal("PASSWORD_HASH_INVALID"):
        at_the_password().ask(empty)
    with refusal("AUTH_KEY_UNREGISTERED"):
        Client(World()).ask(empty)


def test_a_proof_is_good_for_one_login_and_a_few_minutes():
    client = at_the_password()
    settings = client.ask(functions.account.GetPasswordRequest())
    other = Client(client.world, 2)
    with refusal("SESSION_PASSWORD_NEEDED"):
        other.sign_in(TWO_STEPS)
    with refusal("SRP_ID_INVALID"):
        check(other, logins.PASSWORD, settings)
    client.now += signing_in.PASSWORD_LIFETIME + 1
    with refusal("SRP_ID_INVALID"):
        check(client, logins.PASSWORD, settings)


@pytest.mark.parametrize("a", [0, 1, SAFE_PRIME - 1, SAFE_PRIME, 2**2048 - 1, 2**2056])
def test_a_forged_public_value_proves_nothing(a):
    assert not password_check.accepts(1, a.to_bytes(258, "big").lstrip(b"\0"), bytes(32))


def test_accounts_without_a_password_say_so():
    settings = user().ask(functions.account.GetPasswordRequest())
    assert not settings.has_password
    with refusal("AUTH_KEY_UNREGISTERED"):
        Client(World()).ask(functions.account.GetPasswordRequest())


def test_a_token_signs_in_as_the_bot_whose_id_it_begins_with():
    me = bot(bot_id=4711).ask(get_me)[0]
    assert (me.id, me.bot, me.phone) == (4711, True, None)
    assert me.username == "id_4711_bot"


@pytest.mark.parametrize("token", ["", "4711", "4711:short", "x:" + "A" * 35, "0:" + "A" * 35])
def test_a_malformed_token_is_refused(token):
    with refusal("ACCESS_TOKEN_INVALID"):
        Client(World()).ask(functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", token))


def test_an_api_id_must_be_positive():
    client = Client(World())
    with refusal("API_ID_INVALID"):
        client.ask(functions.auth.SendCodeRequest(PHONE, 0, "", types.CodeSettings()))
    with refusal("API_ID_INVALID"):
        client.ask(functions.auth.ImportBotAuthorizationRequest(0, 0, "", "1:" + "A" * 35))


def test_logging_out_ends_one_session_only():
    world = World()
    first, second = user(world), user(world, key_id=2)
    assert first.ask(functions.auth.LogOutRequest()) == types.auth.LoggedOut()
    assert second.ask(get_me)[0].is_self
    for request in (get_me, functions.auth.LogOutRequest()):
        with refusal("AUTH_KEY_UNREGISTERED"):
            first.ask(request)
