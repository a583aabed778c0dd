"""A clock that a test advances."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
from datetime import UTC, datetime, timedelta

from haulier.clock import SystemClock

_SETTLING_LOOP_TURNS = 25
"""Turns of the event loop between two wake-ups of `FakeClock.run_for`, in which tasks act and sleep again."""


class FakeClock:
    """A `haulier.clock.Clock` that stands still until a test advances it. Any thread may read it.

    ``advance`` moves wall and monotonic time; ``set_wall`` moves wall time alone, as a corrected machine clock does.
    Sleepers wake in the order of their deadlines.
    """

    def __init__(self, now: datetime = datetime(2026, 11, 23, 22, 25, tzinfo=UTC)) -> None:
        self._wall = now
        self._monotonic = 1_000.0
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        with self._lock:
            return self._wall

    def monotonic(self) -> float:
        with self._lock:
            return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
            self._tell_watchers()
        await future

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once. All sleepers that are due wake in order, and read the new time."""
        with self._lock:
            self._move(seconds)
            while self._sleepers and self._sleepers[0][0] <= self._monotonic:
                _wake(heapq.heappop(self._sleepers)[2])

    async def run_for(self, seconds: float) -> None:
        """Let ``seconds`` pass from deadline to deadline, so that a task that sleeps in a loop wakes as often as in
        real time. Between two wake-ups only tasks of this event loop act."""
        end = self.monotonic() + seconds
        while True:
            await _settle()
            with self._lock:
                self._drop_cancelled()
                if not self._sleepers or self._sleepers[0][0] > end:
                    break
                step = self._sleepers[0][0] - self._monotonic
            self.advance(step)
        self.advance(max(0.0, end - self.monotonic()))
        await _settle()

    def set_wall(self, now: datetime) -> None:
        with self._lock:
            self._wall = now

    @property
    def sleeping(self) -> int:
        with self._lock:
            self._drop_cancelled()
            return sum(not future.done() for _, _, future in self._sleepers)

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Wait until ``count`` tasks, of any thread, are asleep."""
        watcher = asyncio.get_running_loop().create_future()
        with self._lock:
            self._watchers.append((count, watcher))
            self._tell_watchers()
        await watcher

    def _move(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)

    def _drop_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].cancelled():
            heapq.heappop(self._sleepers)

    def _tell_watchers(self) -> None:
        asleep = sum(not future.done() for _, _, future in self._sleepers)
        for count, watcher in self._watchers:
            if asleep >= count:
                _wake(watcher)
        self._watchers = [(count, watcher) for count, watcher in self._watchers if asleep < count]


class MovedClock(SystemClock):
    """The machine's clock, moved ahead by hand: for servers whose clients live in real time."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead_seconds)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        self._ahead_seconds += seconds


def _wake(future: asyncio.Future[None]) -> None:
    def wake() -> None:
        if not future.done():
            future.set_result(None)

    with contextlib.suppress(RuntimeError):  # Its event loop is closed: nobody waits.
        future.get_loop().call_soon_threadsafe(wake)


async def _settle() -> None:
    for _ in range(_SETTLING_LOOP_TURNS):
        await asyncio.sleep(0)
