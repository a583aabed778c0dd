"""`expect`: what the API says that a run should hold, asked after the seal and again after the last item ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from haulier.clock import Clock
from haulier.errors import HaulierError, LakeUnavailableError
from haulier.lake.seam import Lake
from haulier.runs.records import ExpectRecord, Totals, decode_record, encode_record
from haulier.runs.run import Run

Expect = Callable[[Run], Awaitable[Mapping[str, int]]]
"""Asks the API how many records of each stream of a run it holds now. A stream that promises no count is left out."""

When = Literal["before", "after"]


async def ask_expect(lake: Lake, run: Run, clock: Clock, when: When, expect: Expect) -> ExpectRecord:
    """Ask for ``before`` or ``after`` unless it stands already. Returns what stands.

    Where asking fails, the answer that another process was given meanwhile will do: it may have sent the last request
    that the run was allowed.
    """
    standing = await _read(lake, run, when)
    if standing is not None:
        return standing
    try:
        record = ExpectRecord(counts=dict(await expect(run)), asked_at=clock.now())
    except HaulierError:
        if (standing := await _read(lake, run, when)) is None:
            raise
        return standing
    if await lake.create(run.paths.expect(when), encode_record(record)):
        return record
    standing = await _read(lake, run, when)
    if standing is None:
        raise LakeUnavailableError(f"{run.paths.expect(when)} exists in the lake, but cannot be read")
    return standing


async def is_expect_missing(lake: Lake, run: Run) -> bool:
    """Whether closing this run needs a process that has the API."""
    return run.file.has_expect and not await lake.exists(run.paths.expect("after"))


async def expected_range(lake: Lake, run: Run) -> dict[str, tuple[int, int]]:
    """The least and the most records that the API promised, by stream: a live API grows while it is read."""
    counts: dict[str, list[int]] = {}
    for when in ("before", "after"):
        standing = await _read(lake, run, when)
        for stream, count in (standing.counts if standing is not None else {}).items():
            counts.setdefault(stream, []).append(count)
    return {stream: (min(found), max(found)) for stream, found in counts.items()}


def records_off(expected: Mapping[str, tuple[int, int]], streams: Mapping[str, int], totals: Totals) -> int:
    """By how many records a run misses what was promised (reason ``count``).

    Too many are always too many. Too few count only where every item ended with its records: what is poisoned, damaged
    or discarded is missing for a reason that the verdict names already, and a discard does not hold back ``complete``.
    """
    off = 0
    is_whole = not (totals.poisoned or totals.damaged or totals.discarded)
    for stream, (least, most) in expected.items():
        records = streams.get(stream, 0)
        off += max(0, records - most) + (max(0, least - records) if is_whole else 0)
    return off


async def _read(lake: Lake, run: Run, when: str) -> ExpectRecord | None:
    path = run.paths.expect(when)
    body = await lake.read(path)
    return None if body is None else decode_record(ExpectRecord, body, path)
