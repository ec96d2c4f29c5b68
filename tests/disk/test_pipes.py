"""What is opened to be read, and what would be waited for in vain."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from broadcast.disk.pipes import open_to_read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_pipe_without_a_writer_is_an_error(pipe: Path) -> None:
    with pytest.raises(OSError, match="nobody writes into it"):
        open_to_read(pipe, writer_within=0.0)


def test_a_pipe_with_a_writer_is_read_to_its_end(pipe: Path) -> None:
    writer = threading.Thread(target=pipe.write_bytes, args=(b"a\n" * 100_000,))
    writer.start()
    with open_to_read(pipe) as stream:
        assert stream.read() == b"a\n" * 100_000
    writer.join()


def test_a_file_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with open_to_read(tmp_path / "file") as stream:
        assert stream.read() == b""
