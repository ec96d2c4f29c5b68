"""Where settings come from, what is refused, and that secrets stay unseen."""

from __future__ import annotations

import io
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from platformdirs import user_data_path
from rich.console import Console
from rich.traceback import Traceback

from broadcast.core.access import Server
from broadcast.core.errors import SettingsError
from broadcast.settings import (
    STRING_SESSION_LENGTH,
    Settings,
    load_settings,
    read_environment,
    user_dotenv,
)

if TYPE_CHECKING:
    from collections.abc import Callable

API_HASH = "0123456789abcdef0123456789abcdef"
TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"  # noqa: S105 - made up
PHONE = "+34600000001"
STRING_SESSION = "1" + "S3cretSession" * 30
APP = {"TELEGRAM_API_ID": "1234567", "TELEGRAM_API_HASH": API_HASH}
KEY = "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC KEY-----\n"


def settings_of(**values: str) -> Settings:
    return load_settings(APP | values)


# --- where they come from


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("TELEGRAM_PHONE=+34600000002\nTELEGRAM_SESSION=from-the-file\n")
    values = read_environment({"TELEGRAM_PHONE": PHONE}, dotenv)
    assert values == {"TELEGRAM_PHONE": PHONE, "TELEGRAM_SESSION": "from-the-file"}


def test_an_option_goes_before_the_environment() -> None:
    values = {"BROADCAST_HOME": "/from/the/environment"}
    assert load_settings(values, home="/from/the/option").home == Path("/from/the/option")
    assert load_settings(values).home == Path("/from/the/environment")


def test_without_any_setting_the_home_is_where_programs_keep_their_data() -> None:
    settings = load_settings({})
    assert settings.home == user_data_path("broadcast")
    assert settings.server is None


def test_the_file_may_be_missing(tmp_path: Path) -> None:
    assert read_environment({"A": "1"}, tmp_path / ".env") == {"A": "1"}


def test_the_environment_goes_before_the_directory_and_that_before_the_user(tmp_path: Path) -> None:
    here, mine = tmp_path / ".env", tmp_path / "mine.env"
    here.write_text("A=here\nB=here\n")
    mine.write_text("A=mine\nB=mine\nC=mine\n")
    values = read_environment({"A": "environment"}, here, mine)
    assert values == {"A": "environment", "B": "here", "C": "mine"}
    here.unlink()
    assert read_environment({}, here, mine) == {"A": "mine", "B": "mine", "C": "mine"}


def test_a_mistake_in_the_file_of_the_user_names_that_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.env"
    for line, told in (
        ("BROADCAST_TOO=x", "BROADCAST_TOO in"),
        ("TELEGRAM_PHONE=", "TELEGRAM_PHONE is set"),
    ):
        mine.write_text(f"{line}\n")
        with pytest.raises(SettingsError, match=told) as caught:
            read_environment({}, tmp_path / ".env", mine, options=["BROADCAST_TO"])
        assert str(mine) in str(caught.value)


def test_the_file_of_the_user_is_beside_the_contact_list_of_the_user() -> None:
    assert user_dotenv() == load_settings({}).config_dir / ".env"


def test_reading_the_file_leaves_the_environment_as_it_was(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("BROADCAST_TEST_OF_SETTINGS=1\n")
    before = dict(os.environ)
    assert read_environment(os.environ, dotenv)["BROADCAST_TEST_OF_SETTINGS"] == "1"
    assert dict(os.environ) == before


@pytest.mark.parametrize("line", ["TELEGRAM_SESSION=", "TELEGRAM_SERVER", "BROADCAST_X=' '"])
def test_an_empty_value_is_refused(tmp_path: Path, line: str) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"TELEGRAM_PHONE=+34600000001\n{line}\n")
    name = line.partition("=")[0]
    with pytest.raises(SettingsError, match=f"{name} is set in .*env, and empty"):
        read_environment({}, dotenv)
    with pytest.raises(SettingsError, match=f"{name} is set in the environment, and empty"):
        read_environment({name: ""}, tmp_path / "none")
    with pytest.raises(SettingsError, match=f"{name} is set in the settings, and empty"):
        load_settings({name: ""})


