"""Objects of a run that its manifest does not list: no part of what was hauled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

import apsw

from haulier.lake.seam import Lake
from haulier.runs.manifest import read_manifest
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run
from haulier.runs.scratch import Scratch

_LISTED = "CREATE TABLE listed (path TEXT PRIMARY KEY) WITHOUT ROWID"


async def strays(lake: Lake, run: Run, verdict: VerdictRecord, streams: Iterable[str]) -> AsyncIterator[list[str]]:
    """Yield paths in batches. ``verdict`` is ``complete`` or ``partial``: others have no manifest."""
    listed = Scratch(_LISTED)
    try:
        async for entries in read_manifest(lake, run.paths, verdict.number):
            await listed.do(_list, [entry.path for entry in entries if entry.path])
        for stream in streams:
            async for standing in lake.walk(run.paths.bronze(stream)):
                yield await listed.do(_unlisted, [path for path in standing if path.endswith(".ndjson.gz")])
    finally:
        listed.close()


async def late_objects(lake: Lake, run: Run, verdict: VerdictRecord, stream: str) -> list[str]:
    """Return what landed after the closing listed the folder. Nothing can where a sweep fences (C1, C9)."""
    if lake.capabilities.sweep_fences:
        return []
    return [path async for found in strays(lake, run, verdict, (stream,)) for path in found]


def _list(connection: apsw.Connection, paths: Sequence[str]) -> None:
    connection.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(path,) for path in paths])


def _unlisted(connection: apsw.Connection, paths: Sequence[str]) -> list[str]:
    known = "SELECT 1 FROM listed WHERE path = ?"
    return [path for path in paths if connection.execute(known, (path,)).fetchone() is None]
