"""`python -m benchmarks.curve`: cost per message and memory over N, ours and the plain program's.

Once for each N. The CPU is that of the whole process, its start included: to a hundred people that
is nearly all. `--plot FILE` draws it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.__main__ import Sample, measure, ours, plain, where
from benchmarks.cost_plot import drawn

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)


def main() -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curve", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="each N")
    parser.add_argument(
        "--plain-most",
        type=int,
        default=1_000_000,
        help="no plain program above this N: it takes some 5 KB of memory a recipient",
    )
    parser.add_argument("--plot", type=Path, help="an SVG file to draw it to")
    options = parser.parse_args()
    print(f"{where()}.\n")
    print("| N | CPU per message | plain | broadcast | peak memory | plain | broadcast |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    found: dict[int, list[Sample | None]] = {}
    for count in options.sizes:
        theirs = measure(lambda _: plain(), count) if count <= options.plain_most else None
        made = measure(ours, count)
        found[count] = [theirs, made]
        print(_row(count, theirs, made), flush=True)
    if options.plot:
        both = {"plain Telethon, in a gather": 0, "broadcast": 1}
        lines = {
            name: [(count, pair[which]) for count, pair in found.items() if pair[which]]
            for name, which in both.items()
        }
        cpu = {name: [(n, cost(s)) for n, s in line] for name, line in lines.items()}
        memory = {name: [(n, s.busy.memory / 1e6) for n, s in line] for name, line in lines.items()}
        options.plot.write_text(drawn(cpu, memory), encoding="utf-8")


def cost(sample: Sample) -> float:
    """Microseconds of CPU a message, the start included."""
    return sample.busy.cpu / sample.count * 1e6


def _row(count: int, theirs: Sample | None, made: Sample) -> str:
    cpu, memory = cost(made), made.busy.memory / 1e6
    if theirs is None:
        return f"| {count:,} | | | {cpu:,.0f} µs | | | {memory:.0f} MB |"
    return (
        f"| {count:,} | **{cpu / cost(theirs):.2f}** | {cost(theirs):,.0f} µs | {cpu:,.0f} µs "
        f"| **{made.busy.memory / theirs.busy.memory:.2f}** | {theirs.busy.memory / 1e6:,.0f} MB "
        f"| {memory:.0f} MB |"
    )


if __name__ == "__main__":
    main()
