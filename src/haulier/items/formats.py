"""Moments as text for an API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_SECOND, _MILLISECOND, _MICROSECOND = timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=1)

NAMED = ("iso", "date", "epoch_seconds", "epoch_milliseconds")
_HELP = f'Write one of {", ".join(NAMED)}, or strftime text such as "%Y-%m-%dT%H:%M:%SZ".'

# What Python documents for every platform. %s is the machine's own zone, and %c %x %X follow its language.
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWGuV%")
_WITH_OFFSET = re.compile(r"(?<!%)(?:%%)*%[zZ]")

# In mid-week, so that none but the day itself changes with the day.
_PROBE = datetime(2013, 2, 5, 4, 5, 6, tzinfo=UTC)
_PROBES = (
    ("the year", timedelta(days=365)),
    ("the month", timedelta(days=28)),
    ("the day", timedelta(days=7)),
    ("the day", DAY),
    ("the half of the day (%p, or %H for %I)", timedelta(hours=12)),
    ("the hour", timedelta(hours=1)),
    ("the minute", timedelta(minutes=1)),
    ("the second", _SECOND),
    ("the fraction", _MICROSECOND),
)
_DAY_PLACE, _HALF_DAY_PLACE = 3, 4


@dataclass(frozen=True)
class Format:
    text: str
    step: timedelta
    """Smallest difference that the text shows; a day for dates."""
    is_local: bool
    """Whether one text may be two moments: a local time of day without its offset."""

    @property
    def is_date(self) -> bool:
        return self.step == DAY

    def write(self, moment: datetime) -> str:
        """Write an aware moment in its own zone."""
        if self.text == "epoch_seconds":
            return str((moment - EPOCH) // _SECOND)
        if self.text == "epoch_milliseconds":
            return str((moment - EPOCH) // _MILLISECOND)
        if self.text == "iso":
            return _iso(moment, self.step)
        return moment.strftime(self.text)

    def write_date(self, day: date) -> str:
        return day.isoformat() if self.text == "date" else day.strftime(self.text)


def check_format(text: str, granule: timedelta | None, *, is_utc: bool) -> Format:
    """Raises a ``ValueError`` that says what to write instead.

    ``granule`` fixes the number of decimals of ``iso``, since some APIs compare texts.
    """
    if text == "iso":
        granule = _SECOND if granule is None else granule
        steps = (step for step in (_SECOND, _MILLISECOND) if not granule % step)
        return Format(text, next(steps, _MICROSECOND), is_local=False)
    if text == "date":
        return Format(text, DAY, is_local=False)
    if text == "epoch_seconds":
        return Format(text, _SECOND, is_local=False)
    if text == "epoch_milliseconds":
        return Format(text, _MILLISECOND, is_local=False)
    step = _step_of(text)
    if not is_utc and step < DAY and text.endswith("Z") and not _WITH_OFFSET.search(text):
        raise ValueError(
            f"Format {text!r} ends in Z, which means UTC, in another zone: write %z for Z, or leave the zone out."
        )
    return Format(text, step, is_local=step < DAY and not is_utc and not _WITH_OFFSET.search(text))


def _step_of(text: object) -> timedelta:
    """Try which differences change strftime text."""
    if not isinstance(text, str) or not _DIRECTIVE.search(text):
        raise ValueError(f"Format {text!r} is not supported. {_HELP}")
    for letter in _DIRECTIVE.findall(text):
        if letter not in _DIRECTIVES:
            allowed = " ".join(sorted(f"%{known}" for known in _DIRECTIVES))
            raise ValueError(
                f"Format {text!r} has %{letter}, which does not mean the same on every platform. Use {allowed}; "
                "for seconds since 1970 write epoch_seconds."
            )
    written = _PROBE.strftime(text)
    shown = [(_PROBE + difference).strftime(text) != written for _, difference in _PROBES]
    finest = max((place for place, is_shown in enumerate(shown) if is_shown), default=-1)
    needed = finest + 1 if finest == _HALF_DAY_PLACE else max(finest, _DAY_PLACE)
    for (name, _), is_shown in zip(_PROBES[: needed + 1], shown, strict=False):
        if not is_shown:
            raise ValueError(f"Format {text!r} does not show {name}, so one text would stand for many moments. {_HELP}")
    return _PROBES[needed][1]


def _iso(moment: datetime, step: timedelta) -> str:
    timespec = {_SECOND: "seconds", _MILLISECOND: "milliseconds"}.get(step, "microseconds")
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
