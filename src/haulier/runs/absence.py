"""Whether anything that a stream was asked for is there. A wrong path looks as if all of it were gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.records import ChildList, OutcomeRecord, decode_record
from haulier.runs.run import Run

MOST_OUTCOMES = 4_096
"""Outcomes that are read of a kind, each a file of its own. Where so many find nothing, nothing is there."""


async def wholly_absent(
    lake: Lake, run: Run, ledger: Ledger, absent: Mapping[str, int], records: Mapping[str, int]
) -> int:
    """How much was asked for by items of a kind of which all is absent. ``absent`` and ``records`` count by stream.

    Kinds are judged apart: a parent's list that is there says nothing of the path of its children.
    """
    streams = {stream for stream in absent if not records.get(stream)}
    if not streams:
        return 0
    found, divided = 0, await _keys_by_kind(ledger, table.SPLIT, streams)
    for kind, keys in (await _keys_by_kind(ledger, table.EMPTY, streams)).items():
        count = await _absent_alone(lake, run, keys)
        if count and not await _has_children(lake, run, divided.get(kind, [])):
            found += count
    return found


async def _keys_by_kind(ledger: Ledger, where: str, streams: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    async for rows in ledger.select(where, "stream, kind"):
        for key, stream, kind in rows:
            keys = found.setdefault(str(kind), [])
            if stream in streams and len(keys) < MOST_OUTCOMES:
                keys.append(str(key))
    return found


async def _absent_alone(lake: Lake, run: Run, keys: Sequence[str]) -> int:
    """What is absent; 0 where anything is present."""

    async def counts(key: str) -> tuple[int, int]:
        path = run.paths.outcome(key)
        body = await lake.read(path)
        if body is None:
            return 0, 0
        record = decode_record(OutcomeRecord, body, path)
        return record.present, record.absent

    found = await run_each(counts, keys, lake.capabilities.in_flight)
    return 0 if any(present for present, _ in found) else sum(absent for _, absent in found)


async def _has_children(lake: Lake, run: Run, keys: Sequence[str]) -> bool:
    """Whether a list of parents was there: its records became items."""

    async def is_by_processor(key: str) -> bool:
        path = run.paths.children(key)
        body = await lake.read(path)
        return body is not None and not decode_record(ChildList, body, path).cause

    return any(await run_each(is_by_processor, keys, lake.capabilities.in_flight))
