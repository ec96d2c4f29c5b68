"""Lengths of time as a person writes and reads them."""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_STEP = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhd])\s*")
_WHOLE = re.compile(rf"(?:{_STEP.pattern})+")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3})?")


def seconds_of(text: str) -> float:
    """Seconds, from `90s`, `15m`, `2h`, `1d`, `1.5h` or `1d 12h`; `0` needs no unit.

    Raises ValueError, for any other bare number too: 30 may be seconds to one who writes it, and
    minutes to one who reads it.
    """
    written = text.strip().lower()
    if written == "0":
        return 0.0
    if _NUMBER.fullmatch(written):
        raise ValueError(f"{text!r} has no unit: write {written}s, {written}m or {written}h")
    if not _WHOLE.fullmatch(written):
        raise ValueError(f"{text!r} is not a length of time: write 90s, 15m, 2h or 1d")
    return sum(float(number) * _UNITS[unit] for number, unit in _STEP.findall(written))


def duration(seconds: float) -> str:
    """`1.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
