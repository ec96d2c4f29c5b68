"""What is shown of broadcasts is true: what was taken back, what waits, and when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.child import Cli

TEXT = "I bought a car!"
HERE = "--sandbox"
BOT = {"TELEGRAM_BOT_TOKEN": "4242:the-sandbox-takes-any-token-of-this-length"}
MOMENTS = ("at", "created_at", "due", "due_last", "recalled_at", "deleted_at", "scheduled_until")
STAMP = re.compile(r"\d{2}:\d{2}(:\d{2})?(?!\d|\.)")
NAMED = re.compile(r"\d{2}:\d{2}(:\d{2})? (CEST|CET)\b")


def row(cli: Cli, identity: str) -> dict[str, Any]:
    rows = cli.run("list", HERE, "--json").rows
    (found,) = [each for each in rows if each["broadcast"] == identity]
    assert cli.run("status", identity, HERE, "--json").rows == [found]
    return found


def test_after_a_recall_everything_says_so(cli: Cli) -> None:
    cli.write_contacts("@ana", "@ben", "@blocked_bruno")
    sent = cli.run(TEXT, HERE, "--json").summary["broadcast"]
    recall = cli.run("recall", sent, HERE, "--yes", "--json").summary["broadcast"]
    found = row(cli, sent)
    assert (found["state"], found["recalled_by"]) == ("recalled", recall)
    assert (found["sent"], found["deleted"], found["failed"]) == (0, 2, 1)
    assert row(cli, recall)["target"] == sent
    shown = cli.run("show", sent, HERE, "--json")
    assert {peer: each["status"] for peer, each in shown.deliveries.items()} == {
        "@ana": "deleted", "@ben": "deleted", "@blocked_bruno": "failed",
    }  # fmt: skip
    assert (shown.summary["sent"], shown.summary["deleted"]) == (0, 2)
    lines = cli.run("list", HERE).out.splitlines()
    assert any(sent in line and f"recalled by {recall}, " in line for line in lines)
    assert any(f"recall of {sent}" in line for line in lines)
    assert f"recalled by {recall}" in cli.run("status", sent, HERE).out
    table = cli.run("show", sent, HERE)
    assert "2 deleted, 1 failed" in table.out
    assert f"recalled by {recall}" in table.err


def test_what_waits_at_telegram_is_not_sent(cli: Cli) -> None:
    cli.write_contacts("@ana")
    ended = cli.run(TEXT, HERE, "--in", "2h", "--json")
    sent = ended.summary["broadcast"]
    assert (ended.summary["sent"], ended.summary["scheduled"]) == (0, 1)
    assert ended.deliveries["@ana"]["status"] == "scheduled"
    assert row(cli, sent)["state"] == "scheduled"
    assert "1 scheduled, 0 failed" in cli.run("show", sent, HERE).out
    assert "scheduled at Telegram for" in cli.run("list", HERE).out
    assert cli.run("cancel", sent, HERE, "--yes").code == 0
    assert row(cli, sent)["state"] == "cancelled"
    assert re.search(r"cancelled by \w+, ", cli.run("list", HERE).out)


def test_what_a_bot_schedules_says_what_must_run_for_it(cli: Cli) -> None:
    cli.env |= BOT
    cli.write_contacts("12345")
    ended = cli.run(TEXT, HERE, "--in", "2h")
    advice = "sent by `broadcast run-due --sandbox`, which must run then"
    assert advice in ended.err
    assert re.search(r"1 scheduled for \d{4}-\d\d-\d\d \d\d:\d\d", ended.err)
    for look in ("list", "show"):
        assert advice in cli.run(look, HERE).err
    status = cli.run("status", HERE).out
    assert "`broadcast run-due --sandbox`, which must run then" in status
    assert "scheduled for" in status


@pytest.mark.parametrize("command", ["list", "status", "show", "inbox", "dry run", "preview"])
def test_every_time_that_is_shown_names_its_zone(cli: Cli, command: str) -> None:
    """Law: whatever is shown, a time of day is followed by the one zone; JSON is in UTC."""
    cli.env["TZ"] = "Europe/Madrid"
    cli.write_contacts("@ana", "@ben")
    sent = cli.run(TEXT, HERE, "--json").summary["broadcast"]
    later = cli.run("send", "Later", HERE, "--in", "2h", "--json").summary["broadcast"]
    cli.run("recall", sent, HERE, "--yes")
    soon = ("Soon it is", "--in", "3h")
    looks = {
        "list": [["list", HERE], ["list", "--scheduled", HERE]],
        "status": [["status", sent, HERE], ["status", later, HERE]],
        "show": [["show", sent, HERE], ["show", later, HERE]],
        "inbox": [["sandbox", "inbox"], ["sandbox", "inbox", "--scheduled"]],
        "dry run": [[*soon, HERE, "--dry-run"]],
        "preview": [["preview", *soon, HERE]],
    }
    for arguments in looks[command]:
        ended = cli.run(*arguments)
        assert ended.code == 0, ended.err
        text = ended.out + ended.err
        assert len(STAMP.findall(text)) == len(NAMED.findall(text)), text
        rows = cli.run(*arguments, "--json").rows
        for name, value in (pair for each in rows for pair in each.items()):
            if value and name in MOMENTS:
                assert datetime.fromisoformat(value).utcoffset() == timedelta(0), (name, value)
