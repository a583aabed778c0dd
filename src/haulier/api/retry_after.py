"""How long an answer asks us to wait: the headers of RFC 9110, and the milliseconds of Azure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY_SECONDS = 86_400.0
"""A longer wait is passed on as it is, and is a matter for a person: `RetryAfter.is_for_a_person`."""

_MILLISECOND_HEADERS = ("retry-after-ms", "x-ms-retry-after-ms")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: month for month, name in enumerate(_NAMES, start=1)}
_IMF_FIXDATE = re.compile(r"[a-z]{3}, (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt", re.ASCII)
_RFC850 = re.compile(r"[a-z]{6,9}, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt", re.ASCII)
_ASCTIME = re.compile(r"[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """What the headers ask for. ``unreadable`` is a value that means nothing; it counts as missing, and is worth a
    note."""

    seconds: float | None = None
    unreadable: str = ""

    @property
    def is_for_a_person(self) -> bool:
        """Over a day: the source is paused and somebody is told."""
        return self.seconds is not None and self.seconds > DAY_SECONDS


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that ``headers`` ask for, in whole seconds rounded up; 0 if it is past, None if nothing readable is
    there."""
    return retry_after(headers, now).seconds


def retry_after(headers: Mapping[str, str], now: datetime) -> RetryAfter:
    """Reads ``retry-after-ms``, ``x-ms-retry-after-ms``, then ``Retry-After`` (RFC 9110 10.2.3), the first that can
    be read.

    ``headers`` must be case-blind. A date is measured against the answer's own ``Date``, so that our clock or theirs
    may be wrong; against ``now`` where there is none. Fractions are rounded up: a moment early is early.
    """
    unreadable = ""
    for name in _MILLISECOND_HEADERS:
        text = headers.get(name)
        if text is not None:
            number = _number(text)
            if number is not None:
                return RetryAfter(_whole(number / 1000), unreadable)
            unreadable = unreadable or text
    text = headers.get("retry-after")
    if text is None:
        return RetryAfter(None, unreadable)
    number = _number(text)
    if number is not None:
        return RetryAfter(_whole(number), unreadable)
    until = http_date(text, now)
    if until is None:
        return RetryAfter(None, unreadable or text)
    since = http_date(headers.get("date", ""), now) or now
    return RetryAfter(_whole((until - since).total_seconds()), unreadable)


def http_date(text: str, now: datetime) -> datetime | None:
    """An HTTP-date in any of its three formats, aware UTC; None for anything else. ``now`` settles the century of RFC
    850's two digits."""
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


def _number(text: str) -> float | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _whole(seconds: float) -> float:
    return float(max(0, math.ceil(seconds)))
