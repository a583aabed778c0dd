"""Answers that could not be read, kept as they came, so that a person can see what the API sent."""

from __future__ import annotations

from haulier.api.errors import ApiError
from haulier.lake.seam import Lake
from haulier.runs.run import Run

MAX_BODIES = 100
"""Of one run, about: some of what was poisoned, and of what made the API's bad hour plain. With 64 KiB each they stay
below the size of one object."""


async def keep_body(lake: Lake, run: Run, key: str, number: int, error: Exception | None) -> str:
    """Keep the answer behind a failure, and say where it is; empty where there is none, or no room left.

    Redacted and cut (`ApiError.body`). Create-only: the first answer of a key and number stays, and its path is told
    again.
    """
    if not isinstance(error, ApiError) or not error.body:
        return ""
    path = run.paths.body(key, number)
    kept = await lake.names(run.paths.bodies)
    if path.rpartition("/")[2] not in kept:
        if len(kept) >= MAX_BODIES:
            return ""
        await lake.create(path, error.body)
    return path
