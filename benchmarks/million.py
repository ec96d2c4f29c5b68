"""`python -m benchmarks.million [--n 1000000]`: from a list to the first message, and looks back.

The installed command sends to a sandbox in another process, until the first message has arrived
there; then it is asked to stop. Looks back go to a ledger that `benchmarks.ledgers` fills.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import TEXT, recipient
from benchmarks.__main__ import BOT_TOKEN, BROADCAST, MAXRSS_UNIT, Usage, run, sandbox
from benchmarks.ledgers import fill
from broadcast import load_settings
from broadcast.ledger.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Callable

FEW = 20_000
BROADCASTS = 10
CITIES = ("Madrid", "Berlin", "Köln")
TEMPLATE = "Hi {{ name }}, of {{ city }}, number {{ peer }}"


def write_list(path: Path, count: int, *, named: bool) -> Path:
    """A list of so many people: bare ids, or with a name and a city."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["peer", "name", "city"] if named else ["peer"])
        for number in range(count):  # a list of them would count as memory of who is started next
            person = recipient(number)
            rows.writerow([person, f"Friend {number}", CITIES[number % 3]] if named else [person])
    return path


def cpu_of_csv(path: Path) -> float:
    """The yardstick: seconds of CPU to read the rows, and to do nothing with them."""
    started = time.process_time()
    with path.open(encoding="utf-8", newline="") as file:
        for _ in csv.reader(file):
            pass
    return time.process_time() - started


def until(
    happened: Callable[[subprocess.Popen[bytes]], bool],
    command: list[str | Path],
    environment: dict[str, str],
    home: Path,
) -> tuple[float, Usage]:
    """Seconds until it has `happened`; then the command is interrupted, and what it took."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while not happened(process):
        if process.poll() is not None:
            sys.exit(f"{command} ended with {process.returncode} too early")
    first = time.perf_counter() - started
    process.send_signal(signal.SIGINT)
    if process.stdout is not None:
        process.stdout.close()
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    wall = time.perf_counter() - started
    return first, Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * MAXRSS_UNIT)


def measure_lists(count: int) -> None:
    """Print what it takes from a list to the first message."""
    print("| from a list to the first message | time | CPU | of csv.reader alone | peak memory |")
    print("|---|---|---|---|---|")
    for size in (min(FEW, count), count):
        for title, named, more in (
            ("bare ids", False, [TEXT]),
            ("peer, name, city", True, [TEXT]),
            ("the same, and a template of three names", True, [TEMPLATE, "--template"]),
        ):
            with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
                home = Path(name)
                path = write_list(home / "people.csv", size, named=named)
                with sandbox(home) as environment:
                    run([sys.executable, BROADCAST, "login"], environment, home)
                    journal = home / "sandbox" / "journal.jsonl"
                    before = journal.stat().st_size

                    def has_arrived(
                        _: object, journal: Path = journal, before: int = before
                    ) -> bool:
                        time.sleep(0.005)
                        return journal.stat().st_size > before

                    options = ["--contacts", path, "--yes", "--quiet", "--rate", "1"]
                    command = [sys.executable, BROADCAST, *more, *options]
                    first, used = until(has_arrived, command, environment, home)
                print(
                    f"| {size:,}: {title} | {first:.1f} s | {used.cpu:.1f} s "
                    f"| {used.cpu / cpu_of_csv(path):.1f} times | {used.memory / 1e6:.0f} MB |"
                )


def measure_looks(count: int) -> None:
    """Print how long it takes until something is seen of a ledger with large broadcasts."""
    print(f"\n| {BROADCASTS} broadcasts to {count:,} | first line after | CPU |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        home = Path(name)
        with sandbox(home) as environment:
            run([sys.executable, BROADCAST, "login"], environment, home)
            server = str(load_settings(environment).server)
            account = int(BOT_TOKEN.partition(":")[0])
            with SqliteLedger(home / "ledger.db") as ledger:
                asyncio.run(fill(ledger, BROADCASTS, count, account=account, server=server))
            done = "aaaa000000"
            for arguments in (
                ["list"],
                ["list", "--scheduled"],
                ["status"],
                ["show", done],
                ["show", done, "--failed"],
                ["resume", "--json", "--rate", "1"],
                ["cancel"],
            ):
                command = [sys.executable, BROADCAST, *arguments]
                first, used = until(_has_said, command, environment, home)
                told = " ".join(arguments)
                print(f"| `broadcast {told}` | {first:.2f} s | {used.cpu:.2f} s |")


def _has_said(process: subprocess.Popen[bytes]) -> bool:
    return process.stdout is not None and bool(process.stdout.readline())


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="recipients (default: 1000000)")
    count = parser.parse_args().n
    measure_lists(count)
    measure_looks(count)


if __name__ == "__main__":
    main()
