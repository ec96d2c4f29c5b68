"""Telegram's limits, met by the real command line: respected, learned, remembered, told."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from telethon.tl import TLRequest, functions

from broadcast.sandbox.faults import Faults
from broadcast.sandbox.world import RpcError
from tests.e2e.telegram import in_journal
from tests.ledger.opened import opened

if TYPE_CHECKING:
    from broadcast.engine.pacer import Known
    from tests.e2e.child import Cli, Ended
    from tests.e2e.telegram import Telegram

TEXT = "I bought a car!"
BOT_ID = 123456


def people(count: int) -> list[str]:
    return [str(100_010_000 + number) for number in range(count)]


def known(cli: Cli) -> Known:
    """What the ledger knows of the bot."""
    with opened(cli.home / "ledger.db") as ledger:
        server = f"2@{cli.env['TELEGRAM_SERVER']}"
        return ledger.known(BOT_ID, server)


def assert_each_once(telegram: Telegram, peers: list[str], text: str = TEXT) -> None:
    received = [str(m.peer) for m in telegram.received() if m.text == text]
    assert Counter(received) == Counter(peers)


def refuse_sends(telegram: Telegram, *errors: str) -> list[int]:
    """The next sends are answered so; the list counts how often somebody has asked."""
    left, asked = list(errors), [0]

    def refuse(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, functions.messages.SendMessageRequest):
            asked[0] += 1
            if left:
                raise RpcError(420, left.pop(0))

    telegram.world.before = refuse
    return asked


def test_a_bot_at_the_published_limit_is_asked_to_wait_once_at_most(
    bot: Cli, telegram: Telegram
) -> None:
    telegram.limit(bot_messages_per_second=30.0, bot_burst=30)
    bot.write_contacts(*people(150))
    assert bot.run(TEXT, "--yes").code == 0
    assert_each_once(telegram, people(150))
    assert telegram.inside(lambda: telegram.world.floods) <= 1


def test_a_lower_limit_is_learned_and_remembered(bot: Cli, telegram: Telegram) -> None:
    telegram.limit(bot_messages_per_second=20.0, bot_burst=1)
    bot.write_contacts(*people(100))
    assert bot.run(TEXT, "--yes").code == 0
    first = telegram.inside(lambda: telegram.world.floods)
    learned = known(bot).learned
    assert first > 0
    assert learned is not None
    assert learned.rate < 30
    assert learned.burst == 1
    assert bot.run("send", "again", "--yes").code == 0
    assert telegram.inside(lambda: telegram.world.floods) - first < first
    assert_each_once(telegram, people(100))
    assert_each_once(telegram, people(100), "again")


def test_a_stated_rate_is_never_asked_to_wait(bot: Cli, telegram: Telegram) -> None:
    telegram.limit(bot_messages_per_second=25.0, bot_burst=2)
    bot.write_contacts(*people(60))
    assert bot.run(TEXT, "--yes", "--rate", "20").code == 0
    assert telegram.inside(lambda: telegram.world.floods) == 0


def test_a_long_wait_keeps_no_process_and_nobody_knocks_before_it_is_over(
    bot: Cli, telegram: Telegram
) -> None:
    asked = refuse_sends(telegram, "FLOOD_WAIT_7200")
    bot.write_contacts(*people(5))

    def assert_told(ended: Ended) -> None:
        assert ended.code == 3
        assert "waiting" not in ended.err
        assert "asks this account to wait; resume after 20" in ended.err or (
            "Telegram asks to wait; resume after 20" in ended.err
        )

    assert_told(bot.run(TEXT, "--concurrency", "1"))
    assert asked == [1]
    assert_told(bot.run("resume"))
    assert_told(bot.run("something else"))  # it is the account that waits
    assert asked == [1]
    assert "resume after" in bot.run("status").out
    assert telegram.received() == []


def test_a_dry_run_knows_of_the_wait(bot: Cli, telegram: Telegram) -> None:
    refuse_sends(telegram, "FLOOD_WAIT_7230")
    bot.write_contacts(*people(5))
    assert bot.run(TEXT, "--concurrency", "1").code == 3
    assert "It would take 2 h 00 min; --rehearse says more" in bot.run("send", "x", "--dry-run").out


def test_who_resumes_a_little_early_waits(bot: Cli, telegram: Telegram) -> None:
    refuse_sends(telegram, "FLOOD_WAIT_4")
    bot.write_contacts(*people(5))
    assert bot.run(TEXT, "--concurrency", "1", "--max-wait", "1s").code == 3
    assert telegram.received() == []
    ended = bot.run("resume")
    assert ended.code == 0
    assert "waiting" in ended.err
    assert "Telegram has asked this account to wait" in ended.err
    assert_each_once(telegram, people(5))


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [
        (420, "FROZEN_METHOD_INVALID", "has frozen your own account"),
        (401, "USER_DEACTIVATED_BAN", "has banned your own account"),
        (401, "SESSION_REVOKED", "`broadcast login` signs in again"),
    ],
)
def test_an_account_that_may_not_send_any_more_stops_at_once(
    person: Cli, telegram: Telegram, code: int, error: str, told: str
) -> None:
    def refuse(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, functions.messages.SendMessageRequest) and telegram.world.sends == 3:
            raise RpcError(code, error)

    telegram.world.before = refuse
    person.write_contacts(*[f"@friend_{number}" for number in range(10)])
    ended = person.run(TEXT, "--concurrency", "1")
    assert ended.code == 3
    assert error in ended.err
    assert told in ended.err
    assert "7 not sent" in ended.err
    telegram.world.before = lambda _, __: None
    assert person.run("resume", "--rate", "max").code == 0
    assert len(telegram.received()) == 10


def test_a_person_who_was_banned_is_told_so_and_not_to_sign_in(
    person: Cli, telegram: Telegram
) -> None:
    def refuse(_key_id: int, request: TLRequest) -> None:
        while hasattr(request, "query"):
            request = request.query
        if isinstance(request, functions.users.GetUsersRequest):
            raise RpcError(401, "USER_DEACTIVATED_BAN")

    telegram.world.before = refuse
    person.write_contacts("@ana")
    ended = person.run(TEXT)
    assert ended.code == 2
    assert "has banned your own account" in ended.err
    assert "login" not in ended.err
    assert person.run("logout").code == 0


def test_a_person_who_writes_to_too_many_strangers_is_stopped_and_told_why(
    person: Cli, telegram: Telegram
) -> None:
    telegram.limit(strangers=5)
    person.write_contacts(*[f"@stranger_{number}" for number in range(10)])
    ended = person.run(TEXT, "--concurrency", "1")
    assert ended.code == 3
    for words in (
        "PEER_FLOOD",
        "@SpamBot",
        "mutual contacts",
        "other accounts do not",
        "5 not sent",
    ):
        assert words in ended.err
    assert len(telegram.received()) == 5


def test_a_canary_that_sings_is_followed_by_the_others(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*people(12))
    ended = bot.run(TEXT, "--canary", "4", "--json")
    assert ended.code == 0
    assert "canary: 4 sent, 0 failed" in ended.err
    assert ended.summary["sent"] == 12
    assert len(ended.deliveries) == 12
    assert_each_once(telegram, people(12))


def test_a_canary_that_dies_stops_the_others_until_somebody_has_looked(
    bot: Cli, telegram: Telegram
) -> None:
    blocked = [f"{10_000 + number}9401" for number in range(3)]
    bot.write_contacts(*blocked, *people(9))
    ended = bot.run(TEXT, "--canary", "4")
    assert ended.code == 3
    assert "canary: 1 sent, 3 failed" in ended.err
    assert "this person has blocked you" in ended.err
    assert "8 not sent" in ended.err
    assert_each_once(telegram, people(1))
    resumed = bot.run("resume", "--json")
    assert resumed.summary["sent"] == 9
    assert_each_once(telegram, people(9))


def test_a_canary_of_everybody_is_the_whole_broadcast(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*people(3))
    assert bot.run(TEXT, "--canary", "10").code == 0
    assert_each_once(telegram, people(3))


def test_a_bot_that_pays_is_faster_and_knows_the_price(bot: Cli, telegram: Telegram) -> None:
    telegram.limit(
        bot_messages_per_second=30.0, bot_burst=30, paid_messages_per_second=1000.0, stars=100
    )
    bot.write_contacts(*people(200))
    ended = bot.run(TEXT, "--yes", "--paid", "--stars-budget", "50", "--json")
    assert ended.code == 0
    charged = telegram.inside(lambda: telegram.world.stars_spent(BOT_ID))
    assert Decimal(0) < charged <= Decimal(str(ended.summary["stars"])) <= 50
    assert known(bot).learned is None  # the paid rate is no measure of the free one


def test_the_budget_holds_where_telegram_charges_and_answers_with_an_error(
    bot: Cli, telegram: Telegram
) -> None:
    telegram.limit(
        bot_messages_per_second=30.0, bot_burst=30, paid_messages_per_second=1000.0, stars=100
    )
    telegram.inside(lambda: setattr(telegram.server, "faults", Faults(error_500_after=2)))
    bot.write_contacts(*people(300))

    def charged() -> Decimal:
        return telegram.inside(lambda: telegram.world.stars_spent(BOT_ID))

    paying = ("--paid", "--stars-budget", "5", "--json")
    ended = bot.run(TEXT, "--yes", *paying)
    assert ended.code == 3
    assert "BUDGET_SPENT" in ended.err
    assert 0 < charged() <= Decimal(str(ended.summary["stars"])) <= 5
    assert bot.run("resume", *paying).code == 3
    assert charged() <= 5
    telegram.inside(lambda: setattr(telegram.server, "faults", Faults()))
    telegram.limit()
    assert bot.run("resume", "--rate", "max").code == 0
    assert_each_once(telegram, people(300))


def test_a_person_cannot_pay(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    ended = person.run(TEXT, "--paid", "--stars-budget", "50")
    assert ended.code == 2
    assert "--paid is for bots" in ended.err
    assert person.run("list", "--json").out == ""
    assert telegram.received() == []


def test_a_network_that_stays_away_ends_a_run_that_has_no_more_patience(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*people(20))
    telegram.world.at[5] = telegram.go_away
    began = time.monotonic()
    ended = bot.run(TEXT, "--rate", "max", "--concurrency", "2", "--patience", "2s")
    assert time.monotonic() - began < 20  # and not 30 for a request that nobody will answer
    assert ended.code == 3
    assert "OFFLINE" in ended.err
    assert ", since " in ended.err
    telegram.come_back()
    assert bot.run("resume").code == 0
    assert_each_once(telegram, people(20))


def test_a_rehearsal_tells_how_it_would_go_and_does_nothing(cli: Cli) -> None:
    cli.write_contacts(*people(330), "@blocked_bruno")
    ended = cli.run(TEXT, "--rehearse", "--paid", "--stars-budget", "100")
    assert ended.code == 1
    assert "this person has blocked you" in ended.out
    assert "330 would get it, 1 would fail" in ended.out
    assert "nothing was sent (rehearsal)" in ended.out
    assert not cli.home.exists()


@pytest.mark.parametrize(("count", "minutes"), [(2000, 30)])
def test_a_rehearsal_of_a_person_is_as_slow_as_people_are(
    cli: Cli, count: int, minutes: int
) -> None:
    cli.write_contacts(*[f"@friend_{number}" for number in range(count)])
    summary = cli.run(TEXT, "--rehearse", "--json", "--quiet").summary
    assert summary["sent"] == count
    assert summary["seconds"] > 60 * minutes
    assert in_journal(cli.home) == []
