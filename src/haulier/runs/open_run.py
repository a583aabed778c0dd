"""What is done for a run only while nobody ended it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

from haulier.clock import Clock
from haulier.errors import RunEndedError, UnavailableError
from haulier.lake.seam import Lake
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state

T = TypeVar("T")

LOOK_SECONDS = 5.0
"""A plan may take an hour, or wait at the gate for a person. A look reads a few names."""


async def require_open(lake: Lake, run: Run) -> None:
    """Raises `RunEndedError` where a person or a newer run ended it. One that is complete or partial was sent whole: a
    worker beside may close a short one at once."""
    state, _ = await run_state(lake, run.paths)
    if state in (RunState.SUPERSEDED, RunState.CANCELLED):
        raise RunEndedError(f"Run {run.run_id} was closed meanwhile: it is {state.value}. Nothing more of it is sent.")


async def while_open(lake: Lake, clock: Clock, run: Run, work: Awaitable[T]) -> T:
    """Await ``work``, and cancel it within seconds of the end of the run. Raises `RunEndedError` then."""
    try:
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(_look(lake, clock, run))
            result = await work
            looking.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return result


async def _look(lake: Lake, clock: Clock, run: Run) -> None:
    while True:
        await clock.sleep(LOOK_SECONDS)
        with contextlib.suppress(UnavailableError):  # The work itself says what fails.
            await require_open(lake, run)
