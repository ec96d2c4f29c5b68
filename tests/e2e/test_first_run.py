"""What somebody without an account does first: everything with `--sandbox`."""

import re
import shlex
import signal
import sqlite3
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

import broadcast
from tests.e2e.child import Child, Cli
from tests.e2e.telegram import BOT_TOKEN, id_of, in_journal

TEXT = "I bought a car!"
THREE_FRIENDS = """\
contacts:
  - "@friend1__username"
  - name: Bestie
    peer: "@bestie__username"
  - name: Mum
    peer: "+34600000001"
"""
# Ids whose last digits mean nothing to the sandbox.
MANY = [f"@friend_{number}" for number in range(500)]


def test_three_friends_get_the_message_and_table_and_inbox_show_it(cli: Cli) -> None:
    cli.write_list(THREE_FRIENDS)
    ended = cli.run(TEXT, "--sandbox")
    assert (ended.code, ended.log) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "name\tpeer\toutcome\t"
    assert lines[1] == "\t@friend1__username\tsent\tmessage 1"
    assert lines[2] == "Bestie\t@bestie__username\tsent\tmessage 2"
    assert lines[3] == "Mum\t+34600000001\tsent\tmessage 3"
    assert re.fullmatch(r"3 sent, 0 failed in \d\.\d s", lines[4])
    assert len(lines) == 5

    table = cli.run("sandbox", "inbox")
    assert (table.code, table.err) == (0, "")
    assert table.out.count(TEXT) == 3
    rows = cli.run("sandbox", "inbox", "--json").rows
    assert [set(row) for row in rows] == [{"to", "id", "message_id", "text", "at"}] * 3
    assert [row["message_id"] for row in rows] == [1, 2, 3]
    assert rows[0]["to"] == "Friend1 Username"
    assert {row["text"] for row in rows} == {TEXT}
    assert all(datetime.fromisoformat(row["at"]).tzinfo for row in rows)
    assert cli.run("sandbox", "inbox", "--clear") == (0, "", "the inbox is empty now\n")
    assert not in_journal(cli.home)


def test_the_json_rows_are_as_documented(cli: Cli) -> None:
    cli.write_list(THREE_FRIENDS + '  - "@blocked_bruno"\n')
    ended = cli.run("--json", TEXT, "--sandbox")
    assert ended.code == 1
    assert ended.log == ""
    summary = ended.summary
    broadcast = summary["broadcast"]
    assert isinstance(broadcast, str)
    assert broadcast
    seconds = summary.pop("seconds")
    assert type(seconds) in (int, float)
    assert summary == {
        "type": "summary",
        "broadcast": broadcast,
        "sent": 3,
        "failed": 1,
        "skipped": 0,
        "pending": 0,
    }
    rows = ended.deliveries
    assert all(datetime.fromisoformat(row.pop("at")).tzinfo for row in rows.values())
    sent = {"type": "delivery", "broadcast": broadcast, "status": "sent"}
    fine = {"error": None, "reason": None}
    assert rows == {
        "@friend1__username": {
            **sent, "peer": "@friend1__username", "name": "", "message_id": 1, **fine,
        },
        "@bestie__username": {
            **sent, "peer": "@bestie__username", "name": "Bestie", "message_id": 2, **fine,
        },
        "+34600000001": {**sent, "peer": "+34600000001", "name": "Mum", "message_id": 3, **fine},
        "@blocked_bruno": {
            **sent,
            "peer": "@blocked_bruno",
            "name": "",
            "status": "failed",
            "message_id": None,
            "error": "USER_IS_BLOCKED",
            "reason": "this person has blocked you",
        },
    }  # fmt: skip


