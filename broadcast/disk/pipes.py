"""Opens what a person names to be read: a file, or a pipe that has a writer; it reads nothing."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

WRITER_SECONDS = 5.0
"""How long a pipe may stay without a writer: who is started beside this process needs a moment."""

LOOK_SECONDS = 0.05


def open_to_read(path: Path, writer_within: float = WRITER_SECONDS) -> BinaryIO:
    """`path`, opened; a pipe with a writer is waited for, however slow that is.

    Raises OSError, also for a pipe into which nobody writes, where `open` would wait for ever.
    """
    if not path.is_fifo():
        return path.open("rb")
    stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    os.set_blocking(stream.fileno(), True)
    for _ in range(max(round(writer_within / LOOK_SECONDS), 1)):
        if stream.peek(1):  # which waits for a writer's first byte, and not for a writer
            return stream
        time.sleep(LOOK_SECONDS)
    stream.close()
    raise OSError(errno.ENODATA, "it is a pipe, and nobody writes into it")
