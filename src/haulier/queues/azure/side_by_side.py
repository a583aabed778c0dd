"""Calls side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

AT_ONCE = 64
"""Calls in flight: the service takes each message by itself, and a queue bears 2,000 calls a second."""

T = TypeVar("T")
R = TypeVar("R")


async def each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Work them, some at once, and return what came of each in their order. The first failure ends all."""
    found: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def work_some() -> None:
        for number, item in waiting:
            found[number] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(items))):
                group.create_task(work_some())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [found[number] for number in range(len(items))]
