"""Two processes with one account: never both at once, as each would send as fast as it may."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@contextmanager
def process(home: Path, text: str) -> Iterator[subprocess.Popen[str]]:
    """A process that sends `text`; it is gone when the test ends."""
    command = [sys.executable, "-m", "tests.service.process", str(home), text]
    started = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> str:
    """Let it send, and say what became of it."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return line_of(process)


def test_the_second_is_refused_as_long_as_the_first_runs(tmp_path: Path) -> None:
    with process(tmp_path, "a car") as first:
        assert line_of(first) == "sending"
        with process(tmp_path, "a bike") as second:
            assert line_of(second) == "ACCOUNT_IN_USE"
        with process(tmp_path, "a car") as second:
            assert line_of(second) == "SAME_RUNNING"
        assert go_on(first) == "3"
    with process(tmp_path, "a boat") as third:
        assert line_of(third) == "sending"
        assert go_on(third) == "3"


def test_a_dead_one_is_in_nobody_s_way(tmp_path: Path) -> None:
    with process(tmp_path, "a car") as first:
        assert line_of(first) == "sending"
    with process(tmp_path, "a bike") as second:
        assert line_of(second) == "sending"
        assert go_on(second) == "3"
