"""Incremental runs for whoever merges them into a table: which are there, and which an earlier look has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from haulier.lake.seam import Lake
from haulier.runs.newest_runs import CLOCKS_APART, newest_first
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run
from haulier.runs.state import RunState

IsWanted = Callable[[Run, VerdictRecord], bool]


@dataclass
class Increments:
    """Oldest first."""

    closed: list[tuple[Run, VerdictRecord]] = field(default_factory=list)
    """Complete ones and partial ones: what a partial one has, no later run reads again."""
    under_way: list[Run] = field(default_factory=list)
    """Their records come when they are closed, those of a reopened one again."""


async def find_increments(lake: Lake, source: str, stream: str, is_wanted: IsWanted) -> Increments:
    found = Increments()
    async for run, state, verdict in newest_first(lake, source, "incremental"):
        if stream not in run.file.streams:
            continue
        if not state.is_closed:
            found.under_way.insert(0, run)
        elif state in (RunState.COMPLETE, RunState.PARTIAL) and verdict is not None and is_wanted(run, verdict):
            found.closed.insert(0, (run, verdict))
    return found


def everything(run: Run, verdict: VerdictRecord) -> bool:
    """As `IsWanted`."""
    return True


def closed_since(moment: datetime) -> IsWanted:
    return lambda run, verdict: verdict.closed_at >= moment


def after_full(full: Run) -> IsWanted:
    """What the full run may not have seen. All that an increment read which was closed before, the full run read
    later. Too many increments cost a reader time, and one too few costs it records."""
    return closed_since(full.file.snapshot_time - CLOCKS_APART)


def after_increment(since: Run) -> IsWanted:
    """What a reader may lack who has the increment ``since`` and all that was there with it: later ones, older ones
    that were still open when it was claimed, and those that were reopened and closed anew.

    The reader may have looked as soon as it was claimed: when it was closed, perhaps anew since, tells nothing.
    """
    claimed_at = since.file.created_at - CLOCKS_APART

    def is_wanted(run: Run, verdict: VerdictRecord) -> bool:
        if run.run_id == since.run_id and verdict.number == 1:
            return False
        return run.file.snapshot_time > since.file.snapshot_time or verdict.closed_at > claimed_at

    return is_wanted
