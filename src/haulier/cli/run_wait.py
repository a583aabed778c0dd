"""How long a worker of a fixed fleet waits for runs that it may work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

from haulier.app.open_source import LiveSource
from haulier.cli.durations import duration_text
from haulier.errors import HaulierError
from haulier.runs.planning import LOST_SECONDS, PlanningRun
from haulier.runs.run import Run
from haulier.runs.state import RunState
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

MAX_WAIT_SECONDS = 7 * 86_400.0
LOOK_SECONDS = 20.0
LOOKS_WITHIN = 4
"""A short wait is looked at so often."""
BUSY_LOOK_SECONDS = 300.0
"""Between looks of a worker that has work: on Azure each costs money, and twelve workers look."""
PAUSE_SECONDS = 60.0
"""A run may follow upon another within this, as with `run --then-new`, whose verdict is told between the two."""

logger = logging.getLogger("haulier.worker")


@contextlib.asynccontextmanager
async def leaving_without_run(source: LiveSource, watch: Watch, worker: Worker, seconds: float) -> AsyncIterator[None]:
    """The worker leaves once no run was open or being planned for a minute: after ``seconds`` at the earliest, or once
    the full run is closed that was claimed about when it started."""
    waiting = asyncio.ensure_future(_RunWait(source, watch, seconds).follow(worker))
    try:
        yield
    finally:
        waiting.cancel()


class _RunWait:
    def __init__(self, source: LiveSource, watch: Watch, seconds: float) -> None:
        self._source = source
        self._watch = watch
        self._seconds = seconds
        self._since = source.clock.now() - timedelta(seconds=seconds / 2)
        """An older run is an earlier night's: the one that this fleet was started for is still to come."""
        self._met: set[str] = set()
        """Full runs since then that were not closed at a look. An incremental one says nothing of those to come."""
        self._is_over = False
        self._looked_at: float | None = None
        self._planning: dict[str, PlanningRun] = {}
        self._lost: set[str] = set()

    async def follow(self, worker: Worker) -> None:
        clock = self._source.clock
        look_seconds = max(min(LOOK_SECONDS, self._seconds / LOOKS_WITHIN), self._source.lake.capabilities.look_seconds)
        started_at = had_run_at = clock.monotonic()
        while True:
            await clock.sleep(look_seconds)
            has_run, now = await self._has_run(), clock.monotonic()
            had_run_at = now if has_run else had_run_at
            is_due = self._is_over or now - started_at >= self._seconds
            if is_due and now - had_run_at >= min(self._seconds, PAUSE_SECONDS):
                worker.leave(f"no run is open or being planned, {duration_text(now - started_at)} after its start")
                return

    async def _has_run(self) -> bool:
        now, looked_at = self._source.clock.monotonic(), self._looked_at
        is_fresh = looked_at is not None and now - looked_at < BUSY_LOOK_SECONDS
        if self._source.client.scope.has_work and (self._met or is_fresh):
            return True
        self._looked_at = now
        try:
            unclosed = await self._watch.unclosed()
            self._note(run for run, _ in unclosed)
            return any([await self._is_awaited(run, state) for run, state in unclosed])
        except HaulierError:
            return True  # The worker itself waits for a lake that does not answer, or says what is wrong with it.

    def _note(self, unclosed: Iterable[Run]) -> None:
        runs = {run.run_id: run for run in unclosed}
        self._is_over |= not self._met <= runs.keys()
        self._met |= {
            run_id
            for run_id, run in runs.items()
            if run.plans == run.file.mode == "full" and run.file.created_at > self._since
        }

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
