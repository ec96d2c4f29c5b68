"""Servers, keys and directories that are wrong: a clear error, and nothing is sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from broadcast.sandbox.protocol.crypto import ServerKey
from tests.e2e.child import Cli
from tests.e2e.telegram import API, BOT_TOKEN, Telegram, free_port, port_of

TEXT = "I bought a car!"


def test_a_server_that_cannot_be_reached_is_named(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("123450000")
    with free_port() as nobody:
        server = f"127.0.0.1:{port_of(nobody)}"
        ended = bot.run(TEXT, "--json", TELEGRAM_SERVER=server)
    assert (ended.code, ended.out) == (3, "")
    assert server in ended.err
    assert "cannot be reached; nothing was sent" in ended.err
    assert ended.err.count("\n") == 1
    assert telegram.received() == []


def test_a_server_with_another_key_than_ours_is_refused(cli: Cli, tmp_path: Path) -> None:
    cli.write_contacts("123450000")
    with Telegram(tmp_path, key=replace(ServerKey.default(), e=257)) as telegram:
        wrong = tmp_path / "wrong.pem"
        wrong.write_text(ServerKey.default().public_pem(), encoding="ascii")
        ended = cli.run(TEXT, "--json", **telegram.bot_env | {"TELEGRAM_SERVER_KEY": str(wrong)})
        assert telegram.received() == []
    assert (ended.code, ended.out) == (2, "")
    assert "TELEGRAM_SERVER_KEY" in ended.err
    assert "nothing was sent" in ended.err


@pytest.mark.parametrize(
    "content",
    ["", "not a key", "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n"],
    ids=["empty", "text", "broken"],
)
def test_a_key_file_that_is_none_is_a_clear_error(cli: Cli, tmp_path: Path, content: str) -> None:
    cli.write_contacts("123450000")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(content, encoding="ascii")
    env = {
        **API,
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "TELEGRAM_SERVER": "127.0.0.1:9",
        "TELEGRAM_SERVER_KEY": str(wrong),
    }
    ended = cli.run(TEXT, "--json", **env)
    assert (ended.code, ended.out) == (2, "")
    assert "TELEGRAM_SERVER_KEY" in ended.err


# The tests may run as root, whom no permission stops: but nobody makes a directory in a file,
# or in /proc.
@pytest.mark.parametrize(
    ("home", "options"),
    [
        ("contacts.yaml/home", []),
        ("contacts.yaml/home", ["--sandbox"]),
        ("contacts.yaml", []),
        ("/proc/nothing", []),
    ],
)
def test_a_home_that_cannot_be_written_is_a_clear_error(
    cli: Cli, telegram: Telegram, home: str, options: list[str]
) -> None:
    cli.write_contacts("123450000")
    home = str(cli.directory / home)
    ended = cli.run(TEXT, "--json", *options, **telegram.bot_env, BROADCAST_HOME=home)
    assert (ended.code, ended.out) == (2, "")
    assert home in ended.err.splitlines()[-1]
    assert telegram.received() == []
