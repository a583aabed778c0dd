"""What becomes of items under way whose run was closed: a person cancelled or superseded it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from haulier.clock import Clock
from haulier.errors import HaulierError
from haulier.worker.run_cache import RunCache

LOOK_SECONDS = 5.0
"""An item may take an hour, and nobody wants its records any more. A look reads a few names."""


async def drop_closed(attempts: Mapping[asyncio.Task[None], str | None], run_cache: RunCache, clock: Clock) -> None:
    """Cancel attempts at items of closed runs, which hands their messages back: whoever takes one completes it."""
    while True:
        await clock.sleep(LOOK_SECONDS)
        for run_id in {run_id for run_id in attempts.values() if run_id}:
            with contextlib.suppress(HaulierError):  # Whoever publishes or settles says what fails.
                run = await run_cache.get(run_id)
                if run is not None and (await run_cache.state(run)).is_closed:
                    for task in [task for task, of in attempts.items() if of == run_id]:
                        task.cancel()
