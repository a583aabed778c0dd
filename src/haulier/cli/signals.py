"""SIGTERM and Ctrl-C: the first one drains, the second one stops at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def on_signals(drain: Callable[[str], None], stop: Callable[[], None]) -> Iterator[None]:
    """Call ``drain(name of the signal)`` at the first SIGTERM or SIGINT, and ``stop()`` at each later one."""
    loop = asyncio.get_running_loop()
    seen = 0

    def received(number: signal.Signals) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            drain(number.name)
        else:
            stop()

    for number in _SIGNALS:
        loop.add_signal_handler(number, received, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
