"""How many requests a process may send again in place: a tenth or two of what goes well, and not all at once.

Without it every request to an API in trouble is sent up to five times, just when it should be left alone. An item whose
repeat must wait keeps its pages: handed back it would ask for all of them once more.
"""

from __future__ import annotations

from typing import Final

BURST_REPEATS: Final = 20.0
REPEATS_PER_SUCCESS: Final = 0.2
"""For each good answer: an API that fails one request in six is not slowed down by it."""
REPEATS_PER_SECOND: Final = 1.0
"""Also where nothing goes well, so that each item comes to its own end."""
MAX_DELAY_SECONDS: Final = 30.0


class RetryBudget:
    """Counts repeats against good answers. Times are the process's monotonic clock's."""

    def __init__(self) -> None:
        self._left = BURST_REPEATS
        self._at: float | None = None

    def note_success(self) -> None:
        """A request was answered well."""
        self._left = min(BURST_REPEATS, self._left + REPEATS_PER_SUCCESS)

    def take(self, now: float) -> float:
        """In how many seconds one more repeat may be sent. It is counted, and should be sent then."""
        if self._at is not None:
            self._left = min(BURST_REPEATS, self._left + (now - self._at) * REPEATS_PER_SECOND)
        self._at = now
        self._left = max(self._left - 1.0, -MAX_DELAY_SECONDS * REPEATS_PER_SECOND)
        return max(0.0, -self._left / REPEATS_PER_SECOND)
