"""Removal of a stream's objects of a run: the record, then the signs, then the objects (R1)."""

from __future__ import annotations

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.lake.seam import FolderSize, Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import RemovedRecord, decode_record, encode_record
from haulier.runs.run import Run
from haulier.runs.signs import SUCCESS


async def removed_streams(lake: Lake, run: Run) -> dict[str, RemovedRecord]:
    """Of a run most of whose like have none: one listing."""
    names = await lake.names(run.paths.folder("removed"))
    found = {}
    for stream in run.file.streams:
        if f"{stream}.json" in names:
            path = run.paths.removed(stream)
            body = await lake.read(path)
            if body is not None:
                found[stream] = decode_record(RemovedRecord, body, path)
    return found


async def is_removed(lake: Lake, run: Run, stream: str) -> bool:
    return await lake.exists(run.paths.removed(stream))


async def require_standing(lake: Lake, run: Run) -> dict[str, RemovedRecord]:
    """Raise `UsageError` where nothing of a run is left. Returns what of it was removed."""
    removed = await removed_streams(lake, run)
    if removed and len(removed) == len(run.file.streams):
        newest = max(removed.values(), key=lambda record: record.removed_at)
        raise UsageError(
            f"The objects of run {run.run_id} were removed on {newest.removed_at:%Y-%m-%d} by `haulier gc`: there is "
            "nothing to read again. Its account still tells what it brought: `haulier runs SOURCE`."
        )
    return removed


async def remove_objects(lake: Lake, clock: Clock, run: Run, stream: str, why: str, size: FolderSize, by: str) -> int:
    """Repeatable at any step, by several at once. Returns how many objects this call found.

    The record comes first, so that no reader of ours takes what is half removed; the signs before the objects, so that
    no other does.
    """
    record = RemovedRecord(stream=stream, why=why, files=size.files, bytes=size.bytes, by=by, removed_at=clock.now())
    await lake.create(run.paths.removed(stream), encode_record(record))
    await lake.remove(run.paths.sign(SUCCESS))
    await lake.remove(run.paths.stream_sign(stream))
    folder, removed = run.paths.bronze(stream), 0
    # A folder that changes under its own listing may hide names from it: the last walk finds nothing.
    while found := await _remove_listed(lake, folder):
        removed += found
    await lake.prune(folder)
    return removed


async def is_any_left(lake: Lake, run: Run, stream: str) -> bool:
    """Of what a removal that was begun removes. What strangers put there does not count, and would be met each time."""
    for sign in (run.paths.sign(SUCCESS), run.paths.stream_sign(stream)):
        if await lake.exists(sign):
            return True
    async for paths in lake.walk(run.paths.bronze(stream)):
        if _objects(paths):
            return True
    return False


async def _remove_listed(lake: Lake, folder: str) -> int:
    """What strangers put there stays."""
    removed = 0
    async for paths in lake.walk(folder):
        objects = _objects(paths)
        await run_each(lake.remove, objects, lake.capabilities.in_flight)
        removed += len(objects)
    return removed


def _objects(paths: list[str]) -> list[str]:
    return [path for path in paths if path.endswith(".ndjson.gz")]
