"""Remembers runs for ever, and that a run is open for a moment (docs/protocol.md#terms)."""

from __future__ import annotations

import asyncio

from haulier.clock import Clock
from haulier.lake.seam import Lake
from haulier.runs.run import Run, load_run
from haulier.runs.state import RunState, closing_in_force, run_state

OPEN_SECONDS = 1.0
"""Time that an open run is taken to be open on dequeuing, and on publishing where a sweep does not fence (C9)."""


class RunCache:
    def __init__(self, lake: Lake, source: str, clock: Clock) -> None:
        self._lake = lake
        self._source = source
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._unclaimed: set[str] = set()
        self._open_until: dict[str, float] = {}
        self._turn = asyncio.Lock()

    async def get(self, run_id: str) -> Run | None:
        """None where nobody claimed it."""
        run = self._runs.get(run_id)
        if run is None:
            run = await load_run(self._lake, self._source, run_id)
            if run is None:
                self._unclaimed.add(run_id)
            else:
                self._runs[run_id] = run
                self._unclaimed.discard(run_id)
        return run

    def is_unclaimed(self, run_id: str) -> bool:
        """Whether `get` found none last time."""
        return run_id in self._unclaimed

    async def state(self, run: Run) -> RunState:
        """ "Open" may be a second old."""
        if self._is_surely_open(run):
            return RunState.OPEN
        # Items are dequeued together: one of them looks, and the others wait for what it sees. Only "open" is theirs
        # too; where it is anything else each looks for itself, after its own dequeue.
        async with self._turn:
            if self._is_surely_open(run):
                return RunState.OPEN
            now = self._clock.monotonic()
            state, _ = await run_state(self._lake, run.paths)
            if state is RunState.OPEN:
                self._open_until[run.run_id] = now + OPEN_SECONDS
            return state

    async def is_closing(self, run: Run) -> bool:
        """Whether a closing is in force (P7, step 2). Where a sweep fences, this is read from the lake each time;
        elsewhere an object may land late in any case, and all publications of a second share one look."""
        if self._lake.capabilities.sweep_fences:
            return await closing_in_force(self._lake, run.paths) is not None
        return await self.state(run) is not RunState.OPEN

    def _is_surely_open(self, run: Run) -> bool:
        now = self._clock.monotonic()
        return now < self._open_until.get(run.run_id, now)
