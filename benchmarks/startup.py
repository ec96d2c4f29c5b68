"""`python -m benchmarks.startup`: what it takes to start, and a broadcast to three friends.

Each line is the median of some processes, by turns with `python -c pass`; the broadcast to three
friends is measured beside the plain program, with a session that is signed in already.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import TEXT, recipients
from benchmarks.__main__ import BROADCAST, Usage, middle, plain, run, sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS = 9
FRIENDS = 3
PASS = [sys.executable, "-c", "pass"]


def by_turns(
    yardstick: Sequence[str | Path],
    command: Sequence[str | Path],
    environment: dict[str, str],
    here: Path,
) -> tuple[float, Usage]:
    """The median ratio of the CPU of `command` to that of `yardstick`, and what it took."""
    run(command, environment, here)  # which may sign in, or write compiled modules
    pairs = [
        (run(yardstick, environment, here), run(command, environment, here)) for _ in range(RUNS)
    ]
    return median(b.cpu / a.cpu for a, b in pairs), middle([used for _, used in pairs])


def main() -> None:
    """Measure, then print the table."""
    print("| command | CPU | time | CPU as a multiple of |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        home = Path(name)
        friends = home / "friends.csv"
        people = "".join(f"{person}\n" for person in recipients(FRIENDS))
        friends.write_text(f"peer\n{people}", encoding="ascii")
        with sandbox(home) as environment:
            send = [sys.executable, BROADCAST, TEXT, "--contacts", friends]
            theirs = plain("--cheapest")(TEXT, FRIENDS)
            run(theirs, environment, home)
            run(send, environment, home)
            for title, yardstick, command in (
                ("--help", PASS, [sys.executable, BROADCAST, "--help"]),
                ("list", PASS, [sys.executable, BROADCAST, "list"]),
                ("status", PASS, [sys.executable, BROADCAST, "status"]),
                ("MESSAGE --dry-run", PASS, [*send, "--dry-run"]),
                (f"MESSAGE, to {FRIENDS}", theirs, send),
            ):
                ratio, used = by_turns(yardstick, command, environment, home)
                beside = "`python -c pass`" if yardstick is PASS else "the plain program"
                print(
                    f"| `broadcast {title}` | {used.cpu:.3f} s | {used.wall:.3f} s "
                    f"| **{ratio:.2f}**, {beside} |"
                )


if __name__ == "__main__":
    main()
