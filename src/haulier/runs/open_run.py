"""What is done for a run only while it is open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

from haulier.clock import Clock
from haulier.errors import RunEndedError, UnavailableError
from haulier.lake.seam import Lake
from haulier.runs.run import Run
from haulier.runs.state import run_state

T = TypeVar("T")

LOOK_SECONDS = 5.0
"""A plan may take an hour, or wait at the gate for a person. A look reads a few names."""


async def require_open(lake: Lake, run: Run) -> None:
    """Raises `RunEndedError` where it is closed."""
    state, _ = await run_state(lake, run.paths)
    if state.is_closed:
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
