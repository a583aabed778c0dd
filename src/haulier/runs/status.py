"""The status of a run, from the lake and, where there is one, the queue."""

from __future__ import annotations

from datetime import datetime

import msgspec

from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.expect import is_expect_missing
from haulier.runs.ledger import Ledger, Progress
from haulier.runs.records import Overlaps, ShapeChange, VerdictRecord
from haulier.runs.removal import removed_streams
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state
from haulier.runs.stranded import is_stranded


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Names and states stay, since ``status --json`` prints them."""

    run_id: str
    source: str
    mode: str
    snapshot_time: datetime
    created_at: datetime
    streams: tuple[str, ...]
    state: RunState
    is_stranded: bool = False
    """Items are missing and the queue is empty: `haulier work` or `haulier run` sends them again."""
    needs_api: bool = False
    """A promised count (`expect`) was not asked yet: only `haulier work` and `haulier run` can close it."""
    planned: int = 0
    done: int = 0
    empty: int = 0
    split: int = 0
    poisoned: int = 0
    discarded: int = 0
    damaged: int = 0
    missing: int = 0
    """Items that have not ended. Damage is known of closed runs alone."""
    records: int = 0
    bytes: int = 0
    requests: int = 0
    hidden: int = 0
    """Of a closed run, as the next four: rows that the API counts and does not send."""
    absent: int = 0
    skipped: int = 0
    repeated: int = 0
    drifted: int = 0
    unseen: dict[str, str] = {}
    """By stream of a closed run, the sign of a next page that no page had."""
    shapes: dict[str, ShapeChange] = {}
    """By stream of a closed run, how its records differ from those of the run before."""
    overlaps: Overlaps = {}
    """By stream of a closed incremental run, what was finished before and read once more."""
    feeds_anew: dict[str, int] = {}
    """By stream of a closed incremental run, feeds that were to go on, and were read from their beginning."""
    removed: dict[str, datetime] = {}
    """Streams whose objects `haulier gc` removed, and when."""
    reasons: dict[str, int] = {}
    closed_at: datetime | None = None


async def run_status(lake: Lake, queue: Queue | None, run: Run, ledger: Ledger | None = None) -> RunStatus:
    """Changes nothing. A run with a verdict costs the same at any size; another, with the ledger of an earlier look,
    what is new since."""
    state, verdict = await run_state(lake, run.paths)
    standing = RunStatus(
        run_id=run.run_id,
        source=run.file.source,
        mode=run.file.mode,
        snapshot_time=run.file.snapshot_time,
        created_at=run.file.created_at,
        streams=run.file.streams,
        state=state,
        removed={} if verdict is None else await _removed(lake, run),
        closed_at=None if verdict is None else verdict.closed_at,
    )
    if state is RunState.PLANNING:
        return standing
    if verdict is not None and state in (RunState.COMPLETE, RunState.PARTIAL):
        return _of_verdict(standing, verdict)
    kept = ledger or Ledger(lake, run.paths)
    try:
        stranded = state is RunState.OPEN and queue is not None and await is_stranded(queue, run, kept)
        if not stranded:
            await kept.refresh()
        standing = _of_progress(standing, await kept.progress())
    finally:
        if ledger is None:
            kept.close()
    needs_api = not state.is_closed and await is_expect_missing(lake, run)
    return msgspec.structs.replace(standing, is_stranded=stranded, needs_api=needs_api)


async def _removed(lake: Lake, run: Run) -> dict[str, datetime]:
    return {stream: record.removed_at for stream, record in (await removed_streams(lake, run)).items()}


def _of_verdict(standing: RunStatus, verdict: VerdictRecord) -> RunStatus:
    totals = verdict.totals
    return msgspec.structs.replace(
        standing,
        planned=totals.planned,
        done=totals.done,
        empty=totals.empty,
        split=totals.split,
        poisoned=totals.poisoned,
        discarded=totals.discarded,
        damaged=totals.damaged,
        records=totals.records,
        bytes=totals.bytes,
        requests=totals.requests,
        hidden=totals.hidden,
        absent=totals.absent,
        skipped=totals.skipped,
        repeated=totals.repeated,
        drifted=totals.drifted,
        reasons=verdict.reasons,
        unseen=verdict.unseen,
        shapes=verdict.shapes,
        overlaps=verdict.overlaps,
        feeds_anew=verdict.feeds_anew,
    )


def _of_progress(standing: RunStatus, progress: Progress) -> RunStatus:
    return msgspec.structs.replace(
        standing,
        planned=progress.planned,
        done=progress.done,
        empty=progress.empty,
        split=progress.split,
        poisoned=progress.poisoned,
        discarded=progress.discarded,
        missing=progress.missing,
        records=progress.records,
        bytes=progress.bytes,
        requests=progress.requests,
    )
