"""Starts `python -m broadcast` as a person or a script would, and never leaves one running."""

import codecs
import json
import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import broadcast

BOUND = 100.0
"""Seconds that any single wait may take; generous, for a busy machine, and never the usual case."""

NOISE = ("Traceback", "Exception ignored", "was destroyed", "never retrieved", "never awaited")
"""What Python says when it is a bug. No run may show it, however it ends."""

# A terminal is only a controlling one, to which Ctrl-C belongs, for who asks for it.
ON_ITS_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Ended(NamedTuple):
    """A process that has ended, and all that it has written."""

    code: int
    out: str
    err: str

    @property
    def log(self) -> str:
        """stderr without its last line when that only names the next command."""
        return re.sub(r"^next: broadcast .*\n\Z", "", self.err, flags=re.MULTILINE)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def deliveries(self) -> dict[str, dict[str, Any]]:
        """The rows of the recipients by the peer of the contact list; each has exactly one."""
        rows = [row for row in self.rows if row["type"] == "delivery"]
        found = {row["peer"]: row for row in rows}
        assert len(found) == len(rows), "a recipient is reported twice"
        return found

    @property
    def summary(self) -> dict[str, Any]:
        """The last row."""
        assert [row["type"] for row in self.rows].count("summary") == 1
        assert self.rows[-1]["type"] == "summary"
        return self.rows[-1]


class Stream:
    """What a child has written, read by a thread so that the child never waits for a reader."""

    def __init__(self, fd: int) -> None:
        self._text = ""
        self._looked_at = 0
        self._news = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._pump, args=(fd,), daemon=True)
        self._thread.start()

    def _pump(self, fd: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while self._is_open:
            try:
                data = os.read(fd, 2**16)
            except OSError:  # how a pseudo-terminal says that the other side is gone
                data = b""
            with self._news:
                self._text += decoder.decode(data, final=not data)
                self._is_open = bool(data)
                self._news.notify_all()

    def until(self, pattern: str) -> re.Match[str]:
        """Wait for `pattern` in what comes after the last match."""
        found: re.Match[str] | None = None

        def is_there() -> bool:
            nonlocal found
            found = re.compile(pattern).search(self._text, self._looked_at)
            return found is not None or not self._is_open

        with self._news:
            self._news.wait_for(is_there, BOUND)
            assert found is not None, f"{pattern!r} never came after {self._text!r}"
            self._looked_at = found.end()
        return found

    @property
    def so_far(self) -> str:
        """What has come until now."""
        with self._news:
            return self._text

    def all(self) -> str:
        """Everything, once the child has closed its side."""
        self._thread.join(BOUND)
        assert not self._thread.is_alive(), "somebody still holds the stream open"
        return self._text


class Child:
    """A running `broadcast`."""

    def __init__(self, process: subprocess.Popen[bytes], out: Stream | None, err: Stream) -> None:
        self.process = process
        self.pid = process.pid
        self.out = out
        self.err = err

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> Ended:
        code = self.process.wait(BOUND)
        ended = Ended(code, self.out.all() if self.out else "", self.err.all())
        for noise in NOISE:
            assert noise not in ended.err, ended.err
            assert noise not in ended.out, ended.out
        return ended

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(BOUND)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Terminal(Child):
    """A `broadcast` on a pseudo-terminal; what it shows is in `screen`."""

    def __init__(
        self, process: subprocess.Popen[bytes], master: int, screen: Stream, out: Stream | None
    ) -> None:
        super().__init__(process, out, screen)
        self.screen = screen
        self._master = master

    def type(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def press_ctrl_c(self) -> None:
        """As a person does, who is slower than the step from showing a question to waiting."""
        state = Path(f"/proc/{self.pid}/stat")
        end = time.monotonic() + BOUND
        while state.exists() and state.read_text().rpartition(") ")[2][0] != "S":
            assert time.monotonic() < end, "it never comes to rest"
            time.sleep(0.01)
        os.write(self._master, b"\x03")

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    @property
    def shown(self) -> str:
        """All that stood on the screen, without colours and movements of the cursor."""
        return _ESCAPES.sub("", self.screen.all()).replace("\r", "")

    def kill(self) -> None:
        super().kill()
        self.screen.all()
        os.close(self._master)


class Cli:
    """The command line in a directory of its own, with a clean environment.

    `env` is what every child gets; `extra` environment of a call is added to it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(broadcast.__file__).parent.parent),  # what the test itself sees
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "COLUMNS": "100",
            "BROADCAST_HOME": str(self.home),
        }
        self._children: list[Child] = []

    def write_contacts(self, *peers: str) -> None:
        lines = [f"  - {json.dumps(peer)}\n" for peer in peers]
        self.write_list("contacts:\n" + "".join(lines))

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file into the directory in which the command runs."""
        data = content if isinstance(content, bytes) else content.encode()
        (self.directory / name).write_bytes(data)

    def write_list(self, text: str) -> None:
        (self.directory / "contacts.yaml").write_text(text, encoding="utf-8")

    def start(
        self,
        *arguments: str,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        **extra: str,
    ) -> Child:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-m", "broadcast", *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=self.env | extra,
            cwd=self.directory,
        )
        assert process.stderr is not None
        out = Stream(process.stdout.fileno()) if process.stdout is not None else None
        child = Child(process, out, Stream(process.stderr.fileno()))
        self._children.append(child)
        return child

    def run(self, *arguments: str, **extra: str) -> Ended:
        return self.start(*arguments, **extra).wait()

    def on_terminal(
        self,
        *arguments: str,
        pipe_stdout: bool = False,
        file: IO[bytes] | None = None,
        **extra: str,
    ) -> Terminal:
        """With `pipe_stdout` only stdin and stderr are the terminal, as in `broadcast … | tee`.

        With `file` stdout is that file, as in `broadcast … > file`.
        """
        master, slave = pty.openpty()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own
                [sys.executable, "-c", ON_ITS_TERMINAL, "-m", "broadcast", *arguments],
                stdin=slave,
                stdout=file or (subprocess.PIPE if pipe_stdout else slave),
                stderr=slave,
                env=self.env | extra,
                cwd=self.directory,
                start_new_session=True,
            )
        finally:
            os.close(slave)
        out = Stream(process.stdout.fileno()) if process.stdout is not None else None
        child = Terminal(process, master, Stream(master), out)
        self._children.append(child)
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()