def test_what_is_empty_and_of_another_program_is_left_out(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("OTHER=1\nTELEGRAM_ADMIN=\n")
    assert read_environment({"EMPTY": ""}, dotenv) == {"OTHER": "1"}


@pytest.mark.parametrize("content", [b"\xff\xfeT\0", b"TELEGRAM_PHONE=\xe9\n"])
def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, content: bytes) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(content)
    with pytest.raises(SettingsError, match=r"\.env: cannot be read"):
        read_environment({}, dotenv)


# --- who sends


def test_a_person_is_known_by_the_phone_and_a_bot_by_the_token() -> None:
    person = settings_of(TELEGRAM_PHONE=" +34 600 00-00-01 ").access().credentials
    assert (person.api_id, person.api_hash) == (1234567, API_HASH)
    assert (person.phone, person.bot_token) == (PHONE, None)
    bot = settings_of(TELEGRAM_BOT_TOKEN=f" {TOKEN} ").access().credentials
    assert (bot.phone, bot.bot_token) == (None, TOKEN)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "TELEGRAM_API_ID and TELEGRAM_API_HASH are not set"),
        ({"TELEGRAM_API_ID": "1"}, "TELEGRAM_API_HASH is not set"),
        ({"TELEGRAM_API_HASH": API_HASH}, "TELEGRAM_API_ID is not set"),
    ],
)
def test_missing_credentials_say_what_to_get_where_and_what_needs_none(
    values: dict[str, str], told: str
) -> None:
    settings = load_settings(values)  # a dry run and the sandbox go on without them
    with pytest.raises(SettingsError) as caught:
        settings.access()
    tried = "  broadcast 'I bought a car!' --sandbox"  # also told by commands without that option
    for part in (told, "https://my.telegram.org", ".env", "TELEGRAM_BOT_TOKEN", tried):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "number", ["abc", "0", "-5", "12.5", "1e6", "2147483648", "٣", "1" * 5000, "0x10", "1 2"]
)
def test_an_api_id_that_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_API_ID must be the number"):
        settings_of(TELEGRAM_API_ID=number)


@pytest.mark.parametrize("phone", ["600000001", "@ana", "+0", "me", "call me", "+123"])
def test_a_phone_that_is_none_is_refused(phone: str) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_PHONE is not a phone number"):
        settings_of(TELEGRAM_PHONE=phone)


@pytest.mark.parametrize("token", ["nonsense", "12:short", TOKEN.replace(":", "")])
def test_a_token_that_is_none_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_BOT_TOKEN is not a bot token") as caught:
        settings_of(TELEGRAM_BOT_TOKEN=token)
    assert token not in str(caught.value)


def test_a_phone_and_a_token_together_are_refused() -> None:
    with pytest.raises(SettingsError, match="both set: remove one"):
        settings_of(TELEGRAM_PHONE=PHONE, TELEGRAM_BOT_TOKEN=TOKEN)


# --- which session


@pytest.mark.parametrize(
    ("values", "file"),
    [
        ({}, "/home/sessions/me.session"),
        ({"TELEGRAM_SESSION": "work"}, "/home/sessions/work.session"),
        ({"TELEGRAM_SESSION": "/else/where"}, "/else/where.session"),
        ({"TELEGRAM_SESSION": "/else/where.session"}, "/else/where.session"),
        ({"TELEGRAM_SESSION": "here.session"}, "here.session"),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, "/home/sessions/bot123456789.session"),
    ],
)
def test_a_session_is_a_file_of_its_account(values: dict[str, str], file: str) -> None:
    assert load_settings(APP | values, home="/home").access().session == Path(file)


def test_each_server_has_its_own_session() -> None:
    servers = ["1.2.3.4:443", "1@1.2.3.4:443", "1.2.3.4:80", "[::1]:443", "test"]
    sessions = {settings_of(TELEGRAM_SERVER=server).access().session for server in servers}
    assert len(sessions | {settings_of().access().session}) == len(servers) + 1


def test_a_string_session_is_taken_as_it_is() -> None:
    assert len(STRING_SESSION) >= STRING_SESSION_LENGTH
    assert settings_of(TELEGRAM_SESSION=STRING_SESSION).access().session == STRING_SESSION


