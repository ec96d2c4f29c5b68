"""Answers which process holds a lease, and whether it still lives; it never ends one.

A clock on the wall may be set while a process works, so no lease is judged by it: on one machine
all processes share a clock that only goes forwards, and of a process elsewhere only a sign of life
tells (sqlite/leases.py).
"""

from __future__ import annotations

import json
import os
import socket
from datetime import timedelta
from functools import cache
from typing import Any

from broadcast.core.model import Process

LEASE = timedelta(seconds=15)
"""After which a process that has written nothing counts as dead."""


def this_process() -> str:
    """This process, as the ledger keeps it."""
    pid, host = os.getpid(), socket.gethostname()
    return json.dumps({"host": host, "pid": pid, "started": _started(pid), "boot": _boot()})


def process_of(owner: str) -> Process:
    """The process that is kept as `owner`."""
    told = json.loads(owner)
    return Process(told["host"], told["pid"])


def is_dead(owner: str) -> bool:
    """True when `owner` has certainly ended; of a process on another host nobody can tell."""
    told = json.loads(owner)
    if told["host"] != socket.gethostname():
        return False
    if _was_before_boot(told):
        return True
    if os.name != "posix":  # elsewhere kill(pid, 0) kills
        return False
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return told["started"] != _started(told["pid"])


def shares_clock(owner: str) -> bool:
    """Whether `time.monotonic` means the same to `owner` and here: one machine, booted once."""
    told = json.loads(owner)
    if "boot" not in told:  # an earlier version wrote it, and no such time with it
        return False
    if told["boot"] is None and _boot() is None:
        return told["host"] == socket.gethostname()
    return told["boot"] == _boot()


def _was_before_boot(told: dict[str, Any]) -> bool:
    boots = told.get("boot"), _boot()
    return None not in boots and boots[0] != boots[1]


@cache
def _boot() -> str | None:
    """What names this start of the machine (random(4)); None where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:  # noqa: PTH123
            return boot.read().strip()
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When the process started, in ticks since the machine did; None where that is not told.

    Field 22 of /proc/PID/stat (proc(5)): tells a process from a later one with the same pid. Of a
    zombie, which has ended and still has its pid, `ended`.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123
            fields = stat.read().rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None
