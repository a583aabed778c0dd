"""One piece of work that a signal may end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from haulier.cli.signals import on_signals

T = TypeVar("T")


async def until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    """What ``work`` returns, or None if SIGTERM or SIGINT cancelled it."""
    task = asyncio.ensure_future(work)

    def cancel(_name: str = "") -> None:
        task.cancel()

    with on_signals(cancel, cancel):
        await asyncio.wait([task])
    return None if task.cancelled() else task.result()
