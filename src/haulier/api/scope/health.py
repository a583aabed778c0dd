from __future__ import annotations

from haulier.api.scope.row import ScopeRow

HEALTHY_SECONDS = 60.0
"""Age up to which a success makes a failure the item's own (docs/protocol.md#what-is-charged)."""


class Health:
    """Successes in this process's monotonic time. Those of others come within a beat or two; where operations cost
    (``is_slow``), whenever this member looks."""

    def __init__(self, *, is_slow: bool = False) -> None:
        self._is_slow = is_slow
        self._seen_at = 0.0
        self.last_success: float | None = None
        self.successes = 0
        self._told = 0
        self._seen = 0

    @property
    def is_news(self) -> bool:
        """Whether the others do not know of it."""
        return self.successes > self._told

    def note_told(self, successes: int) -> None:
        self._told = successes

    def is_fresh(self, now: float) -> bool:
        return self.last_success is not None and now - self.last_success <= HEALTHY_SECONDS

    def age_seconds(self, now: float) -> float:
        return 0.0 if self.last_success is None else now - self.last_success

    def note_success(self, now: float) -> None:
        self.successes += 1
        self.last_success = now

    def see(self, row: ScopeRow, wall: float, now: float) -> None:
        is_news, is_first = row.successes > self._seen, self._seen == 0
        # It was told at any time since then. Taken for older than it is, it costs a witness at worst.
        told_ago = now - self._seen_at if self._is_slow else 0.0
        self._seen, self._seen_at = row.successes, now
        if not is_news:
            return
        # Who just joined finds successes that may be old; who was here sees each one soon after it was told.
        age = max(0.0, wall - row.last_success_at) if is_first else row.success_age_seconds + told_ago
        if self.last_success is None or now - age > self.last_success:
            self.last_success = now - age