# --- which server


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("127.0.0.1:4430", Server("127.0.0.1", 4430), "2@127.0.0.1:4430"),
        ("3@127.0.0.1:4430", Server("127.0.0.1", 4430, 3), "3@127.0.0.1:4430"),
        (" example.org:443 ", Server("example.org", 443), "2@example.org:443"),
        ("[::1]:4430", Server("::1", 4430), "2@[::1]:4430"),
        ("5@[2001:db8::1]:443", Server("2001:db8::1", 443, 5), "5@[2001:db8::1]:443"),
        ("test", Server("149.154.167.40", 80), "2@149.154.167.40:80"),
    ],
)
def test_a_server_is_read_in_every_form(text: str, server: Server, shown: str) -> None:
    found = settings_of(TELEGRAM_SERVER=text).access().server
    assert found == server
    assert str(found) == shown


@pytest.mark.parametrize(
    "text",
    ["example.org", ":443", "example.org:", "example.org:0", "example.org:65536", "::1:443",
     "x@1.2.3.4:443", "0@1.2.3.4:443", "https://example.org:443", "a b:443", "1.2.3.4:44x", "Test",
     "1.2.3.4:" + "4" * 5000],
)  # fmt: skip
def test_a_server_that_is_none_is_refused_and_the_forms_are_told(text: str) -> None:
    with pytest.raises(SettingsError, match="expected host:port, dc@host:port") as caught:
        settings_of(TELEGRAM_SERVER=text)
    assert text in str(caught.value)


def test_a_key_comes_with_its_server(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(KEY)
    settings = settings_of(TELEGRAM_SERVER="127.0.0.1:1", TELEGRAM_SERVER_KEY=str(key))
    assert settings.server == Server("127.0.0.1", 1, key=KEY)
    with pytest.raises(SettingsError, match="TELEGRAM_SERVER_KEY is set, but TELEGRAM_SERVER is"):
        settings_of(TELEGRAM_SERVER_KEY=str(key))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        (b"\xff\x00", "cannot be read"),
        (b"-----BEGIN PUBLIC KEY-----\n", "openssl rsa"),
        (b"", "PKCS#1"),
    ],
)
def test_a_key_file_that_holds_none_is_named(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        settings_of(TELEGRAM_SERVER="127.0.0.1:1", TELEGRAM_SERVER_KEY=str(key))
    assert str(key) in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "load",
    [
        lambda path: load_settings({}, home=path),
        lambda path: load_settings({"BROADCAST_HOME": path}),
        lambda path: settings_of(TELEGRAM_SESSION=path).access(),
        lambda path: settings_of(TELEGRAM_SERVER="h:1", TELEGRAM_SERVER_KEY=path),
    ],
)
def test_a_path_in_the_home_of_nobody_is_refused(load: Callable[[str], object]) -> None:
    with pytest.raises(SettingsError, match=r"~no-such-user/x.*: there is no such user"):
        load("~no-such-user/x")


def test_a_path_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    assert load_settings({"BROADCAST_HOME": "~/b"}).home == Path("/home/ana/b")


# --- secrets

SECRETS = (API_HASH, TOKEN, "AAHdqTcv", PHONE, "600000001", "1234567", "S3cretSession")


def with_secrets() -> list[Settings]:
    return [
        settings_of(TELEGRAM_PHONE=PHONE, TELEGRAM_SESSION=STRING_SESSION),
        settings_of(TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_SESSION=STRING_SESSION),
    ]


def nothing_of_them_in(text: str) -> bool:
    return not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("settings", with_secrets())
def test_secrets_are_not_shown(settings: Settings) -> None:
    for thing in (settings, settings.credentials, settings.access()):
        assert nothing_of_them_in(repr(thing) + str(thing) + f"{thing}")


def trouble_of(settings: Settings) -> Exception:
    access = settings.access()
    credentials = access.credentials
    try:
        int(f"a bug while {credentials!r} and {access!r} are at hand")
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("settings", with_secrets())
def test_a_traceback_that_shows_every_variable_shows_no_secret(settings: Settings) -> None:
    error = trouble_of(settings)
    plain = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    out = io.StringIO()
    Console(file=out, width=500).print(
        Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=None
        )
    )
    for shown in (plain, out.getvalue()):
        assert "credentials" in shown  # so the variables are there
        assert nothing_of_them_in(shown)
