"""Signing in on a terminal, staying signed in, signing out."""

import signal
import stat

import pytest
from telethon.tl import functions

from tests.e2e.child import Cli
from tests.e2e.telegram import (
    BOT_TOKEN,
    CODE,
    PASSWORD,
    PHONE,
    PHONE_WITH_PASSWORD,
    Telegram,
)

TEXT = "I bought a car!"


def is_private(cli: Cli) -> bool:
    """Whether nobody else can read the session."""
    (session,) = cli.home.rglob("*.session")
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert stat.S_IMODE(session.parent.stat().st_mode) == 0o700
    return True


def test_login_asks_for_phone_code_and_password_and_the_session_stays(
    cli: Cli, telegram: Telegram
) -> None:
    cli.env |= telegram.server_env
    terminal = cli.on_terminal("login")
    terminal.screen.until("[Pp]hone number.*: ")
    terminal.type(PHONE_WITH_PASSWORD)
    terminal.screen.until("code.* in your Telegram app: ")
    terminal.type("54321")
    terminal.screen.until("not right")
    terminal.screen.until("code.*: ")
    terminal.type(f" {CODE[:2]} {CODE[2:]}")
    terminal.screen.until("[Pp]assword.*: ")
    assert not terminal.echoes()
    terminal.type("wrong password")
    terminal.screen.until("password is not right")
    terminal.screen.until("[Pp]assword.*: ")
    assert not terminal.echoes()
    terminal.type(PASSWORD)
    terminal.screen.until(r"signed in as .+, user \d+")
    assert terminal.wait().code == 0
    assert PASSWORD not in terminal.shown
    assert "wrong password" not in terminal.shown
    assert is_private(cli)

    who = cli.run("whoami")
    assert (who.code, who.err) == (0, "")
    (session,) = cli.home.rglob("*.session")
    assert cli.env["TELEGRAM_SERVER"] in who.out
    assert str(session) in who.out

    cli.write_contacts("@ana_maria")
    assert cli.run(TEXT).code == 0  # without a terminal, so without a question
    assert [message.text for message in telegram.received()] == [TEXT]

    assert cli.run("logout") == (0, "signed out\n", "")
    who = cli.run("whoami")
    assert who.code == 2
    assert "nobody is signed in" in who.out + who.err
    who = cli.run("whoami", "--session", "work")
    assert "Run `broadcast login --session work`" in who.out
    assert "broadcast login" in who.out + who.err


def test_a_send_on_a_terminal_signs_in_by_itself(cli: Cli, telegram: Telegram) -> None:
    cli.env |= telegram.server_env | {"TELEGRAM_PHONE": PHONE}
    cli.write_contacts("@ana_maria")
    terminal = cli.on_terminal(TEXT, "--json", pipe_stdout=True)
    terminal.screen.until("code.*: ")  # and not for the phone, which is set
    terminal.type(CODE)
    ended = terminal.wait()
    assert ended.code == 0
    assert ended.summary["sent"] == 1  # the questions are not on stdout
    assert "phone number" not in terminal.shown
    assert len(telegram.received()) == 1


def test_three_wrong_codes_are_enough(cli: Cli, telegram: Telegram) -> None:
    cli.env |= telegram.server_env | {"TELEGRAM_PHONE": PHONE}
    terminal = cli.on_terminal("login")
    for _ in range(3):
        terminal.screen.until("code.*: ")
        terminal.type("54321")
        terminal.screen.until("not right")
    assert terminal.wait().code == 2
    assert "broadcast login" in terminal.shown


def test_ctrl_c_at_a_question_ends_it(cli: Cli, telegram: Telegram) -> None:
    cli.env |= telegram.server_env | {"TELEGRAM_PHONE": PHONE}
    terminal = cli.on_terminal("login")
    terminal.screen.until("code.*: ")
    terminal.press_ctrl_c()
    assert terminal.wait().code == 130


def test_a_number_without_an_account_is_told_so(cli: Cli, telegram: Telegram) -> None:
    cli.env |= telegram.server_env | {"TELEGRAM_PHONE": "+34600000001"}
    terminal = cli.on_terminal("login")
    terminal.screen.until("code.*: ")
    terminal.type(CODE)
    assert terminal.wait().code == 2
    assert "no Telegram account" in terminal.shown


@pytest.mark.parametrize("command", ["login", "send"])
def test_without_a_terminal_nobody_is_asked_and_the_command_to_run_is_named(
    cli: Cli, telegram: Telegram, command: str
) -> None:
    cli.env |= telegram.server_env | {"TELEGRAM_PHONE": PHONE}
    cli.write_contacts("@ana_maria")
    asked: list[str] = []
    telegram.world.before = lambda _, request: asked.append(type(request).__name__)
    ended = cli.run(command, *([TEXT, "--json"] if command == "send" else []))
    assert (ended.code, ended.out) == (2, "")
    assert "broadcast login" in ended.err
    assert functions.auth.SendCodeRequest.__name__ not in asked  # no code for nobody to type
    assert telegram.received() == []


def test_a_bot_signs_in_without_questions(bot: Cli, telegram: Telegram) -> None:
    login = bot.run("login")
    assert (login.code, login.err) == (0, "")
    bot_id = BOT_TOKEN.partition(":")[0]
    assert f"bot {bot_id}" in login.out
    assert is_private(bot)
    who = bot.run("whoami")
    assert who.code == 0
    assert f"bot {bot_id}" in who.out
    assert BOT_TOKEN not in login.out + who.out


def test_a_session_of_another_account_than_the_phone_is_refused(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts("@ana_maria")
    ended = person.run(TEXT, "--json", TELEGRAM_PHONE="+34600000004")
    assert (ended.code, ended.out) == (2, "")
    assert "another account" in ended.err
    assert "TELEGRAM_PHONE" in ended.err
    assert telegram.received() == []
    assert person.run("whoami", TELEGRAM_PHONE=PHONE).code == 0


def test_a_session_that_was_ended_elsewhere_asks_for_a_login(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts("@ana_maria")
    telegram.end_sessions()
    ended = person.run(TEXT, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "broadcast login" in ended.err


def test_a_session_in_use_is_refused_and_its_holder_named(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*(str(7_000_000_000 + number) for number in range(200)))
    holder = bot.start(TEXT, "--json", "--rate", "5")
    assert holder.out is not None
    holder.out.until('"status": "sent"')
    refused = [bot.run(*arguments) for arguments in (["whoami"], ["Another text", "--json"])]
    holder.signal(signal.SIGINT)
    assert holder.wait().code == 130
    for ended in refused:
        assert (ended.code, ended.out) == (4, "")
        assert f"process {holder.pid}" in ended.err
    assert len({message.random_id for message in telegram.received()}) < 200
    # As soon as it has ended, the session is free again; also when it was killed.
    killed = bot.start("Yet another text", "--json", "--rate", "5")
    assert killed.out is not None
    killed.out.until('"status": "sent"')
    killed.kill()
    assert bot.run("whoami").code == 0
