"""`python -m benchmarks`: runs the plain program and broadcast by turns and prints a table.

Broadcast is the installed command, from a list on disk to its durable ledger. No clock is read
inside the programs: each is a process, measured from outside.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import IDLE_TEXT, TEXT, recipient

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

ROOT = Path(__file__).resolve().parent.parent
BOT_TOKEN = "4242424242:" + "sandbox" * 5
BROADCAST = Path(sysconfig.get_path("scripts")) / "broadcast"
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes: getrusage(2) of the two systems
SETTINGS = {"TELEGRAM_SERVER", "TELEGRAM_SERVER_KEY", "TELEGRAM_API_ID", "TELEGRAM_API_HASH"}
OTHERS = (
    "curve",
    "variants",
    "million",
    "startup",
    "templates",
    "rehearsal",
    "pacing",
    "real_pace",
)
IDLE_RUNS = 2  # before a run that sends, and again after it


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took: seconds by the clock, seconds of CPU (user and system), peak bytes."""

    wall: float
    cpu: float
    memory: int


def middle(usages: Sequence[Usage]) -> Usage:
    """The median of each quantity."""
    return Usage(
        median(usage.wall for usage in usages),
        median(usage.cpu for usage in usages),
        round(median(usage.memory for usage in usages)),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """One program in one round: with one person to write to (`idle`), and with `count` people.

    `server` is the sandbox's CPU seconds for the latter.
    """

    count: int
    idle: Usage
    busy: Usage
    server: float

    @property
    def cpu(self) -> float:
        """CPU seconds for one more message."""
        return (self.busy.cpu - self.idle.cpu) / (self.count - 1)

    @property
    def rate(self) -> float:
        """Messages a second, start-up and shut-down apart."""
        return (self.count - 1) / (self.busy.wall - self.idle.wall)

    @property
    def server_cpu(self) -> float:
        """The sandbox's CPU seconds for one message."""
        return self.server / self.count


Program = Callable[[str, int], list[str | Path]]
"""The command that sends a text to the first so many people."""


def plain(*options: str) -> Program:
    """The plain program."""
    return lambda text, count: [
        sys.executable, "-m", "benchmarks.plain", text, str(count), *options
    ]  # fmt: skip


def ours(home: Path, *options: str) -> Program:
    """Broadcast, without a pace and without a question."""

    def command(text: str, count: int) -> list[str | Path]:
        people = home / f"{count}.csv"
        with people.open("w", encoding="ascii") as file:
            file.write("peer\n")
            # Not as a list: that would count as memory of who is started next.
            file.writelines(f"{recipient(number)}\n" for number in range(count))
        given = ["--contacts", people, "--rate", "max", "--yes", "--quiet"]
        return [sys.executable, BROADCAST, "send", text, *given, *options]

    return command


def run(command: Sequence[str | Path], environment: dict[str, str], here: Path) -> Usage:
    """Run a process to its end. When it fails, show what it printed and exit."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=here, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{command} ended with {process.returncode}:\n{output.read().decode()}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * MAXRSS_UNIT)


def clean_environment() -> dict[str, str]:
    """The environment without anything that could lead a program to the real Telegram."""
    ours = ("TELEGRAM_", "BROADCAST_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(ROOT)}


@contextmanager
def sandbox(home: Path, *more: str) -> Generator[dict[str, str]]:
    """A sandbox in a process of its own, with the environment that leads to it."""
    environment = clean_environment()
    options = ["--port", "0", "--limits", "none", "--home", home, *more]
    command = [sys.executable, "-m", "broadcast", "sandbox", "serve", *options]
    with subprocess.Popen(
        command, env=environment, cwd=home, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            told = {
                "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
                "TELEGRAM_SESSION": str(home / "bot.session"),
                "BROADCAST_HOME": str(home),
            }
            for line in server.stdout or ():
                name, is_setting, value = line.strip().partition("=")
                if name in SETTINGS and is_setting:
                    told[name] = value
                if told.keys() >= SETTINGS:
                    break
            else:
                sys.exit("the sandbox did not start")
            yield environment | told | {"SANDBOX_PID": str(server.pid)}
        finally:
            server.terminate()


def measure(make: Callable[[Path], Program], count: int) -> Sample:
    """Run one program against a fresh sandbox, and check that everything arrived."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        home = Path(name)
        program = make(home)
        with sandbox(home) as environment:

            def idle() -> Usage:
                return run(program(IDLE_TEXT, 1), environment, home)

            idle()  # signs in, which takes a random time: finding primes
            before = [idle() for _ in range(IDLE_RUNS)]
            served = cpu_of(environment)
            busy = run(program(TEXT, count), environment, home)
            served = cpu_of(environment) - served
            after = [idle() for _ in range(IDLE_RUNS)]
            sample = Sample(count, middle([*before, *after]), busy, served)
        check = [sys.executable, "-m", "benchmarks.received", home, str(count)]
        run(check, clean_environment(), home)
    return sample


def cpu_of(environment: dict[str, str]) -> float:
    """CPU seconds of the sandbox until now; 0.0 where the system does not tell: Linux does."""
    stat = Path("/proc", environment["SANDBOX_PID"], "stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def row(
    title: str,
    unit: str,
    pairs: Sequence[tuple[Sample, Sample]],
    value: Callable[[Sample], float],
    digits: int = 0,
) -> str:
    """A line of the table: the median ratio, its range over the rounds, and both medians."""
    plain, ours = ([value(sample) for sample in samples] for samples in zip(*pairs, strict=True))
    # Of too few messages the system may count no CPU at all: it counts in hundredths of a second.
    ratios = [b / a if a else math.nan for a, b in zip(plain, ours, strict=True)]
    return (
        f"| {title} | **{median(ratios):.2f}** | {min(ratios):.2f} - {max(ratios):.2f} "
        f"| {median(plain):,.{digits}f}{unit} | {median(ours):,.{digits}f}{unit} |"
    )


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="recipients (default: 20000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument(
        "--cheapest", action="store_true", help="the plain program at its cheapest: no bare ids"
    )
    parser.add_argument("--all", action="store_true", help="and every other table of README.md")
    options = parser.parse_args()
    if options.n < 2 or options.rounds < 1:
        parser.error("--n is at least 2, and --rounds at least 1")

    form = ["--cheapest"] if options.cheapest else []
    pairs: list[tuple[Sample, Sample]] = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        plain_sample = measure(lambda _: plain(*form), options.n)
        pairs.append((plain_sample, measure(ours, options.n)))

    print(
        f"{where()}; rounds of {options.n:,} recipients, all of whom received the message once.\n"
    )
    print("| | broadcast / plain | range | plain program | broadcast |")
    print("|---|---|---|---|---|")
    print(row("CPU per message", " µs", pairs, lambda sample: sample.cpu * 1e6, 1))
    print(row("messages per second", "", pairs, lambda sample: sample.rate))
    print(row("peak memory", " MB", pairs, lambda sample: sample.busy.memory / 1e6, 1))
    print(
        row("peak memory, one person to write to", " MB", pairs, lambda s: s.idle.memory / 1e6, 1)
    )
    print(row("CPU of the start, one person to write to", " ms", pairs, lambda s: s.idle.cpu * 1e3))
    print(row("CPU of the whole process", " ms", pairs, lambda s: s.busy.cpu * 1e3))
    print(row("CPU of the sandbox per message", " µs", pairs, lambda s: s.server_cpu * 1e6, 1))
    for name in OTHERS if options.all else ():
        print(f"\n`python -m benchmarks.{name}`\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=True)


def where() -> str:
    """What was measured, with what, on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("broadcast", "telethon", "cryptg"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {packages}, "
        f"{os.cpu_count()} CPUs"
    )


if __name__ == "__main__":
    main()
