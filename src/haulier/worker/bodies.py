"""Keeps unreadable answers for a person to look at."""

from __future__ import annotations

from haulier.api.errors import ApiError
from haulier.lake.seam import Lake
from haulier.runs.run import Run

MAX_BODIES = 100
"""Answers of one run, about: at 64 KiB each they stay below the size of one object."""


async def keep_body(lake: Lake, run: Run, key: str, number: int, error: Exception | None) -> str:
    """Returns the path; empty where there is no answer, or no room.

    Redacted and cut (`ApiError.body`). The first answer of a key and number stays.
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
