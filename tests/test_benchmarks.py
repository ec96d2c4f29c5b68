"""The benchmarks can be started: they use much of what is inside, and nothing else imports them."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported(name: str) -> None:
    import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_that_is_run_by_hand_is_in_its_readme(name: str) -> None:
    code = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    by_hand = re.search(r'ArgumentParser\(prog="(.*?)"', code)
    if by_hand:
        assert by_hand[1] in readme


@pytest.mark.parametrize(
    "command",
    [["templates"], ["rehearsal", "20"], ["ledgers", "HOME", "--broadcasts", "3", "--size", "20"]],
    ids=lambda command: command[0],
)
def test_a_benchmark_without_other_processes_runs(command: list[str], tmp_path: Path) -> None:
    arguments = [str(tmp_path) if word == "HOME" else word for word in command[1:]]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"benchmarks.{command[0]}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
