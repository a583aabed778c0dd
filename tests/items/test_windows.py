"""Windows of time: they touch, leave no gap and never overlap, also on the days when clocks change."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.items.windows import TimeWindow, day_windows, parse_duration, time_windows

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = (
    "UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "America/Havana", "America/Sao_Paulo",
    "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns",
)  # fmt: skip
moments = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
durations = st.timedeltas(timedelta(microseconds=1), timedelta(days=40))


@given(moments, st.integers(0, 60), st.timedeltas(timedelta(0), DAY), st.timedeltas(timedelta(minutes=5), DAY))
def test_windows_cover_the_time_once(start: datetime, steps: int, rest: timedelta, step: timedelta) -> None:
    """time_windows: from start to end without gap or overlap; all are of the step, save the last, which is shorter."""
    end = start + steps * step + min(rest, step)
    made = [*time_windows(start, end, step=step)]
    edges = [start, *(window.end for window in made)]
    assert [window.start for window in made] == edges[:-1]
    assert edges[-1] == end
    assert all(window.duration == step for window in made[:-1])
    assert all(window.duration <= step for window in made)


@given(moments, durations, durations)
def test_halves_touch_and_make_up_the_window(start: datetime, duration: timedelta, granule: timedelta) -> None:
    """Halves part on the granules that count from the start; a window of one granule is not halved."""
    window = TimeWindow(start, start + duration)
    halves = window.halves(granule)
    if duration <= granule:
        assert halves is None
        return
    assert halves is not None
    left, right = halves
    assert (left.start, left.end, right.end) == (window.start, right.start, window.end)
    assert left.duration % granule == timedelta(0)
    assert abs(left.duration - right.duration) <= granule


def test_halving_ends_at_one_granule() -> None:
    """G4: dividing a day ends at the one second that cannot be read."""
    bad = datetime(2013, 1, 1, 17, 4, 9, tzinfo=UTC)
    window, steps = TimeWindow(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC)), 0
    while (halves := window.halves(timedelta(seconds=1))) is not None:
        window = next(half for half in halves if half.start <= bad < half.end)
        steps += 1
    assert window == TimeWindow(bad, bad + timedelta(seconds=1))
    assert steps <= 17


def test_ends_are_utc_whatever_was_passed() -> None:
    """Equal moments make equal windows."""
    eastern = timezone(timedelta(hours=-5))
    window = TimeWindow(datetime(2013, 1, 1, tzinfo=eastern), datetime(2013, 1, 2, tzinfo=eastern))
    assert window == TimeWindow(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 2, 5, tzinfo=UTC))
    assert window.start.tzinfo is UTC
    assert window.start.isoformat() == "2013-01-01T05:00:00+00:00"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("days", [1, 3])
def test_local_days_touch(zone: str, days: int) -> None:
    """day_windows: whole local days over four years of clock changes, without gap or overlap."""
    made = [*day_windows(date(2009, 12, 1), date(2013, 12, 1), zone=zone, days=days)]
    assert all(left.end == right.start for left, right in pairwise(made))
    local = ZoneInfo(zone)
    assert made[0].start == datetime(2009, 12, 1, tzinfo=local)
    assert made[-1].end == datetime(2013, 12, 1, tzinfo=local)
    assert all(window.duration <= days * DAY + HOUR for window in made)


def test_local_days_have_23_24_or_25_hours() -> None:
    """DST days: the window follows the clock, and plain time_windows do not."""
    made = [*day_windows(date(2013, 1, 1), date(2014, 1, 1), zone="America/New_York")]
    hours = {window.start.astimezone(ZoneInfo("America/New_York")).date(): window.duration // HOUR for window in made}
    assert {day: count for day, count in hours.items() if count != 24} == {date(2013, 3, 10): 23, date(2013, 11, 3): 25}
    spring = datetime(2013, 3, 9, 5, tzinfo=UTC)
    assert {window.duration for window in time_windows(spring, spring + 3 * DAY, step=DAY)} == {DAY}


def test_a_day_that_a_zone_skipped_has_no_window() -> None:
    """Samoa had no 30 December 2011: 29 and 31 touch."""
    made = [*day_windows(date(2011, 12, 29), date(2012, 1, 1), zone="Pacific/Apia")]
    assert [window.duration for window in made] == [DAY, DAY]
    assert made[0].end == made[1].start


def test_no_time_no_windows() -> None:
    """Equal ends give none."""
    now = datetime(2013, 1, 1, tzinfo=UTC)
    assert [*time_windows(now, now, step=DAY)] == []
    assert [*day_windows(date(2013, 1, 1), date(2013, 1, 1), zone="UTC")] == []


def test_windows_are_lazy() -> None:
    """Milliseconds of a century cost nothing before they are read, and the end of time is no trap."""
    century = time_windows(datetime(1950, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC), step=HOUR / 3_600_000)
    assert next(century).duration == timedelta(milliseconds=1)
    last = datetime.max.replace(tzinfo=UTC)
    assert [window.end for window in time_windows(last - HOUR, last, step=DAY)] == [last]


A, B = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TimeWindow(A, A), r"from 2013-01-01T00:00:00\+00:00 to 2013-01-01T00:00:00\+00:00 is empty"),
        (lambda: TimeWindow(B, A), r"is empty: its end is the first moment after it"),
        (lambda: TimeWindow(A.replace(tzinfo=None), B), r"The start of a time window, .* has no time zone"),
        (lambda: TimeWindow(A, date(2013, 1, 2)), r"The end of a time window is datetime.date"),  # type: ignore[arg-type]
        (lambda: TimeWindow(A, B).halves(timedelta(0)), r"The granule of halves is .*: pass a timedelta above zero"),
        (lambda: time_windows(B, A, step=DAY), r"The end of time_windows, .*, is before its start"),
        (lambda: time_windows(A, B, step=timedelta(0)), r"The step of time_windows"),
        (lambda: time_windows(A, B, step=5), r"The step of time_windows is 5: pass a timedelta"),  # type: ignore[arg-type]
        (lambda: time_windows(A.replace(tzinfo=None), B, step=DAY), r"The start of time_windows, .*, has no time zone"),
        (lambda: day_windows(date(2013, 1, 2), date(2013, 1, 1), zone="UTC"), r"is before its start"),
        (lambda: day_windows(A, B, zone="UTC"), r"are dates, not datetimes"),
        (lambda: day_windows(date(2013, 1, 1), date(2013, 1, 2), zone="UTC", days=0), r"write at least 1"),
        (lambda: day_windows(date(2013, 1, 1), date(2013, 1, 2), zone="Europe/Lundon"), r"zone 'Europe/Lundon' is not"),
    ],
)  # fmt: skip
def test_wrong_windows_are_refused_at_once(make: Any, words: str) -> None:
    """Wrong ends, steps and zones are refused in words by the call itself."""
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1ms", timedelta(milliseconds=1)), ("500ms", timedelta(milliseconds=500)), ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("1d", DAY), ("2w", 14 * DAY), ("0s", timedelta(0)),
    ],
)  # fmt: skip
def test_durations_are_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    """A duration is written one way."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1 h", "1h30m", "-1s", "1.5h", "1H", "1min", "PT1H", "1h\n", "٣s", "9999999999999w"]
)
def test_other_durations_are_refused_in_words(text: str) -> None:
    """The error shows what to write."""
    with pytest.raises(
        ValueError, match=r"is not a duration: write one whole number and a unit, such as 500ms, 90s, 15m"
    ):
        parse_duration(text)
