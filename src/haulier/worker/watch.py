"""Watches runs to their end: stranded (docs/protocol.md#drained-and-stranded), or drained and closed
(docs/protocol.md#closing-a-run)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from haulier.errors import RunSpentError
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.closing import Closer
from haulier.runs.concurrency import run_each
from haulier.runs.expect import is_expect_missing
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.left_items import LeftItems
from haulier.runs.records import VerdictRecord
from haulier.runs.repair import claim_repair, newest_repair
from haulier.runs.run import Run, list_runs, load_run
from haulier.runs.signs import mend_signs
from haulier.runs.state import FINAL_VERDICTS, RunState, open_runs, run_state
from haulier.runs.stranded import is_stranded, mend_stranded

SPENT_SECONDS = 60.0
"""After the count that closes a run was refused, for so long it is not asked for again: what other processes bring back
unused may have made room by then."""

logger = logging.getLogger("haulier.runs")


@dataclass(frozen=True)
class Quiet:
    """Between two monotonic times a worker asked its queue for items and got none, and no other worker had any. Each
    message that the queue holds is visible, and its lane asked, within ``limit_seconds``: a lease, the longest backoff
    and `QueueCapabilities.lane_seconds`."""

    since: float
    until: float
    """The last question that brought nothing: what passes during a look proves nothing."""
    limit_seconds: float
    hidden_seconds: Callable[[str], float] = lambda run_id: -math.inf
    """Time from now for which messages of a run may be hidden all the same: the API asked for a longer wait."""


@dataclass
class _Watched:
    run: Run
    ledger: Ledger
    was_stranded: bool = False
    progress: Progress | None = None
    moved_at: float = 0.0
    """Monotonic time when ``progress`` or ``repairs`` changed."""
    repairs: int | None = None
    has_warned: bool = False
    asks_again_at: float = -math.inf
    """Monotonic; before, the count that closes the run is left unasked."""


class Watch:
    """Closes the drained runs of a source (or ``only`` one), and sends stranded items again."""

    def __init__(self, lake: Lake, queue: Queue, closer: Closer, source: str, only: str | None = None) -> None:
        self._lake = lake
        self._queue = queue
        self._closer = closer
        self._source = source
        self._only = only
        self._watched: dict[str, _Watched] = {}
        self.left_items = LeftItems(closer.clock)
        self._runs_read: dict[str, Run] = {}
        self._final: set[str] = set()
        self._mended: dict[str, int] = {}
        self._told: dict[str, int] = {}
        """By run, the closing that was looked at for its telling."""
        self._waited_for: set[str] = set()
        self.spent: dict[str, RunSpentError] = {}
        """By run, where the count that closes it was refused since the run may send no more requests."""
        self.closed: dict[str, VerdictRecord] = {}
        """With the run of ``only``, if it had ended before."""

    @property
    def only(self) -> str | None:
        return self._only

    @property
    def look_seconds(self) -> float:
        return self._lake.capabilities.look_seconds

    def close(self) -> None:
        for watched in self._watched.values():
            watched.ledger.close()
        self._watched.clear()

    async def has_ended(self) -> bool:
        """True if all runs that were open at the last look are closed; reads a few names."""
        watched = [one.run for one in self._watched.values()]
        return bool(watched) and not await open_runs(self._lake, watched)

    async def look(self, quiet: Quiet | None = None) -> int:
        """Returns how many runs are still open. Where the queue cannot count exactly, only a look with ``quiet`` finds
        that items are missing from it."""
        still_open = 0
        runs = await self._runs()
        states = await self._states_of(runs)
        await self._mend_signs(runs, states)
        for run in runs:
            state, verdict = states[run.run_id]
            if verdict is not None:
                await self._note_closed(run, verdict)
            elif state is not RunState.PLANNING:
                still_open += await self._look_at(run, quiet)
        return still_open

    async def unclosed(self) -> list[tuple[Run, RunState]]:
        runs = await self._runs()
        states = await self._states_of(runs)
        return [(run, states[run.run_id][0]) for run in runs if not states[run.run_id][0].is_closed]

    async def open_ids(self) -> set[str]:
        """Runs that have a plan, and are not closed."""
        return {run.run_id for run, state in await self.unclosed() if state is not RunState.PLANNING}

    async def look_at(self, run_id: str) -> bool:
        """Look at one run alone, while others keep the worker busy. Returns whether it is closed."""
        run = self._runs_read.get(run_id) or await load_run(self._lake, self._source, run_id)
        if run is None:
            return False
        self._runs_read[run_id] = run
        state, verdict = await run_state(self._lake, run.paths)
        if verdict is not None:
            await self._note_closed(run, verdict)
            return True
        return state is not RunState.PLANNING and not await self._look_at(run, None)

    async def _runs(self) -> list[Run]:
        if self._only is None:
            skipped = self._final | self._runs_read.keys()
            self._runs_read |= {run.run_id: run for run in await list_runs(self._lake, self._source, skip=skipped)}
        elif self._only not in self._runs_read:
            run = await load_run(self._lake, self._source, self._only)
            self._runs_read |= {} if run is None else {run.run_id: run}
        runs = [run for run_id, run in self._runs_read.items() if run_id not in self._final]
        return sorted(runs, key=lambda run: (run.file.snapshot_time, run.run_id))

    async def _states_of(self, runs: list[Run]) -> dict[str, tuple[RunState, VerdictRecord | None]]:
        async def state_of(run: Run) -> tuple[str, tuple[RunState, VerdictRecord | None]]:
            return run.run_id, await run_state(self._lake, run.paths)

        return dict(await run_each(state_of, runs, self._lake.capabilities.in_flight))

    async def _mend_signs(self, runs: list[Run], states: dict[str, tuple[RunState, VerdictRecord | None]]) -> None:
        """Those of all runs that have closed, several at once: a source may have hundreds."""

        async def mend(run: Run) -> None:
            verdict = states[run.run_id][1]
            if verdict is not None:
                await self._mend_signs_of(run, verdict)

        await run_each(mend, runs, self._lake.capabilities.in_flight)

    async def _look_at(self, run: Run, quiet: Quiet | None) -> bool:
        watched = self._watched.get(run.run_id)
        if watched is None:
            watched = self._watched[run.run_id] = _Watched(run, Ledger(self._lake, run.paths))
        now = self._closer.clock.monotonic()
        if now < watched.asks_again_at and await is_expect_missing(self._lake, run):
            return True
        try:
            verdict = await self._closer.close(run, watched.ledger)
        except RunSpentError as error:
            self.spent[run.run_id] = error
            watched.asks_again_at = now + SPENT_SECONDS
            return True
        self.spent.pop(run.run_id, None)
        if verdict is not None:
            await self._note_closed(run, verdict)
            return False
        if watched.ledger.known.is_sealed:
            self.left_items.note(run.run_id, watched.ledger.known.missing)
        if not watched.has_warned and self._closer.expect is None and await is_expect_missing(self._lake, run):
            watched.has_warned = True
            logger.warning("this run promises a count: closing it needs the API", extra={"run_id": run.run_id})
        if self._queue.capabilities.exact_depth:
            await self._mend_stranded(watched)
        else:
            await self._mend_unmoved(watched, quiet)
        await self._say_waits()
        return True

    async def _say_waits(self) -> None:
        for holder in await self._queue.holders():
            if holder.whereabouts == "unknown" and holder.name not in self._waited_for:
                self._waited_for.add(holder.name)
                logger.info(
                    "items are leased by a process that cannot be seen from here, and are waited for",
                    extra={
                        "items": holder.leases,
                        "holder": holder.name or "unknown",
                        "up_to_seconds": math.ceil(holder.seconds),
                    },
                )

    async def _mend_stranded(self, watched: _Watched) -> None:
        """Missing keys are sent again if the queue held none of the run at two looks (G1)."""
        is_now = await is_stranded(self._queue, watched.run, watched.ledger)
        if is_now and watched.was_stranded:
            await self._send_missing(watched)
            is_now = False
        watched.was_stranded = is_now

    async def _mend_unmoved(self, watched: _Watched, quiet: Quiet | None) -> None:
        """Where depth is not exact: if nothing of the run moved while every message had the time to come, its missing
        keys are sent again, by one worker of all in each such span."""
        now, progress = self._closer.clock.monotonic(), await watched.ledger.progress()
        if watched.repairs is None:
            watched.repairs = await newest_repair(self._lake, watched.run.paths)
        if progress != watched.progress:
            watched.progress, watched.moved_at = progress, now
        if quiet is None or not progress.missing:
            return
        if quiet.until - max(quiet.since, watched.moved_at) < quiet.limit_seconds:
            return
        if quiet.until < self._closer.clock.monotonic() + quiet.hidden_seconds(watched.run.run_id):
            return
        newest = await newest_repair(self._lake, watched.run.paths)
        is_ours = newest == watched.repairs and await claim_repair(self._closer, watched.run, newest + 1)
        watched.repairs, watched.moved_at = max(newest, watched.repairs + 1), now
        if is_ours:
            await self._send_missing(watched)

    async def _send_missing(self, watched: _Watched) -> None:
        sent = await mend_stranded(self._closer, watched.run, watched.ledger)
        logger.warning(
            "items were missing from the queue and were sent again",
            extra={"run_id": watched.run.run_id, "items": sent},
        )

    async def _mend_signs_of(self, run: Run, verdict: VerdictRecord) -> None:
        # Whoever finds the signs of a verdict missing writes them again (C5); once for each verdict is enough.
        if self._mended.get(run.run_id) != verdict.number:
            await mend_signs(self._lake, run, verdict)
            self._mended[run.run_id] = verdict.number

    async def _note_closed(self, run: Run, verdict: VerdictRecord) -> None:
        await self._mend_signs_of(run, verdict)
        watched = self._watched.pop(run.run_id, None)
        if watched is not None:
            self.left_items.note(run.run_id, 0)
        if watched is not None or self._told.get(run.run_id) != verdict.number:
            await self._closer.tell(run, verdict, was_open=watched is not None)
            self._told[run.run_id] = verdict.number
        if watched is not None:
            watched.ledger.close()
        if verdict.verdict in FINAL_VERDICTS:
            self._final.add(run.run_id)
        if watched is not None or run.run_id == self._only:
            self.closed[run.run_id] = verdict
