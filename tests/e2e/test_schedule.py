"""What is sent at a time: kept by Telegram for people, by the ledger for bots."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.e2e.telegram import id_of

if TYPE_CHECKING:
    from broadcast.sandbox.memory.arrived import Delivered
    from tests.e2e.child import Child, Cli
    from tests.e2e.telegram import Telegram

FRIENDS = ["@ana", "@ben", "@carl"]


def waiting(telegram: Telegram) -> list[Delivered]:
    return telegram.inside(telegram.world.scheduled)


def later(telegram: Telegram, seconds: float) -> None:
    """Let time pass where Telegram is."""
    telegram.clock.shift += seconds
    now = datetime.now(UTC).timestamp() + telegram.clock.shift
    telegram.inside(lambda: telegram.world.deliver_due(now))


def pass_in_ledger(cli: Cli, seconds: float) -> None:
    """Let time pass, as the ledger sees it: whatever it keeps for a time is due so much sooner."""

    def sooner(match: re.Match[str]) -> str:
        return f'"when":["{(datetime.fromisoformat(match[1]) - by).isoformat()}"'

    by, milliseconds = timedelta(seconds=seconds), round(1000 * seconds)
    with closing(sqlite3.connect(cli.home / "ledger.db")) as ledger:
        for table, column, key in (
            ("broadcast", "content", "number"),
            ("recipient", "contact", "key"),
        ):
            rows = ledger.execute(f"SELECT {column}, {key} FROM {table} WHERE {column} <> ''")  # noqa: S608
            moved = [(re.sub(r'"when": ?\["([^"]+)"', sooner, kept), row) for kept, row in rows]
            ledger.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", moved)  # noqa: S608
        due = "UPDATE broadcast SET due_first = due_first - :ms, due_last = due_last - :ms"
        ledger.execute(due, {"ms": milliseconds})
        ledger.execute("UPDATE waiting SET due = due - ? WHERE due > 0", [milliseconds])
        ledger.commit()


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
    running.append(person.start("send", "Hello", "--in", "2h", "--yes", "--rate", "max"))
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
    telegram.clock.shift = 7200 - 5  # so that it is less than ten seconds until then
    person.write_contacts("@ana")
    ended = person.run("Merry Christmas!", "--in", "2h", "--yes", "--json")
    assert ended.deliveries["@ana"]["status"] == "sent"
    assert len(telegram.received()) == 1
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert telegram.received() == []


def test_a_repeat_close_to_its_time_finds_it_in_the_schedule(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts("@ana")
    # the chat's message of the number that the schedule has
    assert person.run("send", "Hello").code == 0
    running: list[Child] = []
    telegram.world.at[2] = lambda: running[0].signal(signal.SIGKILL)
    running.append(person.start("Merry Christmas!", "--in", "2h"))
    assert running[0].process.wait(60) == -signal.SIGKILL
    pass_in_ledger(person, 7200 - 8)
    ended = person.run("resume", "--json")
    assert ended.code == 0, ended.err
    pass_in_ledger(person, -7200)
    assert len(waiting(telegram)) == 1
    row = ended.deliveries["@ana"]
    assert (row["status"], row["message_id"]) == ("scheduled", None)
    assert datetime.fromisoformat(row["scheduled_until"]).utcoffset() == timedelta(0)
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert waiting(telegram) == []
    assert [message.text for message in telegram.received()] == ["Hello"]


def test_what_telegram_would_not_keep_so_long_is_told_before(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts("@ana")
    ended = person.run("send", "Hello", "--in", "368d", "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "367 days at most" in ended.err
    assert person.run("list", "--json").rows == []
    assert person.run("send", "Hello", "--in", "366d", "--yes").code == 0
    assert len(waiting(telegram)) == 1


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
    ended = person.run("send", "Hi", "--at", "2027-06-24 18:00", "--zone-of", "recipient")
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
    assert bot.run("Lunch!", "--in", "1h", "--not-later-than", "30m", "--yes").code == 0
    pass_in_ledger(bot, 5401)
    assert bot.run("run-due").code == 1
    assert telegram.received() == []
    assert "TOO_LATE" in bot.run("show", "--json").out


def test_a_recall_reaches_what_was_sent_and_what_is_to_come(
    person: Cli, telegram: Telegram
) -> None:
    """An id of the schedule is no message's: nothing else is deleted."""
    person.write_contacts("@ben")
    assert person.run("send", "precious", "--yes").code == 0
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
    ended = person.run("send", "soon", "--in", "8s", "--yes", "--json")
    assert len(telegram.received()) == 1
    assert person.run("recall", ended.summary["broadcast"], "--yes").code == 0
    assert telegram.received() == []


def test_a_contacts_own_time_may_be_too_late(bot: Cli, telegram: Telegram) -> None:
    bot.write(
        "contacts.yaml",
        "contacts:\n  - {peer: 100010001, message: {in: 1h, not_later_than: 30m}}\n",
    )
    assert bot.run("Lunch!", "--yes").code == 0
    pass_in_ledger(bot, 5401)
    assert bot.run("run-due").code == 1
    assert telegram.received() == []
