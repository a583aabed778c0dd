"""Stops a worker before its work is drained."""

from __future__ import annotations

import asyncio

from haulier.clock import Clock
from haulier.worker.settings import PROOF_SECONDS, UNPROVEN_FAILURES

MAX_GIVE_UPS = 3
"""Spools lost in a row with no closing in force: something else removes them."""


class StopSign:
    """Asks the worker to end."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.code = 0
        self.reason = ""
        self._give_ups = 0
        self._outages = 0
        self._refused_since: float | None = None

    def set(self, code: int, reason: str) -> None:
        """The first reason counts, but code 2, for what a person must change, replaces 4."""
        if not self.event.is_set() or (code == 2 and self.code == 4):
            self.code, self.reason = code, reason
        self.event.set()

    async def or_after(self, clock: Clock, seconds: float) -> None:
        tasks = {asyncio.ensure_future(self.event.wait()), asyncio.ensure_future(clock.sleep(seconds))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def note_good(self) -> None:
        self._give_ups = self._outages = 0
        self.note_answered()

    def note_answered(self) -> None:
        self._refused_since = None

    def note_refused(self, now: float) -> float:
        """Returns the seconds for which everybody must still be refused to stop for it."""
        self._refused_since = now if self._refused_since is None else self._refused_since
        return self._refused_since + PROOF_SECONDS - now

    def note_give_up(self, staging: str) -> None:
        self._give_ups += 1
        if self._give_ups >= MAX_GIVE_UPS:
            self.set(4, f"{staging} loses the spools of items under way. Does something else remove files there?")

    def note_outage(self, error: str) -> None:
        """The API was never up: a few tries tell as much as a thousand."""
        self._outages += 1
        if self._outages >= UNPROVEN_FAILURES:
            self.set(4, f"Not one request has succeeded yet: {error}")
