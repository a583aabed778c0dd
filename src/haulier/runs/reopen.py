"""Reopening of a partial run (C7), for redrives and discards."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.errors import UsageError
from haulier.runs.closing import Closer
from haulier.runs.records import ReopenedRecord, VerdictRecord, encode_record
from haulier.runs.run import Run
from haulier.runs.state import FINAL_VERDICTS, Closing, closing_in_force


@dataclass(frozen=True)
class Decision:
    """Whose it is, and why: kept with each record of it."""

    by: str = ""
    why: str = ""


UNEXPLAINED = Decision()


async def standing_verdict(closer: Closer, run: Run) -> VerdictRecord | None:
    """Finish an unfinished closing first. None for an open run."""
    while (closing := await closing_in_force(closer.lake, run.paths)) is not None:
        if closing.verdict is not None:
            return closing.verdict
        if await closer.close(run) is None and await _is_stuck(closer, run, closing):
            raise UsageError(
                f"Run {run.run_id} is being closed, and the API is needed for that: run `haulier work SOURCE` first."
            )
    return None


async def require_open_or_partial(closer: Closer, run: Run) -> None:
    """Raises `UsageError` after a final verdict."""
    _refuse(run, await standing_verdict(closer, run))


async def refuse_final(closer: Closer, run: Run) -> None:
    """The same, and an unfinished closing is left as it is."""
    closing = await closing_in_force(closer.lake, run.paths)
    _refuse(run, None if closing is None else closing.verdict)


def _refuse(run: Run, verdict: VerdictRecord | None) -> None:
    if verdict is not None and verdict.verdict in FINAL_VERDICTS:
        raise UsageError(
            f"Run {run.run_id} is {verdict.verdict}, which is final: its poison stays as it is. "
            f"`{run.command}` starts a new run."
        )


async def reopen(closer: Closer, run: Run, number: int) -> None:
    """Lift a partial closing; whoever finds the run drained opens the next one."""
    record = ReopenedRecord(number=number, by=closer.name, reopened_at=closer.clock.now())
    await closer.lake.create(run.paths.closing(number, "reopened"), encode_record(record))


async def _is_stuck(closer: Closer, run: Run, before: Closing) -> bool:
    now = await closing_in_force(closer.lake, run.paths)
    return now is not None and now.verdict is None and now.number == before.number
