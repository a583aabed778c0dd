"""What a run took, from its manifest and receipts; of an open run, so far."""

from __future__ import annotations

import msgspec

from haulier.app.open_source import OpenSource
from haulier.cli.plan.past import KindFigures, PastFigures, added_up
from haulier.cli.plan.uncertain import Uncertain, at_least, between, exactly
from haulier.cli.plan.writers import Writers, read_writers
from haulier.lake.names import is_path
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.manifest import ended_entries, read_manifest
from haulier.runs.records import EstimateRecord, OutcomeRecord, decode_record
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state

MOST_OUTCOMES_READ = 2_000
"""Records of empty items that are read for their requests; of more, each counts as one request at least."""


class ActualStream(msgspec.Struct, kw_only=True):
    """Names stay, since ``plan --run --json`` prints them."""

    stream: str
    items: int = 0
    """Done and empty."""
    done: int = 0
    """With records."""
    requests: int = 0
    records: int = 0
    stored_bytes: int = 0
    seconds: float = 0.0
    """Of its items with records together, each from its first request to its object."""


class ActualRun(msgspec.Struct, frozen=True, kw_only=True):
    """Names stay, since ``plan --run --json`` prints them."""

    run_id: str
    state: RunState
    mode: str
    streams: tuple[ActualStream, ...]
    planned: int
    """Items of the plan, and those that came of divided ones, which are not among them."""
    divided: int
    ended: int
    requests: Uncertain
    """Of the attempts that ended in the lake. Those of attempts that failed, and of divided and poisoned items, nobody
    kept."""
    records: int
    stored_bytes: int
    seconds: float
    """From its start to its verdict, or to now."""
    item_seconds: float
    """Of all items with records together."""
    workers: int
    """Processes that brought a record."""
    worker_seconds: Uncertain
    """Low: from the first request of each to its last object. High: each of them as long as the run. Where none
    brought a record, nothing tells who was there."""
    estimated: EstimateRecord | None = None


async def actual_run(source: OpenSource, run: Run) -> ActualRun:
    lake = source.lake
    state, verdict = await run_state(lake, run.paths)
    is_counted = verdict is not None and state in (RunState.COMPLETE, RunState.PARTIAL)
    if verdict is not None and is_counted:
        figures = await added_up(run.run_id, read_manifest(lake, run.paths, verdict.number))
        planned, divided = verdict.totals.planned, verdict.totals.split
    else:
        figures, planned, divided = await _so_far(lake, run)
    kinds = figures.kinds.values()
    streams = {stream: ActualStream(stream=stream) for stream in run.file.streams}
    for kind in kinds:
        # A processor may divide an item into items of a stream that the run was not asked for.
        _add(streams.setdefault(kind.stream, ActualStream(stream=kind.stream)), kind)
    requests = sum(stream.requests for stream in streams.values())
    empty = sum(kind.empty for kind in kinds)
    more = await _requests_of_empty(lake, run, empty)
    requests += (more or empty) - empty
    ended = sum(stream.items for stream in streams.values())
    is_exact = ended == planned and not divided and (more is not None or not empty)
    ended_at = source.clock.now() if verdict is None else verdict.closed_at
    seconds = max(0.0, (ended_at - run.file.created_at).total_seconds())
    writers = await read_writers(lake, run.paths)
    item_seconds = sum(stream.seconds for stream in streams.values())
    return ActualRun(
        run_id=run.run_id,
        state=state,
        mode=run.file.mode,
        streams=tuple(streams.values()),
        planned=planned - divided,
        divided=divided,
        ended=ended,
        requests=exactly(requests) if is_exact else at_least(requests),
        records=sum(stream.records for stream in streams.values()),
        stored_bytes=sum(stream.stored_bytes for stream in streams.values()),
        seconds=seconds,
        item_seconds=item_seconds,
        workers=writers.workers,
        worker_seconds=_worker_seconds(source, seconds if ended else 0.0, item_seconds, writers),
        estimated=await _estimated(lake, run),
    )


def _add(stream: ActualStream, figures: KindFigures) -> None:
    stream.items += figures.done + figures.empty
    stream.done += figures.done
    stream.requests += figures.requests
    stream.records += figures.records
    stream.stored_bytes += figures.bytes
    stream.seconds += figures.seconds


def _worker_seconds(source: OpenSource, seconds: float, item_seconds: float, writers: Writers) -> Uncertain:
    """Between what receipts tell and all of the run. Where they tell nothing: no more than ``in_flight`` items are
    under way at once, whoever works them. Items without records have no receipt: who worked them is not known."""
    if not writers.workers:
        return at_least(0, seconds)
    most = writers.workers * seconds
    if writers.seconds is not None:
        return between(min(writers.seconds, most), min(writers.seconds, most), most)
    return between(min(item_seconds / source.app.api.highest_in_flight, most), most, most)


async def _so_far(lake: Lake, run: Run) -> tuple[PastFigures, int, int]:
    """What has ended, how many items are planned, and how many of them divided."""
    ledger = Ledger(lake, run.paths)
    try:
        if not await ledger.refresh():
            return PastFigures(run_id=run.run_id), 0, 0
        progress = await ledger.progress()
        figures = await added_up(run.run_id, ended_entries(ledger, run.paths))
        return figures, progress.planned, progress.split
    finally:
        ledger.close()


async def _requests_of_empty(lake: Lake, run: Run, count: int) -> int | None:
    """None where they are too many to read."""
    if not 0 < count <= MOST_OUTCOMES_READ:
        return None
    paths = [path async for found in lake.walk(run.paths.folder("outcomes")) for path in found if is_path(path)]

    async def read(path: str) -> int:
        body = await lake.read(path)
        return 1 if body is None else max(1, decode_record(OutcomeRecord, body, path).requests)

    return sum(await run_each(read, paths, lake.capabilities.in_flight))


async def _estimated(lake: Lake, run: Run) -> EstimateRecord | None:
    body = await lake.read(run.paths.estimate)
    return None if body is None else decode_record(EstimateRecord, body, run.paths.estimate)
