"""How long a worker waits for a run that it may work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from haulier.app.open_source import OpenSource
from haulier.cli.durations import duration_text
from haulier.errors import HaulierError
from haulier.runs.run import Run, list_runs
from haulier.runs.state import open_runs
from haulier.worker.loop import Worker

LOOK_SECONDS = 10.0
LOOKS_WITHIN = 4
"""A short wait is looked at so often."""
LONGEST_PLAN = timedelta(hours=6)
"""A plan that is older without a seal was cut off: whoever enqueues next goes on with it."""


@contextlib.asynccontextmanager
async def leaving_without_run(
    source: OpenSource, worker: Worker, seconds: float, tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Once no run was open, or being planned, for so long, the worker leaves when it is idle."""
    waiting = asyncio.create_task(_wait(source, worker, seconds, tell))
    try:
        yield
    finally:
        waiting.cancel()


async def _wait(source: OpenSource, worker: Worker, seconds: float, tell: Callable[[str], None]) -> None:
    clock, look_seconds = source.clock, max(LOOK_SECONDS, source.lake.capabilities.look_seconds)
    awaited_at = clock.monotonic()
    while clock.monotonic() - awaited_at < seconds:
        await clock.sleep(min(look_seconds, seconds / LOOKS_WITHIN))
        if await _has_run(source):
            awaited_at = clock.monotonic()
    tell(f"No run was open for {duration_text(seconds)}: this worker leaves.")
    worker.exit_when_idle()


async def _has_run(source: OpenSource) -> bool:
    try:
        runs = await open_runs(source.lake, await list_runs(source.lake, source.app.name))
        return any([await _is_to_be_worked(source, run) for run in runs])
    except HaulierError:
        return True  # The worker itself waits for a lake that does not answer, or says what is wrong with it.


async def _is_to_be_worked(source: OpenSource, run: Run) -> bool:
    age = abs(source.clock.now() - run.file.created_at)
    return age < LONGEST_PLAN or await source.lake.exists(run.paths.seal)
