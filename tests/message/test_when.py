"""When a message goes out: what people write, zones and changing clocks."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.model import Contact, When
from broadcast.core.peers import parse_peer
from broadcast.message.when import WhenError, misses, moment_for, read_when

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MADRID, AUCKLAND = "Europe/Madrid", "Pacific/Auckland"


def contact(tz: str | None = None, name: str = "Ana", line: int = 7) -> Contact:
    fields = {} if tz is None else {"tz": tz}
    return Contact(parse_peer("@ana"), name, (), fields, line)


def read(at: str | None = None, after: str | None = None, **options: Any) -> When:
    given = {"zone": None, "of_recipient": False, "now": NOW} | options
    return read_when(at, after, **given)


def moment(at: str | None = None, after: str | None = None, **options: Any) -> str:
    return f"{moment_for(read(at, after, **options), contact()):%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def machine_in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(os.environ, "TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-12-24 18:00", "2026-12-24 17:00:00"),
        ("2026-12-24T18:00", "2026-12-24 17:00:00"),
        ("2026-12-24 18:00:30", "2026-12-24 17:00:30"),
        (" 2027-07-24 8:05 ", "2027-07-24 06:05:00"),
        ("18:00", "2026-11-23 17:00:00"),
        ("13:00:01", "2026-11-23 12:00:01"),
        ("13:00", "2026-11-24 12:00:00"),
        ("0:30", "2026-11-23 23:30:00"),
    ],
)
def test_a_time_is_that_of_the_zone(at: str, expected: str) -> None:
    assert moment(at, zone=MADRID) == expected
    assert read(at, zone=MADRID).zone == MADRID


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-12-24 18:00Z", "2026-12-24 18:00:00"),
        ("2026-12-24 18:00 +05:30", "2026-12-24 12:30:00"),
        ("2026-12-24T18:00:00-0800", "2026-12-25 02:00:00"),
        ("18:00z", "2026-11-23 18:00:00"),
        ("10:00+02:00", "2026-11-24 08:00:00"),
        ("18:00:00.000Z", "2026-11-23 18:00:00"),
        ("2026-12-24T18:00:59,9+01", "2026-12-24 17:00:59"),
    ],
)
def test_an_offset_says_it_all(at: str, expected: str) -> None:
    assert moment(at) == expected


@pytest.mark.usefixtures("machine_in_new_york")
def test_without_a_zone_that_of_the_machine_counts() -> None:
    assert moment("2026-12-24 18:00") == "2026-12-24 23:00:00"
    assert moment("2027-07-24 18:00") == "2027-07-24 22:00:00"  # and its summer time
    assert moment("18:00") == "2026-11-23 23:00:00"
    assert moment("7:00") == "2026-11-24 12:00:00"
    with pytest.raises(WhenError, match="does not exist in the time zone of this machine"):
        read("2027-03-14 02:30")


def test_the_zone_of_the_clock_counts_before_that_of_the_machine() -> None:
    assert moment("18:00", now=NOW.astimezone(ZoneInfo(AUCKLAND))) == "2026-11-24 05:00:00"


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1d12h", 129_600), ("45s", 45), ("600s", 600)],
)
def test_a_time_from_now(after: str, seconds: int) -> None:
    assert moment_for(read(after=after), contact()) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("tomorrow", r"'tomorrow' is not a time: write 2026-12-24 18:00, or 18:00"),
        ("2026-12-24", "is not a time"),
        ("24.12.2026 18:00", "is not a time"),
        ("", "is not a time"),
        ("2026-02-30 18:00", "is not a valid time: there is no such day"),
        ("2026-12-24 25:00", "is not a valid time: hours go up to 23"),
        ("2026-12-24 18:61", "is not a valid time"),
        ("2026-11-23 13:00", r"2026-11-23 13:00 has passed: it is now 2026-11-23 13:00"),
        ("2025-12-24 18:00", r"2025-12-24 18:00 has passed: it is now 2026-11-23 13:00"),
        ("0001-01-01 00:00", "has passed"),
        ("9999-12-31 23:59", "more than ten years"),
        ("2027-03-28 02:30", r"does not exist in Europe/Madrid.*moment is 2027-03-28 03:30"),
    ],
)
def test_what_is_no_time_or_past_is_told(at: str, why: str) -> None:
    with pytest.raises(WhenError, match=why):
        read(at, zone=MADRID)


def test_a_time_that_comes_twice_is_the_first_of_both() -> None:
    assert moment("2027-10-31 02:30", zone=MADRID) == "2027-10-31 00:30:00"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"zone": MADRID}, "^gives a time zone but no time"),
        ({"at": "18:00", "after": "2h"}, "^cannot go with {in}, .*two times"),  # below "--at "
        ({"after": "2h", "zone": MADRID}, "^is a time from now, the same in every zone"),
        ({"after": "2h", "of_recipient": True}, "the same in every zone"),
        ({"at": "18:00Z", "zone": MADRID}, "has its own offset"),
        ({"at": "18:00+01:00", "of_recipient": True}, "has its own offset"),
        ({"after": "soon"}, "'soon' is not a length of time"),
        ({"after": "0m"}, "is no delay"),
        ({"after": "999999999d"}, "more than ten years"),
    ],
)
def test_what_contradicts_itself_is_told(options: dict[str, Any], why: str) -> None:
    with pytest.raises(WhenError, match=why):
        read(**options)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Madird", "Did you mean Europe/Madrid"),
        ("Madrid", "Europe/Madrid"),
        ("europe/madrid", "Did you mean Europe/Madrid"),
        ("new york", "America/New_York"),
        ("Atlantis", "is not a time zone"),
        ("", "such as Europe/Madrid"),
        ("../../etc/passwd", "is not a time zone"),
        ("/etc/localtime", "is not a time zone"),
        ("Europe", "is not a time zone"),
        ("\0", "is not a time zone"),
    ],
)
def test_a_wrong_zone_is_named_and_what_may_be_meant(name: str, meant: str) -> None:
    with pytest.raises(WhenError, match=meant):
        read("18:00", zone=name)


# --- at each recipient's own time


def test_everybody_has_their_own_moment() -> None:
    when = read("2026-12-24 18:00", of_recipient=True)
    moments = [moment_for(when, contact(tz)) for tz in (MADRID, AUCKLAND, "America/New_York")]
    assert [f"{each:%d %H:%M}" for each in moments] == ["24 17:00", "24 05:00", "24 23:00"]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (contact(), r"^line 7: Ana has no field tz.*tz: Europe/Madrid"),
        (contact("", name="", line=0), r"^@ana has no field tz"),
        (contact("Europe/Madird"), r"^line 7: the field tz of Ana: .*Did you mean Europe/Madrid"),
    ],
)
def test_who_has_no_zone_is_named_with_the_line(who: Contact, why: str) -> None:
    with pytest.raises(WhenError, match=why):
        moment_for(read("2026-12-24 18:00", of_recipient=True), who)


def test_a_time_that_the_clocks_of_a_recipient_skip_goes_out_after_the_gap() -> None:
    when = read("2027-03-28 02:30", of_recipient=True)
    assert moment_for(when, contact(MADRID)) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


def test_all_whom_it_does_not_fit_are_told_at_once() -> None:
    when = read("2026-11-23 22:00", of_recipient=True)
    people = [contact(MADRID), contact(), contact(AUCKLAND), contact("Mars")]
    told = [(who.fields.get("tz"), why) for who, why in misses(when, people, NOW)]
    assert [tz for tz, _ in told] == [None, AUCKLAND, "Mars"]
    assert told[0][1].startswith("this contact has no field tz")  # who asks puts the name before
    assert told[1][1] == (
        "2026-11-23 22:00 has passed in Pacific/Auckland, where it is now 2026-11-24 01:00: give "
        "a later date"
    )
    assert list(misses(read("18:00", zone=MADRID), people, NOW)) == []


def test_a_time_that_is_past_in_every_zone_is_refused() -> None:
    assert read("2026-11-23 00:30", of_recipient=True)  # it is not yet in Hawaii
    with pytest.raises(WhenError, match="has passed everywhere"):
        read("2026-11-23 00:00", of_recipient=True)


SECONDS = st.integers(86_400, 3 * 366 * 86_400)


@given(SECONDS, st.sampled_from([MADRID, "UTC", "Australia/Lord_Howe"]))
def test_a_moment_that_is_accepted_is_shown_by_the_clocks_of_the_zone(
    seconds: int, zone: str
) -> None:
    local = (NOW + timedelta(seconds=seconds)).replace(tzinfo=None)
    try:
        when = read(f"{local:%Y-%m-%d %H:%M:%S}", zone=zone)
    except WhenError:  # the clocks skip it
        there = local.replace(tzinfo=ZoneInfo(zone))
        assert there.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local
        return
    found = moment_for(when, contact())
    assert found.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == local


@given(
    st.datetimes(datetime(2026, 11, 25), datetime(2030, 1, 1)),  # noqa: DTZ001 - local times
    st.integers(-23 * 60, 23 * 60).filter(bool),
    st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
)
def test_any_iso_time_is_read(at: datetime, minutes: int, until: str) -> None:
    aware = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    told = datetime.fromisoformat(aware.isoformat(timespec=until)).replace(microsecond=0)
    expected = f"{told.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    assert moment(aware.isoformat(timespec=until)) == expected
    utc = aware.astimezone(UTC).isoformat(" ", timespec=until).replace("+00:00", "Z")
    assert moment(utc) == expected


@pytest.mark.parametrize("at", ["18:00+99:99", "18:00+24:00", "2026-12-24 18:00:00.", "18:00.5"])
def test_what_is_almost_an_iso_time_is_refused(at: str) -> None:
    with pytest.raises(WhenError, match="is not a"):
        read(at)
