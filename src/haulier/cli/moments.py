"""Wall times as a person and a program read them: UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime

_LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999, the last of `datetime`."""


def moment_of(wall: float) -> datetime:
    """A row of an older version may hold a time beyond the calendar."""
    return datetime.fromtimestamp(min(wall, _LAST_SECOND), UTC)


def text_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def time_text(wall: float) -> str:
    return text_of(moment_of(wall))
