"""Local time: marks on the clock, folds and the first moments of days, against a walk through every minute."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from haulier.items.zones import ceiling, day_start, floor, fold_around, local, mark_from, mark_until, zone_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CHANGES = {
    "Europe/London": ["2013-03-31T01:00", "2013-10-27T01:00"],
    "America/New_York": ["2013-03-10T07:00", "2013-11-03T06:00"],
    "America/Havana": ["2013-03-10T05:00", "2013-11-03T05:00"],
    "America/Sao_Paulo": ["2013-10-20T03:00", "2014-02-16T02:00"],
    "Australia/Lord_Howe": ["2013-04-06T15:00", "2013-10-05T15:30"],
    "America/St_Johns": ["2010-03-14T03:31", "2010-11-07T02:31"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Asia/Kolkata": ["2012-12-31T18:30"],
    "UTC": ["2013-01-01T00:00"],
}


def _minutes(changed_at: str) -> list[datetime]:
    middle = datetime.fromisoformat(changed_at).replace(tzinfo=UTC)
    return [middle + count * MINUTE for count in range(-200, 200)]


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("step", [15 * MINUTE, HOUR, 90 * MINUTE, 6 * HOUR, DAY], ids=str)
def test_marks_are_those_that_the_clock_shows(zone: str, step: timedelta) -> None:
    """mark_until misses no mark that the clock showed, and mark_from is never early, whatever the clock did."""
    zone_found = ZoneInfo(zone)
    for changed_at in CHANGES[zone]:
        shown_at = None
        for minute in _minutes(changed_at):
            shown = minute.astimezone(zone_found)
            if timedelta(hours=shown.hour, minutes=shown.minute) % step == timedelta(0):
                shown_at = minute
            moment = minute + timedelta(seconds=59)
            assert mark_until(moment, step, zone_found) <= moment
            assert mark_from(moment, step, zone_found) >= moment
            if shown_at is not None:
                assert mark_until(moment, step, zone_found) >= shown_at
                assert mark_until(shown_at, step, zone_found) == mark_from(shown_at, step, zone_found) == shown_at


@pytest.mark.parametrize("zone", CHANGES)
def test_a_fold_is_what_the_clock_shows_twice(zone: str) -> None:
    """fold_around finds a fold for exactly the times that are shown twice, and its ends to the minute."""
    zone_found = ZoneInfo(zone)
    for changed_at in CHANGES[zone]:
        shown = [local(minute, zone_found) for minute in _minutes(changed_at)]
        twice = {time for time, count in Counter(shown).items() if count > 1}
        expected = (min(twice), max(twice) + MINUTE) if twice else None
        for time in shown:
            assert fold_around(time, zone_found) == (expected if time in twice else None)


@pytest.mark.parametrize("zone", CHANGES)
def test_a_day_starts_at_its_first_moment(zone: str) -> None:
    """Also where the clock skips midnight or shows it twice."""
    zone_found = ZoneInfo(zone)
    for changed_at in CHANGES[zone]:
        first: dict[date, datetime] = {}
        minutes = _minutes(changed_at)
        for minute in minutes:
            first.setdefault(minute.astimezone(zone_found).date(), minute)
        starts = [start for start in first.items() if start[1] != minutes[0]]
        assert starts
        for day, minute in starts:
            assert day_start(day, zone_found) == minute


def test_whole_steps_since_midnight() -> None:
    """floor and ceiling agree on a mark, and lie around what is none."""
    shown = datetime(2013, 1, 1, 7, 30)  # noqa: DTZ001
    assert floor(shown, HOUR) == shown - 30 * MINUTE
    assert ceiling(shown, HOUR) == shown + 30 * MINUTE
    assert floor(shown, 30 * MINUTE) == ceiling(shown, 30 * MINUTE) == shown
    assert ceiling(shown, DAY) == floor(shown, DAY) + DAY


def test_utc_needs_no_database() -> None:
    """UTC is Python's own, so a machine without zone files serves most sources."""
    assert zone_of("UTC") is UTC


@pytest.mark.parametrize("name", ["", "Europe/Lundon", "/etc/passwd", "../UTC", "America", "a\x00b", "EST5EDT7"])
def test_an_unknown_zone_is_refused_in_words(name: str) -> None:
    """The error shows a name, and what to install if the name is right."""
    with pytest.raises(ValueError, match=r"is not known: write UTC or a name such as Europe/London.*tzdata"):
        zone_of(name)
