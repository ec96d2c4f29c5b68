"""`--json` for a person at a terminal: `broadcast … --json | jq` and `broadcast … --json > rows`.

Then stderr is the terminal and stdout is not. Every line of stdout is JSON, whatever the terminal
shows meanwhile, and for every command that has the option.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest

from broadcast.cli.parsing import cli as root
from tests.e2e.test_schedule import pass_in_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.child import Cli

TEXT = "I bought a car!"
PEERS = ["@ana", "@ben_blocked", "@carl"]
SEND = (TEXT, "--rate", "max", "--yes")
SENT, KEPT = SEND, (*SEND, "--in", "1h")  # what is done before the command
NOBODY: list[str] = []

LINES: dict[str, tuple[tuple[str, ...], tuple[str, ...], list[str]]] = {
    "send": ((), ("send", *SEND), PEERS),
    "send --dry-run": ((), ("send", *SEND[:-1], "--dry-run"), PEERS),
    "send --rehearse": ((), ("send", *SEND[:-1], "--rehearse"), PEERS),
    "preview": ((), ("preview", TEXT), PEERS),
    "resume": (KEPT, ("resume", "--now"), PEERS),
    "run-due": (KEPT, ("run-due",), PEERS),
    "retry": (SENT, ("retry", "--all"), [PEERS[1]]),
    "edit": (SENT, ("edit", "ID", "I bought a van!", "--yes"), [PEERS[0], PEERS[2]]),
    "recall": (SENT, ("recall", "ID", "--yes"), [PEERS[0], PEERS[2]]),
    "show": (SENT, ("show",), PEERS),
    "status": (SENT, ("status",), NOBODY),
    "list": (SENT, ("list",), NOBODY),
    "sandbox inbox": ((*SENT, "--sandbox"), ("sandbox", "inbox"), NOBODY),
}
"""For each command that has --json: what is done before, a line of it, whom it reports on."""


def commands_with(option: str, command: click.Command, name: str = "") -> Iterator[str]:
    """The commands that have the option, by what is typed."""
    if isinstance(command, click.Group):
        for each, below in command.commands.items():
            yield from commands_with(option, below, f"{name} {each}".strip())
    elif any(option in parameter.opts for parameter in command.params):
        yield name


def test_every_command_that_has_json_is_tried() -> None:
    assert {line.split(" --")[0] for line in LINES} == set(commands_with("--json", root))


@pytest.mark.parametrize("is_file", [False, True], ids=["pipe", "file"])
@pytest.mark.parametrize("name", LINES)
def test_at_a_terminal_the_rows_go_to_stdout_alone(bot: Cli, name: str, *, is_file: bool) -> None:
    bot.write_contacts(*PEERS)
    before, line, reported = LINES[name]
    if before:
        bot.run(*before)
        if before == KEPT:
            pass_in_ledger(bot, 3600)
        if "ID" in line:
            identity = bot.run("status", "--json").rows[0]["broadcast"]
            line = tuple(identity if word == "ID" else word for word in line)
    target = bot.directory / "rows"
    with target.open("wb") as file:
        terminal = bot.on_terminal(
            *line, "--json", pipe_stdout=not is_file, file=file if is_file else None
        )
        ended = terminal.wait()
    out = target.read_text(encoding="utf-8") if is_file else ended.out
    rows = [json.loads(each) for each in out.splitlines()]
    assert rows
    assert [row["peer"] for row in rows if "peer" in row] == reported
    assert '{"' not in terminal.shown
