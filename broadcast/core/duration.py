"""Lengths of time as a person writes and reads them."""

from __future__ import annotations

import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WHOLE = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?[smhd]?)(?:[0-9]{1,9}[smhd])*\Z")
_STEP = re.compile(r"([0-9.]+)([smhd]?)")


def seconds_of(text: str) -> float:
    """Seconds, from `90`, `90s`, `15m`, `2h`, `1d` or `1d12h`. Raises ValueError."""
    written = text.strip().lower().replace(" ", "")
    if not _WHOLE.match(written):
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
