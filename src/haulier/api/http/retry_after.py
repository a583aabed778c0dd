"""`Retry-After` of RFC 9110, and the milliseconds of Azure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY_SECONDS = 86_400.0
MAX_WAIT_SECONDS = 3_650 * DAY_SECONDS
"""Cap that keeps a wait's end within the range of `datetime`."""

_EPOCH_SECONDS = 1e9
"""From this to ten times as much, a number is a moment since 1970, not a wait of 30 years."""
_EPOCH_UNITS = (1.0, 1e3, 1e6, 1e9)
_MILLISECOND_HEADERS = ("retry-after-ms", "x-ms-retry-after-ms")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: month for month, name in enumerate(_NAMES, start=1)}
_IMF_FIXDATE = re.compile(r"[a-z]{3}, (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt", re.ASCII)
_RFC850 = re.compile(r"[a-z]{6,9}, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt", re.ASCII)
_ASCTIME = re.compile(r"[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """A wait. ``unreadable`` is a value that was ignored."""

    seconds: float | None = None
    unreadable: str = ""

    @property
    def is_for_a_person(self) -> bool:
        """Whether a person is told: it is over a day."""
        return self.seconds is not None and self.seconds > DAY_SECONDS


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    return retry_after(headers, now).seconds


def retry_after(headers: Mapping[str, str], now: datetime) -> RetryAfter:
    """Read the first readable one of ``retry-after-ms``, ``x-ms-retry-after-ms`` and ``Retry-After`` (RFC 9110
    10.2.3).

    ``headers`` must be case-insensitive. Moments count from the answer's ``Date``, so that either clock may be wrong,
    or else from ``now``; past ones give 0. Fractions are rounded up.
    """
    unreadable = ""
    for name in (*_MILLISECOND_HEADERS, "retry-after"):
        text = headers.get(name)
        if text is not None:
            seconds = parse_wait_seconds(text, since_of(headers, now), in_milliseconds=name != "retry-after")
            if seconds is not None:
                return RetryAfter(seconds, unreadable)
            unreadable = unreadable or text
    return RetryAfter(None, unreadable)


def since_of(headers: Mapping[str, str], now: datetime) -> datetime:
    return parse_http_date(headers.get("date", ""), now) or now


def parse_wait_seconds(text: str, since: datetime, *, in_milliseconds: bool = False) -> float | None:
    number = _parse_number(text)
    if number is not None:
        return seconds_of(number / 1000 if in_milliseconds else number, since)
    moment = parse_moment(text, since)
    return None if moment is None else _round_up((moment - since).total_seconds())


def seconds_of(number: float, since: datetime) -> float:
    """Turn a moment since 1970 into seconds from ``since``."""
    for unit in _EPOCH_UNITS:
        if _EPOCH_SECONDS <= number / unit < 10 * _EPOCH_SECONDS:
            return _round_up(number / unit - since.timestamp())
    return _round_up(number)


def parse_moment(text: str, now: datetime) -> datetime | None:
    return parse_http_date(text, now) or _parse_rfc3339(text.strip())


def parse_http_date(text: str, now: datetime) -> datetime | None:
    """Read all three formats, as aware UTC. ``now`` settles the century of RFC 850's two digits."""
    text = text.strip().lower()
    try:
        if match := _IMF_FIXDATE.fullmatch(text):
            day, month, year, *clock = match.groups()
            return _date(int(year), month, day, clock)
        if match := _RFC850.fullmatch(text):
            day, month, digits, *clock = match.groups()
            moment = _date(now.year // 100 * 100 + int(digits), month, day, clock)
            # RFC 9110 5.6.7: more than 50 years ahead means the most recent past year with these digits.
            return (
                moment if moment <= now + timedelta(days=50 * 365.25) else _date(moment.year - 100, month, day, clock)
            )
        if match := _ASCTIME.fullmatch(text):
            month, day, hour, minute, second, year = match.groups()
            return _date(int(year), month, day, [hour, minute, second])
    except (ValueError, KeyError):
        return None
    return None


def _date(year: int, month: str, day: str, clock: list[str]) -> datetime:
    hour, minute, second = map(int, clock)
    # A leap second is legal in an HTTP-date, and no datetime can hold one.
    return datetime(year, _MONTHS[month], int(day), hour, minute, min(second, 59), tzinfo=UTC)


def _parse_number(text: str) -> float | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _parse_rfc3339(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        # Without a zone it is a wall clock on a wall that nobody can see.
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _round_up(seconds: float) -> float:
    return float(min(MAX_WAIT_SECONDS, max(0, math.ceil(seconds))))
