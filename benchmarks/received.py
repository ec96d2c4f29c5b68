"""Checks what a sandbox received: `python -m benchmarks.received HOME COUNT`.

A process of its own, because the operating system counts the peak memory of whoever starts a
program as that program's: the one that measures must stay small.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import IDLE_TEXT, recipients


def main(home: Path, count: int) -> None:
    """Exit unless there is one message for each of `count` people, and for nobody else."""
    awaited = set(recipients(count))
    with (home / "sandbox" / "journal.jsonl").open(encoding="utf-8") as journal:
        for line in journal:
            record = json.loads(line)
            if record["t"] != "message" or record["text"] == IDLE_TEXT:
                continue
            if record["other"] not in awaited:
                sys.exit(f"the sandbox received a message twice, or for the wrong one: {line}")
            awaited.remove(record["other"])
    if awaited:
        sys.exit(f"the sandbox received {count - len(awaited)} of {count} messages")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
