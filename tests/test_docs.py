"""What the pages name exists: files, modules, commands, options; and their programs run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest

from broadcast.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "examples" / "reverse_echo" / "README.md",
    ROOT / ".env.example",
    ROOT / "contacts.example.yaml",
]
TEXTS = [(page, page.read_text(encoding="utf-8")) for page in PAGES]

CODE = re.compile(r"(?<!\[)`([^`\n]+)`")  # not the text of a link: see tests/test_readme.py
FILE = re.compile(r"[\w-]+(?:/[\w.-]+)*\.(?:py|sql|toml|svg)")
DOTTED = re.compile(r"\bbroadcast(?:\.[A-Za-z_]\w*)+")
RUN = re.compile(r"\bpython -m ((?:benchmarks|tests|broadcast)[\w.]*)")
COMMAND = re.compile(r"^    broadcast ([a-z][a-z-]+)\b", re.MULTILINE)
COMMAND_IN_TEXT = re.compile(r"^broadcast ([a-z][a-z-]+)\b")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {"client/users.py"}  # Telethon's
BY_TELETHON = (
    "Server closed the connection",  # as the faults of docs/sandbox.md want it
    "Attempt ",  # at a key exchange: it drops leading zero bytes, and tries again
)


def found(pattern: re.Pattern[str], *, in_code: bool = False) -> list[object]:
    """Every match in every page, as parameters; `in_code` only between backticks."""
    return [
        pytest.param(page, match, id=f"{page.name}: {match}")
        for page, text in TEXTS
        for match in dict.fromkeys(
            match
            for piece in (CODE.findall(text) if in_code else [text])
            for match in pattern.findall(piece)
        )
    ]


@pytest.mark.parametrize(("page", "name"), found(FILE, in_code=True))
def test_a_file_that_a_page_names_exists(page: Path, name: str) -> None:
    """From the root, from broadcast/, or a bare name from beside the page."""
    if name not in ELSEWHERE:
        places = [ROOT / name, ROOT / "broadcast" / name, page.parent / name]
        assert any(place.exists() for place in places), name


@pytest.mark.parametrize(("page", "name"), found(DOTTED))
def test_a_module_or_class_that_a_page_names_exists(page: Path, name: str) -> None:
    resolve_name(name)


@pytest.mark.parametrize(("page", "module"), found(RUN))
def test_a_module_that_a_page_tells_to_run_exists(page: Path, module: str) -> None:
    assert find_spec(module)


TYPOS = {"statsu", "rehearse"}  # which README.md says are not sent


@pytest.mark.parametrize(("page", "name"), [*found(COMMAND), *found(COMMAND_IN_TEXT, in_code=True)])
def test_a_command_that_a_page_names_exists(page: Path, name: str) -> None:
    assert name in {*cli.commands, *TYPOS}


def options() -> set[str]:
    """All options of all commands."""
    commands: list[click.Command] = [cli]
    names = {"--help"}
    for command in commands:
        if isinstance(command, click.Group):
            commands += command.commands.values()
        names |= {name for option in command.params for name in option.opts}
        names |= {name for option in command.params for name in option.secondary_opts}
    return names


def lines_about_broadcast() -> list[object]:
    """The lines of the pages that tell what to type, without what other programs are given."""
    others = re.compile(r"python -m|pip |openssl|--cheapest|--all\b|--plot|--burst")
    return [
        pytest.param(line, id=line[:60])
        for page, text in TEXTS
        if page.parent.name != "benchmarks"
        for line in text.splitlines()
        if OPTION.search(line) and not others.search(line)
    ]


@pytest.mark.parametrize("line", lines_about_broadcast())
def test_an_option_that_a_page_names_exists(line: str) -> None:
    assert set(OPTION.findall(line)) <= options()


def programs() -> list[object]:
    """The programs of the pages; those of README.md and docs/asyncio.md have tests of their own."""
    return [
        pytest.param(program, id=page.name)
        for page, text in TEXTS
        if page.name not in {"README.md", "asyncio.md"}
        for program in PROGRAM.findall(text)
    ]


@pytest.mark.parametrize("program", programs())
def test_a_program_of_a_page_runs_as_it_is(program: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    told = [line for line in ended.stderr.splitlines() if not line.startswith(BY_TELETHON)]
    assert (ended.returncode, told) == (0, [])
    assert ended.stdout
    assert list(tmp_path.iterdir()) == []