@pytest.mark.parametrize("peers", [[], [str(7_000_000_000 + number) for number in range(8)]])
def test_the_first_command_is_stopped_and_goes_on_as_it_says_itself(
    cli: Cli, peers: list[str]
) -> None:
    """Also to people who are known by their id alone, of whom a sandbox of its own knows nobody."""
    example = Path(broadcast.__file__).parent.parent / "contacts.example.yaml"
    cli.write("contacts.example.yaml", example.read_bytes())
    if peers:
        cli.write("contacts.example.yaml", "contacts:\n" + "".join(f"  - {p}\n" for p in peers))
    first = ("--sandbox", "--contacts", "contacts.example.yaml")
    child = cli.start(TEXT, *first, "--rate", "5", "--concurrency", "1", "--json")
    assert child.out is not None
    child.out.until(r'"status": "sent"(.|\n)*"status": "sent"')
    child.signal(signal.SIGINT)
    stopped = child.wait()
    assert stopped.code == 130
    before = len(in_journal(cli.home))
    assert 0 < before < 7
    advice = stopped.err.splitlines()[-1].removeprefix("next: broadcast ")
    went_on = cli.run(*shlex.split(advice), "--json")
    assert {peer: row["error"] for peer, row in went_on.deliveries.items() if row["error"]} == (
        {} if peers else {"@blocked_bruno": "USER_IS_BLOCKED"}
    )
    received = Counter(message.peer for message in in_journal(cli.home))
    assert len(received) == (8 if peers else 7)
    assert set(received.values()) == {1}
    identity = went_on.summary["broadcast"]
    edited = cli.run("edit", identity, "A bike!", "--sandbox", "--yes", "--json")
    assert (edited.code, edited.summary["sent"]) == (0, len(received))
    recalled = cli.run("recall", identity, "--sandbox", "--yes", "--json")
    assert (recalled.code, recalled.summary["sent"]) == (0, len(received))
    assert not in_journal(cli.home)


def test_a_retry_in_the_sandbox_knows_everybody(cli: Cli) -> None:
    """Nobody has an address of theirs, as the first run never got that far."""
    cli.write_contacts("7000000000", "+34600000001", "@blocked_bruno")
    first = cli.run(TEXT, "--sandbox", "--json")
    identity = first.summary["broadcast"]
    (cli.home / "sandbox" / "journal.jsonl").unlink()
    (cli.home / "sandbox" / "addresses.db").unlink()
    with sqlite3.connect(cli.home / "sandbox" / "ledger.db") as ledger:
        ledger.execute("UPDATE outcome SET sent = 0, error = 'PEER_UNKNOWN', message_id = NULL")
        ledger.execute("UPDATE broadcast SET sent = 0, failed = 3")
    ledger.close()
    retried = cli.run("retry", identity, "--all", "--sandbox", "--json")
    assert retried.summary["sent"] == 2


@pytest.mark.parametrize("arguments", [["-"], ["--message-file", "message.txt"]])
def test_a_long_text_is_read_and_arrives_whole(cli: Cli, arguments: list[str]) -> None:
    cli.write_contacts("@ana_maria")
    text = "Grüße, 世界 🚗\n\n" + "x" * 4000
    file = cli.directory / "message.txt"
    file.write_text(text + "\n", encoding="utf-8")
    with file.open("rb") as stdin:
        child = cli.start(*arguments, "--sandbox", stdin=stdin)
    assert child.wait().code == 0
    assert [message.text for message in in_journal(cli.home)] == [text]


def test_quiet_shows_only_the_failures_and_with_json_only_the_summary(cli: Cli) -> None:
    cli.write_contacts("@ana_maria", "@blocked_bruno")
    table = cli.run(TEXT, "--sandbox", "--quiet")
    assert (table.code, table.log) == (1, "")
    assert "@blocked_bruno" in table.out
    assert "@ana_maria" not in table.out
    as_json = cli.run(TEXT, "--sandbox", "--quiet", "--json")
    assert (as_json.code, as_json.log) == (1, "")
    assert len(as_json.rows) == 1
    assert as_json.summary["failed"] == 1


def serve(cli: Cli, *options: str) -> tuple[Child, str]:
    """Start a sandbox that stays, and lead a bot to it; what it has printed comes back with it."""
    sandbox = cli.start("sandbox", "serve", "--port", "0", *options)
    assert sandbox.out is not None
    sandbox.out.until("Ctrl-C ends the sandbox\n")
    printed = sandbox.out.so_far
    # As a person would: pasted into .env as printed. A bot needs no questions to be answered.
    settings = re.sub(r"TELEGRAM_PHONE=.*", f"TELEGRAM_BOT_TOKEN={BOT_TOKEN}", printed)
    (cli.directory / ".env").write_text(settings, encoding="utf-8")
    return sandbox, printed


