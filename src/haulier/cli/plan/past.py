"""What the last complete run took, by kind of item, read from its manifest."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import msgspec

from haulier.lake.seam import Lake
from haulier.runs.manifest import read_manifest
from haulier.runs.newest_runs import newest_first
from haulier.runs.plan import read_seal
from haulier.runs.records import ManifestEntry, Seal, VerdictRecord
from haulier.runs.run import Run
from haulier.runs.state import RunState

MOST_RUNS_LOOKED_AT = 16
"""Newest runs of the mode, among which one of the same streams is looked for."""


class KindFigures(msgspec.Struct, kw_only=True):
    """Items of one kind, added up. An empty item took one request at least, and its account has no more of it."""

    stream: str
    entries: int = 0
    done: int = 0
    empty: int = 0
    split: int = 0
    records: int = 0
    bytes: int = 0
    """As stored."""
    requests: int = 0
    squares: float = 0.0
    """Of the requests of each."""
    seconds: float = 0.0
    """Of items with records, which alone have a time here."""
    timed_requests: int = 0
    """Requests of those."""

    def add(self, entry: ManifestEntry) -> None:
        self.entries += 1
        self.done += entry.state == "done"
        self.empty += entry.state == "empty"
        self.split += entry.state == "split"
        requests = max(1, entry.requests) if entry.state in ("done", "empty") else entry.requests
        self.records += entry.records_done
        self.bytes += entry.bytes if entry.state == "done" else 0
        self.requests += requests
        self.squares += requests * requests
        if entry.state == "done" and entry.seconds:
            self.seconds += entry.seconds
            self.timed_requests += requests

    @property
    def spread(self) -> float:
        """The standard deviation of the requests of an item."""
        count = self.done + self.empty
        mean = self.requests / count if count else 0.0
        return math.sqrt(max(0.0, self.squares / count - mean * mean)) if count else 0.0


class PastFigures(msgspec.Struct, kw_only=True):
    run_id: str
    kinds: dict[str, KindFigures] = {}
    seal: Seal | None = None
    """Of its plan, where that is asked for."""

    def of_stream(self, stream: str) -> dict[str, KindFigures]:
        return {kind: figures for kind, figures in self.kinds.items() if figures.stream == stream}


async def past_figures(lake: Lake, source: str, streams: tuple[str, ...], mode: str) -> PastFigures | None:
    """Of the newest complete run of this mode that had just these streams."""
    found = await _last_complete(lake, source, streams, mode)
    if found is None:
        return None
    run, verdict = found
    figures = await added_up(run.run_id, read_manifest(lake, run.paths, verdict.number))
    figures.seal = await read_seal(lake, run.paths)
    return figures


async def requests_an_item(lake: Lake, run: Run) -> float | None:
    """The same for a run that begins, from the verdict alone."""
    found = await _last_complete(lake, run.file.source, run.file.streams, run.plans)
    if found is None:
        return None
    totals = found[1].totals
    items = totals.done + totals.empty
    return (totals.requests + totals.empty) / items if items else None


async def added_up(run_id: str, batches: AsyncIterator[list[ManifestEntry]]) -> PastFigures:
    found = PastFigures(run_id=run_id)
    async for entries in batches:
        for entry in entries:
            kind = entry.key.partition("-")[0]  # A key begins with it (`haulier.items.keys`).
            figures = found.kinds.get(kind)
            if figures is None:
                figures = found.kinds[kind] = KindFigures(stream=entry.stream)
            figures.add(entry)
    return found


async def _last_complete(
    lake: Lake, source: str, streams: tuple[str, ...], mode: str
) -> tuple[Run, VerdictRecord] | None:
    """Runs of other streams may have come between."""
    looked_at = 0
    async for run, state, verdict in newest_first(lake, source, mode):
        if state is RunState.COMPLETE and verdict is not None and run.file.streams == streams:
            return run, verdict
        looked_at += 1
        if looked_at == MOST_RUNS_LOOKED_AT:
            break
    return None
