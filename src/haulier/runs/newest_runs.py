"""The newest run: an open one to go on with, a complete one to read."""

from __future__ import annotations

from collections.abc import AsyncIterator

from haulier.lake.paths import runs_root
from haulier.lake.seam import Lake
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run, load_run
from haulier.runs.state import RunState, run_state


async def open_run(lake: Lake, source: str, mode: str, before: Run | None = None) -> Run | None:
    """Return a mode's newest run that is not closed. ``before``: only runs older than that one."""
    async for run in _newest_first(lake, source):
        is_asked_for = before is None or run.file.snapshot_time < before.file.snapshot_time
        if run.file.mode == mode and is_asked_for:
            state, _ = await run_state(lake, run.paths)
            if not state.is_closed:
                return run
    return None


async def newest_run(lake: Lake, source: str, mode: str | None) -> Run | None:
    async for run in _newest_first(lake, source):
        if mode in (None, run.file.mode):
            return run
    return None


async def latest_complete(lake: Lake, source: str, stream: str) -> tuple[Run, VerdictRecord] | None:
    async for run in _newest_first(lake, source):
        if stream in run.file.streams:
            state, verdict = await run_state(lake, run.paths)
            if state is RunState.COMPLETE and verdict is not None:
                return run, verdict
    return None


async def _newest_first(lake: Lake, source: str) -> AsyncIterator[Run]:
    """Each is read only when it is asked for."""
    names = await lake.names(runs_root(source))
    for name in sorted(names, key=lambda name: (name.rpartition("-")[2], name), reverse=True):
        run = await load_run(lake, source, name)
        if run is not None:
            yield run
