"""Checks of a schedule in the five fields of cron, as Kubernetes and Container Apps both read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from haulier.errors import UsageError
from haulier.plurals import count_of

_EXAMPLE = (
    "Write five fields (minute, hour, day of the month, month, day of the week): '0 2 * * *' is each day at 02:00 UTC."
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTHS = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
_PART = re.compile(r"(?P<first>\*|[a-z]+|\d+)(?:-(?P<last>[a-z]+|\d+))?(?:/(?P<step>\d+))?")


@dataclass(frozen=True)
class _CronField:
    what: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        """The values that it names. Raises `UsageError`."""
        return frozenset(value for part in text.split(",") for value in self._part(part.lower()))

    def _part(self, part: str) -> range:
        found = _PART.fullmatch(part)
        if found is None:
            raise self._error(f"{part!r} is no {self.what}")
        step = int(found["step"] or 1)
        if step < 1:
            raise self._error(f"a step of 0 in {part!r} never comes to an end")
        if found["first"] == "*":
            if found["last"]:
                raise self._error(f"{part!r} is no range")
            return range(self.low, self.high + 1, step)
        first = self._value(found["first"])
        if found["last"]:
            last = self._value(found["last"])
            if last < first:
                raise self._error(f"{part!r} ends before it begins")
        else:
            last = self.high if found["step"] else first
        return range(first, last + 1, step)

    def _value(self, word: str) -> int:
        value = self.low + self.names.index(word) if word in self.names else int(word) if word.isdecimal() else -1
        if not self.low <= value <= self.high:
            raise self._error(f"{word!r} is no {self.what}: that is {self.low} to {self.high}")
        return value

    def _error(self, problem: str) -> UsageError:
        return UsageError(f"--schedule: {problem}. {_EXAMPLE}")


_FIELDS = (
    _CronField("minute", 0, 59),
    _CronField("hour", 0, 23),
    _CronField("day of the month", 1, 31),
    _CronField("month", 1, 12, _MONTHS),
    _CronField("day of the week", 0, 6, _DAYS),
)


def checked_cron(text: str) -> str:
    """``text`` with single spaces. Raises `UsageError` for one that a platform would refuse, or that never comes."""
    words = text.split()
    if len(words) != len(_FIELDS):
        raise UsageError(f"--schedule: {text!r} has {count_of(len(words), 'field')}. {_EXAMPLE}")
    _, _, days, months, _ = (field.read(word) for field, word in zip(_FIELDS, words, strict=True))
    if words[4] == "*" and min(days) > max(_LONGEST_MONTHS[month] for month in months):
        raise UsageError(f"--schedule: {text!r} never comes: no such month has that day. {_EXAMPLE}")
    return " ".join(words)
