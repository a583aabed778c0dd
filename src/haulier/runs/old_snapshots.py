"""Which snapshots nobody needs any more: a decision, without a lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from haulier.runs.run import Run
from haulier.runs.state import RunState

SETTLED_AFTER = timedelta(minutes=10)
"""A worker of a run that was cancelled a moment ago may still be putting an object, or looking for one."""

LEFT = "left"
"""Why something is removed once more: by an earlier removal."""


@dataclass(frozen=True)
class SeenRun:
    run: Run
    state: RunState
    closed_at: datetime | None
    records: Mapping[str, int]
    removed: Collection[str]
    """Its streams whose removal was begun, if only that."""
    discarded: int = 0


@dataclass(frozen=True)
class OldSnapshot:
    """One stream of one run."""

    run: Run
    stream: str
    why: str


def old_snapshots(seen: Iterable[SeenRun], keep: int, now: datetime) -> list[OldSnapshot]:
    """Oldest first: full snapshots beyond the ``keep`` newest complete ones of their stream, full runs that were
    superseded or cancelled, trials, and what an earlier removal left.

    Never anything of a run that is open, closing or partial, nor of an incremental one: each increment is needed.
    """
    kept: Counter[str] = Counter()
    old = []
    for each in sorted(seen, key=lambda each: (each.run.file.snapshot_time, each.run.run_id), reverse=True):
        for stream in each.run.file.streams:
            if stream in each.removed:
                old.append(OldSnapshot(each.run, stream, LEFT))
            elif why := _why(each, now):
                old.append(OldSnapshot(each.run, stream, why))
            elif each.run.file.mode == "full" and each.state is RunState.COMPLETE:
                if kept[stream] >= keep:
                    old.append(OldSnapshot(each.run, stream, "old"))
                # An API that suddenly shows nothing must not push out what it showed before, nor must a snapshot that
                # lacks what its discarded items would have brought.
                kept[stream] += each.records.get(stream, 0) > 0 and not each.discarded
    return old[::-1]


def unsettled(seen: Iterable[SeenRun], now: datetime) -> list[str]:
    """Runs that are left for now, since they were superseded or cancelled a moment ago."""
    return [each.run.run_id for each in seen if _is_ended(each) and not _is_settled(each, now)]


def _why(each: SeenRun, now: datetime) -> str:
    """Why it never was a snapshot; empty if it was, or may become one."""
    if _is_ended(each) and _is_settled(each, now):
        return str(each.state.value)
    return "trial" if each.run.file.mode == "trial" and each.state is RunState.COMPLETE else ""


def _is_ended(each: SeenRun) -> bool:
    return each.run.file.mode in ("full", "trial") and each.state in (RunState.SUPERSEDED, RunState.CANCELLED)


def _is_settled(each: SeenRun, now: datetime) -> bool:
    return each.closed_at is not None and now - each.closed_at >= SETTLED_AFTER
