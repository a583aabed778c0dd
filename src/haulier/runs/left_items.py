"""How many items of open runs have not ended, as far as somebody in this process has looked."""

from __future__ import annotations

from haulier.clock import Clock

FRESH_SECONDS = 300.0
"""An older look tells nothing of now. Idle workers look far more often, and busy ones may not look at all."""


class LeftItems:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def note(self, run_id: str, items: int) -> None:
        """None are left of a run that was closed."""
        oldest = self._clock.monotonic() - FRESH_SECONDS
        self._seen = {one: seen for one, seen in self._seen.items() if seen[0] >= oldest}
        self._seen[run_id] = (self._clock.monotonic(), items)

    @property
    def readings(self) -> list[float]:
        """Their number over all runs; nothing where no look is fresh. Any thread may ask."""
        oldest = self._clock.monotonic() - FRESH_SECONDS
        fresh = [items for at, items in list(self._seen.values()) if at >= oldest]
        return [float(sum(fresh))] if fresh else []
