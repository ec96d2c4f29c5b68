"""Looking back, going on, taking back and correcting, as a person does it and as a script reads it.

`killed` is how most of these begin: a broadcast of ten whose process dies by SIGKILL when the
sandbox has stored the fifth message and answered nothing of it.
"""

from __future__ import annotations

import csv
import os
import re
import signal
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from telethon.tl import functions

from broadcast.sandbox.world import RpcError
from tests.e2e.telegram import Telegram, in_journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from telethon.tl import TLRequest

    from tests.e2e.child import Child, Cli, Ended

TEXT = "I bought a **car**!"
TEN = [str(100_010_000 + number) for number in range(10)]
BLOCKED, PRIVATE = "123459401", "123459403"
GROUP, SUPERGROUP, CHANNEL = "-123450000", "-1001234569500", "-1001234560000"
EVERYWHERE = [*TEN[:3], GROUP, SUPERGROUP, CHANNEL]
FAST = ("--rate", "max")
ONE_BY_ONE = (*FAST, "--concurrency", "1")
COUNTS = ("sent", "failed", "skipped", "pending")
DELIVERY_KEYS = [
    "type", "broadcast", "peer", "name", "status", "message_id", "error", "reason", "at",
]  # fmt: skip
BROADCAST_KEYS = {
    "type", "broadcast", "action", "state", "text", "created_at", *COUNTS, "once", "owner", "note",
}  # fmt: skip
NEXT = re.compile(r"^next: broadcast (.*)$", re.MULTILINE)


def counts(row: dict[str, Any]) -> list[int]:
    """Sent, failed, skipped, pending."""
    return [row[name] for name in COUNTS]


def statuses(ended: Ended) -> dict[str, str]:
    return {peer: row["status"] for peer, row in ended.deliveries.items()}


def next_of(ended: Ended) -> str:
    """The one command that a run ends with."""
    (found,) = NEXT.findall(ended.err)
    assert ended.err.endswith(f"next: broadcast {found}\n")
    return found


def listed(cli: Cli, *options: str) -> list[dict[str, Any]]:
    ended = cli.run("list", "--json", *options)
    assert (ended.code, ended.err) == (0, "")
    return ended.rows


def ids(cli: Cli) -> list[str]:
    """Of all broadcasts, oldest first."""
    return [row["broadcast"] for row in listed(cli)][::-1]


def status(cli: Cli, *arguments: str) -> dict[str, Any]:
    ended = cli.run("status", "--json", *arguments)
    assert (ended.code, ended.err) == (0, "")
    (row,) = ended.rows
    return row


def in_chats(telegram: Telegram) -> Counter[tuple[str, str]]:
    """What can be read where: (peer, text)."""
    return Counter((str(message.peer), message.text) for message in telegram.received())


def sent(cli: Cli, *peers: str, text: str = TEXT) -> str:
    """Send `text` to `peers`, and the id."""
    cli.write_contacts(*peers)
    ended = cli.run("send", text, "--json", *FAST)
    assert ended.summary["pending"] == 0
    return ended.summary["broadcast"]


def kill_at(telegram: Telegram, child: list[Child], sends: int) -> None:
    telegram.world.at[telegram.world.sends + sends] = lambda: child[0].signal(signal.SIGKILL)


def killed(
    cli: Cli, telegram: Telegram, *peers: str, options: tuple[str, ...] = (), text: str = TEXT
) -> str:
    """Send to `peers`, or TEN, and die when the fifth message is stored; the id."""
    cli.write_contacts(*(peers or TEN))
    child: list[Child] = []
    kill_at(telegram, child, 5)
    child.append(cli.start("send", text, *ONE_BY_ONE, *options))
    assert child[0].wait().code == -signal.SIGKILL
    return ids(cli)[-1]


def at_request(kind: type[TLRequest], number: int, do: Callable[[], None]) -> Any:
    """For `world.before`: do something at the nth request of this kind, before it is done."""
    seen = 0

    def before(_key_id: int, request: TLRequest) -> None:
        nonlocal seen
        seen += isinstance(request, kind)
        if isinstance(request, kind) and seen == number:
            do()

    return before


# --- list, status, show


def test_the_list_tells_every_broadcast_newest_first(bot: Cli, telegram: Telegram) -> None:
    first = sent(bot, *TEN, BLOCKED, text="one\nmore")
    second = killed(bot, telegram)
    rows = listed(bot)
    assert rows[0].pop("in_doubt") > 0  # what was under way when it was killed
    assert [set(row) for row in rows] == [BROADCAST_KEYS] * 2
    assert all(datetime.fromisoformat(row.pop("created_at")).tzinfo for row in rows)
    assert {(row.pop("type"), row.pop("action"), row.pop("once")) for row in rows} == {
        ("broadcast", "send", None)
    }
    assert {(row.pop("owner"), row.pop("note")) for row in rows} == {(None, None)}
    assert [(row["broadcast"], row["state"], row["text"]) for row in rows] == [
        (second, "unfinished", TEXT),
        (first, "done", "one\nmore"),
    ]
    assert counts(rows[1]) == [10, 1, 0, 0]
    assert sum(counts(rows[0])) == 10
    assert [row["broadcast"] for row in listed(bot, "--limit", "1")] == [second]
    table = bot.run("list")
    assert (table.code, table.err) == (0, "")
    lines = table.out.splitlines()
    assert lines[0].split("\t") == ["id", "made", "what", "state", "sent", "failed", "left", "text"]
    assert re.fullmatch(rf"{first}\t\S+ \S+ UTC\tsend\tdone\t10\t1\t0\tone more", lines[2])


