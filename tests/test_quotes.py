"""Every example can be pasted into zsh, bash, fish and PowerShell, and means the same there.

In double quotes zsh and an interactive bash read `!`, all read `$`, and PowerShell a backtick; so
examples have single quotes, and no text with an apostrophe. A remark behind `#` is for the reader,
and a line of a crontab is read by sh.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from broadcast.cli import cli
from broadcast.cli.parsing import every_command

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / ".env.example", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:^|[`\s>|&])broadcast (?=[\"'<A-Za-z-])")
IN_TEXT = re.compile(r"`((?:broadcast |--[a-z])[^`\n]*)`")
QUOTED = re.compile(r"'[^']*'")
SPECIAL = re.compile(r"(?:^|\s)[@%]|[!*?$\"{}]|\w,\w|\u2019")
"""What some shell reads outside of quotes: PowerShell takes @ and commas, zsh * and ?."""


def commands_of(text: str, *, is_page: bool) -> list[str]:
    """The command lines in `text`, without what stands before and behind them."""
    lines = [line for line in text.splitlines() if line.startswith("    ")] if is_page else []
    lines = [line for line in lines if COMMAND.search(line) and not re.match(r"\s*[\d*]+ ", line)]
    found = [line[found.start() :] for line in lines if (found := COMMAND.search(line))]
    found += [each for each in IN_TEXT.findall(text) if COMMAND.search(each) or each[:2] == "--"]
    return [re.split(r"\s#\s", each)[0] for each in found if '{"' not in each]


def wrong_with(command: str) -> str:
    """What a shell would read in `command`; empty where nothing is."""
    outside = QUOTED.sub("", command.strip("`"))
    if "'" in outside:
        return "an apostrophe"
    special = SPECIAL.search(re.sub(r"<\(.*?\)|\[[A-Z-].*?\]|…|\|", "", outside))
    return special[0] if special else ""


def literals() -> list[tuple[str, str]]:
    """Texts in the code that show a command with an argument in quotes."""
    found: list[tuple[str, str]] = []
    for path in sorted((ROOT / "broadcast").rglob("*.py")):
        found += [
            (f"{path.name}:{node.lineno}", node.value)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_example_of_a_page_survives_every_shell(page: Path) -> None:
    wrong = {
        command: reason
        for command in commands_of(page.read_text(encoding="utf-8"), is_page=True)
        if (reason := wrong_with(command))
    }
    assert wrong == {}


def test_an_example_in_a_text_of_the_program_survives_every_shell() -> None:
    wrong = re.compile(r"\bbroadcast (?:[a-z-]+ )*\"|--[a-z-]+ \"")
    assert {place: text for place, text in literals() if wrong.search(text)} == {}


@pytest.mark.parametrize("command", [cli, *every_command(cli)], ids=lambda each: each.name)
def test_an_example_of_the_help_survives_every_shell(command: click.Command) -> None:
    shown = command.get_help(click.Context(command, info_name="broadcast"))
    assert '"' not in shown
    assert not [each for each in commands_of(shown, is_page=False) if wrong_with(each)]


@pytest.mark.parametrize(
    "command",
    ['broadcast "I bought a car!"', "broadcast 'It's'", "broadcast 'a' --to best,madrid",
     "broadcast 'a' --send-as @shop", "broadcast Hello!", "broadcast 'a' --file *.jpg"],
)  # fmt: skip
def test_what_does_not_survive_is_found(command: str) -> None:
    assert wrong_with(command)
    assert commands_of(f"    {command}  # so", is_page=True)
