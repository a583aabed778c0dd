"""The one log line of a run that was closed: an error where it is partial, for an alert to watch."""

from __future__ import annotations

import logging

import msgspec

from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run

logger = logging.getLogger("haulier.verdict")

EVENT = "a run was closed"


def log_verdict(run: Run, verdict: VerdictRecord) -> None:
    """The closer that wrote the verdict says it. One that is killed in between says nothing: what hears of each verdict
    surely is ``on_close`` (C10)."""
    if verdict.verdict == "abandoned":
        return  # The run is open again.
    fields: dict[str, object] = {
        "run_id": run.run_id,
        "source": run.file.source,
        "mode": run.file.mode,
        "verdict": verdict.verdict,
        "seconds": round((verdict.closed_at - run.file.created_at).total_seconds(), 3),
    }
    if verdict.verdict in ("complete", "partial"):  # What others wrote was not counted.
        fields |= {"reasons": verdict.reasons, "totals": msgspec.to_builtins(verdict.totals)}
    logger.log(logging.ERROR if verdict.verdict == "partial" else logging.INFO, EVENT, extra=fields)
