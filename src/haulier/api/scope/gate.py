from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

from haulier.api.limits.pacer import NEVER_SECONDS
from haulier.clock import Clock

Slot = AbstractAsyncContextManager[None]

WaitListener = Callable[[bool], None]
"""Called with True when a request begins to wait, and with False at the end."""


class Ahead:
    """A request that is made before its turn: it lets all others go first until it is wanted."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.on_wanted: Callable[[], None] = lambda: None

    def want(self) -> None:
        if not self.is_wanted:
            self.is_wanted = True
            self.on_wanted()


class Gate:
    """A first-come-first-served semaphore, whose limit may be moved at any time.

    ``door`` gives the seconds until one more request may pass; it is asked in the step of the event loop in which that
    passes, so its answer still holds. ``passed`` is called for each that passes. ``refusal`` may give an error instead
    of a wait, on arrival and whenever one is woken.
    """

    def __init__(
        self,
        clock: Clock,
        door: Callable[[], float],
        passed: Callable[[], None] = lambda: None,
        refusal: Callable[[], Exception | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._door = door
        self._passed = passed
        self._refusal = refusal
        self._queue: deque[asyncio.Event] = deque()
        self._queue_ahead: deque[asyncio.Event] = deque()
        """Gets what the queue leaves."""
        self._limit = 0
        self.in_use = 0
        self.peak = 0
        """Most in use at once since it was set back."""

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self.poke()

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._queue_ahead)

    def poke(self, *, everybody: bool = False) -> None:
        line = itertools.chain(self._queue, self._queue_ahead) if self._queue_ahead else self._queue
        for turn in itertools.islice(line, None if everybody else 1):
            turn.set()

    @contextlib.contextmanager
    def place(self) -> Iterator[bool]:
        """Hold a place past queue and door; False where none is free."""
        is_free = self.in_use < self._limit
        self.in_use += is_free
        if is_free:
            self._passed()
        try:
            yield is_free
        finally:
            self.in_use -= is_free
            self.poke()

    @contextlib.asynccontextmanager
    async def slot(self, waiting: WaitListener | None = None, ahead: Ahead | None = None) -> AsyncIterator[None]:
        """However the block ends, the place is given back once."""
        self._check()
        if self._queue or (ahead is not None and self._queue_ahead) or self._opens_in() > 0.0:
            await self._wait(waiting, ahead)
        # No await stands between the door's answer and this line, nor between this line and the block.
        self.in_use += 1
        self.peak = max(self.peak, self.in_use)
        self._passed()
        self.poke()
        try:
            yield
        finally:
            self.in_use -= 1
            self.poke()

    def _opens_in(self) -> float:
        return self._door() if self.in_use < self._limit else NEVER_SECONDS

    async def _wait(self, waiting: WaitListener | None, ahead: Ahead | None) -> None:
        turn = asyncio.Event()
        if ahead is None or ahead.is_wanted:
            self._queue.append(turn)
        else:
            self._queue_ahead.append(turn)
            ahead.on_wanted = lambda: self._move_up(turn)
        if waiting is not None:
            waiting(True)
        try:
            while (seconds := self._opens_in() if self._front is turn else NEVER_SECONDS) > 0.0:
                turn.clear()
                await nap(turn, self._clock, seconds)
                self._check()
        finally:
            (self._queue_ahead if ahead is not None and turn in self._queue_ahead else self._queue).remove(turn)
            if waiting is not None:
                waiting(False)
            self.poke()

    @property
    def _front(self) -> asyncio.Event:
        return self._queue[0] if self._queue else self._queue_ahead[0]

    def _move_up(self, turn: asyncio.Event) -> None:
        if turn in self._queue_ahead:
            self._queue_ahead.remove(turn)
            self._queue.append(turn)
            turn.set()

    def _check(self) -> None:
        error = self._refusal()
        if error is not None:
            raise error


async def nap(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait for an event, which is set after ``seconds`` if nobody sets it before."""
    if seconds == NEVER_SECONDS:
        await event.wait()
        return
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    alarm.add_done_callback(lambda done: None if done.cancelled() else event.set())
    try:
        await event.wait()
    finally:
        alarm.cancel()
