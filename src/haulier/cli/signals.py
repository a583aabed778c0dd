"""SIGTERM and Ctrl-C: the first drains, the second stops at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

from haulier.cli.leaving import LAST_SECONDS, leave_within
from haulier.cli.standard_streams import says_json
from haulier.clock import SystemClock

T = TypeVar("T")

INTERRUPTED = 4
"""Exit code of a command that a signal ended."""
DEAF_SECONDS = 0.1
"""Time that a signal waits for the event loop before the next one ends the process. Some shells send Ctrl-C twice."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LAST_WORDS = b"Stopped at once: the event loop was blocked (does the source call something that blocks?)."
_SHOW_CURSOR = b"\x1b[?25h"

_clock = SystemClock()
_receivers: list[Callable[[signal.Signals], None]] = []
"""Receivers, the innermost last: a process has one handler for a signal."""
_unheard_since: float | None = None
"""Monotonic time of the first signal that the event loop has not handled yet."""


@contextlib.contextmanager
def on_signals(
    drain: Callable[[str], None], stop: Callable[[], None], *, seconds: float = LAST_SECONDS
) -> Iterator[None]:
    """Call ``drain(name of the signal)`` at the first SIGTERM or SIGINT, and ``stop()`` at each later one.

    The process is gone within ``seconds`` of the first one, and within `LAST_SECONDS` of a later one.
    An inner block receives instead of the outer one. If the event loop is blocked, the second signal ends the process.
    """
    loop = asyncio.get_running_loop()
    seen = 0

    def received(number: signal.Signals) -> None:
        nonlocal seen
        seen += 1
        leave_within(seconds if seen == 1 else LAST_SECONDS)
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
    """Await ``work``; None if SIGTERM or SIGINT cancelled it."""
    task = asyncio.ensure_future(work)

    def cancel(_name: str = "") -> None:
        task.cancel()

    with on_signals(cancel, cancel):
        await asyncio.wait([task])
    return None if task.cancelled() else task.result()


def _listen(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        loop.add_signal_handler(number, _receive_on_loop, number)
        # What the loop has put there wakes it up; this is called at once besides, in the midst of whatever runs.
        signal.signal(number, _before_loop(signal.getsignal(number)))


def _before_loop(loop_handler: object) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        _receive_at_once()
        if callable(loop_handler):
            loop_handler(number, frame)

    return handle


def _leave_off(loop: asyncio.AbstractEventLoop) -> None:
    global _unheard_since
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
    _unheard_since = None


def _receive_at_once() -> None:
    """Runs in the main thread."""
    global _unheard_since
    now = _clock.monotonic()
    if _unheard_since is None:
        _unheard_since = now
    elif now - _unheard_since >= DEAF_SECONDS:
        # Leases run out, and children drain at the end of their pipe: it is as safe as a kill.
        with contextlib.suppress(OSError):
            os.write(2, (_SHOW_CURSOR if sys.stderr.isatty() else b"") + _last_words())
        os._exit(INTERRUPTED)


def _last_words() -> bytes:
    if not says_json():
        return b"\n" + _LAST_WORDS + b"\n"
    from haulier.cli.json_stream import line_of

    return line_of(_LAST_WORDS.decode()).encode() + b"\n"


def _receive_on_loop(number: signal.Signals) -> None:
    global _unheard_since
    _unheard_since = None
    if _receivers:
        _receivers[-1](number)
