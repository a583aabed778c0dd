"""The time by the clock of the service, which judges when a signature ends, and which all machines share. Ours may be
minutes away from it."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from haulier.clock import Clock, wall_seconds


class ServerClock:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead_seconds = 0.0
        """Of ours, by the newest answer."""

    def note(self, date: str) -> None:
        """``date`` is the header of an answer, in whole seconds, cut."""
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self.ahead_seconds = told + 0.5 - wall_seconds(self._clock)

    def now(self) -> float:
        """Seconds since 1970."""
        return wall_seconds(self._clock) + self.ahead_seconds
