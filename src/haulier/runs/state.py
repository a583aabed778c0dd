"""The state of a run, read from its closings (docs/protocol.md#terms). "Closed" is never cached."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import VerdictRecord, decode_record
from haulier.runs.run import Run

FINAL_VERDICTS = frozenset({"complete", "superseded", "cancelled"})
"""A run never changes after these. Only a partial run can be reopened (C7)."""


class RunState(enum.Enum):
    """The values stay, since ``status --json`` prints them."""

    PLANNING = "planning"
    OPEN = "open"
    CLOSING = "closing"
    COMPLETE = "complete"
    PARTIAL = "partial"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        return self not in (RunState.PLANNING, RunState.OPEN, RunState.CLOSING)


@dataclass(frozen=True)
class Closing:
    """A numbered closing."""

    number: int
    is_reopened: bool
    verdict: VerdictRecord | None

    @property
    def is_in_force(self) -> bool:
        """Whether it is neither reopened nor ``abandoned``. A verdict does not lift it."""
        return not self.is_reopened and (self.verdict is None or self.verdict.verdict != "abandoned")


async def newest_closing(lake: Lake, paths: RunPaths) -> Closing | None:
    """Only a closing with ``opened`` counts."""
    names = await lake.names(paths.folder("closings"))
    for number in sorted((int(name) for name in names if name.isdecimal()), reverse=True):
        names = await lake.names(f"{paths.folder('closings')}/{number:04d}")
        if "opened" not in names:
            continue  # Its creator stopped between making the folder and the file in it.
        verdict = None
        if "verdict" in names:
            path = paths.closing(number, "verdict")
            body = await lake.read(path)
            verdict = None if body is None else decode_record(VerdictRecord, body, path)
        return Closing(number, "reopened" in names, verdict)
    return None


async def open_runs(lake: Lake, runs: Iterable[Run]) -> list[Run]:
    """Pick those that are not closed, in their order."""

    async def state_of(run: Run) -> tuple[str, RunState]:
        return run.run_id, (await run_state(lake, run.paths))[0]

    runs = list(runs)
    states = dict(await run_each(state_of, runs, lake.capabilities.in_flight))
    return [run for run in runs if not states[run.run_id].is_closed]


async def closing_in_force(lake: Lake, paths: RunPaths) -> Closing | None:
    """Only the newest can be: C1 opens n+1 only where n is lifted."""
    newest = await newest_closing(lake, paths)
    return newest if newest is not None and newest.is_in_force else None


async def run_state(lake: Lake, paths: RunPaths) -> tuple[RunState, VerdictRecord | None]:
    """Also returns the verdict in force."""
    closing = await closing_in_force(lake, paths)
    if closing is not None and closing.verdict is not None:
        return RunState(closing.verdict.verdict), closing.verdict
    if closing is not None:
        return RunState.CLOSING, None
    return (RunState.OPEN if await lake.exists(paths.seal) else RunState.PLANNING), None
