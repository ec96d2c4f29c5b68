"""Reads when a message goes out, and answers which moment that is for each contact.

Where the clocks change, a local time is not always one moment (PEP 495). A time that is skipped is
refused when one zone was given; with the zone of each recipient it goes out after the gap. A time
that comes twice is the first of the two. Zones have the names of the IANA database:
https://www.iana.org/time-zones
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo, available_timezones

from broadcast.core.duration import seconds_of
from broadcast.core.model import When
from broadcast.core.moments import local as local_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from broadcast.core.model import Contact

FIELD = "tz"
"""Of a contact: the name of their zone."""

FURTHEST = timedelta(days=10 * 366)
"""Ours: more is a typing mistake. Telegram itself keeps nothing for longer than a year:
https://core.telegram.org/api/scheduled-messages (SCHEDULE_DATE_TOO_LATE)."""

_LAST_ZONE = timedelta(hours=12)  # behind UTC: no place on earth has a day for longer

_AT = re.compile(
    r"(?:(\d{4}-\d{2}-\d{2})[T ]\s*)?(\d{1,2}:\d{2}(?::\d{2})?)(?:(?<=\d:\d\d:\d\d)[.,]\d+)?"
    r"\s*(Z|[+-]\d{2}(?::?\d{2})?)?\Z",
    re.IGNORECASE,
)
"""As ISO 8601 and RFC 3339 write it. Parts of a second are read and left out: Telegram has none."""


KEPT_BY_TELEGRAM = timedelta(days=367)
"""How far ahead Telegram keeps a person's messages: https://core.telegram.org/api/scheduled-messages"""


_OFFSET_OR_LETTERS = re.compile(r"[a-z]{1,5}|(?:utc|gmt)?_?[+-]?[0-9]{1,2}(?::?[0-9]{2})?")


class WhenError(ValueError):
    """The given time is not valid; the message says why."""


def read_when(
    at: str | None, after: str | None, *, zone: str | None, of_recipient: bool, now: datetime
) -> When:
    """The time that --at, --in, --zone and --zone-of give. Raises WhenError.

    A time without a date is the next such time. Without `zone` it is in the zone of `now`, when
    that has a name, else in the zone of this machine.
    """
    if at is None:
        if after is None:
            raise WhenError("gives a time zone but no time: add {at}, such as 2026-12-24 18:00")
        if zone is not None or of_recipient:
            raise WhenError(
                "is a time from now, the same in every zone: leave the zone out, or give {at}"
            )
        return _after(after, now)
    if after is not None:
        raise WhenError("cannot go with {in}, since those are two times: leave one of them out")
    found = _AT.match(at.strip())
    if found is None:
        raise WhenError(f"{at!r} is not a time: write 2026-12-24 18:00, or 18:00 for the next one")
    day, time, offset = found.groups()
    if offset is not None and (zone is not None or of_recipient):
        raise WhenError(f"{at!r} has its own offset, {offset}: leave out the offset or the zone")
    place = _place(zone, offset, now)
    local = _local(at, day, time, now.astimezone(place))
    if day is None and _moment(local, place) <= now:
        local += timedelta(days=1)
    if of_recipient:
        if local + _LAST_ZONE <= now.astimezone(UTC).replace(tzinfo=None):
            raise WhenError(f"{_shown(local)} has passed everywhere")
        return When(local, zone or "UTC", of_recipient=True)
    moment = _moment(local, place)
    _require_real(local, moment, place, now)
    return _in_utc(moment) if zone is None else When(local, zone)


def _require_real(local: datetime, moment: datetime, place: tzinfo | None, now: datetime) -> None:
    """Raise when the clocks of `place` never show `local`, or have shown it before `now`."""
    shown = moment.astimezone(place)
    if shown.replace(tzinfo=None) != local:
        where = place.key if isinstance(place, ZoneInfo) else "the time zone of this machine"
        raise WhenError(
            f"{_shown(local)} does not exist in {where}, because the clocks go forward then: the "
            f"same moment is {_shown(shown)}"
        )
    if moment <= now:
        raise WhenError(f"{_shown(local)} has passed: it is now {_now_in(place, now)}")


def _now_in(place: tzinfo | None, now: datetime) -> str:
    if isinstance(place, ZoneInfo):
        return f"{_shown(now.astimezone(place))} in {place.key}"
    return local_words(now) if place is None else f"{_shown(now.astimezone(place))} {place}"


def _after(text: str, now: datetime) -> When:
    try:
        seconds = seconds_of(text)
    except ValueError as error:
        raise WhenError(str(error)) from None
    if seconds == 0:
        raise WhenError(f"{text!r} is no delay: leave it out")
    if seconds > FURTHEST.total_seconds():
        raise WhenError(f"{text!r} is more than ten years from now")
    return _in_utc(now + timedelta(seconds=seconds))


def _in_utc(moment: datetime) -> When:
    return When(moment.astimezone(UTC).replace(tzinfo=None), "UTC")


