"""How long one kind of call to a queue may fail."""

from __future__ import annotations


class QueuePatience:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._away_since: float | None = None

    @property
    def is_away(self) -> bool:
        return self._away_since is not None

    def note_good(self) -> None:
        self._away_since = None

    def note_busy(self, asked_at: float) -> bool:
        """Returns whether to go on trying."""
        self._away_since = asked_at if self._away_since is None else self._away_since
        return asked_at - self._away_since < self._seconds
