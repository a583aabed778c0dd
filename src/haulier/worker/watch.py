"""Watching runs to their end: drained, stranded, closing (protocol, sections 5 and 6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.closing import Closer
from haulier.runs.expect import is_expect_missing
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run, list_runs
from haulier.runs.send import send_again
from haulier.runs.state import FINAL, RunState, run_state

logger = logging.getLogger("haulier.runs")


@dataclass
class Watched:
    """What a watch knows of one run."""

    run: Run
    ledger: Ledger
    progress: Progress | None = None
    was_idle: bool = False
    """At the last look the queue held nothing while items were missing."""
    verdict: VerdictRecord | None = None


class Watch:
    """Looks after the open runs of a source (or one of them): closes what is drained, sends again what is stranded."""

    def __init__(self, lake: Lake, queue: Queue, closer: Closer, source: str, only: str | None = None) -> None:
        self._lake = lake
        self._queue = queue
        self._closer = closer
        self._source = source
        self._only = only
        self._watched: dict[str, Watched] = {}
        self._final: set[str] = set()
        self.closed: dict[str, VerdictRecord] = {}
        """Runs that ended while they were watched, by run id."""

    def close(self) -> None:
        for watched in self._watched.values():
            watched.ledger.close()
        self._watched.clear()

    @property
    def progress(self) -> list[Progress]:
        """Of the runs that are open, as of the last look."""
        return [watched.progress for watched in self._watched.values() if watched.progress is not None]

    async def look(self) -> int:
        """Look at every run once, and do what is due. Returns how many runs are still open."""
        still_open = 0
        for run in await self._runs():
            state, verdict = await run_state(self._lake, run.paths)
            if state.is_closed:
                self._note_closed(run, verdict)
            elif state is not RunState.PLANNING:
                still_open += await self._look_at(run, state)
        return still_open

    async def _runs(self) -> list[Run]:
        runs = await list_runs(self._lake, self._source, skip=self._final)
        return [run for run in runs if self._only is None or run.run_id == self._only]

    async def _look_at(self, run: Run, state: RunState) -> bool:
        """Returns whether the run is still open."""
        watched = self._watched.get(run.run_id)
        if watched is None:
            watched = self._watched[run.run_id] = Watched(run, Ledger(self._lake, run.paths))
        await watched.ledger.refresh()
        watched.progress = await watched.ledger.progress()
        if state is RunState.CLOSING or watched.progress.is_drained:
            verdict = await self._closer.close(run)
            if verdict is not None:
                self._note_closed(run, verdict)
                return False
            if self._closer.expect is None and await is_expect_missing(self._lake, run):
                logger.warning("this run needs its API to be closed; `haulier work` does it", extra={"run_id": run.run_id})
            return True
        await self._mend_stranded(watched)
        return True

    async def _mend_stranded(self, watched: Watched) -> None:
        """Keys are missing and the queue is empty at two looks: send the missing again (G1, a lost queue)."""
        depth = await self._queue.depth()
        is_idle = self._queue.capabilities.exact_depth and depth.unsettled == 0
        if is_idle and watched.was_idle:
            sent = 0
            async for items in watched.ledger.missing():
                sent += await send_again(self._queue, watched.run.run_id, items)
            logger.warning("items were missing from the queue and were sent again", extra={"items": sent})
            is_idle = False
        watched.was_idle = is_idle

    def _note_closed(self, run: Run, verdict: VerdictRecord | None) -> None:
        watched = self._watched.pop(run.run_id, None)
        if watched is not None:
            watched.ledger.close()
        if verdict is None:
            return
        if verdict.verdict in FINAL:
            self._final.add(run.run_id)
        if watched is not None or run.run_id == self._only:
            self.closed[run.run_id] = verdict
