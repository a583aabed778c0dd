"""SIGTERM and Ctrl-C: the first one drains, the second one stops at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_receivers: list[Callable[[signal.Signals], None]] = []
"""Whoever listens, the innermost last: a process has one handler for a signal, and asyncio forgets the one before."""


@contextlib.contextmanager
def on_signals(drain: Callable[[str], None], stop: Callable[[], None]) -> Iterator[None]:
    """Call ``drain(name of the signal)`` at the first SIGTERM or SIGINT, and ``stop()`` at each later one.

    Inside a block of the same kind it listens in that one's place, until it is left.
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
    for number in _SIGNALS:
        loop.add_signal_handler(number, received, number)
    try:
        yield
    finally:
        _receivers.remove(received)
        for number in _SIGNALS:
            if _receivers:
                loop.add_signal_handler(number, _receivers[-1], number)
            else:
                loop.remove_signal_handler(number)
