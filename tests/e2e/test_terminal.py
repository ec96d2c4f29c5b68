"""What a person at a terminal is shown and asked before and while messages go out."""

import re
import signal

import pytest

from tests.e2e.child import Child, Cli
from tests.e2e.telegram import Telegram

TEXT = "I bought a car!"
TWENTY = [str(7_000_000_000 + number) for number in range(20)]
TWENTY_ONE = [*TWENTY, "7000000020"]


@pytest.mark.parametrize("answer", ["n", ""])
def test_above_20_recipients_the_plan_is_shown_and_no_sends_nothing(
    bot: Cli, telegram: Telegram, answer: str
) -> None:
    bot.write_contacts(*TWENTY_ONE)
    terminal = bot.on_terminal(TEXT, "--rate", "max")
    terminal.screen.until("Send it to 21 people.*: ")
    terminal.type(answer)
    assert terminal.wait().code == 2
    assert TEXT in terminal.shown
    assert TWENTY[0] in terminal.shown
    assert "nothing was sent" in terminal.shown
    assert telegram.received() == []


def test_above_20_recipients_yes_sends(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TWENTY_ONE)
    terminal = bot.on_terminal(TEXT, "--json", "--rate", "max", pipe_stdout=True)
    terminal.screen.until("Send it to 21 people.*: ")
    terminal.type("y")
    ended = terminal.wait()
    assert ended.code == 0
    assert ended.summary["sent"] == 21  # and stdout holds nothing but JSON Lines
    assert len(telegram.received()) == 21


@pytest.mark.parametrize(
    ("peers", "options"), [(TWENTY_ONE, ["--yes"]), (TWENTY, [])], ids=["--yes", "20"]
)
def test_it_does_not_ask(
    bot: Cli, telegram: Telegram, peers: list[str], options: list[str]
) -> None:
    bot.write_contacts(*peers)
    terminal = bot.on_terminal(TEXT, "--rate", "max", *options)
    assert terminal.wait().code == 0
    assert "Send it" not in terminal.shown
    assert len(telegram.received()) == len(peers)


def test_without_a_terminal_it_never_asks(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TWENTY_ONE)
    ended = bot.run(TEXT, "--rate", "max")
    assert (ended.code, ended.log) == (0, "")
    assert "Send it" not in ended.out
    assert "21 sent, 0 failed" in ended.out
    assert len(telegram.received()) == 21


def test_a_terminal_shows_a_bar_with_rate_and_then_the_table(bot: Cli) -> None:
    bot.write_contacts(*TWENTY)
    terminal = bot.on_terminal(TEXT, "--rate", "40")
    terminal.screen.until(r"\d+/20.*/s")
    terminal.screen.until("20 sent, 0 failed")
    assert terminal.wait().code == 0
    assert "━" in terminal.shown
    for peer in TWENTY:
        assert peer in terminal.shown


def test_a_bar_begins_where_the_broadcast_stands(bot: Cli, telegram: Telegram) -> None:
    """After an interruption, and after the canary: nobody is to think that it begins anew."""
    bot.write_contacts(*TWENTY)
    running: list[Child] = []
    telegram.world.at[7] = lambda: running[0].signal(signal.SIGINT)
    running.append(bot.start(TEXT, "--json", "--rate", "10", "--concurrency", "1"))
    sent = running[0].wait().summary["sent"]
    terminal = bot.on_terminal("resume", "--rate", "10", "--canary", "3")
    assert terminal.wait().code == 0
    bars = [(int(done), int(of)) for done, of in re.findall(r"(\d+)/(\d+)", terminal.shown)]
    assert 7 <= sent < 17
    assert bars[0] == (sent, sent + 3)
    assert (sent + 3, 20) in bars
    assert bars == sorted(bars)
    assert len(telegram.received()) == 20


def test_ctrl_c_on_a_terminal_settles_and_says_so(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TWENTY_ONE)
    terminal = bot.on_terminal(TEXT, "--rate", "5", "--yes")
    terminal.screen.until(r"[1-9]\d*/21")
    terminal.press_ctrl_c()
    terminal.screen.until("stopping: .*")
    terminal.screen.until(r"(\d+) sent, 0 failed, (\d+) pending")
    assert terminal.wait().code == 130
    sent = len(re.findall(r"sent +message \d", terminal.shown))
    assert 0 < sent == len(telegram.received()) < 21


LONG = ["@a_very_long_username_of_32_signs", "-1001234567890", "+34600000001"]


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_ids_stay_whole_in_every_table(bot: Cli, columns: str) -> None:
    named = "".join(f"  - peer: '{peer}'\n    name: Somebody With Names\n" for peer in LONG)
    bot.write_list(f"contacts:\n{named}")
    bot.run(TEXT, "--rate", "max", "--sandbox")
    (identity,) = [row["broadcast"] for row in bot.run("list", "--json", "--sandbox").rows]
    received = [str(row["id"]) for row in bot.run("sandbox", "inbox", "--json").rows]
    for whole, line in (
        (LONG, [TEXT, "--sandbox", "--dry-run"]),
        (LONG, ["one more", "--sandbox"]),
        (LONG, ["show", "--sandbox"]),
        ([identity], ["list", "--sandbox"]),
        (received, ["sandbox", "inbox"]),
    ):
        terminal = bot.on_terminal(*line, COLUMNS=columns)
        assert terminal.wait().code in (0, 1)  # a bot cannot find a phone number
        words = terminal.shown.split()
        assert [each for each in whole if each not in words] == [], terminal.shown
