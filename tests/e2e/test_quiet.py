"""`--quiet`: cron mails whatever is printed, so nothing is, as long as nothing is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from broadcast.cli.parsing import cli as root
from tests.e2e.test_json_rows import commands_with
from tests.e2e.test_schedule import pass_in_ledger

if TYPE_CHECKING:
    from tests.e2e.child import Cli

TEXT = "I bought a car!"
SEND = (TEXT, "--rate", "max", "--yes")
ONCE, KEPT = (*SEND, "--once", "today"), (*SEND, "--in", "1h")
PAID = (*SEND, "--paid", "--stars-budget", "5")
TWICE = ["@ana", "@carl", "@ana"]  # a warning, where it is not quiet
FINE = ["@ana", "@carl"]
NOTHING = ()

LINES = {
    "send": (NOTHING, SEND, TWICE),
    "send, a good canary": (NOTHING, (*SEND, "--canary", "1"), FINE),
    "send, was sent already": (ONCE, ONCE, FINE),
    "send, for later": (NOTHING, KEPT, FINE),
    "send, for a price": (NOTHING, PAID, FINE),
    "send --rehearse": (NOTHING, (*SEND[:-1], "--rehearse"), TWICE),
    "preview --test-peer": (NOTHING, ("preview", TEXT, "--test-peer", "@ana"), TWICE),
    "resume": (KEPT, ("resume", "--now"), FINE),
    "resume, not yet": (KEPT, ("resume",), FINE),
    "run-due": (KEPT, ("run-due",), FINE),
    "run-due, nothing": (NOTHING, ("run-due",), FINE),
    "retry, nothing": (SEND, ("retry",), FINE),
    "edit": (SEND, ("edit", "ID", "I bought a van!", "--yes"), FINE),
    "recall": (SEND, ("recall", "ID", "--yes"), FINE),
}
"""What is done before, a line of a command, and the contact list."""


def test_every_command_that_can_be_quiet_is_tried() -> None:
    tried = {name.split(" --")[0].split(",")[0] for name in LINES}
    assert tried == set(commands_with("--quiet", root))


@pytest.mark.parametrize("as_json", [False, True], ids=["", "json"])
@pytest.mark.parametrize("name", LINES)
def test_it_is_quiet_when_nothing_is_wrong(bot: Cli, name: str, *, as_json: bool) -> None:
    before, line, peers = LINES[name]
    bot.write_contacts(*peers)
    if before:
        assert bot.run(*before).code == 0
        if name == "run-due":
            pass_in_ledger(bot, 3600)
        if "ID" in line:
            identity = bot.run("status", "--json").rows[0]["broadcast"]
            line = tuple(identity if word == "ID" else word for word in line)
    ended = bot.run(*line, "--quiet", *(["--json"] if as_json else []))
    assert (ended.code, ended.err) == (0, "")
    if not as_json or name == "run-due, nothing":
        assert ended.out == ""
    else:
        (row,) = map(json.loads, ended.out.splitlines())
        assert row["type"] == "summary"


def test_what_failed_is_all_that_is_told(bot: Cli) -> None:
    bot.write_contacts("@ana", "@ana", "@ben_blocked")
    ended = bot.run(*ONCE, "--canary", "2", "--max-failures", "100", "--quiet")
    assert ended.code == 1
    assert [line.split("\t")[1] for line in ended.out.splitlines()] == ["peer", "@ben_blocked"]
    assert ended.err == ""
    again = bot.run(*ONCE, "--quiet")
    assert (again.code, again.out) == (1, "")
    assert "1 failed" in again.err
