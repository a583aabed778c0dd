"""Whether refusals come in a row, as from a limit, or here and there among good answers."""

from __future__ import annotations

from typing import Final

ROW_REFUSALS: Final = 4
QUICK_PART: Final = 0.5
"""A refusal so much quicker than a good answer overtakes answers to earlier requests."""
MAX_SENT_PER_REFUSAL: Final = 2
"""Requests sent since a row began, for each refusal, above which it is none."""


class Refusals:
    def __init__(self) -> None:
        self._row = 0
        self._since = 0.0
        """Sending time of the row's first request."""
        self._sent = 0
        self._good_seconds = 0.0

    def note_sent(self) -> None:
        self._sent += 1

    def note_good(self, sent_at: float, seconds: float) -> None:
        self._good_seconds = seconds
        if sent_at >= self._since:
            self._row = 0

    def note_refused(self, sent_at: float, seconds: float) -> bool:
        """Return whether it is one of a row."""
        if not self._row:
            self._since, self._sent = sent_at, 0
        self._row += 1
        if self._row < ROW_REFUSALS:
            return False
        # Answers to what was sent besides are still to come, where the refusals overtake them.
        return seconds >= QUICK_PART * self._good_seconds or self._sent <= MAX_SENT_PER_REFUSAL * self._row
