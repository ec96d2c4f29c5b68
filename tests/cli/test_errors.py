"""How an error of ours ends the program: in words, with a code, and never as a bug."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from broadcast import cli
from broadcast.core.errors import (
    ContactsError,
    DeclinedError,
    HaltedError,
    InputError,
    LockedError,
    LoginRequiredError,
    NextStep,
    Problem,
    SettingsError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FULL = HaltedError(
    "the ledger: the disk is full. Free some space",
    NextStep("resume", "abc", purpose="then goes on"),
)


@pytest.fixture
def failing() -> Iterator[Callable[[BaseException], int]]:
    """The exit code of a command that raises."""

    def run(error: BaseException) -> int:
        def fail() -> None:
            raise error

        cli.cli.add_command(click.Command("soup", callback=fail))
        return cli.run(["soup"])

    yield run
    cli.cli.commands.pop("soup", None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("wrong"), 2),
        (SettingsError("missing"), 2),
        (LoginRequiredError("nobody is signed in"), 2),
        (DeclinedError("nothing was sent"), 2),
        (HaltedError("no connection"), 3),
        (LockedError("another process"), 4),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (KeyError("a bug"), 70),
        (ExceptionGroup("a bug beside ours", [FULL, KeyError("a bug")]), 70),
    ],
    ids=repr,
)
def test_each_error_has_its_code(
    failing: Callable[[BaseException], int], error: BaseException, code: int
) -> None:
    assert failing(error) == code


def test_a_full_disk_is_told_with_what_helps_and_not_called_a_bug(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(FULL) == 3
    assert capsys.readouterr().err == (
        "Error: the ledger: the disk is full. Free some space. "
        "`broadcast resume abc` then goes on\n"
    )


def test_a_bug_is_shown_with_all_there_is(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ExceptionGroup("both", [FULL, KeyError("a bug")]))
    told = capsys.readouterr().err
    assert "the disk is full" in told
    assert "KeyError: 'a bug'" in told
    assert "This is a bug in broadcast" in told


def test_every_mistake_of_a_list_is_told(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [Problem("list.yaml", line, "no peer") for line in (3, 5)]
    failing(ContactsError("list.yaml: 2 mistakes", problems))
    assert capsys.readouterr().err.splitlines() == [
        "error: list.yaml:3: no peer",
        "error: list.yaml:5: no peer",
        "Error: list.yaml: 2 mistakes",
    ]


def test_who_declines_has_made_no_error(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(DeclinedError("nothing was sent"))
    assert capsys.readouterr().err == "nothing was sent\n"
