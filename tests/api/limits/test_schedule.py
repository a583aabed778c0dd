"""Caps by the time of day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from haulier.api.limits.schedule import parse_schedule
from haulier.errors import UsageError

NIGHT = {"default": 4, "19:00-06:00": 12, "zone": "Europe/London"}


def at(table: Any, year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return parse_schedule(table).at(datetime(year, month, day, hour, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [(18, 59, 4), (19, 0, 12), (23, 59, 12), (0, 0, 12), (5, 59, 12), (6, 0, 4), (12, 0, 4)],
)
def test_over_midnight(hour: int, minute: int, expected: int) -> None:
    """A span that ends before it begins goes over midnight; its end is not in it."""
    assert at(NIGHT, 2026, 1, 15, hour, minute) == expected


def test_hours_are_those_of_the_zone() -> None:
    """In summer London is an hour ahead of UTC."""
    assert at(NIGHT, 2026, 7, 1, 18, 0) == 12
    assert at(NIGHT, 2026, 7, 1, 17, 59) == 4
    assert at(NIGHT, 2026, 7, 1, 5, 0) == 4


def test_day_of_25_hours() -> None:
    """The hour that is repeated in autumn has its cap twice, and the day has one change at each end."""
    table = {"default": 4, "01:00-02:00": 12, "zone": "Europe/London"}
    day = [at(table, 2026, 10, 25, 0, 0), at(table, 2026, 10, 25, 0, 30), at(table, 2026, 10, 25, 1, 30)]
    assert day == [12, 12, 12]
    assert at(table, 2026, 10, 25, 2, 0) == 4


def test_day_of_23_hours() -> None:
    """A time that is skipped in spring has no cap of its own that day."""
    table = {"default": 4, "01:00-02:00": 12, "zone": "Europe/London"}
    start = datetime(2026, 3, 29, tzinfo=UTC)
    assert {parse_schedule(table).at(start + timedelta(minutes=minutes)) for minutes in range(24 * 60)} == {4}


def test_several_spans_that_touch() -> None:
    """Spans may touch: what ends at a time and what begins at it do not disagree."""
    table = {"default": 1, "00:00-08:00": 9, "08:00-12:00": 2, "22:00-24:00": 9, "zone": "UTC"}
    assert [at(table, 2026, 1, 1, hour) for hour in (0, 7, 8, 11, 12, 21, 22, 23)] == [9, 9, 2, 2, 1, 1, 9, 9]
    assert parse_schedule(table).highest == 9


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zone": None}, "needs a zone"),
        ({"zone": "Europe/Lundun"}, "There is no time zone 'Europe/Lundun' here"),
        ({"zone": "../etc/passwd"}, "There is no time zone"),
        ({"default": None}, "in_flight default is None; it must be a whole number from 1 to 10,000"),
        ({"default": 0}, "whole number from 1 to"),
        ({"default": True}, "whole number from 1 to"),
        ({"19:00-06:00": 10_001}, "whole number from 1 to 10,000"),
        ({"19:00-06:00": "12"}, "'19:00-06:00' is '12'"),
        ({"19-06": 12}, "in_flight has no '19-06'. Write a time of day in 24 hours"),
        ({"7:00-9:00": 12}, "in_flight has no '7:00-9:00'"),
        ({"25:00-26:00": 12}, "no time of day"),
        ({"08:60-09:00": 12}, "no time of day"),
        ({"08:00-08:00": 12}, "begins when it ends"),
        ({"05:00-07:00": 3}, "two things for one time: 19:00-06:00 and 05:00-07:00"),
        ({"18:00-20:00": 3}, "two things for one time"),
    ],
)
def test_refused_in_words(change: Any, says: str) -> None:
    """What cannot be meant is refused, with what to write instead."""
    with pytest.raises(UsageError, match=says.replace(".", r"\.")):
        parse_schedule(NIGHT | change)


def test_default_and_a_span_are_needed() -> None:
    """A table says what holds for the rest of the day, and for some time of it something else."""
    with pytest.raises(UsageError, match="no default"):
        parse_schedule({"19:00-06:00": 12, "zone": "UTC"})
    with pytest.raises(UsageError, match="names no time of day"):
        parse_schedule({"default": 4, "zone": "UTC"})
