"""`python -m benchmarks.rehearsal [N]`: what it takes to rehearse a broadcast to N people.

A bot at the published 30 messages a second, on virtual time; no socket is opened.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from datetime import timedelta

from benchmarks import TEXT, recipients
from broadcast import Message, contact, rehearse

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes: getrusage(2) of the two systems


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT / 1e6


def main() -> None:
    """Rehearse, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=__doc__)
    parser.add_argument(
        "n", type=int, nargs="?", default=1_000_000, help="recipients (default: 1000000)"
    )
    count = parser.parse_args().n
    if count < 1:
        parser.error("N is at least 1")

    people = [contact(str(number)) for number in recipients(count)]
    before = peak()
    started, cpu_started = time.perf_counter(), time.process_time()
    rehearsal = asyncio.run(rehearse(Message(TEXT), people, is_bot=True))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    report = rehearsal.report
    if report.counts.sent != count:
        sys.exit(f"{report.counts.sent} of {count} were sent: {report.halted}")
    print(f"recipients      {count:,}")
    print(f"would take      {timedelta(seconds=round(report.seconds))}")
    print(f"floods          {rehearsal.floods}")
    print(f"took            {seconds:.1f} s, {cpu:.1f} s of CPU")
    print(f"a recipient     {seconds / count * 1e6:.1f} µs, {cpu / count * 1e6:.1f} µs of CPU")
    print(f"peak memory     {peak():,.0f} MB, {before:,.0f} MB of it the contacts")


if __name__ == "__main__":
    main()
