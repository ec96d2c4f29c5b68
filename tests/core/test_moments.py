"""A moment in words: one zone for all, and its name with it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.core.moments import in_utc, local, local_time

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = {
    "UTC": "2026-11-26 17:00 UTC",
    "Europe/Madrid": "2026-11-26 18:00 CET",
    "America/Sao_Paulo": "2026-11-26 14:00 UTC-03:00",
    "Asia/Kolkata": "2026-11-26 22:30 IST",
    "Pacific/Auckland": "2026-11-27 06:00 NZDT",
}


@pytest.fixture(params=SHOWN)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_a_zone_has_its_name_or_its_offset(zone: str) -> None:
    moment = datetime(2026, 11, 26, 17, tzinfo=UTC)
    assert local(moment) == SHOWN[zone]
    assert local(moment).endswith(local_time(moment))
    assert in_utc(moment.astimezone()) == "2026-11-26T17:00:00.000+00:00"


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)))  # noqa: DTZ001 - made aware below
def test_what_a_program_reads_is_the_moment_itself(moment: datetime) -> None:
    at = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    assert datetime.fromisoformat(in_utc(at)) == at
