"""Nothing that is shown can do more than be shown: no name moves the cursor, or turns a line."""

from __future__ import annotations

import ast
import io
import json
import sys
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.panel import Panel
from rich.progress import Progress, TextColumn
from rich.text import Text

from broadcast import cli
from broadcast.core.asker import Ask, Question
from broadcast.core.errors import InputError, Problem
from broadcast.core.model import Contact, Message
from broadcast.core.peers import parse_peer
from broadcast.terminal.planned import show_problems
from broadcast.terminal.preview import show_preview
from broadcast.terminal.streams import Output, json_line, say, visible
from broadcast.terminal.tables import Screen, Table, stdout

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2] / "broadcast"
DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")

hostile = st.lists(
    st.sampled_from(["\x1b[2J", "\x9b31m", "\r", "\x07", "\u202e", "\u2066", "\u200f", "\u061c"])
    | st.sampled_from(["\u2028", "\x7f", "\x85", "\x08", "Ana", " ", "👩\u200d👧", "אנה"])
    | st.characters(exclude_categories=["Cs"], exclude_characters="\n\t"),
    min_size=1,
).map("".join)
"""Names that people might give themselves."""


def obeyed(shown: str) -> list[str]:
    """The characters of `shown` that a terminal obeys, but for its line ends and tabs."""
    return [
        hex(ord(character))
        for character in shown
        if (unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\n\t")
        or unicodedata.bidirectional(character) in DIRECTIONS
        or character in "\u200e\u200f\u061c"
    ]


def shown_by(show: Callable[[], object]) -> str:
    """What `show` writes to both streams, neither of them a terminal."""
    shown = io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        show()
    return shown.getvalue()


@given(st.text())
def test_no_text_has_anything_left_to_obey(text: str) -> None:
    assert obeyed(visible(text)) == []
    assert visible(visible(text)) == visible(text)


def test_letters_emoji_lines_and_joined_letters_stay() -> None:
    for text in ("👩\u200d👩\u200d👧 Zoë\n\tx", "אנה", "می\u200cخ", "a\u0301", "Ruiz\u00a0Ana"):
        assert visible(text) == text


def in_a_table(name: str) -> None:
    table = Table(stdout(), "name", whole=[])
    table.add(Text(name))
    table.show()


def in_a_bar(name: str) -> None:
    bar = Progress(TextColumn("{task.description}", markup=False), console=Screen(stderr=True))
    with bar:
        bar.add_task(name, total=1)


def in_a_preview(name: str) -> None:
    show_preview([(Contact(parse_peer("me"), name), Message(name or "x"))], as_json=False)


@pytest.mark.parametrize(
    "show",
    [
        say,
        lambda name: Output().line(name),
        lambda name: stdout().print(Text(name)),
        lambda name: stdout().print(Panel(Text(name), title=Text(name))),
        lambda name: Screen(stderr=True).print(Text(name), soft_wrap=True),
        in_a_table,
        in_a_bar,
        in_a_preview,
        lambda name: show_problems([Problem(f"{name}.yaml", 1, name)]),
        lambda name: print(json_line({"name": name, name: [name]})),  # noqa: T201
        lambda name: cli._tell(InputError(name), ""),
        lambda name: cli._show(click.UsageError(name)),
    ],
)
@given(name=hostile)
def test_no_name_does_anything_wherever_it_is_shown(
    show: Callable[[str], object], name: str
) -> None:
    assert obeyed(shown_by(lambda: show(name))) == []


@given(st.dictionaries(st.text(), st.text() | hostile))
def test_json_says_the_same_with_escapes(row: dict[str, str]) -> None:
    assert json.loads(json_line(row)) == row


def test_nothing_writes_to_a_terminal_past_what_makes_it_visible() -> None:
    """`print` of anything but JSON, `click.echo` and a console of rich's own."""
    found: list[str] = []
    for path in [*ROOT.glob("cli/*.py"), *ROOT.glob("terminal/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            printed = ast.unparse(node.args[0]) if node.args else ""
            is_safe = printed.startswith(("json_line(", "visible("))
            if (called == "print" and not is_safe) or called in ("click.echo", "Console"):
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert found == []


async def test_a_doubt_about_a_hostile_name_is_asked_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from broadcast.terminal.questions import TerminalAsker  # noqa: PLC0415

    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    doubt = Question(Ask.BARE_NUMBERS, 1, told="\x1b[2J\u202eAna is a number")
    assert await TerminalAsker().confirm(doubt)
    assert obeyed(told.getvalue()) == []
