"""The deadline of an item, and of its wait for a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from haulier.api.client import ItemApi
from haulier.clock import Clock
from haulier.errors import ItemError
from haulier.worker.settings import WorkerSettings

T = TypeVar("T")

LOOKS_PER_LEASE = 4


class GateWaitError(Exception):
    """The item waited for its turn when its time was up. It goes back uncharged."""


class DeadlineError(ItemError):
    """The item did not end within its deadline of an hour.

    To do: plan smaller items; if it waited for something else than the API, look at its processor.
    """


class Awake:
    """Counts the seconds in which neither this process was suspended, nor a person held the item up."""

    def __init__(self, clock: Clock, settings: WorkerSettings, is_held: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_held = is_held
        self._looked_at = clock.monotonic()
        self.look_seconds = settings.lease_seconds / LOOKS_PER_LEASE
        self.seconds = 0.0

    async def wait(self, task: asyncio.Future[Any]) -> None:
        await asyncio.wait([task], timeout=self.look_seconds)
        now = self._clock.monotonic()
        if not self._is_held():
            self.seconds += min(now - self._looked_at, 2 * self.look_seconds)
        self._looked_at = now


async def within_deadline(
    clock: Clock,
    settings: WorkerSettings,
    api: ItemApi,
    work: Coroutine[Any, Any, T],
    note_held: Callable[[], None] = lambda: None,
) -> T:
    """Run ``work`` under the item's deadline, which counts from its first request, and not while a person or a job
    holds it up. ``note_held`` is called at each look that finds it so.

    Raises `DeadlineError`, or `GateWaitError` where it is waiting for its turn then.
    """

    def is_held() -> bool:
        if api.is_held:
            note_held()
        return api.is_held

    awake = Awake(clock, settings, is_held)
    started_at: float | None = None
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await awake.wait(task)
            if started_at is None and api.usage.first_sent_at is not None:
                started_at = awake.seconds
            if not task.done():
                _refuse_overdue(settings, api, awake.seconds, started_at)
        if task.cancelled():
            # Not by us, or we would not be here: what it awaited was cancelled. Uncharged it would come again for ever.
            raise ItemError("The processor was cancelled, and not by haulier.")
        return task.result()
    finally:
        await end(task)


async def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end; what it raises is dropped."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def _refuse_overdue(settings: WorkerSettings, api: ItemApi, seconds: float, started_at: float | None) -> None:
    if api.is_waiting:
        # What it waits for is the scope's: a pause, an outage of the queue, other workers' turns. Nothing is charged.
        limit = settings.lease_seconds if started_at is None else started_at + settings.item_deadline_seconds
        if seconds >= limit:
            raise GateWaitError("It has waited too long for its turn to send a request")
    elif seconds >= (started_at or 0.0) + settings.item_deadline_seconds:
        raise DeadlineError(f"The item did not end within {settings.item_deadline_seconds:g} s.")
