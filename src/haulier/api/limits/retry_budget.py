"""The retry budget of a process, a token bucket.

An item whose repeat must wait keeps its pages; handed back, it would ask for all of them again.
"""

from __future__ import annotations

from typing import Final

BURST_REPEATS: Final = 20.0
REPEATS_PER_SUCCESS: Final = 0.2
"""Enough for an API that fails one request in six."""
REPEATS_PER_SECOND: Final = 1.0
"""Refill without success, so that each item comes to its end."""
MAX_DELAY_SECONDS: Final = 30.0


class RetryBudget:
    def __init__(self) -> None:
        self._left = BURST_REPEATS
        self._at: float | None = None

    def note_success(self) -> None:
        self._left = min(BURST_REPEATS, self._left + REPEATS_PER_SUCCESS)

    def take(self, now: float) -> float:
        """Return the seconds after which the repeat should be sent."""
        if self._at is not None:
            self._left = min(BURST_REPEATS, self._left + (now - self._at) * REPEATS_PER_SECOND)
        self._at = now
        self._left = max(self._left - 1.0, -MAX_DELAY_SECONDS * REPEATS_PER_SECOND)
        return max(0.0, -self._left / REPEATS_PER_SECOND)
