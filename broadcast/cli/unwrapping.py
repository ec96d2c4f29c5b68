"""Which of our errors ended a command, where others came with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from broadcast.core.errors import BroadcastError, HaltedError

if TYPE_CHECKING:
    from collections.abc import Iterator


def ours_in(error: BaseException) -> BroadcastError | None:
    """The error that is told to a person; None when there is none, or a bug beside it.

    A TaskGroup raises ours in groups. A disk that is full refuses what cleaning up writes, too:
    such an error stands beside ours, or ours is its context, and it has nothing to add.
    """
    ours: list[BroadcastError] = []
    for each in _leaves_of(error):
        if isinstance(each, BroadcastError):
            ours.append(each)
        elif not _is_of_cleaning_up(each):
            return None
        else:
            ours += _in_context_of(each)
    ours = ours or _in_context_of(error)
    return next((each for each in ours if isinstance(each, HaltedError)), ours[0] if ours else None)


def _leaves_of(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("Any", error).exceptions:
            yield from _leaves_of(each)
    else:
        yield error


def _in_context_of(error: BaseException) -> list[BroadcastError]:
    """Ours that were on their way when `error` was raised, the last one or its group."""
    while (context := error.__context__) is not None:
        if known := ours_in(context):
            return [known]
        error = context
    return []


def _is_of_cleaning_up(error: BaseException) -> bool:
    import sqlite3  # noqa: PLC0415 - `--help` needs none

    return isinstance(error, (OSError, sqlite3.Error))
