from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.harness import Harness, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Harness]:
    """The use cases of a bot."""
    with opened(tmp_path) as harness:
        yield harness


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Harness]:
    """Those of a person."""
    with opened(tmp_path, is_bot=False) as harness:
        yield harness
