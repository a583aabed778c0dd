"""Log lines of a worker that no bar shows: of what it did itself.

Those of `haulier run` are of the whole run. Fifty containers would each read what all of them wrote, for lines that are
alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator

from haulier.api.scope.scope import Scope
from haulier.cli.progress import LOG_SECONDS
from haulier.clock import Clock
from haulier.worker.stats import Stats

logger = logging.getLogger("haulier.progress")


@contextlib.asynccontextmanager
async def own_progress(stats: Stats, scope: Scope, clock: Clock, run_id: str | None) -> AsyncIterator[None]:
    """Log a line every `LOG_SECONDS` in which something ended, and a last one."""
    log = _Log(stats, scope, clock, run_id)

    async def follow() -> None:
        while True:
            await clock.sleep(LOG_SECONDS)
            log.write()

    task = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        log.write()


class _Log:
    def __init__(self, stats: Stats, scope: Scope, clock: Clock, run_id: str | None) -> None:
        self._stats = stats
        self._scope = scope
        self._clock = clock
        self._run_id = run_id
        self._before = dataclasses.replace(stats)
        self._written_at = clock.monotonic()

    def write(self) -> None:
        now, stats, before = self._clock.monotonic(), dataclasses.replace(self._stats), self._before
        if dataclasses.replace(stats, under_way=0) == dataclasses.replace(before, under_way=0):
            return
        seconds = max(now - self._written_at, 1e-9)
        self._before, self._written_at = stats, now
        logger.info(
            "progress of this worker",
            extra={
                **({} if self._run_id is None else {"run_id": self._run_id}),
                "done": stats.done,
                "empty": stats.empty,
                "divided": stats.split,
                "poisoned": stats.poisoned,
                "retried": stats.retried,
                "records": stats.records,
                "records_per_second": round((stats.records - before.records) / seconds, 1),
                "items_in_work": stats.under_way,
                "requests_in_flight": self._scope.in_use,
            },
        )