def test_nothing_was_sent_yet(cli: Cli) -> None:
    assert cli.run("list").err.startswith("nothing was sent yet: broadcast 'I bought a car!'")
    assert cli.run("list", "--json") == (0, "", "")
    for command in ("status", "show", "resume", "retry", "pause", "cancel"):
        ended = cli.run(command, "--sandbox")
        assert (ended.code, ended.out) == (2, "")
        assert "`broadcast list --sandbox` shows" in ended.err


def test_an_id_may_be_abbreviated_and_left_out(bot: Cli) -> None:
    first, second = sent(bot, TEN[0], text="one"), sent(bot, TEN[1], text="two")
    common = next(n for n in range(11) if first[: n + 1] != second[: n + 1])
    for given, meant in (
        ([], second),
        ([second], second),
        ([first[: common + 1]], first),
        ([second[: common + 1].upper()], second),
    ):
        assert status(bot, *given)["broadcast"] == meant
        assert bot.run("show", *given, "--json").summary["broadcast"] == meant
    ended = bot.run("show", first[:common])
    assert (ended.code, ended.out) == (2, "")
    assert "several broadcasts start with" in ended.err
    assert first in ended.err
    assert second in ended.err
    ended = bot.run("show", "nonsense")
    assert (ended.code, ended.out) == (2, "")
    assert "no broadcast has the id nonsense" in ended.err


