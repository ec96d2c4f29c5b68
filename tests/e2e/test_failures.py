"""Each kind of failure, by the name that causes it in the sandbox (docs/sandbox.md)."""

import time

from tests.e2e.child import Cli
from tests.e2e.telegram import Telegram, id_of

TEXT = "A secret: I bought a car!"

FAILURES = {
    "@blocked_bruno": "USER_IS_BLOCKED",
    "@bruno_deactivated": "INPUT_USER_DEACTIVATED",
    "@private_paula": "USER_PRIVACY_RESTRICTED",
    "@premium_pia": "PRIVACY_PREMIUM_REQUIRED",
    "@paid_petra": "ALLOW_PAYMENT_REQUIRED",
    "@unknown_ulf": "USERNAME_NOT_OCCUPIED",
    "+34600009404": "PHONE_NOT_OCCUPIED",
    "+34600009401": "USER_IS_BLOCKED",
    "+34600009402": "INPUT_USER_DEACTIVATED",
    "@readonly_news": "CHAT_WRITE_FORBIDDEN",
    "@forbidden_group": "CHAT_WRITE_FORBIDDEN",
    "@private_channel": "CHANNEL_PRIVATE",
    "-123459412": "CHAT_WRITE_FORBIDDEN",
    "https://t.me/+expired-invitation": "INVITE_HASH_EXPIRED",
    "987654321": "PEER_UNKNOWN",
}
FINE = ["@ana_maria", "+34600000001", "me", "-123450000", "@friends_group", "t.me/+old-friends"]
ONCE = ["@flood_flora", "@busy_ben"]  # refused at the first try, taken at the second


def test_every_refusal_is_told_by_telegrams_name_and_hurts_nobody_else(
    person: Cli, telegram: Telegram
) -> None:
    person.write_contacts(*FAILURES, *ONCE, *FINE)
    ended = person.run(TEXT, "--json", "--rate", "max", "--yes")  # for the bare number
    assert ended.code == 1
    failed = {peer: row for peer, row in ended.deliveries.items() if row["status"] == "failed"}
    assert {peer: row["error"] for peer, row in failed.items()} == FAILURES
    assert all(row["reason"] and row["message_id"] is None for row in failed.values())
    sent = {peer for peer, row in ended.deliveries.items() if row["status"] == "sent"}
    assert sent == {*ONCE, *FINE}
    counts = {key: ended.summary[key] for key in ("sent", "failed", "skipped", "pending")}
    assert counts == {"sent": len(sent), "failed": len(FAILURES), "skipped": 0, "pending": 0}
    # What each of them has received is what is told about them.
    assert len(telegram.received()) == len(sent)
    for peer in (*ONCE, "@ana_maria", "@friends_group"):
        (message,) = (found for found in telegram.received() if found.peer == id_of(peer))
        assert message.message_id == ended.deliveries[peer]["message_id"]
        assert message.text == TEXT
    assert "waiting 3 s: Telegram asks this account to wait" in ended.err
    for secret in (TEXT, *FAILURES, *ONCE, *FINE[:2]):
        assert secret not in ended.err


def test_the_table_names_the_reason_in_words(person: Cli) -> None:
    person.write_contacts("@blocked_bruno", "@unknown_ulf", "@ana_maria")
    ended = person.run(TEXT)
    assert (ended.code, ended.log) == (1, "")
    assert "this person has blocked you (USER_IS_BLOCKED)" in ended.out
    assert "nobody has this username (USERNAME_NOT_OCCUPIED)" in ended.out
    assert "1 sent, 2 failed in" in ended.out


def test_a_bot_is_told_what_a_bot_may_not_do(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts("@helper_bot", "123459401", "123459404", "123450000")
    ended = bot.run(TEXT, "--json")
    assert {peer: row["error"] for peer, row in ended.deliveries.items()} == {
        "@helper_bot": "USER_IS_BOT",
        "123459401": "USER_IS_BLOCKED",
        "123459404": "PEER_ID_INVALID",
        "123450000": None,
    }
    assert [message.peer for message in telegram.received()] == [123450000]


def test_a_group_in_slow_mode_keeps_only_its_own_message_waiting(
    person: Cli, telegram: Telegram
) -> None:
    group = "@slowmode_group"
    person.write_contacts("@ana_maria", group, "@last_friend")

    def leave_one_second() -> None:
        (first,) = (message for message in telegram.world.inbox() if message.peer == id_of(group))
        telegram.clock.shift = max(0.0, first.date + 9.0 - time.time())

    telegram.world.at[4] = leave_one_second  # of the ten that the group demands
    assert person.run(TEXT, "--json").summary["sent"] == 3
    ended = person.run(TEXT, "--json", "--concurrency", "1")
    assert ended.code == 0
    assert [row["peer"] for row in ended.rows[:-1]] == ["@ana_maria", "@last_friend", group]
    assert sum(message.peer == id_of(group) for message in telegram.received()) == 2
    # Only the chat waits: had everybody been held, a line of progress would say so.
    assert ended.log == ""


def test_peer_flood_stops_the_run_and_the_rest_stays_pending(
    person: Cli, telegram: Telegram
) -> None:
    rest = ["@ana_maria", "@blocked_bruno"]
    person.write_contacts("@first_friend", "@peerflood_pam", *rest)
    ended = person.run(TEXT, "--json", "--concurrency", "1")
    assert ended.code == 3
    assert "PEER_FLOOD" in ended.err
    assert f"{1 + len(rest)} not sent" in ended.err
    statuses = {peer: row["status"] for peer, row in ended.deliveries.items()}
    assert statuses == {
        "@first_friend": "sent",
        "@peerflood_pam": "pending",
        **dict.fromkeys(rest, "pending"),
    }
    assert [message.peer for message in telegram.received()] == [id_of("@first_friend")]


def test_neither_the_text_nor_a_phone_number_gets_into_the_log(
    person: Cli, telegram: Telegram
) -> None:
    phones = ["+34600009401", "+34600009404", "+34600009408", "+34600009409"]
    person.write_contacts("+34600000003", *phones)
    telegram.world.at[1] = telegram.drop_connections
    ended = person.run(
        TEXT, "--json", "--concurrency", "1", "--rate", "max", TELEGRAM_PHONE="+34600000000"
    )
    # Failed, tried again, lost the connection, halted: everything that has something to say.
    assert ended.code == 3
    for secret in ("secret", "car", "3460", TEXT):
        assert secret not in ended.err, ended.err
    assert "+34600009401" in ended.out
