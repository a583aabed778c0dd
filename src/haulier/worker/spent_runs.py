"""When a worker stops for runs that have sent all of their ``max_requests``: only where nothing else is left to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from haulier.errors import HaulierError, RunSpentError
from haulier.worker.watch import Watch
from haulier.worker.worker_state import WorkerState

LOOK_SECONDS = 0.5


Attempts = Mapping[asyncio.Task[None], str | None]
"""Those under way, as `haulier.worker.loop` keeps them: each with the run of its message."""


async def stop_when_spent(attempts: Attempts, state: WorkerState, watch: Watch) -> None:
    while not state.stop.event.is_set():
        await state.deps.clock.sleep(max(LOOK_SECONDS, watch.look_seconds))
        await stop_if_spent(attempts, state, watch)


async def stop_if_spent(attempts: Attempts, state: WorkerState, watch: Watch) -> None:
    """Stop with 2 if that is true of the watched run, or of each that is open."""
    spent: dict[str, RunSpentError] = state.spent | watch.spent
    with contextlib.suppress(HaulierError):  # The next look of the worker itself says what fails.
        error = spent.get(watch.only) if watch.only is not None else await _of_all(spent, attempts, watch)
        if error is not None:
            state.stop.set(2, str(error))


async def _of_all(spent: Mapping[str, RunSpentError], attempts: Attempts, watch: Watch) -> RunSpentError | None:
    if not spent or any(run_id not in spent for run_id in attempts.values() if run_id):
        return None
    open_ids = await watch.open_ids()
    return spent[min(open_ids)] if open_ids and open_ids <= spent.keys() else None