def test_show_tells_every_recipient_and_the_whole(bot: Cli, telegram: Telegram) -> None:
    peers = [BLOCKED, *TEN]
    broadcast = killed(bot, telegram, *peers)
    ended = bot.run("show", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert [list(row) for row in ended.rows[:-1]] == [DELIVERY_KEYS] * 11
    in_doubt = [row for row in ended.deliveries.values() if row["error"] == "IN_DOUBT"]
    assert ended.summary["in_doubt"] == len(in_doubt) > 0
    assert ended.summary | {"seconds": None} == {
        "in_doubt": len(in_doubt),
        "type": "summary", "broadcast": broadcast, "seconds": None,
        **dict(zip(COUNTS, counts(ended.summary), strict=True)),
    }  # fmt: skip
    found = ended.deliveries
    assert list(found) == peers
    told = Counter(statuses(ended).values())
    assert [told[name] for name in COUNTS] == counts(ended.summary)
    assert {row["broadcast"] for row in found.values()} == {broadcast}
    at_least = {row["reason"] for row in found.values() if row["error"] == "IN_DOUBT"}
    assert at_least == {"perhaps sent: the run ended before Telegram answered; resuming finds out"}

    assert bot.run("resume", *FAST).code == 1
    everybody = bot.run("show", "--json")
    assert counts(everybody.summary) == [10, 1, 0, 0]
    assert everybody.deliveries[BLOCKED]["error"] == "USER_IS_BLOCKED"
    ids_there = {str(message.peer): message.message_id for message in telegram.received()}
    for peer in TEN:
        row = everybody.deliveries[peer]
        assert (row["status"], row["message_id"]) == ("sent", ids_there[peer])
        assert datetime.fromisoformat(row["at"]).tzinfo
    for options, shown in (
        (["--failed"], [BLOCKED]),
        (["--sent"], TEN),
        (["--pending"], []),
        (["--failed", "--sent"], peers),
    ):
        filtered = bot.run("show", "--json", *options)
        assert list(filtered.deliveries) == shown
        assert filtered.summary == everybody.summary
    table = bot.run("show", "--failed")
    assert re.search(rf"{BLOCKED}\tfailed\tthis person has blocked you", table.out)
    assert TEN[0] not in table.out
    assert table.out.endswith("10 sent, 1 failed\n")


def test_a_report_may_be_taken_as_csv(bot: Cli) -> None:
    bot.write_list(f'contacts:\n  - name: "Ana, \\"A\\""\n    peer: {TEN[0]}\n  - {BLOCKED}\n')
    assert bot.run(TEXT, *FAST).code == 1
    ended = bot.run("show", "--csv", "report.csv")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "2 recipients written to report.csv\n"
    with (bot.directory / "report.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == DELIVERY_KEYS[2:]
    shown = bot.run("show", "--json").deliveries
    for row in rows:
        told = shown[row["peer"]]
        assert row == {key: "" if told[key] is None else str(told[key]) for key in row}
    assert bot.run("show", "--failed", "--csv", "failed.csv").err.startswith("1 recipient ")
    ended = bot.run("show", "--csv", "no/such/directory/report.csv")
    assert (ended.code, ended.out) == (2, "")
    assert "cannot be written" in ended.err


def test_a_csv_on_stdout_is_all_that_is_there(bot: Cli) -> None:
    sent(bot, TEN[0], TEN[1])
    ended = bot.run("show", "--csv", "-")
    assert (ended.code, ended.err) == (0, "")
    assert [row["peer"] for row in csv.DictReader(ended.out.splitlines())] == TEN[:2]
    assert not (bot.directory / "-").exists()


def test_a_csv_for_excel_computes_nothing(bot: Cli) -> None:
    bot.write_list("contacts:\n  - peer: '+34600000001'\n    name: '=1+1'\n")
    bot.run(TEXT, *FAST)
    assert bot.run("show", "--csv", "report.csv", "--excel").code == 0
    text = (bot.directory / "report.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeffpeer,")
    (row,) = csv.DictReader(text.removeprefix("\ufeff").splitlines())
    assert (row["peer"], row["name"]) == ("'+34600000001", "'=1+1")


def test_a_file_is_replaced_only_when_that_is_meant(bot: Cli) -> None:
    sent(bot, TEN[0])
    for name, yes_helps in (
        ("report.csv", True),
        ("notes.txt", True),
        ("friends.csv", False),
        ("friends.jsonl", False),
        ("contacts.yaml", False),
    ):
        match name:
            case "report.csv":
                bot.run("show", "--csv", name)
            case "contacts.yaml":
                pass
            case "friends.jsonl":
                bot.write(name, '{"peer": "@ana"}\n')
            case _:
                bot.write(name, "peer,name\n@ana,Ana\n")
        before = (bot.directory / name).read_bytes()
        refused = bot.run("show", "--csv", name)
        assert (refused.code, refused.out) == (2, "")
        assert name in refused.err
        assert (bot.directory / name).read_bytes() == before
        confirmed = bot.run("show", "--failed", "--csv", name, "--yes")
        assert confirmed.code == (0 if yes_helps else 2), confirmed.err
        assert ((bot.directory / name).read_bytes() != before) is yes_helps
    terminal = bot.on_terminal("show", "--csv", "notes.txt")
    terminal.screen.until("Replace it.*: ")
    terminal.type("n")
    assert terminal.wait().code == 2
    terminal = bot.on_terminal("show", "--csv", "notes.txt")
    terminal.screen.until("Replace it.*: ")
    terminal.type("y")
    assert terminal.wait().code == 0


# --- resume


def test_resume_needs_neither_the_contacts_nor_the_message(bot: Cli, telegram: Telegram) -> None:
    broadcast = killed(bot, telegram)
    before = bot.run("show", "--json")
    (bot.directory / "contacts.yaml").unlink()
    ended = bot.run("resume", "--json", *FAST)
    assert ended.code == 0
    assert re.fullmatch(r"resuming \w+: \d of 10 have it(, \d+ more perhaps)?\n", ended.log)
    # The lines of what it did, and a summary of the whole.
    done_before = [peer for peer, told in statuses(before).items() if told == "sent"]
    assert set(ended.deliveries) == set(TEN) - set(done_before)
    assert set(statuses(ended).values()) == {"sent"}
    assert counts(ended.summary) == [10, 0, 0, 0]
    assert ended.summary["broadcast"] == broadcast
    assert in_chats(telegram) == Counter((peer, "I bought a car!") for peer in TEN)
    ended = bot.run("resume")
    assert (ended.code, ended.out) == (2, "")
    assert "no broadcast is unfinished" in ended.err


def test_a_list_that_changes_meanwhile_changes_nothing(bot: Cli, telegram: Telegram) -> None:
    killed(bot, telegram)
    bot.write_contacts("@somebody_else", "+34600000001")
    ended = bot.run("resume", "--json", *FAST)
    assert counts(ended.summary) == [10, 0, 0, 0]
    assert in_chats(telegram) == Counter((peer, "I bought a car!") for peer in TEN)
    bot.write_list("this is not a list")
    assert bot.run("resume", ended.summary["broadcast"], *FAST).code == 0


def test_without_an_id_the_last_unfinished_one_goes_on(bot: Cli, telegram: Telegram) -> None:
    older = killed(bot, telegram)
    newer = sent(bot, TEN[0], text="another")
    assert bot.run("resume", "--json", *FAST).summary["broadcast"] == older
    ended = bot.run("resume", newer, "--json", *FAST)
    assert (ended.code, ended.deliveries, counts(ended.summary)) == (0, {}, [1, 0, 0, 0])
    assert len(telegram.received()) == 11


def test_somebody_else_may_not_go_on(bot: Cli, telegram: Telegram) -> None:
    broadcast = killed(bot, telegram)
    other = {"TELEGRAM_BOT_TOKEN": "654321:" + "B" * 35, "TELEGRAM_SESSION": "other"}
    ended = bot.run("resume", *FAST, **other)
    assert (ended.code, ended.out) == (2, "")
    assert f"broadcast {broadcast} was started as account 123456 at 2@127.0.0.1:" in ended.err
    assert len(telegram.received()) == 5


# --- the next command


def test_a_run_ends_with_the_command_that_fits(bot: Cli) -> None:
    bot.write_contacts(TEN[0])
    ended = bot.run("send", "one", *FAST)
    assert next_of(ended) == f"show {ids(bot)[-1]}"
    assert bot.run(*next_of(ended).split()).code == 0
    bot.write_contacts(TEN[0], BLOCKED)
    assert next_of(bot.run("send", "two", *FAST)) == f"show {ids(bot)[-1]}"
    bot.write_contacts(TEN[0], BLOCKED, PRIVATE)
    ended = bot.run("send", "three", *FAST)
    assert next_of(ended) == f"retry {ids(bot)[-1]}"
    ended = bot.run(*next_of(ended).split(), *FAST)
    assert next_of(ended) == f"show {ids(bot)[-1]}"  # another retry would be for ever
    bot.write_contacts(*TEN)
    child = bot.start("send", "four", "--rate", "1", "--json")
    assert child.out is not None
    child.out.until('"status": "sent"')
    child.signal(signal.SIGTERM)
    ended = child.wait()
    assert ended.code == 130
    assert next_of(ended) == f"resume {ids(bot)[-1]}"
    assert bot.run(*next_of(ended).split(), *FAST).code == 0
    bot.write_contacts(TEN[0])
    assert bot.run("send", "five", *FAST, "--quiet") == (0, "", "")


def test_in_the_sandbox_the_next_command_is_of_the_sandbox(cli: Cli) -> None:
    cli.write_contacts("@ana_maria", "@private_paula")
    ended = cli.run(TEXT, "--sandbox")
    assert re.fullmatch(r"retry \S+ --sandbox", next_of(ended))
    again = cli.run(*next_of(ended).split(), "--json")
    assert again.code == 1
    assert list(again.deliveries) == ["@private_paula"]
    assert cli.run("list").err.startswith(
        "nothing was sent yet"
    )  # the sandbox has a ledger of its own
    (row,) = listed(cli, "--sandbox")
    assert counts(row) == [1, 1, 0, 0]
    assert len(in_journal(cli.home)) == 1


# --- once


def test_a_finished_key_says_so_and_sends_nothing(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TEN[:2], BLOCKED)
    assert bot.run("send", "soup", "--once", "menu", *FAST).code == 1
    broadcast = ids(bot)[-1]
    (bot.directory / "contacts.yaml").unlink()
    ended = bot.run("send", "soup", "--once", "menu", *FAST)
    assert ended == (1, "", f"{broadcast} was sent already under the key menu: 2 sent, 1 failed\n")
    ended = bot.run("send", "soup", "--once", "menu", "--json", *FAST)
    assert (ended.code, ended.deliveries, counts(ended.summary)) == (1, {}, [2, 1, 0, 0])
    assert len(telegram.received()) == 2
    assert status(bot)["once"] == "menu"


def test_a_finished_key_that_everybody_has_is_a_success(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TEN[:2])
    for _ in range(2):
        assert bot.run("send", "soup", "--once", "menu", *FAST).code == 0
    assert len(telegram.received()) == 2


def test_a_key_sends_nothing_twice_even_when_the_ledger_was_lost(
    bot: Cli, telegram: Telegram
) -> None:
    bot.write_contacts(*TEN)
    for _ in range(2):
        assert bot.run("send", "soup", "--once", "menu", *FAST).code == 0
        for file in bot.home.glob("ledger.db*"):
            file.unlink()
    assert len(telegram.received()) == len(TEN)


def test_an_unfinished_key_goes_on(bot: Cli, telegram: Telegram) -> None:
    broadcast = killed(bot, telegram, options=("--once", "menu"))
    bot.write_contacts("@somebody_else")
    ended = bot.run(TEXT, "--once", "menu", "--json", *FAST)
    new = f"1 person on the list is new since {broadcast} was made under the key menu"
    assert (ended.code, ended.log) == (0, f"{new}: --include-new sends it to them, too\n")
    assert ended.summary["broadcast"] == broadcast
    assert counts(ended.summary) == [10, 0, 0, 0]
    assert in_chats(telegram) == Counter((peer, "I bought a car!") for peer in TEN)


def test_a_key_is_refused_for_others_and_told_who_is_new(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TEN[:2])
    assert bot.run("send", "soup", "--once", "menu", *FAST).code == 0
    identity = ids(bot)[-1]
    ended = bot.run("send", "soup", "--once", "menu", "--to", TEN[0], *FAST)
    assert (ended.code, ended.out) == (2, "")
    place = bot.directory / "contacts.yaml"
    assert f"then: everybody in {place}\n  now:  --to {TEN[0].lower()} in {place}\n" in ended.err
    bot.write_contacts(*TEN[:5])
    usual = ("send", "soup", "--once", "menu", *FAST)
    new = f"3 people on the list are new since {identity} was made under the key menu: "
    for look in ((), ("--dry-run",), ("--rehearse",)):
        ended = bot.run(*(usual[:4] if "--dry-run" in look else usual), *look)
        assert ended.code == 0
        assert f"{new}--include-new sends it to them, too\n" in ended.err
        ended = bot.run(*(usual[:4] if "--dry-run" in look else usual), *look, "--json")
        assert ended.summary["new"] == 3
    assert len(telegram.received()) == 2
    ended = bot.run(*usual[:4], "--include-new", "--dry-run", "--json")
    assert (list(ended.deliveries), ended.summary["pending"]) == (TEN[2:5], 3)
    ended = bot.run(*usual, "--include-new", "--json")
    assert (ended.code, ended.summary["sent"]) == (0, 5)
    assert ended.summary["broadcast"] == identity
    assert in_chats(telegram) == Counter((peer, "soup") for peer in TEN[:5])


def test_two_processes_that_include_who_is_new_send_it_once(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TEN[:2])
    assert bot.run("send", "soup", "--once", "menu", *FAST).code == 0
    bot.write_contacts(*TEN)
    both = [
        bot.start("send", "soup", "--once", "menu", "--include-new", "--json", *FAST)
        for _ in range(2)
    ]
    assert {child.wait().code for child in both} <= {0, 4}
    assert bot.run("send", "soup", "--once", "menu", "--include-new", *FAST).code == 0
    assert in_chats(telegram) == Counter((peer, "soup") for peer in TEN)


@pytest.mark.parametrize("other", [["fish"], ["soup", "--format", "plain"]])
def test_a_key_with_another_content_is_refused_and_both_are_shown(
    bot: Cli, telegram: Telegram, other: list[str]
) -> None:
    bot.write_contacts(TEN[0])
    bot.run("send", "soup", "--once", "menu", *FAST)
    ended = bot.run("send", *other, "--once", "menu", *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert re.search(r"then \(md\): soup\n", ended.err)
    assert re.search(rf"now +\((md|plain)\): {other[0]}\n", ended.err)
    assert len(telegram.received()) == 1
    assert bot.run("send", *other, "--once", "menu 2", *FAST).code == 0


@pytest.mark.parametrize("key", ["", "\udcff", "a\nb"])
def test_a_key_that_says_nothing_is_refused(bot: Cli, telegram: Telegram, key: str) -> None:
    """`--once "$KEY"`, where KEY was never set, must not be one key for all days."""
    bot.write_contacts(TEN[0])
    ended = bot.run("send", "soup", "--once", key, *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert telegram.received() == []


def test_the_same_text_again_while_it_is_unfinished_is_refused(
    bot: Cli, telegram: Telegram
) -> None:
    broadcast = killed(bot, telegram)
    ended = bot.run(TEXT, *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert f"`broadcast resume {broadcast}`" in ended.err
    assert f"`broadcast cancel {broadcast}`" in ended.err
    assert len(telegram.received()) == 5
    for option in ("--dry-run", "--rehearse"):  # what is refused is not shown as if it were not
        assert bot.run(TEXT, option).code == 2
    assert bot.run("cancel", broadcast).code == 0
    bot.write_contacts("100020000")
    assert bot.run(TEXT, *FAST).code == 0


# --- retry


def test_a_retry_is_for_those_who_failed_and_can_be_helped(bot: Cli, telegram: Telegram) -> None:
    def refuse(_key_id: int, request: TLRequest) -> None:
        if isinstance(request, functions.messages.SendMessageRequest):
            user_id = getattr(request.peer, "user_id", 0)
            if str(user_id) in TEN[:3]:
                raise RpcError(403, "USER_PRIVACY_RESTRICTED")

    telegram.world.before = refuse
    broadcast = sent(bot, *TEN[:5], BLOCKED)
    assert counts(status(bot)) == [2, 4, 0, 0]
    telegram.world.before = lambda _, __: None
    ended = bot.run("retry", "--json", *FAST)
    assert ended.code == 1
    assert statuses(ended) == dict.fromkeys(TEN[:3], "sent")
    assert counts(ended.summary) == [5, 1, 0, 0]
    assert ended.summary["broadcast"] == broadcast
    assert in_chats(telegram) == Counter((peer, "I bought a car!") for peer in TEN[:5])

    ended = bot.run("retry", *FAST)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "nothing to retry: trying again cannot help the 1 that failed; "
        f"`broadcast retry {broadcast} --all` tries them all the same\n"
    )
    ended = bot.run("retry", "--all", "--json", *FAST)
    assert statuses(ended) == {BLOCKED: "failed"}
    assert counts(ended.summary) == [5, 1, 0, 0]
    sent(bot, TEN[0], text="another")
    assert bot.run("retry", *FAST) == (0, "", "nothing to retry: nobody failed\n")


def test_a_retry_is_not_for_those_who_are_pending(bot: Cli, telegram: Telegram) -> None:
    broadcast = killed(bot, telegram)
    ended = bot.run("retry", *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert f"`broadcast resume {broadcast}`" in ended.err
    assert len(telegram.received()) == 5


# --- pause and cancel


@pytest.mark.parametrize(
    ("command", "state"), [("pause", "paused"), ("cancel", "cancelled")], ids=["pause", "cancel"]
)
def test_a_running_broadcast_is_stopped_from_another_terminal(
    bot: Cli, telegram: Telegram, command: str, state: str
) -> None:
    bot.write_contacts(*TEN)
    child = bot.start(TEXT, "--rate", "1", "--json")
    assert child.out is not None
    child.out.until('"status": "sent"')
    running = status(bot)
    assert running["state"] == "running"
    assert running["owner"].startswith(f"process {child.pid} on ")
    told = bot.run(command)
    assert told.code == 0
    assert told.err == f"asking {running['owner']} to stop\n"
    assert re.search(rf"^state +{state}$", told.out, re.MULTILINE)
    assert "runs in" not in told.out
    ended = child.wait()
    assert ended.code == 130
    there = len(telegram.received())
    assert 0 < there < 10
    left = 10 - there
    name = "pending" if command == "pause" else "skipped"
    assert Counter(statuses(ended).values()) == {"sent": there, name: left}
    assert ended.summary[name] == status(bot)[name] == left
    assert status(bot)["state"] == state
    assert f"; {left} not sent\n" in ended.err
    if command == "pause":
        assert next_of(ended).startswith("resume ")
        assert bot.run("resume", *FAST).code == 0
        assert in_chats(telegram) == Counter((peer, "I bought a car!") for peer in TEN)
    else:
        assert next_of(ended).startswith("show ")
        ended = bot.run("resume", running["broadcast"])
        assert (ended.code, ended.out) == (2, "")
        assert "was cancelled: it cannot be resumed" in ended.err
        assert bot.run("retry", *FAST).code == 2
        assert len(telegram.received()) == there


def test_what_nobody_runs_is_paused_and_cancelled_at_once(bot: Cli, telegram: Telegram) -> None:
    broadcast = killed(bot, telegram)
    assert re.search(r"^state +paused$", bot.run("pause").out, re.MULTILINE)
    assert status(bot)["state"] == "paused"
    assert re.search(r"^state +cancelled$", bot.run("cancel", broadcast).out, re.MULTILINE)
    row = status(bot)
    assert row["state"] == "cancelled"
    # What the dead process had under way is not called skipped: it may have arrived.
    assert row["skipped"] + row["pending"] + row["sent"] == 10
    assert row["sent"] + row["pending"] >= 5
    shown = bot.run("show", "--json")
    assert counts(shown.summary) == counts(row)
    told = Counter(statuses(shown).values())
    assert [told[name] for name in COUNTS] == counts(row)
    for command in ("pause", "resume", "retry"):
        ended = bot.run(command, broadcast)
        assert (ended.code, ended.out) == (2, "")
        assert "was cancelled" in ended.err
    assert bot.run("cancel", broadcast).code == 0
    assert bot.run("pause").code == 2  # and no other is unfinished
    assert len(telegram.received()) == 5


def test_what_is_done_stays_done(bot: Cli) -> None:
    broadcast = sent(bot, TEN[0])
    for command in ("pause", "cancel"):
        assert re.search(r"^state +done$", bot.run(command, broadcast).out, re.MULTILINE)


# --- recall


def test_a_recall_deletes_it_for_everybody(bot: Cli, telegram: Telegram) -> None:
    other = sent(bot, TEN[0], text="it stays")
    broadcast = sent(bot, *EVERYWHERE, BLOCKED)
    assert len(telegram.received()) == 7
    ended = bot.run("recall", broadcast, "--json", *FAST)
    assert (ended.code, ended.log) == (0, "")
    assert statuses(ended) == dict.fromkeys(EVERYWHERE, "sent")
    assert counts(ended.summary) == [6, 0, 0, 0]
    assert in_chats(telegram) == {(TEN[0], "it stays"): 1}
    recall = ended.summary["broadcast"]
    assert recall not in (broadcast, other)
    assert next_of(ended) == f"show {recall}"
    rows = {row["broadcast"]: row for row in listed(bot)}
    assert (rows[recall]["action"], rows[recall]["state"]) == ("recall", "done")
    assert f"recalled by {recall}, " in bot.run("status", broadcast).out
    for arguments in (
        ["resume", broadcast],
        ["retry", broadcast, "--all"],
        ["recall", broadcast],
        ["edit", broadcast, "other"],
    ):
        refused = bot.run(*arguments, *FAST)
        assert (refused.code, refused.out) == (2, "")
        assert f"recalled by {recall}" in refused.err
    assert in_chats(telegram) == {(TEN[0], "it stays"): 1}
    # What is recalled was sent once: to send it again is a new broadcast.
    bot.write_contacts(TEN[1])
    assert bot.run(TEXT, *FAST).code == 0


def test_a_recall_cancels_what_is_pending(bot: Cli, telegram: Telegram) -> None:
    bot.write_contacts(*TEN)
    child = bot.start(TEXT, "--rate", "1", "--json")
    assert child.out is not None
    child.out.until('"status": "sent"')
    broadcast = status(bot)["broadcast"]
    refused = bot.run("recall", broadcast, *FAST)
    assert (refused.code, refused.out) == (4, "")
    assert f"by process {child.pid} on " in refused.err
    child.signal(signal.SIGTERM)
    there = child.wait().summary["sent"]
    assert 0 < there < 10
    ended = bot.run("recall", broadcast, "--json", *FAST)
    assert counts(ended.summary) == [there, 0, 0, 0]
    assert telegram.received() == []
    now = status(bot, broadcast)
    assert (counts(now), now["deleted"]) == ([0, 0, 10 - there, 0], there)
    assert bot.run("resume", broadcast, *FAST).code == 2


def test_a_recall_reaches_those_of_whom_the_sender_never_heard(
    bot: Cli, telegram: Telegram
) -> None:
    """It was killed when the fifth had it, and before the ledger knew."""
    broadcast = killed(bot, telegram)
    ended = bot.run("recall", broadcast, "--json", *FAST)
    assert ended.code == 1  # some may still have it
    assert statuses(ended) == dict.fromkeys(TEN[:5], "sent")
    assert telegram.received() == []
    row = status(bot, broadcast)
    assert (row["sent"], row["deleted"], row["state"]) == (0, 5, "recalled")
    # Of the others nobody knows: Telegram tells what it has, not what it never got.
    assert row["pending"] + row["skipped"] == 5
    assert f"{row['pending']} more may have received {broadcast}" in ended.err
    assert list(bot.run("show", broadcast, "--pending", "--json").deliveries) == TEN[5:]


def test_a_recall_names_whom_it_could_not_reach(bot: Cli, telegram: Telegram) -> None:
    broadcast = sent(bot, *TEN[:3])
    telegram.clock.shift = 3 * 86_400.0  # a bot deletes for two days
    ended = bot.run("recall", broadcast, "--json", *FAST)
    assert ended.code == 1
    assert set(statuses(ended).values()) == {"failed"}
    assert {row["error"] for row in ended.deliveries.values()} == {"MESSAGE_DELETE_FORBIDDEN"}
    assert all(row["reason"] for row in ended.deliveries.values())
    assert len(telegram.received()) == 3


# --- edit


def test_an_edit_replaces_the_text_everywhere(bot: Cli, telegram: Telegram) -> None:
    broadcast = sent(bot, *EVERYWHERE, BLOCKED)
    before = {(message.peer, message.message_id) for message in telegram.received()}
    for _ in range(2):  # the same text again is fine
        ended = bot.run("edit", broadcast, "I bought a **bike**!", "--json", *FAST)
        assert (ended.code, ended.log) == (0, "")
        assert statuses(ended) == dict.fromkeys(EVERYWHERE, "sent")
        assert counts(ended.summary) == [6, 0, 0, 0]
        received = telegram.received()
        assert {message.text for message in received} == {"I bought a bike!"}
        assert {len(message.entities) for message in received} == {1}
        assert {(message.peer, message.message_id) for message in received} == before
    assert [row["action"] for row in listed(bot)] == ["edit", "edit", "send"]
    ended = bot.run("edit", broadcast, "<i>plain</i>", "--format", "html", *FAST)
    assert ended.code == 0
    assert {message.text for message in telegram.received()} == {"plain"}
    assert len(bot.run("recall", broadcast, "--json", *FAST).deliveries) == 6
    assert telegram.received() == []


@pytest.mark.parametrize("text", ["", " ", "x" * 4097])
def test_an_edit_that_telegram_would_refuse_changes_nothing(
    bot: Cli, telegram: Telegram, text: str
) -> None:
    broadcast = sent(bot, TEN[0])
    ended = bot.run("edit", broadcast, text, *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert in_chats(telegram) == {(TEN[0], "I bought a car!"): 1}
    assert len(listed(bot)) == 1


def test_what_is_unfinished_is_not_edited_and_who_has_nothing_neither(
    bot: Cli, telegram: Telegram
) -> None:
    unfinished = killed(bot, telegram)
    ended = bot.run("edit", unfinished, "other", *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert f"`broadcast resume {unfinished}`" in ended.err
    assert f"`broadcast cancel {unfinished}`" in ended.err
    nobody = sent(bot, BLOCKED, text="nobody")
    for command in (["edit", nobody, "other"], ["recall", nobody]):
        ended = bot.run(*command, *FAST)
        assert (ended.code, ended.out) == (2, "")
        assert f"nobody has received broadcast {nobody}" in ended.err
    ended = bot.run("edit", "nonsense", "other", *FAST)
    assert (ended.code, ended.out) == (2, "")


# --- both can be interrupted


@pytest.mark.parametrize("moment", [1, 4, 10])
def test_an_edit_is_killed_and_goes_on(bot: Cli, telegram: Telegram, moment: int) -> None:
    broadcast = sent(bot, *TEN, BLOCKED)
    child: list[Child] = []
    telegram.world.before = at_request(
        functions.messages.EditMessageRequest, moment, lambda: child[0].signal(signal.SIGKILL)
    )
    child.append(bot.start("edit", broadcast, "I bought a __bike__!", *FAST, "--concurrency", "2"))
    assert child[0].wait().code == -signal.SIGKILL
    assert status(bot)["action"] == "edit"
    ended = bot.run("resume", "--json", *FAST)
    assert ended.code == 0
    assert counts(ended.summary) == [10, 0, 0, 0]
    assert in_chats(telegram) == Counter((peer, "I bought a bike!") for peer in TEN)


@pytest.mark.parametrize("moment", [1, 4, 10])
def test_a_recall_is_killed_and_goes_on(bot: Cli, telegram: Telegram, moment: int) -> None:
    broadcast = sent(bot, *TEN, BLOCKED)
    child: list[Child] = []
    telegram.world.before = at_request(
        functions.messages.DeleteMessagesRequest, moment, lambda: child[0].signal(signal.SIGKILL)
    )
    child.append(bot.start("recall", broadcast, *FAST, "--concurrency", "2"))
    assert child[0].wait().code == -signal.SIGKILL
    ended = bot.run("resume", "--json", *FAST)
    assert ended.code == 0
    assert counts(ended.summary) == [10, 0, 0, 0]
    assert telegram.received() == []


def test_a_newer_edit_is_not_undone_by_an_older_one(bot: Cli, telegram: Telegram) -> None:
    broadcast = sent(bot, *TEN)
    child: list[Child] = []
    telegram.world.before = at_request(
        functions.messages.EditMessageRequest, 3, lambda: child[0].signal(signal.SIGKILL)
    )
    child.append(bot.start("edit", broadcast, "older", *FAST))
    assert child[0].wait().code == -signal.SIGKILL
    older = ids(bot)[-1]
    assert bot.run("edit", broadcast, "newer", *FAST).code == 0
    ended = bot.run("resume", older, *FAST)
    assert (ended.code, ended.out) == (2, "")
    assert f"overtaken by the edit {ids(bot)[-1]}" in ended.err
    assert in_chats(telegram) == Counter((peer, "newer") for peer in TEN)


# --- on a terminal


@pytest.mark.parametrize("answer", ["n", ""])
def test_edit_and_recall_ask_first_and_no_changes_nothing(
    bot: Cli, telegram: Telegram, answer: str
) -> None:
    broadcast = sent(bot, *TEN[:2])
    for arguments, question in (
        (["edit", broadcast, "I bought a bike!"], "Replace its text for 2 people?"),
        (["recall", broadcast], "Delete it for 2 people?"),
    ):
        terminal = bot.on_terminal(*arguments, *FAST)
        terminal.screen.until(re.escape(question) + ".*: ")
        terminal.type(answer)
        assert terminal.wait().code == 2
        assert "I bought a **car**!" in terminal.shown
    assert in_chats(telegram) == Counter((peer, "I bought a car!") for peer in TEN[:2])
    assert len(listed(bot)) == 1


def test_edit_and_recall_go_on_after_yes(bot: Cli, telegram: Telegram) -> None:
    broadcast = sent(bot, *TEN[:2])
    terminal = bot.on_terminal("edit", broadcast, "I bought a bike!", *FAST)
    terminal.screen.until("Replace its text for 2 people.*: ")
    terminal.type("y")
    assert terminal.wait().code == 0
    assert in_chats(telegram) == Counter((peer, "I bought a bike!") for peer in TEN[:2])
    terminal = bot.on_terminal("recall", broadcast, "--yes", *FAST)
    assert terminal.wait().code == 0
    assert "people?" not in terminal.shown
    assert telegram.received() == []


def test_status_watches_a_broadcast_that_runs_elsewhere(bot: Cli) -> None:
    bot.write_contacts(*TEN)
    child = bot.start(TEXT, "--rate", "2", "--json")
    assert child.out is not None
    child.out.until('"status": "sent"')
    terminal = bot.on_terminal("status", "--watch")
    terminal.screen.until(r"\d+/10")
    assert child.wait().code == 0
    assert terminal.wait().code == 0
    assert re.search(r"state +done", terminal.shown)
    assert "10 sent, 0 failed" in terminal.shown


def test_without_an_id_status_and_pause_mean_the_one_that_runs(
    bot: Cli, telegram: Telegram
) -> None:
    old = killed(bot, telegram)
    new = killed(bot, telegram, *(f"@other_{number}" for number in range(10)), text="soup")
    assert status(bot)["broadcast"] == new
    child = bot.start("resume", old, "--rate", "2", "--json")
    assert child.out is not None
    child.out.until('"status": "sent"')
    assert status(bot)["broadcast"] == old
    assert bot.run("pause").code == 0
    assert child.wait().code == 130
    assert status(bot, old)["state"] == "paused"
    assert status(bot)["broadcast"] == new


def test_the_failures_of_a_report_are_a_contact_list(bot: Cli, telegram: Telegram) -> None:
    bot.write_list(
        f"contacts:\n  - {TEN[0]}\n  - peer: {BLOCKED}\n    name: Ben\n    tags: [best]\n"
        "    fields: {city: Madrid}\n"
    )
    assert bot.run(TEXT, *FAST).code == 1
    failed = bot.run("show", "--failed", "--json")
    bot.write("failed.jsonl", failed.out)
    plan = bot.run(
        "Hi {{ name }} of {{ city }}", "--template", "--dry-run", "--json",
        "--contacts", "failed.jsonl", "--to", "best",
    )  # fmt: skip
    assert (plan.code, plan.err) == (0, "")
    assert {peer: row["name"] for peer, row in plan.deliveries.items()} == {BLOCKED: "Ben"}


def test_a_report_is_piped_into_the_next_message(bot: Cli, telegram: Telegram) -> None:
    sent(bot, TEN[0], TEN[1])
    reading, writing = os.pipe()
    first = bot.start("show", "--json", stdout=writing)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123
        second = bot.start("and more", *FAST, "--json", "--contacts", "/dev/stdin", stdin=pipe)
    assert first.wait().code == 0
    assert list(second.wait().deliveries) == [TEN[0], TEN[1]]
