"""What is done while the service is away."""

from __future__ import annotations

import logging
import random

from haulier.clock import Clock
from haulier.errors import HaulierError

TRIES = 3
"""Of a call that a lease waits for."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
WARN_SECONDS = 10.0

_logger = logging.getLogger("haulier.queues")


class Waits:
    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock = clock
        self._rng = rng
        self._warned_at: dict[str, float] = {}

    def warn(self, event: str, error: HaulierError) -> None:
        """Many calls fail at once: it is said for one of them."""
        now = self.clock.monotonic()
        if now - self._warned_at.get(event, -WARN_SECONDS) >= WARN_SECONDS:
            self._warned_at[event] = now
            _logger.warning(event, extra={"error": str(error)})

    async def pause(self, tries: int) -> None:
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**tries)
        await self.clock.sleep(longest * self._rng.uniform(0.5, 1.0))
