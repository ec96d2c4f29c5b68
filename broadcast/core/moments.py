"""Says a moment as a person reads it, in the time zone of this machine; it knows no clock."""

from __future__ import annotations

from datetime import UTC, datetime


def local(moment: datetime) -> str:
    """`2026-11-26 18:00 CET`: all that a person is shown is in this one zone, and names it.

    The seconds only where there are some. A zone without a name of letters is `UTC-03:00`.
    """
    here = moment.astimezone()
    return f"{here:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + f" {_zone(here)}"


def local_time(moment: datetime) -> str:
    """`18:00 CET`: the same without the day, for what is near."""
    here = moment.astimezone()
    return f"{here:%H:%M:%S}".removesuffix(":00") + f" {_zone(here)}"


def in_utc(moment: datetime) -> str:
    """`2026-11-26T17:00:00.000+00:00`: ISO 8601, for programs."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _zone(here: datetime) -> str:
    name = here.tzname() or ""
    if name.isascii() and name.isalpha():
        return name
    offset = f"{here:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"
