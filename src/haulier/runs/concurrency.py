"""Bounded concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def run_each(work: Callable[[T], Awaitable[R]], things: Iterable[T], at_once: int) -> list[R]:
    """Return results in no order. The first failure cancels the rest and is raised."""
    remaining = iter(things)
    results: list[R] = []
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(_work_off(work, remaining, results))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return results


async def _work_off(work: Callable[[T], Awaitable[R]], remaining: Iterator[T], results: list[R]) -> None:
    results.extend([await work(thing) for thing in remaining])
