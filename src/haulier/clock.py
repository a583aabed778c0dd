"""The only file that reads the clock. Everything else is handed a `Clock`, so that tests can turn it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is written down, monotonic time for deadlines and durations."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back. Comparable within one process only."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait at least ``seconds``; negative is none."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def wall_seconds(clock: Clock) -> float:
    """Seconds since 1970-01-01T00:00Z by the wall clock; for deadlines that several processes share."""
    return clock.now().timestamp()