def _place(zone: str | None, offset: str | None, now: datetime) -> tzinfo | None:
    """The zone in which a time was given; None is that of this machine."""
    if zone is not None:
        return zone_named(zone)
    if offset is not None:
        hours = "+00:00" if offset in ("Z", "z") else offset
        try:
            return datetime.fromisoformat(f"2000-01-01T00:00{hours}").tzinfo
        except ValueError:
            raise WhenError(f"{offset!r} is not an offset: write +01:00, or Z for UTC") from None
    return now.tzinfo if isinstance(now.tzinfo, ZoneInfo) else None


def _local(at: str, day: str | None, time: str, now: datetime) -> datetime:
    why = "hours go up to 23, and minutes to 59"
    try:
        clock = datetime.strptime(time, "%H:%M:%S" if time.count(":") == 2 else "%H:%M").time()  # noqa: DTZ007 - a local time
        why = "there is no such day"
        date = now.date() if day is None else datetime.fromisoformat(day).date()
    except ValueError:
        raise WhenError(f"{at!r} is not a valid time: {why}") from None
    local = datetime.combine(date, clock)
    if local.year > now.year + FURTHEST.days // 366:
        raise WhenError(f"{at!r} is more than ten years from now")
    if local.year < now.year - 1:  # before the conversion to another zone fails
        raise WhenError(f"{_shown(local)} has passed")
    return local


def _moment(local: datetime, place: tzinfo | None) -> datetime:
    """The UTC moment of a local time; the first, where there are two."""
    if place is None:
        return local.astimezone(UTC)  # a naive time is that of this machine
    return local.replace(tzinfo=place).astimezone(UTC)


def zone_named(name: str) -> ZoneInfo:
    """The zone with this IANA name. Raises WhenError, which suggests similar names."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise WhenError(f"{name!r} is not a time zone{_close_to(name)}") from None


def _close_to(name: str) -> str:
    zones = sorted(available_timezones())
    places = (zone for zone in zones if not zone.startswith("Etc/"))  # Etc/GMT+2 is -02:00
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in places}
    folded = {zone.lower(): zone for zone in zones}
    wanted = name.strip().lower().replace(" ", "_")
    if wanted in folded or wanted in by_city:
        return f". Did you mean {folded.get(wanted) or by_city[wanted]}?"
    if _OFFSET_OR_LETTERS.fullmatch(wanted):  # CEST is near to EST, which is another
        return (
            ": name a place, such as Europe/Madrid, or write the offset behind the time, such as "
            "18:00+02:00"
        )
    near = [folded[each] for each in get_close_matches(wanted, folded, n=2, cutoff=0.85)]
    near += [by_city[each] for each in get_close_matches(wanted, by_city, n=2, cutoff=0.8)]
    close = list(dict.fromkeys(near))[:3]
    return f". Did you mean {' or '.join(close)}?" if close else ", such as Europe/Madrid"


def in_words(when: When) -> str:
    """When it goes out: in the zone of this machine, where it is one moment for all."""
    if when.of_recipient:
        return f"{_shown(when.at)} in the zone of each recipient"
    return local_words(_moment(when.at, zone_named(when.zone)))


def own_when(when: When | None, contact: Contact) -> When | None:
    """When the message goes out to `contact`, where `when` is the time of all others."""
    return cast("When | None", contact.overrides.get("when", when))


def moment_for(when: When, contact: Contact) -> datetime:
    """The UTC moment for this contact. Raises WhenError."""
    try:
        return _moment(when.at, zone_for(when, contact))
    except WhenError as error:
        place = f"line {contact.line}: " if contact.line else ""
        raise WhenError(f"{place}{error}") from None


def misses(
    when: When | None, contacts: Iterable[Contact], now: datetime
) -> Iterator[tuple[Contact, str]]:
    """Who cannot get it at `when`, or at a time of their own, and why."""
    for contact in contacts:
        own = own_when(when, contact)
        if own is None:
            continue
        try:
            zone = _zone_for(own, contact, "this contact")  # the one who asks names them
        except WhenError as error:
            yield contact, str(error)
            continue
        if _moment(own.at, zone) <= now:
            there = f"in {zone.key}, where it is now {_shown(now.astimezone(zone))}"
            yield contact, f"{_shown(own.at)} has passed {there}: give a later date"


def zone_for(when: When, contact: Contact) -> ZoneInfo:
    """The zone of the time of `when` for this contact. Raises WhenError."""
    return _zone_for(when, contact, contact.called)


def _zone_for(when: When, contact: Contact, who: str) -> ZoneInfo:
    if not when.of_recipient:
        return zone_named(when.zone)
    name = contact.fields.get(FIELD, "")
    if not name:
        raise WhenError(
            f"{who} has no field {FIELD}, which is needed for a time in their own zone: add it, "
            f"such as {FIELD}: Europe/Madrid"
        )
    try:
        return zone_named(name)
    except WhenError as error:
        raise WhenError(f"the field {FIELD} of {who}: {error}") from None


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
