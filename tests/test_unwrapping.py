"""Which error is told where several ended a command."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

import pytest
from broadcast.cli.unwrapping import ours_in

from broadcast import cli
from broadcast.core.errors import HaltedError, InputError

OURS = HaltedError("the ledger: the disk is full. Free some space, then `broadcast resume`")
FULL = sqlite3.OperationalError("database or disk is full")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


def group(*errors: Exception) -> ExceptionGroup[Any]:
    return ExceptionGroup("unhandled errors in a TaskGroup", errors)


def after(first: Exception, *then: Exception) -> Exception:
    """The last of errors that were raised one in the midst of the other, as Python chains them."""
    for error in then:
        error.__context__ = first
        first = error
    return first


@pytest.mark.parametrize(
    "error",
    [
        OURS,
        group(OURS),
        group(group(group(OURS, FULL)), NO_SPACE),
        group(NO_SPACE, group(FULL), OURS),
        group(InputError("something else"), OURS),
        after(OURS, OSError("on closing")),
        after(group(OURS), sqlite3.OperationalError("on closing")),
        after(OURS, KeyError("handled"), OSError("on closing")),
        group(after(group(OURS), OSError("on closing")), NO_SPACE),
        after(OURS, group(NO_SPACE)),
    ],
    ids=repr,
)
def test_ours_is_told_whatever_cleaning_up_raised(error: Exception) -> None:
    assert ours_in(error) is OURS


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        group(NO_SPACE, FULL),
        KeyError("a bug"),
        group(OURS, KeyError("a bug")),
        after(OURS, KeyError("a bug")),
        after(KeyError("a bug"), OSError("on closing")),
    ],
    ids=repr,
)
def test_a_bug_is_not_hidden_by_ours(error: Exception) -> None:
    assert ours_in(error) is None


def test_a_full_disk_is_told_and_not_called_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(*_: object, **__: object) -> None:
        raise group(group(OURS), FULL)

    monkeypatch.setattr(cli.cli, "main", main)
    assert cli.run(["soup"]) == 3
    assert capsys.readouterr().err == f"Error: {OURS}\n"
