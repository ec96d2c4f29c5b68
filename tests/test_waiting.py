"""What commands do before and around the work that takes its time."""

from __future__ import annotations

import asyncio
import gc

import pytest
from broadcast.cli.waiting import loading, wait_for


def test_what_is_loaded_is_never_looked_through_again() -> None:
    try:
        with loading():
            assert not gc.isenabled()
            kept = [{} for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(kept)
    finally:
        gc.unfreeze()


def test_what_an_earlier_run_has_left_is_not_kept() -> None:
    try:
        with loading():
            pass
        before = gc.get_freeze_count()
        kept = [{} for _ in range(1000)]
        with loading():
            assert gc.isenabled()
        assert gc.get_freeze_count() < before + len(kept)
    finally:
        gc.unfreeze()


def test_a_failure_while_loading_leaves_the_collector_on() -> None:
    try:
        with pytest.raises(ImportError), loading():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_a_cancelled_run_is_an_interrupted_one() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(KeyboardInterrupt):
        wait_for(work())
