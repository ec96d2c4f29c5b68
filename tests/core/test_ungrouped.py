"""One error out of a group."""

from __future__ import annotations

import asyncio

import pytest

from broadcast.core.errors import HaltedError, InputError, LockedError, ungrouped

LOCKED, HALTED, BUG = LockedError("taken over"), HaltedError("the disk is full"), KeyError("bug")


def raised_of(*errors: BaseException) -> BaseException:
    """What comes out when these are raised in a group."""
    with pytest.raises(BaseException) as caught, ungrouped():  # noqa: PT011 - any, to look at it
        raise BaseExceptionGroup("several", errors)
    return caught.value


def test_a_single_error_is_raised_bare_however_deep_it_lies() -> None:
    for error in (LOCKED, BUG, asyncio.CancelledError()):
        deep = BaseExceptionGroup("a", [BaseExceptionGroup("b", [error])])
        assert raised_of(deep) is error
        assert error.__context__ is None


def test_of_several_of_ours_what_ends_everything_goes_first() -> None:
    assert raised_of(LOCKED, HALTED) is HALTED
    assert raised_of(InputError("no"), LOCKED).args == ("no",)


def test_a_bug_beside_others_is_shown_with_all_of_them() -> None:
    group = raised_of(LOCKED, BUG)
    assert isinstance(group, BaseExceptionGroup)
    assert group.exceptions == (LOCKED, BUG)


def test_what_is_no_group_passes() -> None:
    with ungrouped():
        pass
    with pytest.raises(LockedError), ungrouped():
        raise LOCKED


async def test_a_task_group_inside_raises_what_its_task_raised() -> None:
    async def die() -> None:
        raise HALTED

    async def work() -> None:
        with ungrouped():
            async with asyncio.TaskGroup() as group:
                group.create_task(die())
                await asyncio.Event().wait()

    with pytest.raises(HaltedError):
        await work()
