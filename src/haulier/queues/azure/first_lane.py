"""When the queue of the first lane is asked."""

from __future__ import annotations

import random

from haulier.clock import Clock

LANE_SECONDS = 20.0
"""Each question is paid for, and the first lane is empty nearly always: so it costs an idle worker a third more."""
FIRST_PAUSE_SECONDS = 1.0


class FirstLane:
    """Asked before the others while it has messages. After each question that finds it empty, it is left alone for a
    longer time. What this client sends is found at once."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._pause_seconds = 0.0
        self._due_at: float | None = None
        """Monotonic; None: now."""

    @property
    def is_due(self) -> bool:
        return self._due_at is None or self._clock.monotonic() >= self._due_at

    def note_found(self, messages: int) -> None:
        if messages:
            self.note_sent()
            return
        self._pause_seconds = min(LANE_SECONDS, self._pause_seconds * 2 or FIRST_PAUSE_SECONDS)
        self._due_at = self._clock.monotonic() + self._pause_seconds * self._rng.uniform(0.5, 1.0)

    def note_sent(self) -> None:
        self._pause_seconds, self._due_at = 0.0, None
