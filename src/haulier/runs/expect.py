"""`expect`: what the API says that a run should hold, asked after the seal and again after the last item ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from haulier.clock import Clock
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.records import ExpectRecord, decode_record, encode_record
from haulier.runs.run import Run

Expect = Callable[[], Awaitable[int]]
"""Asks the API how many records the run should hold now."""


async def ask_expect(lake: Lake, run: Run, clock: Clock, when: str, expect: Expect) -> ExpectRecord:
    """Ask for ``before`` or ``after`` unless it stands already. Returns what stands."""
    path = run.paths.expect(when)
    standing = await _read(lake, path)
    if standing is not None:
        return standing
    record = ExpectRecord(count=await expect(), asked_at=clock.now())
    await lake.create(path, encode_record(record))
    return await _read(lake, path) or record


async def is_expect_missing(lake: Lake, run: Run) -> bool:
    """Whether closing this run needs a process that has the API."""
    return run.file.has_expect and not await lake.exists(run.paths.expect("after"))


async def expected_range(lake: Lake, paths: RunPaths) -> tuple[int, int] | None:
    """The least and the most records that the API promised: a live API grows while it is read."""
    standing = [await _read(lake, paths.expect(when)) for when in ("before", "after")]
    counts = [record.count for record in standing if record is not None]
    return (min(counts), max(counts)) if counts else None


async def _read(lake: Lake, path: str) -> ExpectRecord | None:
    body = await lake.read(path)
    return None if body is None else decode_record(ExpectRecord, body, path)
