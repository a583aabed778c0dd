"""Bounds in local time: on the nights when clocks change, too, no record is missed, and what repeats is told."""

import functools
import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haulier.items.bounds import Bounds, Edge
from haulier.items.windows import TimeWindow, day_windows, time_windows

EDGES: tuple[Edge, Edge] = ("inclusive", "exclusive")
CONVENTIONS = tuple(itertools.product(EDGES, EDGES))
MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _finds(start: Any, end: Any, value: Any, bounds: Bounds) -> bool:
    """An API of this convention."""
    after: bool = start < value if bounds.start == "exclusive" else start <= value
    before: bool = value < end if bounds.end == "exclusive" else value <= end
    return after and before


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CHANGES = {
    "Europe/London": ["2013-03-31T01:00", "2013-10-27T01:00"],
    "America/New_York": ["2013-03-10T07:00", "2013-11-03T06:00"],
    "America/Havana": ["2013-03-10T05:00", "2013-11-03T05:00"],
    "America/Sao_Paulo": ["2013-10-20T03:00", "2014-02-16T02:00"],
    "Australia/Lord_Howe": ["2013-04-06T15:00", "2013-10-05T15:30"],
    "America/St_Johns": ["2010-03-14T03:31", "2010-11-07T02:31"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Asia/Kolkata": ["2013-01-01T00:00"],
    "UTC": ["2013-01-01T00:00"],
}
places = st.sampled_from([(zone, changed_at) for zone, moments in CHANGES.items() for changed_at in moments])
cut_minutes = st.lists(
    st.integers(-180, 180) | st.integers(-30, 30).map(lambda half: half * 30), min_size=2, max_size=5, unique=True
).map(sorted)


@functools.cache
def _records(place: tuple[str, str], granule: timedelta) -> list[tuple[datetime, datetime]]:
    """A record for each granule that the clock shows: when it is, and what the clock shows then."""
    zone, middle = ZoneInfo(place[0]), _utc(place[1])
    near, far = range(-5 * 60, 5 * 60), range(-40 * 60, 40 * 60, 30)
    moments = [middle + minute * MINUTE for minute in sorted({*near, *far})]
    records = [(moment, moment.astimezone(zone).replace(tzinfo=None, fold=0)) for moment in moments]
    return [(moment, shown) for moment, shown in records if (shown - MIDNIGHT) % granule == timedelta(0)]


def _windows(place: tuple[str, str], cuts: list[int]) -> list[TimeWindow]:
    middle = _utc(place[1])
    return [TimeWindow(middle + low * MINUTE, middle + high * MINUTE) for low, high in pairwise(cuts)]


def _check(place: tuple[str, str], bounds: Bounds, window: TimeWindow, is_found: Callable[..., bool]) -> None:
    """No record of the window is missed; where `widens` does not say so, no other is found."""
    assert isinstance(bounds.granule, timedelta)
    widens = bounds.widens(window)
    for record, shown in _records(place, bounds.granule):
        if window.start <= record < window.end:
            assert is_found(record, shown)
        elif not widens:
            assert not is_found(record, shown)


conventions = st.sampled_from(CONVENTIONS)
granules = st.sampled_from([MINUTE, 15 * MINUTE, HOUR, 90 * MINUTE, 6 * HOUR, DAY])


@example(("Australia/Lord_Howe", "2013-10-05T15:30"), [-2, -1], ("inclusive", "exclusive"), MINUTE, "%Y-%m-%dT%H%z")
@given(places, cut_minutes, conventions, granules, st.sampled_from(["iso", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H%z"]))
def test_local_texts_with_an_offset_lose_nothing(
    place: tuple[str, str], cuts: list[int], convention: tuple[Edge, Edge], granule: timedelta, text: str
) -> None:
    """Where the text carries its offset the night of a clock change is a night like others."""
    bounds = Bounds(*convention, text, granule, place[0])
    for window in _windows(place, cuts):
        low, high = map(datetime.fromisoformat, bounds.of(window))
        _check(place, bounds, window, lambda record, _, low=low, high=high: _finds(low, high, record, bounds))
        if text == "iso":
            assert not bounds.widens(window)


@given(places, cut_minutes, conventions, granules)
@example(("Europe/London", "2013-10-27T01:00"), [-90, -60, -30, 0, 30, 60, 90], ("inclusive", "inclusive"), MINUTE)
def test_local_texts_without_an_offset_lose_nothing(
    place: tuple[str, str], cuts: list[int], convention: tuple[Edge, Edge], granule: timedelta
) -> None:
    """01:30 comes twice when clocks go back. However it is read, no record is missed; `widens` tells of repeats."""
    bounds = Bounds(*convention, "%Y-%m-%dT%H:%M", granule, place[0])
    zone = ZoneInfo(place[0])
    for window in _windows(place, cuts):
        low, high = map(datetime.fromisoformat, bounds.of(window))
        _check(place, bounds, window, lambda _, shown, low=low, high=high: _finds(low, high, shown, bounds))
        for folds in itertools.product((0, 1), repeat=2):
            early, late = (
                end.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                for end, fold in zip((low, high), folds, strict=True)
            )
            _check(place, bounds, window, lambda record, _, low=early, high=late: _finds(low, high, record, bounds))
    assert bounds.overlaps == (place[0] != "UTC")


@given(places, cut_minutes, conventions, st.sampled_from([MINUTE, 15 * MINUTE]))
def test_a_format_that_is_coarser_than_the_records_loses_nothing(
    place: tuple[str, str], cuts: list[int], convention: tuple[Edge, Edge], granule: timedelta
) -> None:
    """Hours for records of minutes: found whether the API reads "12" as noon or as the whole hour; repeats are told."""
    place = ("UTC", place[1])
    bounds = Bounds(*convention, "%Y-%m-%dT%H", granule)
    assert bounds.overlaps
    for window in _windows(place, cuts):
        low, high = (_utc(f"{sent}:00") for sent in bounds.of(window))
        _check(place, bounds, window, lambda record, _, low=low, high=high: _finds(low, high, record, bounds))
        _check(place, bounds, window, lambda at, _, low=low, high=high: _finds(low, high, at.replace(minute=0), bounds))


@example(("America/St_Johns", "2010-11-07T02:31"), [-1, 30], ("inclusive", "exclusive"), "date")
@given(places, cut_minutes, conventions, st.sampled_from(["date", "%d.%m.%Y", "%G-W%V-%u", "%Y%j"]))
def test_dates_ask_for_whole_local_days(
    place: tuple[str, str], cuts: list[int], convention: tuple[Edge, Edge], text: str
) -> None:
    """A date-only API in a local zone: each window asks for all days that it touches, and says when that is more."""
    bounds = Bounds(*convention, text, MINUTE, place[0])
    assert bounds.overlaps
    for window in _windows(place, cuts):
        low, high = (_read_date(text, sent) for sent in bounds.of(window))
        _check(place, bounds, window, lambda _, shown, low=low, high=high: _finds(low, high, shown.date(), bounds))


def _read_date(text: str, sent: str) -> date:
    if text == "date":
        return date.fromisoformat(sent)
    return datetime.strptime(sent, text).date()  # noqa: DTZ007


@pytest.mark.parametrize(("start", "end"), CONVENTIONS)
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "America/Havana", "America/Sao_Paulo", "UTC"])
def test_local_days_are_asked_for_once(start: Edge, end: Edge, zone: str) -> None:
    """Windows of local days, 23, 24 or 25 hours long, are sent as one date each: no day twice, none missing."""
    bounds = Bounds(start, end, "date", zone=zone)
    days = []
    for window in day_windows(date(2013, 1, 1), date(2014, 1, 1), zone=zone):
        assert not bounds.widens(window)
        low, high = map(date.fromisoformat, bounds.of(window))
        days += [low + DAY * n for n in range(-1, 4) if _finds(low, high, low + DAY * n, bounds)]
    assert days == [date(2013, 1, 1) + DAY * n for n in range(365)]


def test_utc_days_in_a_local_zone_overlap_and_say_so() -> None:
    """A UTC day touches two days of New York: both are asked for, and the overlap is reported."""
    bounds = Bounds(end="inclusive", format="date", zone="America/New_York")
    for window in time_windows(datetime(2013, 3, 9, tzinfo=UTC), datetime(2013, 3, 13, tzinfo=UTC), step=DAY):
        day = window.start.date()
        assert bounds.of(window) == ((day - DAY).isoformat(), day.isoformat())
        assert bounds.widens(window)
    assert bounds.overlaps
