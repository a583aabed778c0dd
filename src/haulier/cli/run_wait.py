"""How long a worker of a fixed fleet waits for runs that it may work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from haulier.app.open_source import LiveSource
from haulier.cli.durations import duration_text
from haulier.errors import HaulierError
from haulier.runs.planning import LOST_SECONDS, PlanningRun
from haulier.runs.run import Run
from haulier.runs.state import RunState
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

LOOK_SECONDS = 10.0
LOOKS_WITHIN = 4
"""A short wait is looked at so often."""
PAUSE_SECONDS = 60.0
"""A run may follow upon another within this, as with `run --then-new`, whose verdict is told between the two."""

logger = logging.getLogger("haulier.worker")


@contextlib.asynccontextmanager
async def leaving_without_run(source: LiveSource, watch: Watch, worker: Worker, seconds: float) -> AsyncIterator[None]:
    """The worker stays for ``seconds``, and then until no run was open or being planned for a minute."""
    waiting = asyncio.ensure_future(_RunWait(source, watch).follow(worker, seconds))
    try:
        yield
    finally:
        waiting.cancel()


class _RunWait:
    def __init__(self, source: LiveSource, watch: Watch) -> None:
        self._source = source
        self._watch = watch
        self._planning: dict[str, PlanningRun] = {}
        self._lost: set[str] = set()

    async def follow(self, worker: Worker, seconds: float) -> None:
        clock = self._source.clock
        look_seconds = min(max(LOOK_SECONDS, self._source.lake.capabilities.look_seconds), seconds / LOOKS_WITHIN)
        started_at = had_run_at = clock.monotonic()
        while True:
            await clock.sleep(look_seconds)
            has_run, now = await self._has_run(), clock.monotonic()
            had_run_at = now if has_run else had_run_at
            if now - started_at >= seconds and now - had_run_at >= min(seconds, PAUSE_SECONDS):
                worker.leave(f"no run is open or being planned, {duration_text(now - started_at)} after its start")
                return

    async def _has_run(self) -> bool:
        if self._source.client.scope.has_work:
            return True
        try:
            return any([await self._is_awaited(run, state) for run, state in await self._watch.unclosed()])
        except HaulierError:
            return True  # The worker itself waits for a lake that does not answer, or says what is wrong with it.

    async def _is_awaited(self, run: Run, state: RunState) -> bool:
        if state is not RunState.PLANNING:
            return True
        now = self._source.clock.monotonic()
        if run.run_id not in self._planning:
            # The clock of whoever claimed it may be ahead.
            age_seconds = abs((self._source.clock.now() - run.file.created_at).total_seconds())
            self._planning[run.run_id] = PlanningRun(self._source.lake, run.paths, now - age_seconds)
        is_alive = await self._planning[run.run_id].is_alive(now)
        if is_alive:
            self._lost.discard(run.run_id)
        elif run.run_id not in self._lost:
            self._lost.add(run.run_id)
            logger.warning(
                "nobody plans this run any more: it is not waited for",
                extra={"run_id": run.run_id, "seconds_without_sign": round(LOST_SECONDS)},
            )
        return is_alive
