"""README and docs say what is: snippets run, the diagram is the code's table, links lead somewhere.

Run as a script, it prints the diagram.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import broadcast
from broadcast.cli import cli
from broadcast.core.model import TRANSITIONS, Status

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def diagram() -> str:
    """The states of a delivery and every step between them, as Mermaid draws it."""
    final = [status for status in Status if status not in (Status.PENDING, Status.SENDING)]
    lines = ["[*] --> pending"]
    lines += [f"{old} --> {new} : {cause}" for (old, new), cause in TRANSITIONS.items()]
    lines += [f"{status} --> [*]" for status in final]
    return "stateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines)


def test_the_diagram_is_the_codes_own_table() -> None:
    after_marker = README.read_text(encoding="utf-8").split("<!-- states: ", 1)[1]
    drawn = after_marker.split("```mermaid\n", 1)[1].split("```", 1)[0]
    assert drawn == diagram()


def test_every_state_is_reached_and_only_the_final_ones_are_left_by_a_person() -> None:
    assert {new for _, new in TRANSITIONS} == set(Status)
    left_by = {old: cause for (old, _), cause in TRANSITIONS.items() if old is not Status.PENDING}
    assert Status.SENT not in left_by
    assert Status.SKIPPED not in left_by
    assert left_by[Status.FAILED] == "retry"


def test_the_python_snippet_runs_as_it_is(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    promised = text.split(snippet, 1)[1].split("It prints:\n\n", 1)[1].split("\n\n", 1)[0]
    ended = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(broadcast.__file__).parent.parent),
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        line.removeprefix("    ") for line in promised.splitlines()
    ]
    assert list(tmp_path.iterdir()) == []  # and leaves nothing behind


ALL_PAGES = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_is_in_the_documentation(command: str) -> None:
    assert re.search(rf"\bbroadcast {command}\b", ALL_PAGES)


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_option_is_in_the_documentation(command: str) -> None:
    options = {name for option in cli.commands[command].params for name in option.opts}
    missing = {
        name
        for name in options
        if name.startswith("--") and not re.search(rf"(?<![\w-]){name}(?![\w-])", ALL_PAGES)
    }
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            headings = HEADING.findall(target.read_text(encoding="utf-8"))
            assert anchor in {_slug(heading) for heading in headings}, link


def _slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    print(diagram(), end="")  # noqa: T201
