"""What the composition root does while it loads what is large."""

from __future__ import annotations

import gc

import pytest

from broadcast.app import loading


def test_what_is_loaded_is_never_looked_through_again() -> None:
    try:
        gc.unfreeze()
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
