"""SIGTERM and Ctrl-C: the first one drains, the second one stops at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

from haulier.clock import SystemClock

T = TypeVar("T")

INTERRUPTED = 4
"""The exit code of a command that a signal ended."""
DEAF_SECONDS = 0.1
"""How long a signal must have waited for the event loop before the next one ends the process in its place. Some shells
and wrappers send each Ctrl-C twice, within a moment."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LAST_WORDS = b"\nStopped at once: the event loop was blocked (does the source call something that blocks?).\n"
_SHOW_CURSOR = b"\x1b[?25h"

_clock = SystemClock()
_receivers: list[Callable[[signal.Signals], None]] = []
"""Whoever listens, the innermost last: a process has one handler for a signal, and asyncio forgets the one before."""
_unheard_since: float | None = None
"""When the first signal came that the event loop has not heard yet, by the monotonic clock."""


@contextlib.contextmanager
def on_signals(drain: Callable[[str], None], stop: Callable[[], None]) -> Iterator[None]:
    """Call ``drain(name of the signal)`` at the first SIGTERM or SIGINT, and ``stop()`` at each later one.

    Inside a block of the same kind it listens in that one's place, until it is left. Where the event loop is held up,
    as by a source that blocks, nobody can be called: the second signal ends the process.
    """
    loop = asyncio.get_running_loop()
    seen = 0

    def received(number: signal.Signals) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            drain(number.name)
        else:
            stop()

    _receivers.append(received)
    if len(_receivers) == 1:
        _listen(loop)
    try:
        yield
    finally:
        _receivers.remove(received)
        if not _receivers:
            _leave_off(loop)


async def until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    """What ``work`` returns, or None if SIGTERM or SIGINT cancelled it."""
    task = asyncio.ensure_future(work)

    def cancel(_name: str = "") -> None:
        task.cancel()

    with on_signals(cancel, cancel):
        await asyncio.wait([task])
    return None if task.cancelled() else task.result()


def _listen(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        loop.add_signal_handler(number, _heard, number)
        # What the loop has put there wakes it up; this is called at once besides, in the midst of whatever runs.
        signal.signal(number, _first_of_all(signal.getsignal(number)))


def _first_of_all(of_loop: object) -> Callable[[int, FrameType | None], None]:
    def came(number: int, frame: FrameType | None) -> None:
        _came()
        if callable(of_loop):
            of_loop(number, frame)

    return came


def _leave_off(loop: asyncio.AbstractEventLoop) -> None:
    global _unheard_since
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
    _unheard_since = None


def _came() -> None:
    """In the main thread, between two steps of whatever it does."""
    global _unheard_since
    now = _clock.monotonic()
    if _unheard_since is None:
        _unheard_since = now
    elif now - _unheard_since >= DEAF_SECONDS:
        # Leases run out, and children drain at the end of their pipe: it is as safe as a kill.
        with contextlib.suppress(OSError):
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + _LAST_WORDS)
        os._exit(INTERRUPTED)


def _heard(number: signal.Signals) -> None:
    """On the event loop."""
    global _unheard_since
    _unheard_since = None
    if _receivers:
        _receivers[-1](number)
