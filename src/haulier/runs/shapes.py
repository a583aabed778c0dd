"""The shapes of a run's streams, sampled by its closing, and what changed since the run before."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from haulier.errors import LakeUnavailableError, NewerFormatError
from haulier.lake.ndjson import lines_of
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.newest_runs import newest_first
from haulier.runs.records import ManifestEntry, Record, ShapeChange, decode_record, encode_record
from haulier.runs.run import Run
from haulier.runs.shape import ShapeSketch, StreamShape
from haulier.runs.state import RunState

SHAPES_NAME: Final = "shapes.json"
SAMPLE_OBJECTS: Final = 8
SAMPLE_RECORDS: Final = 64
"""The first ones of each object."""
MANY_OBJECTS: Final = 200
"""Of all streams of a run."""
SAMPLE_BYTES: Final = 4 << 20
"""Of a run, as records: each object has its equal share. A megabyte takes a closer 0.2 to 0.75 s of CPU, which leases
and signs of life wait for as well."""
LARGE_BYTES: Final = 1 << 20
"""A first record larger than its object's share is looked at up to this size, while bytes of the run are left."""
ADDED_AT_ONCE: Final = 16
"""Records, between which other work of the process has its turn."""
RUNS_BACK: Final = 8
"""Complete runs that are looked at for one with records of a stream."""
RUNS_PASSED: Final = 32
"""Runs that are looked at for these, whatever became of them."""
CHANCE: Final = 0.001
"""A path that a sample lacks is no news while it may well be in records that were not looked at."""
MAX_SAID: Final = 20
"""Paths of each kind of change that a verdict names."""

logger = logging.getLogger("haulier.runs")


class ShapesRecord(Record, frozen=True, kw_only=True):
    """``closings/<n>/shapes.json``: by stream."""

    shapes: dict[str, StreamShape]


