"""Signs that a plan is being made. Who fails before the seal gives none any more."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from haulier.clock import Clock
from haulier.errors import HaulierError
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake

SIGN_SECONDS = 60.0
"""A shorter plan writes none; an hour of planning writes sixty empty files."""
LOST_SECONDS = 1_800.0
"""After so long without a sign or a new shard nobody plans any more. An enumerator that blocks its event loop gives
none meanwhile."""


@contextlib.asynccontextmanager
async def giving_signs(lake: Lake, paths: RunPaths, clock: Clock, attempt: str) -> AsyncIterator[None]:
    signing = asyncio.ensure_future(_give_signs(lake, paths, clock, attempt))
    try:
        yield
    finally:
        signing.cancel()
        await asyncio.wait([signing])


async def _give_signs(lake: Lake, paths: RunPaths, clock: Clock, attempt: str) -> None:
    for number in itertools.count(1):
        await clock.sleep(SIGN_SECONDS)
        with contextlib.suppress(HaulierError):  # The plan itself says what fails.
            await lake.create(paths.planning(attempt, number), b"{}\n")


class PlanningRun:
    """Whether somebody still plans a run, by what appears in the lake while this process looks at it."""

    def __init__(self, lake: Lake, paths: RunPaths, claimed_at: float) -> None:
        self._lake = lake
        self._paths = paths
        self._files: int | None = None
        self._signed_at = claimed_at

    async def is_alive(self, now: float) -> bool:
        """``now`` and ``claimed_at`` are monotonic times: clocks of machines differ."""
        files = sum([len(found) async for found in self._lake.walk(self._paths.plans)])
        if self._files is not None and files != self._files:
            self._signed_at = now
        self._files = files
        return now - self._signed_at < LOST_SECONDS
