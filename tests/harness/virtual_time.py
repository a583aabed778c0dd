"""Time that passes only while nobody has anything to do: six hours of waiting take seconds, and no step is skipped.

`FakeClock` is turned by hand, which a whole worker makes hard: it sleeps on its event loop too, its lease keeper has a
loop of its own in another thread, and its lake works in threads that know of no clock. Here the event loops themselves
live by the virtual time: when all of them sleep and no thread works for them, it moves to the moment at which the first
of them is to wake.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import selectors
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_BEGINS_AT = 1_000.0


class VirtualTime:
    """Implements `haulier.clock.Clock`, and runs what is to live by it. May be read in any thread.

    What is given to an executor (`asyncio.to_thread`) is done at once, on the event loop: it takes no time. Any other
    thread, unless it runs an event loop of its own, is to be told of by `busy`.
    """

    def __init__(self, now: datetime = datetime(2026, 11, 23, 22, 25, tzinfo=UTC)) -> None:
        self._began_at = now
        self._monotonic = _BEGINS_AT
        self._lock = threading.RLock()
        self._busy = 0
        self._loops: set[_Loop] = set()
        self._asleep: dict[_Loop, float] = {}
        """Until when by the monotonic clock; loops that have something to do are not in it."""
        self._called: set[_Loop] = set()
        """Loops that were awake when they were given something to do, and may have looked for it just before."""

    def now(self) -> datetime:
        return self._began_at + timedelta(seconds=self._monotonic - _BEGINS_AT)

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def jump(self, seconds: float) -> None:
        """As for a process that was suspended: nobody acts meanwhile."""
        with self._lock:
            self._monotonic += seconds

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """As `asyncio.run`; event loops that are made meanwhile, in whatever thread, live by this time as well."""
        with _making_loops(functools.partial(_Loop, self)), asyncio.Runner() as runner:
            return runner.run(main)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """No time passes within the block: a thread works for it."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    def _begin(self) -> None:
        with self._lock:
            self._busy += 1

    def _end(self) -> None:
        with self._lock:
            self._busy -= 1
            self._pass()

    def _join(self, loop: _Loop) -> None:
        with self._lock:
            self._loops.add(loop)

    def _leave(self, loop: _Loop) -> None:
        with self._lock:
            self._loops.discard(loop)
            self._called.discard(loop)
            self._asleep.pop(loop, None)
            self._pass()

    def _fall_asleep(self, loop: _Loop, seconds: float) -> bool:
        """Whether it has to sleep: not if it was given something to do, or if it is the first sleeper to wake."""
        with self._lock:
            if loop in self._called:
                self._called.discard(loop)
                return False
            self._asleep[loop] = self._monotonic + seconds
            self._pass(but=loop)
            return loop in self._asleep

    def _wake(self, loop: _Loop) -> None:
        with self._lock:
            self._asleep.pop(loop, None)

    def _rouse(self, loop: _Loop) -> None:
        """It was given something to do. It may have done that already, and sleep again: it looks once more."""
        with self._lock:
            if self._asleep.pop(loop, None) is not None:
                loop.rouse()
            else:
                self._called.add(loop)

    def _pass(self, but: _Loop | None = None) -> None:
        """Let time pass if nobody has anything to do, and end the sleep of those that have then; not of ``but``, which
        sees for itself."""
        if self._busy or not self._asleep or len(self._asleep) < len(self._loops):
            return
        moment = min(self._asleep.values())
        if moment == math.inf:
            return  # Who sleeps without an end is woken from outside.
        self._monotonic = max(self._monotonic, moment)
        for loop in [loop for loop, until in self._asleep.items() if until <= self._monotonic]:
            del self._asleep[loop]
            if loop is not but:
                loop.rouse()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose timers go by the virtual time."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__(_Selector(self))
        self.virtual_time = time
        time._join(self)

    def time(self) -> float:
        return self.virtual_time.monotonic()

    def rouse(self) -> None:
        """End its sleep."""
        super().call_soon_threadsafe(_nothing)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        with self.virtual_time.busy():  # It may be about to fall asleep, and not know yet.
            handle = super().call_soon_threadsafe(callback, *args, context=context)
            self.virtual_time._rouse(self)
        return handle

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it gets it, as from a thread
            future.set_exception(error)
        return future

    def close(self) -> None:
        self.virtual_time._leave(self)
        super().close()


class _Selector(selectors.DefaultSelector):
    """Sleeps until it is roused; who does that is the virtual time, or whoever has something for the loop."""

    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        time = self._loop.virtual_time
        is_asleep = time._fall_asleep(self._loop, math.inf if timeout is None else timeout)
        try:
            return super().select(None if is_asleep else 0)
        finally:
            time._wake(self._loop)


@contextlib.contextmanager
def _making_loops(make: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[None]:
    """What `asyncio.run` makes, in every thread. A factory can be handed to one's own runner only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # From Python 3.14 on; there is no other way yet.
        before = asyncio.get_event_loop_policy()  # type: ignore[deprecated]

        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self) -> asyncio.AbstractEventLoop:
                return make()

        asyncio.set_event_loop_policy(Policy())  # type: ignore[deprecated]
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.set_event_loop_policy(before)  # type: ignore[deprecated]


def _nothing() -> None:
    """What wakes a loop, and no more."""
