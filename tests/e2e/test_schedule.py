"""What is sent at a time: kept by Telegram for people, by the ledger for bots."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.e2e.telegram import id_of

if TYPE_CHECKING:
    from broadcast.sandbox.state import Delivered
    from tests.e2e.child import Child, Cli
    from tests.e2e.telegram import Telegram

FRIENDS = ["@ana", "@ben", "@carl"]


def waiting(telegram: Telegram) -> list[Delivered]:
    return telegram.inside(telegram.world.scheduled)


def later(telegram: Telegram, seconds: float) -> None:
    """Let time pass where Telegram is."""
    telegram.clock_shift += seconds
    now = datetime.now(UTC).timestamp() + telegram.clock_shift
    telegram.inside(lambda: telegram.world.deliver_due(now))


def test_a_persons_messages_lie_at_telegram_until_their_time(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts(*FRIENDS)
    ended = person.run("Merry Christmas!", "--in", "2h", "--yes")
    assert ended.code == 0, ended.err
    assert "at Telegram until" in ended.out
    assert len(waiting(telegram)) == 3
    assert telegram.received() == []
    assert "scheduled at Telegram" in person.run("list", "--scheduled").out
    later(telegram, 7300)
    assert [message.text for message in telegram.received()] == ["Merry Christmas!"] * 3
    assert waiting(telegram) == []


def test_a_kill_while_scheduling(person: Cli, telegram: Telegram) -> None:
    people = [f"@friend{number}_x" for number in range(20)]
    person.write_contacts(*people)
    running: list[Child] = []
    telegram.world.at[7] = lambda: running[0].signal(signal.SIGKILL)
    running.append(person.start("Hello", "--in", "2h", "--yes", "--rate", "max"))
    assert running[0].process.wait(60) == -signal.SIGKILL
    assert person.run("resume", "--rate", "max").code == 0
    assert len(waiting(telegram)) == 20
    later(telegram, 7300)
    assert Counter(message.peer for message in telegram.received()) == Counter(map(id_of, people))


def test_a_persons_schedule_is_cancelled_at_telegram(person: Cli, telegram: Telegram) -> None:
    person.write_contacts(*FRIENDS)
    assert person.run("Merry Christmas!", "--in", "2h", "--yes").code == 0
    (row,) = person.run("list", "--scheduled", "--json").rows
    ended = person.run("cancel", row["broadcast"], "--yes")
    assert ended.code == 0, ended.err
    assert waiting(telegram) == []
    later(telegram, 7300)
    assert telegram.received() == []


def test_what_telegram_has_sent_by_its_own_clock_is_recalled(
    person: Cli, telegram: Telegram
) -> None:
    telegram.clock_shift = 7200 - 5  # so that it is less than ten seconds until then
    person.write_contacts("@ana")
    ended = person.run("Merry Christmas!", "--in", "2h", "--yes", "--json")
    assert ended.deliveries["@ana"].get("note") is None
    assert len(telegram.received()) == 1
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert telegram.received() == []


def test_a_repeat_close_to_its_time_finds_it_in_the_schedule(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts("@ana")
    assert person.run("Hello").code == 0  # the chat's message of the number that the schedule has
    running: list[Child] = []
    telegram.world.at[2] = lambda: running[0].signal(signal.SIGKILL)
    running.append(person.start("Merry Christmas!", "--in", "2h"))
    assert running[0].process.wait(60) == -signal.SIGKILL
    with closing(sqlite3.connect(person.home / "ledger.db")) as ledger:
        move_to(ledger, datetime.now(UTC) + timedelta(seconds=8))
        ended = person.run("resume", "--json")
        assert ended.code == 0, ended.err
        move_to(ledger, datetime.now(UTC) + timedelta(hours=2))
    assert len(waiting(telegram)) == 1
    assert "at Telegram until" in ended.deliveries["@ana"]["note"]
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert waiting(telegram) == []
    assert [message.text for message in telegram.received()] == ["Hello"]


def move_to(ledger: sqlite3.Connection, moment: datetime) -> None:
    """Change the time of the newest broadcast: what else a test would have to wait for."""
    find = "SELECT number, content FROM broadcast ORDER BY number DESC LIMIT 1"
    ((number, content),) = ledger.execute(find)
    written = json.loads(content)
    written["when"] = [moment.replace(tzinfo=None).isoformat(), "UTC", False]
    said = json.dumps(written), number
    ledger.execute("UPDATE broadcast SET content = ? WHERE number = ?", said)
    ledger.commit()


def test_everybody_at_their_own_time(person: Cli, telegram: Telegram) -> None:
    person.write(
        "contacts.yaml",
        "contacts:\n"
        "  - {peer: '@ana', fields: {tz: Europe/Madrid}}\n"
        "  - {peer: '@ben', fields: {tz: Asia/Tokyo}}\n",
    )
    ended = person.run("Good evening", "--at", "2027-06-24 18:00", "--zone-of", "recipient")
    assert ended.code == 0, ended.err
    moments = {message.peer: message.scheduled for message in waiting(telegram)}
    assert moments == {
        id_of("@ana"): datetime(2027, 6, 24, 16, tzinfo=UTC).timestamp(),
        id_of("@ben"): datetime(2027, 6, 24, 9, tzinfo=UTC).timestamp(),
    }


def test_who_has_no_zone_is_named(person: Cli, telegram: Telegram) -> None:
    person.write_contacts("@ana")
    ended = person.run("Hi", "--at", "2027-06-24 18:00", "--zone-of", "recipient")
    assert ended.code == 2
    assert "contacts.yaml:2: @ana" in ended.err
    assert "tz" in ended.err


def test_the_ledger_keeps_what_a_bot_is_to_send(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("100010001", "100010002")
    ended = bot.run("Lunch!", "--in", "3s", "--yes")
    assert ended.code == 0, ended.err
    assert bot.run("run-due").code in (0, 1)
    assert bot.run("run-due", "--wait").code == 0
    assert [message.text for message in telegram.received()] == ["Lunch!"] * 2
    again = bot.run("run-due")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_what_a_bot_was_to_send_is_cancelled(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("100010001")
    assert bot.run("Lunch!", "--in", "2h", "--yes").code == 0
    assert bot.run("cancel").code == 0
    assert bot.run("run-due", "--wait").code == 0
    assert telegram.received() == []


def test_what_is_too_late_is_not_sent_and_said(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("100010001")
    assert bot.run("Lunch!", "--in", "1s", "--not-later-than", "0.5s", "--yes").code == 0
    time.sleep(2)
    assert bot.run("run-due").code == 1
    assert telegram.received() == []
    assert "TOO_LATE" in bot.run("show", "--json").out


def test_a_recall_reaches_what_was_sent_and_what_is_to_come(
    person: Cli, telegram: Telegram
) -> None:
    """An id of the schedule is no message's: nothing else is deleted."""
    person.write_contacts("@ben")
    assert person.run("precious", "--yes").code == 0
    person.write(
        "contacts.yaml",
        "contacts:\n  - {peer: '@ana', message: {at: '2027-06-24 18:00', zone: UTC}}\n  - '@ben'\n",
    )
    ended = person.run("mixed times", "--yes", "--json")
    assert (ended.code, len(waiting(telegram))) == (0, 1)
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert waiting(telegram) == []
    assert [message.text for message in telegram.received()] == ["precious"]


def test_a_recall_of_what_was_so_soon_that_it_was_sent_at_once(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts("@ana")
    ended = person.run("soon", "--in", "8s", "--yes", "--json")
    assert len(telegram.received()) == 1
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert telegram.received() == []


def test_a_contacts_own_time_may_be_too_late(bot: Cli, telegram: Telegram) -> None:
    bot.write(
        "contacts.yaml",
        "contacts:\n  - {peer: 100010001, message: {in: 1s, not_later_than: 0.5s}}\n",
    )
    assert bot.run("Lunch!", "--yes").code == 0
    time.sleep(2)
    assert bot.run("run-due").code == 1
    assert telegram.received() == []
