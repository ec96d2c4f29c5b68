"""Takes one error out of an exception group, so that nobody has to look into groups for ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from broadcast.core.errors import BroadcastError, HaltedError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def ungrouped() -> Generator[None]:
    """Raise bare what is raised inside as a group, such as by an asyncio.TaskGroup.

    Of several errors of ours a HaltedError goes first, as nothing goes on after it, else the first
    one. A group with a bug among several errors stays a group: all of it has to be read.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        found = _told_by(_leaves_of(group))
        if found is None:
            raise
        context = found.__context__
        try:
            raise found
        finally:
            found.__context__ = context  # and not the group, which tells nothing more


def _told_by(leaves: list[BaseException]) -> BaseException | None:
    if len(leaves) == 1:
        return leaves[0]
    if not all(isinstance(leaf, BroadcastError) for leaf in leaves):
        return None
    return next((leaf for leaf in leaves if isinstance(leaf, HaltedError)), leaves[0])


def _leaves_of(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            leaves += _leaves_of(cast("BaseExceptionGroup[BaseException]", each))
        else:
            leaves.append(each)
    return leaves
