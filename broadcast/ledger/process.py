"""Answers which process holds a lease, and whether it still lives; it never kills one."""

from __future__ import annotations

import json
import os
import socket


def this_process() -> str:
    """This process, as the ledger keeps it."""
    pid = os.getpid()
    return json.dumps({"host": socket.gethostname(), "pid": pid, "started": _started(pid)})


def is_dead(owner: str) -> bool:
    """True when `owner` has certainly ended; of a process on another host nobody can tell."""
    told = json.loads(owner)
    if told["host"] != socket.gethostname() or os.name != "posix":  # elsewhere kill(pid, 0) kills
        return False
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return told["started"] != _started(told["pid"])


def in_words(owner: str | None) -> str:
    """The process, for a person."""
    if owner is None:
        return "another process"
    told = json.loads(owner)
    return f"process {told['pid']} on {told['host']}"


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