class ObjectSample:
    """Some objects of each stream, chosen by their keys alone: every closer takes the same, and so does the next run
    of equal keys."""

    def __init__(self, streams: Iterable[str]) -> None:
        self._chosen: dict[str, list[tuple[int, str]]] = {stream: [] for stream in streams}
        self._most = max(1, min(SAMPLE_OBJECTS, MANY_OBJECTS // max(1, len(self._chosen))))

    def add(self, entries: Iterable[ManifestEntry]) -> None:
        for entry in entries:
            if entry.state == "done" and (chosen := self._chosen.get(entry.stream)) is not None:
                place = int.from_bytes(hashlib.blake2b(entry.key.encode(), digest_size=8).digest())
                if len(chosen) < self._most:
                    heapq.heappush(chosen, (-place, entry.path))
                elif -place > chosen[0][0]:
                    heapq.heapreplace(chosen, (-place, entry.path))

    def paths(self, stream: str) -> list[str]:
        return sorted(path for _, path in self._chosen[stream])


async def sample_shapes(lake: Lake, run: Run, number: int, sample: ObjectSample) -> dict[str, StreamShape]:
    """Those of the closing, written by whoever comes first."""
    path = run.paths.closing(number, SHAPES_NAME)
    standing = await lake.read(path)
    if standing is None:
        sketches = {stream: ShapeSketch() for stream in run.file.streams}
        objects = [(stream, each) for stream in run.file.streams for each in sample.paths(stream)]
        look, share = _Look(lake, run), SAMPLE_BYTES // max(1, len(objects))
        await run_each(lambda found: look.at(found[1], sketches[found[0]], share), objects, lake.capabilities.in_flight)
        await look.at_large_ones()
        record = ShapesRecord(shapes={stream: sketch.shape() for stream, sketch in sketches.items() if sketch.records})
        if await lake.create(path, encode_record(record)):
            return record.shapes
        standing = await lake.read(path)
    return _shapes_in(standing, path)


async def shape_changes(lake: Lake, run: Run, shapes: Mapping[str, StreamShape]) -> dict[str, ShapeChange]:
    """Compare with the last complete run of the mode that has records of the stream.

    What cannot be read of another run keeps no run from its verdict.
    """
    waiting, changes = set(shapes), dict[str, ShapeChange]()
    looked_at = passed = 0
    try:
        async for other, state, verdict in newest_first(lake, run.paths.source, run.file.mode, skip=(run.run_id,)):
            if not waiting or looked_at == RUNS_BACK or passed == RUNS_PASSED:
                break
            passed += 1
            if state is not RunState.COMPLETE or verdict is None:
                continue
            looked_at += 1
            path = other.paths.closing(verdict.number, SHAPES_NAME)
            before = _shapes_in(await lake.read(path), path)
            for stream in sorted(waiting & before.keys()):
                waiting.discard(stream)
                if change := compare_shapes(before[stream], shapes[stream], other.run_id):
                    changes[stream] = change
    except (LakeUnavailableError, NewerFormatError) as error:
        logger.warning("earlier runs cannot be compared", extra={"run_id": run.run_id, "reason": str(error)})
    return changes


def log_changes(run: Run, changes: Mapping[str, ShapeChange]) -> None:
    for stream, change in changes.items():
        facts = {"new": change.new, "gone": change.gone, "retyped": change.retyped, "before": change.before}
        logger.warning("the records have another shape", extra={"run_id": run.run_id, "stream": stream} | facts)


def compare_shapes(before: StreamShape, after: StreamShape, run_id: str) -> ShapeChange | None:
    """What differs by more than chance between two samples; None where nothing does."""
    retyped = {}
    for path in sorted(before.paths.keys() & after.paths.keys()):
        known, seen = before.paths[path], after.paths[path]
        looks, shows = sum(known.values()), sum(seen.values())
        if any(kind not in known and _is_news(count, shows, looks) for kind, count in seen.items()):
            retyped[path] = (_types(known), _types(seen))
    is_cut = before.is_cut or after.is_cut
    new = [] if is_cut else _lacking(before, after, retyped)
    gone = [] if is_cut else _lacking(after, before, retyped)
    if not (new or gone or retyped):
        return None
    return ShapeChange(
        before=run_id,
        new={path: _types(after.paths[path]) for path in new[:MAX_SAID]},
        gone={path: _types(before.paths[path]) for path in gone[:MAX_SAID]},
        retyped=dict(list(retyped.items())[:MAX_SAID]),
        more=sum(max(0, len(found) - MAX_SAID) for found in (new, gone, retyped)),
    )


def _lacking(less: StreamShape, more: StreamShape, said: Iterable[str]) -> list[str]:
    """Paths that one sample lacks, and the other has too often for that to be chance. Of what is below them, or below
    what is ``said`` already, nothing is named."""
    found: list[str] = []
    for path in sorted(more.paths):
        is_news = path not in less.paths and _is_news(sum(more.paths[path].values()), more.records, less.records)
        if is_news and not any(path.startswith((f"{above}.", f"{above}[")) for above in (*found, *said)):
            found.append(path)
    return found


def _is_news(count: int, of: int, looks: int) -> bool:
    """Whether something that ``count`` of so many records had would surely have been met in so many looks."""
    share = min(count, of) / (of + 1)
    return bool((1 - share) ** looks < CHANCE)


def _types(found: Mapping[str, int]) -> str:
    """As people read it, the most frequent first."""
    return " or ".join(sorted(found, key=lambda kind: (-found[kind], kind)))


def _shapes_in(body: bytes | None, path: str) -> dict[str, StreamShape]:
    """Nothing in a run of an earlier version."""
    return {} if body is None else decode_record(ShapesRecord, body, path).shapes


class _Look:
    """At the first records of objects."""

    def __init__(self, lake: Lake, run: Run) -> None:
        self._lake = lake
        self._run = run
        self._left_bytes = SAMPLE_BYTES
        self._large: list[tuple[str, ShapeSketch]] = []
        """Objects whose first record is larger than their share."""
        self._turn = asyncio.Lock()
        """One thread at a time: several would leave the loop little of the interpreter."""

    async def at_large_ones(self) -> None:
        """One record each, in turn by streams, so that none is without a shape because of another's."""
        waiting, self._large = sorted(self._large, key=lambda one: one[0]), []
        while waiting and self._left_bytes > 0:
            one = min(waiting, key=lambda one: one[1].records)
            waiting.remove(one)
            await self.at(*one, min(LARGE_BYTES, self._left_bytes), most_records=1)

    async def at(self, path: str, sketch: ShapeSketch, most_bytes: int, *, most_records: int = SAMPLE_RECORDS) -> None:
        """An object that is not sound, or that cannot be read, is verified elsewhere; only a lake that is away stops a
        closing."""
        try:
            records = await self._first_records(path, most_bytes, most_records)
        except ValueError:
            return
        except LakeUnavailableError as error:
            if not await self._lake.exists(self._run.paths.run):
                raise
            fields = {"run_id": self._run.run_id, "path": path, "reason": str(error)}
            logger.warning("an object cannot be read, and its shape is not known", extra=fields)
            return
        if not records:
            self._large.append((path, sketch))
        self._left_bytes -= sum(map(len, records))
        for start in range(0, len(records), ADDED_AT_ONCE):
            async with self._turn:
                await asyncio.to_thread(_add, sketch, records[start : start + ADDED_AT_ONCE])

    async def _first_records(self, path: str, most_bytes: int, most_records: int) -> list[bytes]:
        records: list[bytes] = []
        size = 0
        pieces = self._lake.download(path)
        lines = lines_of(pieces)
        try:
            async for batch in lines:
                for line in batch:
                    size += len(line)
                    if size > most_bytes or len(records) == most_records:
                        return records
                    records.append(line)
        finally:
            await lines.aclose()  # type: ignore[attr-defined]
            await pieces.aclose()  # type: ignore[attr-defined]
        return records


def _add(sketch: ShapeSketch, records: list[bytes]) -> None:
    for record in records:
        sketch.add(record)
