"""The counts that the API promises (`expect`): asked after the seal, and after the last item ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Literal

from haulier.clock import Clock
from haulier.errors import HaulierError, LakeUnavailableError
from haulier.lake.seam import Lake
from haulier.runs.records import ExpectRecord, Totals, decode_record, encode_record
from haulier.runs.run import Run

Expect = Callable[[Run], Awaitable[Mapping[str, int]]]
"""Returns the API's count of each stream of a run; streams without a count are absent."""

When = Literal["before", "after"]


async def ask_expect(lake: Lake, run: Run, clock: Clock, when: When, expect: Expect) -> ExpectRecord:
    """Ask for ``before`` or ``after`` unless it is recorded.

    Where asking fails, another process's record is taken: its request may have been the last one allowed.
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
    return run.file.has_expect and not await lake.exists(run.paths.expect("after"))


async def expected_range(lake: Lake, run: Run) -> dict[str, tuple[int, int]]:
    """By stream, the least and the most that were promised: a live API grows while it is read."""
    counts: dict[str, list[int]] = {}
    for when in ("before", "after"):
        standing = await _read(lake, run, when)
        for stream, count in (standing.counts if standing is not None else {}).items():
            counts.setdefault(stream, []).append(count)
    return {stream: (min(found), max(found)) for stream, found in counts.items()}


def records_off(
    expected: Mapping[str, tuple[int, int]],
    streams: Mapping[str, int],
    totals: Totals,
    skipped: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """Return the number of records too many or too few (reason ``count``).

    Too few count only where no item is poisoned, damaged or discarded: the verdict names those, and a discard does not
    hold back ``complete``. The API counts ``skipped`` rows, by stream, or it does not: one of both must fit.
    """
    off = 0
    is_whole = not (totals.poisoned or totals.damaged or totals.discarded)
    for stream, (least, most) in expected.items():
        records = streams.get(stream, 0)
        counts = {records, records + skipped.get(stream, 0)}
        off += min(max(0, count - most) + (max(0, least - count) if is_whole else 0) for count in counts)
    return off


async def _read(lake: Lake, run: Run, when: str) -> ExpectRecord | None:
    path = run.paths.expect(when)
    body = await lake.read(path)
    return None if body is None else decode_record(ExpectRecord, body, path)
