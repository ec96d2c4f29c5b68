"""stdout and stderr: what may be written there, who reads it; it knows no broadcast."""

from __future__ import annotations

import json
import os
import select
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from broadcast.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


CONTROLS = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys([*range(0x80, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000)], 0xFFFD),
}
"""Control characters, which a terminal would obey, as symbols, one for one; and halves of
characters, which no stream takes."""

_TURNING = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = CONTROLS | dict.fromkeys(_TURNING)  # nothing stands for those


def visible(text: str) -> str:
    """`text` as it may be shown: no name in it can move the cursor, or turn what is around it.

    The marks that turn the direction of a text (https://www.unicode.org/reports/tr9/) are left out,
    control characters are symbols; only line ends and tabs stay. Everything that is shown goes
    through this: here, in `json_line`, and in tables.py.
    """
    return text if text.isprintable() else text.translate(_SHOWN)


def say(text: str) -> None:
    """Print a line for a person on stderr; nothing where it cannot be written."""
    with suppress(OSError):  # its reader is gone, or it is a file on a full disk
        print(visible(text), file=sys.stderr)


def stderr_is_terminal() -> bool:
    """Whether stderr is a terminal, so that a person can watch."""
    return sys.stderr.isatty()


def can_ask() -> bool:
    """Whether a person can be asked: stdin and stderr are terminals."""
    return sys.stdin is not None and sys.stdin.isatty() and stderr_is_terminal()


def require_reader() -> None:
    """Raise SettingsError when nobody can read stdout any more, before anything is sent."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - it is after `>&-`
        raise SettingsError("stdout is closed, so nobody would read the report; nothing was sent")
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        gone = any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):  # no real file, or no poll on this system
        return
    if gone:
        raise SettingsError("the reader of stdout is gone; nothing was sent")


class Output:
    """stdout, whose reader may go away at any line: `broadcast … --json | head -1`."""

    def __init__(self, on_closed: Callable[[], None] = lambda: None) -> None:
        self.closed = False
        self._on_closed = on_closed

    def line(self, text: str) -> None:
        """Write one line; when the reader is gone, call `on_closed` once and write nothing more."""
        if self.closed:
            return
        try:
            print(visible(text), flush=True)
        except OSError:  # a pipe whose reader is gone, or a file on a full disk
            self.closed = True
            silence_stdout()
            self._on_closed()


def json_line(row: dict[str, Any]) -> str:
    """One line of JSON, readable where stdout holds every letter, escaped where it does not."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    written = json.dumps(row, ensure_ascii=not is_utf8)
    if written.isprintable():
        return written
    return "".join(f"\\u{ord(char):04x}" if ord(char) in _SHOWN else char for char in written)


def silence_stdout() -> None:
    """Redirect stdout to nothing, so that Python's own flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def reader_may_leave() -> Generator[None]:
    """A reader of stdout that leaves early is no error: `broadcast ... | head -1`."""
    try:
        yield
        sys.stdout.flush()  # here, and not at exit, where Python can only complain
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:  # a file on a full disk
        silence_stdout()
        say(f"stdout cannot be written: {error.strerror}. `broadcast show` shows the result again")
