"""The runs of a source, for a person who compares nights."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from haulier.clock import Clock
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.newest_runs import newest_claimed
from haulier.runs.records import VerdictRecord
from haulier.runs.removal import removed_streams
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Items by state, and sums."""

    planned: int = 0
    done: int = 0
    empty: int = 0
    split: int = 0
    poisoned: int = 0
    discarded: int = 0
    damaged: int = 0
    missing: int = 0
    records: int = 0
    bytes: int = 0
    requests: int = 0


class PastRun(msgspec.Struct, frozen=True, kw_only=True):
    """Names stay, since ``runs --json`` prints them."""

    run_id: str
    mode: str
    snapshot_time: datetime
    created_at: datetime
    closed_at: datetime | None = None
    seconds: float
    """From its start to its verdict, or to now."""
    state: RunState
    reasons: dict[str, int] = {}
    streams: dict[str, int | None]
    """Records by stream, which are counted at the verdict."""
    removed: tuple[str, ...] = ()
    """Streams whose objects `haulier gc` removed."""
    figures: RunFigures | None = None
    """None while it is planned, and where a person closed it: nobody counted it."""


def runs_document(source: str, runs: Iterable[PastRun]) -> dict[str, object]:
    """Build what ``runs --json`` prints."""
    return {"state": "listed", "source": source, "runs": [_document(run) for run in runs]}


async def past_runs(lake: Lake, clock: Clock, source: str, mode: str | None, most: int) -> list[PastRun]:
    """That which was claimed last comes first; an open run is counted as far as it has come."""
    runs = await newest_claimed(lake, source, most, mode)
    states = dict(await run_each(lambda run: _state(lake, run), runs, lake.capabilities.in_flight))
    return [await _past_run(lake, clock, run, *states[run.run_id]) for run in runs]


def _document(run: PastRun) -> dict[str, object]:
    """The figures stand beside the rest, each null where nobody counted."""
    document: dict[str, object] = msgspec.to_builtins(run)
    figures = document.pop("figures")
    if not isinstance(figures, dict):
        figures = dict.fromkeys(RunFigures.__struct_fields__)
    return document | figures


async def _state(lake: Lake, run: Run) -> tuple[str, tuple[RunState, VerdictRecord | None]]:
    return run.run_id, await run_state(lake, run.paths)


async def _past_run(lake: Lake, clock: Clock, run: Run, state: RunState, verdict: VerdictRecord | None) -> PastRun:
    is_counted = verdict is not None and state in (RunState.COMPLETE, RunState.PARTIAL)
    figures = None
    if verdict is not None and is_counted:
        totals = msgspec.to_builtins(verdict.totals)
        figures = msgspec.convert(totals, RunFigures)
    elif state in (RunState.OPEN, RunState.CLOSING):
        figures = await _figures_so_far(lake, run)
    ended_at = clock.now() if verdict is None else verdict.closed_at
    return PastRun(
        run_id=run.run_id,
        mode=run.file.mode,
        snapshot_time=run.file.snapshot_time,
        created_at=run.file.created_at,
        closed_at=None if verdict is None else verdict.closed_at,
        seconds=round(max(0.0, (ended_at - run.file.created_at).total_seconds()), 1),
        state=state,
        reasons={} if verdict is None else verdict.reasons,
        streams={
            stream: verdict.streams.get(stream, 0) if verdict is not None and is_counted else None
            for stream in run.file.streams
        },
        removed=() if verdict is None else tuple(await removed_streams(lake, run)),
        figures=figures,
    )


async def _figures_so_far(lake: Lake, run: Run) -> RunFigures:
    ledger = Ledger(lake, run.paths)
    try:
        await ledger.refresh()
        return msgspec.convert(await ledger.progress(), RunFigures, from_attributes=True)
    finally:
        ledger.close()
