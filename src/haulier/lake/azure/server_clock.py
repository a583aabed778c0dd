"""The time by the clock of the service, which judges when a signature ends, and which all machines share. Ours may be
minutes away from it."""

from __future__ import annotations

from collections import deque
from email.utils import parsedate_to_datetime

from haulier.clock import Clock, wall_seconds

KEPT_ANSWERS = 8


class ServerClock:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: deque[float] = deque(maxlen=KEPT_ANSWERS)
        self.ahead_seconds = 0.0
        """Of ours, by the newest answers. One that is heard late (a process that was suspended) tells too little, never
        too much; so the most counts."""

    def note(self, date: str) -> None:
        """``date`` is the header of an answer, in whole seconds, cut."""
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self._told.append(told + 0.5 - wall_seconds(self._clock))
        self.ahead_seconds = max(self._told)

    def now(self) -> float:
        """Seconds since 1970."""
        return wall_seconds(self._clock) + self.ahead_seconds
