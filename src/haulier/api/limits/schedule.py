"""Caps of requests in flight by the time of day: big pulls run at night, to spare the API's people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from haulier.errors import UsageError

MAX_IN_FLIGHT = 10_000
"""More connections than a machine or an API has is a slip of the keyboard."""
_EXAMPLE = 'in_flight = { default = 4, "19:00-06:00" = 12, zone = "Europe/London" }'
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY = 24 * 60


@dataclass(frozen=True)
class Span:
    """Minutes after local midnight; ``end`` is excluded."""

    start: int
    end: int
    """At or below ``start``, it is the next day's."""
    in_flight: int

    def covers(self, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)}"


@dataclass(frozen=True)
class Schedule:
    """An hour that is repeated has its cap twice."""

    default: int
    spans: tuple[Span, ...]
    zone: tzinfo

    def at(self, now: datetime) -> int:
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return next((span.in_flight for span in self.spans if span.covers(minute)), self.default)

    @property
    def highest(self) -> int:
        return max(self.default, *(span.in_flight for span in self.spans))


def parse_schedule(table: Mapping[str, object]) -> Schedule:
    """Read a source file's ``in_flight`` table. Raises `UsageError`."""
    zone = _zone(table.get("zone"))
    if "default" not in table:
        raise UsageError(f"in_flight has no default for the rest of the day. Write it like this: {_EXAMPLE}.")
    default = _count("default", table["default"])
    spans = tuple(_span(key, value) for key, value in table.items() if key not in {"default", "zone"})
    if not spans:
        raise UsageError(f"in_flight names no time of day. Write a number alone, or add one: {_EXAMPLE}.")
    for place, span in enumerate(spans):
        for other in spans[place + 1 :]:
            if span.covers(other.start) or other.covers(span.start):
                raise UsageError(f"in_flight says two things for one time: {span} and {other}. Let one end first.")
    return Schedule(default, spans, zone)


def _zone(name: object) -> tzinfo:
    if not isinstance(name, str):
        raise UsageError(f"in_flight by the time of day needs a zone, as in {_EXAMPLE}.")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            f"There is no time zone {name!r} here. Write one like Europe/London or UTC; if it is one, install the "
            "package tzdata, since this machine has no list of zones."
        ) from None


def _count(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_IN_FLIGHT:
        raise UsageError(f"in_flight {key} is {value!r}; it must be a whole number from 1 to {MAX_IN_FLIGHT:,}.")
    return value


def _span(key: str, value: object) -> Span:
    match = _SPAN.fullmatch(key)
    if match is None:
        raise UsageError(f"in_flight has no {key!r}. Write a time of day in 24 hours: {_EXAMPLE}.")
    hours = [int(digits) for digits in match.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if start >= _DAY or end > _DAY or hours[1] > 59 or hours[3] > 59:
        raise UsageError(f"in_flight has {key!r}, which is no time of day. Hours go from 00:00 to 24:00.")
    if start == end % _DAY and end != _DAY:
        raise UsageError(f"in_flight has {key!r}, which begins when it ends. Write the default for a whole day.")
    return Span(start, end % _DAY, _count(repr(key), value))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
