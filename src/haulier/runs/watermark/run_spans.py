"""What a closed run has finished, and what it left (W1)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import apsw

from haulier.errors import LakeUnavailableError
from haulier.items.span_of import span_of
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.manifest import read_manifest
from haulier.runs.plan import read_seal, read_shard
from haulier.runs.records import ChildList, PlannedItem, Seal, VerdictRecord, decode_record
from haulier.runs.scratch import Scratch
from haulier.runs.watermark.span_table import SpanTable

_JUDGED = frozenset({"poison", "damaged", "absent"})
"""Reasons of a partial run of which its manifest says which items, or streams, they are about."""

# `failed`: each key that is poisoned or damaged, and what was divided into it, up to the planned item.
_SCHEMA = """
CREATE TABLE failed (key TEXT PRIMARY KEY, is_planned INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE child (key TEXT, parent TEXT, PRIMARY KEY (key, parent)) WITHOUT ROWID;
"""
_CLIMB = """
INSERT OR IGNORE INTO failed (key)
WITH RECURSIVE above (key) AS (
    SELECT key FROM failed UNION SELECT child.parent FROM child JOIN above ON child.key = above.key
)
SELECT key FROM above
"""
_UNKNOWN = "SELECT count(*) FROM failed WHERE NOT is_planned AND key NOT IN (SELECT key FROM child)"


@dataclass(frozen=True)
class RunSpans:
    """``unfinished`` holds for this run alone: an older or newer one may have finished some of it."""

    finished: SpanTable = field(default_factory=SpanTable)
    unfinished: SpanTable = field(default_factory=SpanTable)


async def read_run_spans(lake: Lake, paths: RunPaths, verdict: VerdictRecord | None) -> RunSpans:
    """Read what the closing of ``verdict`` says of a run; None is one that was closed and reopened. A complete one
    costs one read, whatever its size."""
    kind = "reopened" if verdict is None else verdict.verdict
    if verdict is not None and kind in ("superseded", "cancelled") and verdict.number == 1:
        return RunSpans()  # It never counted.
    seal = await read_seal(lake, paths)
    if seal is None:
        return RunSpans()
    planned = SpanTable.read(seal.spans)
    if kind == "complete":
        return RunSpans(finished=planned)
    if verdict is None or kind != "partial" or not _JUDGED.issuperset(verdict.reasons):
        return RunSpans(unfinished=planned)
    scratch = Scratch(_SCHEMA)
    try:
        unfinished = await _unfinished(lake, paths, seal, verdict, scratch)
    finally:
        scratch.close()
    if unfinished is None:
        return RunSpans(unfinished=planned)
    # Of two kinds that read one window, one may have failed: then it is not finished.
    planned.take(unfinished)
    return RunSpans(planned, unfinished)


async def _unfinished(
    lake: Lake, paths: RunPaths, seal: Seal, verdict: VerdictRecord, scratch: Scratch
) -> SpanTable | None:
    """None where a failed item is no child of any planned one. All is of a stream of which all is absent."""
    absent: set[str] = set()
    with_records: set[str] = set()
    async for entries in read_manifest(lake, paths, verdict.number):
        if "absent" in verdict.reasons:
            absent |= {entry.stream for entry in entries if entry.absent}
            with_records |= {entry.stream for entry in entries if entry.records}
        await scratch.do(_note_failed, [entry.key for entry in entries if entry.state in ("poisoned", "damaged")])
    async for listed in lake.walk(paths.folder("children")):
        read = functools.partial(_read_children, lake)
        await scratch.do(_note_children, await run_each(read, filter(is_path, listed), lake.capabilities.in_flight))
    await scratch.do(_climb)
    unfinished = SpanTable()
    for shard in seal.shards:
        items = await read_shard(lake, paths, seal, shard)
        without = [item for item in items if item.stream in absent - with_records]
        for item in (*without, *await scratch.do(_pick_failed, items)):
            found = span_of(bytes(item.payload))
            if found is not None:
                unfinished.add(item.stream, *found)
    return None if await scratch.do(_has_unknown) else unfinished


async def _read_children(lake: Lake, path: str) -> tuple[str, list[str]]:
    body = await lake.read(path)
    if body is None:
        raise LakeUnavailableError(
            f"{path} was in the lake and has disappeared. Does something else remove files there?"
        )
    record = decode_record(ChildList, body, path)
    return record.key, [child.key for child in record.children]


def _note_failed(connection: apsw.Connection, keys: Sequence[str]) -> None:
    connection.executemany("INSERT OR IGNORE INTO failed (key) VALUES (?)", [(key,) for key in keys])


def _note_children(connection: apsw.Connection, divided: Iterable[tuple[str, list[str]]]) -> None:
    pairs = [(child, parent) for parent, children in divided for child in children]
    connection.executemany("INSERT OR IGNORE INTO child VALUES (?, ?)", pairs)


def _climb(connection: apsw.Connection) -> None:
    connection.execute(_CLIMB)


def _pick_failed(connection: apsw.Connection, items: Sequence[PlannedItem]) -> list[PlannedItem]:
    failed = []
    for item in items:
        connection.execute("UPDATE failed SET is_planned = 1 WHERE key = ?", (item.key,))
        if connection.changes():
            failed.append(item)
    return failed


def _has_unknown(connection: apsw.Connection) -> bool:
    (count,) = connection.execute(_UNKNOWN).fetchall()[0]
    return bool(count)
