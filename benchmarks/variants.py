"""`python -m benchmarks.variants`: at the paid limit, and personalised.

The installed command as in `python -m benchmarks`, on the same server: at 1,000 messages a second,
which is the most that Telegram sells; and a template of three fields beside one text for everybody.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import TEXT, recipient
from benchmarks.__main__ import BROADCAST, Program, measure, ours, where

if TYPE_CHECKING:
    from pathlib import Path

PAID_RATE = 1000  # https://core.telegram.org/bots/api#paid-broadcasts
TEMPLATES = {
    "one text": [],
    "three fields": ["Hi {{ first_name }}, the {{ car }} of {{ city }}", "--template"],
    "three fields, one of them bold": [
        "Hi **{{ first_name }}**, the {{ car }} of {{ city }}",
        "--template",
    ],
}


def to_fields(home: Path, given: list[str]) -> Program:
    """Broadcast from a list with fields; it says what is `given`, if anything."""

    def command(text: str, count: int) -> list[str | Path]:
        people = home / f"{count}.csv"
        with people.open("w", encoding="ascii") as file:
            file.write("peer,name,city,car\n")
            file.writelines(
                f"{recipient(number)},Ana{number} Ruiz,Madrid,Seat {number}\n"
                for number in range(count)
            )
        message, *more = given if given and text == TEXT else [text]
        options = ["--contacts", people, "--rate", "max", "--yes", "--quiet", *more]
        return [sys.executable, BROADCAST, "send", message, *options]

    return command


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="recipients (default: 20000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    options = parser.parse_args()
    print(f"{where()}; {options.rounds} rounds of {options.n:,} recipients.\n")

    at_limit = [
        measure(lambda home: ours(home, "--rate", str(PAID_RATE)), options.n)
        for _ in range(options.rounds)
    ]
    print(f"| at `--rate {PAID_RATE}` | |\n|---|---|")
    print(f"| of the limit | **{median(s.rate for s in at_limit) / PAID_RATE:.1%}** |")
    print(f"| of a core | **{median(s.cpu * s.rate for s in at_limit):.1%}** |\n", flush=True)

    print("| a message | CPU | more than one text |\n|---|---|---|")
    plain = 0.0
    for title, given in TEMPLATES.items():
        samples = [
            measure(lambda home, given=given: to_fields(home, given), options.n)
            for _ in range(options.rounds)
        ]
        cpu = median(sample.cpu for sample in samples) * 1e6
        plain = plain or cpu
        print(f"| {title} | {cpu:.1f} µs | {cpu - plain:.1f} µs |", flush=True)


if __name__ == "__main__":
    main()
