"""Connections that fail in mid-run: everybody is reported sent, and everybody has it once."""

import asyncio
import re
from collections import Counter

import pytest
from telethon.tl import TLRequest, functions

from broadcast import contact, load_settings, open_telegram, send
from tests.e2e.child import Cli, Ended
from tests.e2e.conftest import sign_in
from tests.e2e.telegram import CuttingProxy, Silence, Telegram

# Telethon tries for some seconds before it gives up a connection; a busy machine takes longer.
pytestmark = pytest.mark.timeout(200)

TEXT = "I bought a car!"
MANY = [str(7_000_000_000 + number) for number in range(500)]  # ends in no rule's digits


def is_all_sent_once(ended: Ended, telegram: Telegram) -> bool:
    assert ended.code == 0, ended.err
    assert {row["status"] for row in ended.deliveries.values()} == {"sent"}
    assert list(map(ended.summary.get, ("sent", "failed", "pending"))) == [500, 0, 0]
    received = telegram.received()
    assert Counter(str(message.peer) for message in received) == Counter(MANY)
    told = {peer: row["message_id"] for peer, row in ended.deliveries.items()}
    assert told == {str(message.peer): message.message_id for message in received}
    return True


def test_a_connection_dropped_in_mid_run_loses_nothing_and_doubles_nothing(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*MANY)
    for number in (1, 60, 200, 201, 350, 500):  # also before the first and after the last answer
        telegram.world.at[number] = telegram.drop_connections
    ended = bot.run(TEXT, "--json", "--rate", "max")
    assert is_all_sent_once(ended, telegram)
    assert telegram.world.sends > 500  # some were sent again, and Telegram dropped the repeats
    assert not telegram.world.at


def test_a_connection_cut_in_the_middle_of_an_answer_loses_and_doubles_nothing(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*MANY)
    with CuttingProxy(telegram.port) as proxy:
        # The first connection makes the key: cut later ones, at odd places of their answers.
        proxy.limits = [20_000, 3_333, 7_777, 5_001]
        env = {"TELEGRAM_SERVER": f"127.0.0.1:{proxy.port}"}
        ended = bot.run(TEXT, "--json", "--rate", "max", **env)
        assert proxy.limits == []
    assert is_all_sent_once(ended, telegram)


def test_a_server_that_is_gone_for_a_while_is_waited_for(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*MANY)
    telegram.world.at[250] = telegram.go_away
    child = bot.start(TEXT, "--json", "--rate", "max")
    child.err.until("waiting .*: no connection to Telegram")
    assert telegram.away.wait(30)  # it hangs up before it says that it is away
    telegram.come_back()
    assert is_all_sent_once(child.wait(), telegram)


async def test_the_library_reports_what_has_arrived_when_the_connection_drops(
    cli: Cli, telegram: Telegram
) -> None:
    for number in (30, 31, 99):
        telegram.world.at[number] = telegram.drop_connections
    settings = load_settings(cli.env | telegram.bot_env)
    audience = [contact(peer) for peer in MANY]
    async with open_telegram(settings) as transport:
        report = await send(TEXT, audience, transport)
    assert report.counts.sent == report.counts.total == 500
    assert Counter(str(found.peer) for found in telegram.received()) == Counter(MANY)


def test_a_server_that_goes_away_during_the_first_question_is_a_clear_error(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*MANY[:3])
    commands = {"send": ["send", TEXT, "--json"], "whoami": ["whoami"], "logout": ["logout"]}
    for name in commands:
        settings = load_settings(bot.env, home=str(bot.directory / name))
        asyncio.run(sign_in(settings))
    asked: Counter[int] = Counter()
    waiting: set[int] = set()

    def go_away_when_all_wait(key_id: int, request: TLRequest) -> None:
        if isinstance(request, functions.users.GetUsersRequest):
            asked[key_id] += 1
            # The first question is Telethon's own, while it connects: one of them is left there.
            if asked[key_id] > 1 or key_id == next(iter(asked)):
                waiting.add(key_id)
                if len(waiting) == len(commands):
                    telegram.go_away()
                raise Silence

    telegram.world.before = go_away_when_all_wait
    children = [
        bot.start(*arguments, BROADCAST_HOME=str(bot.directory / name))
        for name, arguments in commands.items()
    ]
    for child in children:
        ended = child.wait()
        assert (ended.code, ended.out) == (3, "")
        assert re.match(r"Error: the Telegram server at .+ cannot be reached", ended.err)
    assert telegram.received() == []
