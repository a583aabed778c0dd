from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from haulier.items.zones import day_start, zone_of

_DURATION = re.compile(r"(\d{1,15})(ms|s|m|h|d|w)", re.ASCII)
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


@dataclass(frozen=True)
class TimeWindow:
    """The time from ``start`` up to but not including ``end``: aware datetimes of any zone, kept in UTC.

    ``ValueError`` for a naive datetime, and for an empty window.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc("The start of a time window", self.start))
        object.__setattr__(self, "end", utc("The end of a time window", self.end))
        if self.start >= self.end:
            raise ValueError(
                f"A time window from {self.start.isoformat()} to {self.end.isoformat()} is empty: its end is the first "
                "moment after it."
            )

    @property
    def duration(self) -> timedelta:
        """The elapsed time between its ends."""
        return self.end - self.start

    def halves(self, granule: timedelta) -> tuple[TimeWindow, TimeWindow] | None:
        """Two neighbouring windows that make up this one, of whole granules from its start; None below two granules."""
        require_positive("The granule of halves", granule)
        granules = -(-self.duration // granule)
        if granules < 2:
            return None
        middle = self.start + granules // 2 * granule
        return TimeWindow(self.start, middle), TimeWindow(middle, self.end)


def time_windows(start: datetime, end: datetime, *, step: timedelta) -> Iterator[TimeWindow]:
    """Windows of ``step`` that cover ``start`` up to but not including ``end``, without gap or overlap.

    Lazy. A day is 24 hours of elapsed time, whatever the clocks do (see `day_windows`). The last window may be shorter;
    ``start == end`` gives none.
    """
    start, end = utc("The start of time_windows", start), utc("The end of time_windows", end)
    require_positive("The step of time_windows", step)
    if start > end:
        raise ValueError(f"The end of time_windows, {end.isoformat()}, is before its start, {start.isoformat()}.")
    return _steps(start, end, step)


def day_windows(start: date, end: date, *, zone: str, days: int = 1) -> Iterator[TimeWindow]:
    """Windows of whole local days from ``start`` up to but not including ``end``, without gap or overlap.

    For an API that is asked by local date: days have 23, 24 or 25 hours.
    """
    if days < 1:
        raise ValueError(f"The days of day_windows are {days}: write at least 1.")
    if isinstance(start, datetime) or isinstance(end, datetime):
        raise ValueError("The start and end of day_windows are dates, not datetimes: write date(2013, 1, 1).")
    if start > end:
        raise ValueError(f"The end of day_windows, {end}, is before its start, {start}.")
    local = zone_of(zone)
    edges = (
        day_start(min(start + timedelta(days=past), end), local) for past in range(0, (end - start).days + days, days)
    )
    return _between(edges)


def parse_duration(text: str) -> timedelta:
    """Read ``500ms``, ``90s``, ``15m``, ``2h``, ``1d`` or ``2w``, or raise a ``ValueError``."""
    found = _DURATION.fullmatch(text)
    if found is not None:
        try:
            return int(found[1]) * _UNITS[found[2]]
        except OverflowError:
            pass
    raise ValueError(
        f"{text!r} is not a duration: write one whole number and a unit, such as 500ms, 90s, 15m, 2h, 1d or 2w."
    )


def _steps(start: datetime, end: datetime, step: timedelta) -> Iterator[TimeWindow]:
    while start < end:
        # Compared by what is left: start + step may lie beyond the year 9999.
        following = end if end - start <= step else start + step
        yield TimeWindow(start, following)
        start = following


def _between(edges: Iterator[datetime]) -> Iterator[TimeWindow]:
    start = next(edges)
    for end in edges:
        # A zone that crossed the date line has a day without a moment (Samoa, 2011-12-30).
        if end > start:
            yield TimeWindow(start, end)
            start = end


def utc(what: str, moment: object) -> datetime:
    if not isinstance(moment, datetime):
        raise ValueError(f"{what} is {moment!r}: pass an aware datetime.")
    if moment.utcoffset() is None:
        raise ValueError(f"{what}, {moment.isoformat()}, has no time zone: pass an aware datetime (tzinfo=UTC).")
    return moment.astimezone(UTC)


def require_positive(what: str, duration: object) -> None:
    if not isinstance(duration, timedelta) or duration <= timedelta(0):
        raise ValueError(f"{what} is {duration!r}: pass a timedelta above zero.")
