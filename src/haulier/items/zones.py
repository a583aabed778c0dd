"""Local time: zones, days, marks on the clock, the hour that it shows twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOMENT = timedelta.resolution
"""Smallest difference of two datetimes."""


def zone_of(name: str) -> tzinfo:
    """Raises a ``ValueError`` for an unknown name. UTC needs no time zone database."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise ValueError(
            f"Time zone {name!r} is not known: write UTC or a name such as Europe/London. "
            "If the name is right, this machine has no time zone database: pip install tzdata."
        ) from error


def day_start(day: date, zone: tzinfo) -> datetime:
    """First moment of a local day, in UTC; where clocks skip midnight, the moment of the skip."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def local(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def fold_around(shown: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """The local times, half-open, that the clock shows twice, if ``shown`` is one of them."""
    first = shown.replace(tzinfo=zone, fold=0)
    second = shown.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before is None or after is None or before <= after:
        return None
    early, late = first.astimezone(UTC), second.astimezone(UTC)
    while late - early > MOMENT:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    turned_at = late.replace(tzinfo=None)
    return turned_at + after, turned_at + before


def mark_until(moment: datetime, step: timedelta, zone: tzinfo) -> datetime:
    """The last moment up to this one at which the clock shows a whole number of steps since midnight."""
    shown = local(moment, zone)
    marks = [floor(shown, step)]
    fold = fold_around(shown, zone)
    if fold is not None:
        # Seen from the second time around, the first may have shown a later mark.
        marks.append(floor(fold[1] - MOMENT, step))
    return max(found for mark in marks for found in _moments_of(mark, zone) if found <= moment)


def mark_from(moment: datetime, step: timedelta, zone: tzinfo) -> datetime:
    """A moment from this one on at which the clock shows a whole number of steps: the first, except across a fold."""
    mark = ceiling(local(moment, zone), step)
    while True:
        shown = [found for found in _moments_of(mark, zone) if found >= moment and local(found, zone) == mark]
        if shown:
            return min(shown)
        # The clock skips this mark. Text of the moment of the skip, cut to whole steps, would be too early.
        mark += step


def floor(shown: datetime, step: timedelta) -> datetime:
    return shown - (shown - datetime.combine(shown.date(), time())) % step


def ceiling(shown: datetime, step: timedelta) -> datetime:
    midnight = datetime.combine(shown.date(), time())
    return midnight - (midnight - shown) // step * step


def _moments_of(shown: datetime, zone: tzinfo) -> list[datetime]:
    """A time in a fold has two. A skipped time is read with either offset."""
    return [shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
