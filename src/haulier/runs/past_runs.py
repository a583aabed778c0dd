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
from haulier.runs.state import FINAL_VERDICTS, RunState, run_state

MOST_LEDGERS = 4
"""Open runs that are remembered between two looks: each takes a scratch file, and up to 16 MB of memory."""
MOST_VERDICTS = 600
"""Final ones that are remembered: those of the lists of all three modes."""


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


class PastRunsReader:
    """Looks again and again: of an open run, a further look costs what is new."""

    def __init__(self, lake: Lake, clock: Clock, source: str) -> None:
        self._lake = lake
        self._clock = clock
        self._source = source
        self._ledgers: dict[str, Ledger] = {}
        self._final: dict[str, tuple[RunState, VerdictRecord | None]] = {}

    async def look(self, mode: str | None, most: int) -> list[PastRun]:
        """That which was claimed last comes first; an open run is counted as far as it has come."""
        runs = await newest_claimed(self._lake, self._source, most, mode)
        states = dict(await run_each(self._state, runs, self._lake.capabilities.in_flight))
        for run_id in [run_id for run_id in self._ledgers if run_id in states and states[run_id][0].is_closed]:
            self._ledgers.pop(run_id).close()
        while len(self._final) > MOST_VERDICTS:
            self._final.pop(next(iter(self._final)))
        return [await self._past_run(run, *states[run.run_id]) for run in runs]

    def close(self) -> None:
        for ledger in self._ledgers.values():
            ledger.close()
        self._ledgers.clear()

    async def _state(self, run: Run) -> tuple[str, tuple[RunState, VerdictRecord | None]]:
        state, verdict = self._final.get(run.run_id) or await run_state(self._lake, run.paths)
        if state.value in FINAL_VERDICTS:
            self._final[run.run_id] = state, verdict
        return run.run_id, (state, verdict)

    async def _past_run(self, run: Run, state: RunState, verdict: VerdictRecord | None) -> PastRun:
        is_counted = verdict is not None and state in (RunState.COMPLETE, RunState.PARTIAL)
        figures = None
        if verdict is not None and is_counted:
            totals = msgspec.to_builtins(verdict.totals)
            figures = msgspec.convert(totals, RunFigures)
        elif state in (RunState.OPEN, RunState.CLOSING):
            figures = await self._figures_so_far(run)
        ended_at = self._clock.now() if verdict is None else verdict.closed_at
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
            removed=() if verdict is None else tuple(await removed_streams(self._lake, run)),
            figures=figures,
        )

    async def _figures_so_far(self, run: Run) -> RunFigures:
        ledger = self._ledgers.pop(run.run_id, None) or Ledger(self._lake, run.paths)
        try:
            await ledger.refresh()
            figures = msgspec.convert(await ledger.progress(), RunFigures, from_attributes=True)
        finally:
            self._keep(run.run_id, ledger)
        return figures

    def _keep(self, run_id: str, ledger: Ledger) -> None:
        self._ledgers[run_id] = ledger
        while len(self._ledgers) > MOST_LEDGERS:
            self._ledgers.pop(next(iter(self._ledgers))).close()


async def past_runs(lake: Lake, clock: Clock, source: str, mode: str | None, most: int) -> list[PastRun]:
    """One look."""
    reader = PastRunsReader(lake, clock, source)
    try:
        return await reader.look(mode, most)
    finally:
        reader.close()


def _document(run: PastRun) -> dict[str, object]:
    """The figures stand beside the rest, each null where nobody counted."""
    document: dict[str, object] = msgspec.to_builtins(run)
    figures = document.pop("figures")
    if not isinstance(figures, dict):
        figures = dict.fromkeys(RunFigures.__struct_fields__)
    return document | figures
