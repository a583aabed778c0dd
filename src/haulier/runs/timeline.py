"""A run over time: from its records while it is open, kept in its closing afterwards. Nothing is decided by it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from haulier.clock import Clock
from haulier.lake.seam import Lake
from haulier.runs.endings import read_endings
from haulier.runs.ledger import Ledger
from haulier.runs.records import Record, decode_record, encode_record
from haulier.runs.run import Run
from haulier.runs.state import closing_in_force

TIMELINE_NAME: Final = "timeline.json"


class Timeline(Record, frozen=True, kw_only=True, omit_defaults=False):
    """``closings/<n>/timeline.json``. The lists are of equal length, with an element for each step of time.

    Items that are divided, and what failed attempts took, are not in it. Those that are still under way are not yet.
    """

    run_id: str
    began_at: datetime
    """When the run was claimed."""
    step_seconds: int
    at: tuple[int, ...] = ()
    """Seconds after ``began_at`` at which each step begins. Where one is more than a step behind the one before, a long
    pause was cut out, such as that before a redrive."""
    items: tuple[int, ...] = ()
    """Items that ended: with records, without, or poisoned."""
    poison: tuple[int, ...] = ()
    """Of these, the poisoned ones. An item that was redriven ends twice."""
    records: tuple[int, ...] = ()
    bytes: tuple[int, ...] = ()
    """As stored, compressed."""
    requests: tuple[int, ...] = ()
    """Of the attempts that ended items well."""
    item_seconds: tuple[float, ...] = ()
    """How long items took, added up: by ``measured`` it is the time of one."""
    measured: tuple[int, ...] = ()
    """Items whose time is known: neither poisoned, nor found in the lake by a closing."""
    under_way: tuple[float, ...] = ()
    """Items under way during the step, on average, however late they ended."""
    untimed: int = 0
    """Items that ended and are not in the lists, since an older version wrote them down without a time."""
    sampled: float = 1.0
    """Where many items had no records, the times of some are read, and each stands for so many."""


async def read_timeline(lake: Lake, clock: Clock, run: Run, ledger: Ledger | None = None) -> Timeline:
    """Read what the closing in force has kept. Else fold the records: with the ``ledger`` of an earlier look that costs
    what is new. Without a plan there is nothing to show."""
    closing = await closing_in_force(lake, run.paths)
    verdict = None if closing is None else closing.verdict
    if verdict is not None:
        path = run.paths.closing(verdict.number, TIMELINE_NAME)
        body = await lake.read(path)
        if body is not None:
            return decode_record(Timeline, body, path)
    folded = ledger or Ledger(lake, run.paths)
    try:
        await folded.refresh()
        last = clock.now() if verdict is None else verdict.closed_at
        return await _fold(lake, run, folded, last, is_open=closing is None)
    finally:
        if ledger is None:
            folded.close()


async def keep_timeline(lake: Lake, clock: Clock, run: Run, ledger: Ledger, number: int) -> None:
    """Whoever closes first keeps it. The ledger has folded the run."""
    path = run.paths.closing(number, TIMELINE_NAME)
    if not await lake.exists(path):
        await lake.create(path, encode_record(await _fold(lake, run, ledger, clock.now(), is_open=False)))


async def _fold(lake: Lake, run: Run, ledger: Ledger, last: datetime, *, is_open: bool) -> Timeline:
    endings = await read_endings(lake, run, ledger, run.seconds_at(last), is_open=is_open)
    axis, buckets = endings.axis, endings.buckets
    return Timeline(
        run_id=run.run_id,
        began_at=run.file.created_at,
        step_seconds=axis.step_seconds,
        at=tuple(number * axis.step_seconds for number in axis.buckets),
        items=tuple(round(bucket.items) for bucket in buckets),
        poison=tuple(round(bucket.poison) for bucket in buckets),
        records=tuple(round(bucket.records) for bucket in buckets),
        bytes=tuple(round(bucket.bytes) for bucket in buckets),
        requests=tuple(round(bucket.requests) for bucket in buckets),
        item_seconds=tuple(round(bucket.item_seconds, 1) for bucket in buckets),
        measured=tuple(round(bucket.measured) for bucket in buckets),
        under_way=tuple(round(bucket.busy_seconds / axis.step_seconds, 2) for bucket in buckets),
        untimed=endings.untimed,
        sampled=round(endings.sampled, 2),
    )