def test_500_friends_get_it_once_each(cli: Cli) -> None:
    cli.write_contacts(*MANY)
    serve(cli, "--limits", "none")
    ended = cli.run(TEXT, "--rate", "max", "--json")
    assert (ended.code, ended.log) == (0, "")
    assert ended.summary["sent"] == 500
    assert {row["status"] for row in ended.deliveries.values()} == {"sent"}
    received = in_journal(cli.home)
    assert Counter(message.peer for message in received) == Counter(map(id_of, MANY))
    ids = {message.peer: message.message_id for message in received}
    told = {id_of(peer): row["message_id"] for peer, row in ended.deliveries.items()}
    assert told == ids


def test_two_spellings_of_one_person_get_one_message(cli: Cli) -> None:
    cli.write_contacts("@ana_maria", "https://t.me/Ana_Maria", "me")
    ended = cli.run(TEXT, "--sandbox")
    assert ended.code == 0
    assert "warning" in ended.err
    assert len(in_journal(cli.home)) == 2


def test_a_reader_who_leaves_ends_the_run_and_nothing_is_left_in_doubt(cli: Cli) -> None:
    cli.write_contacts(*MANY[:200])
    with subprocess.Popen(
        ["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cli.directory
    ) as head:
        assert head.stdin is not None
        child = cli.start(TEXT, "--sandbox", "--json", "--rate", "10", stdout=head.stdin.fileno())
        head.stdin.close()
        ended = child.wait()
        assert head.stdout is not None
        shown = head.stdout.read()
    assert shown.startswith(b'{"type": "delivery"')
    assert ended.code == 130
    told = re.fullmatch(r"stopped: .*stdout.*; (\d+) not sent\n", ended.log)
    assert told, ended.err
    assert 0 < int(told[1]) == 200 - len(in_journal(cli.home))


def test_a_reader_who_is_gone_before_anything_is_sent_is_told_and_nothing_is_sent(
    cli: Cli,
) -> None:
    cli.write_contacts("@ana_maria")
    with subprocess.Popen(["true"], stdin=subprocess.PIPE, cwd=cli.directory) as gone:
        assert gone.stdin is not None
        gone.wait()
        ended = cli.start(TEXT, "--sandbox", "--json", stdout=gone.stdin.fileno()).wait()
    assert ended.code == 2
    assert "nothing was sent" in ended.err
    assert not cli.home.exists()


def test_a_sandbox_that_is_in_use_is_not_used_twice(cli: Cli) -> None:
    cli.write_contacts(*MANY[:100])
    first = cli.start(TEXT, "--sandbox", "--json", "--rate", "5")
    assert first.out is not None
    first.out.until(r'"status": "sent"')
    second = cli.run("Another text", "--sandbox")
    assert second.code == 4
    assert str(first.pid) in second.err


def test_a_sandbox_that_stays_prints_the_settings_that_lead_to_it(cli: Cli) -> None:
    cli.write_contacts("@ana_maria", "@blocked_bruno")
    sandbox, printed = serve(cli)
    ended = cli.run(TEXT, "--json")
    assert {peer: row["error"] for peer, row in ended.deliveries.items()} == {
        "@ana_maria": None,
        "@blocked_bruno": "USER_IS_BLOCKED",
    }
    # The inbox can be read while the sandbox runs.
    assert [row["to"] for row in cli.run("sandbox", "inbox", "--json").rows] == ["Ana Maria"]
    sandbox.signal(15)
    assert sandbox.wait() == (0, printed, "")


def test_the_sandbox_refuses_to_listen_to_anybody_else(cli: Cli) -> None:
    ended = cli.run("sandbox", "serve", "--port", "0", "--host", "0.0.0.0")  # noqa: S104
    assert ended.code == 2
    assert "loopback" in ended.err
