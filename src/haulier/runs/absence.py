"""Whether anything that a stream was asked for is there. A wrong path looks as if all of it were gone."""

from __future__ import annotations

from collections.abc import Mapping

from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.records import OutcomeRecord, decode_record
from haulier.runs.run import Run

MOST_OUTCOMES = 4_096
"""Outcomes that are read of a stream, each a file of its own. Where so many find nothing, nothing is there."""


async def wholly_absent(
    lake: Lake, run: Run, ledger: Ledger, absent: Mapping[str, int], records: Mapping[str, int]
) -> int:
    """How much was asked for in streams of which all is ``absent``, by what that counts; ``records`` are theirs."""
    found = 0
    for stream, count in absent.items():
        if not records.get(stream) and not await _has_present(lake, run, ledger, stream):
            found += count
    return found


async def _has_present(lake: Lake, run: Run, ledger: Ledger, stream: str) -> bool:
    async def present(key: str) -> int:
        path = run.paths.outcome(key)
        body = await lake.read(path)
        return 0 if body is None else decode_record(OutcomeRecord, body, path).present

    read = 0
    async for rows in ledger.select(table.EMPTY):
        keys = [str(row[0]) for row in rows if row[1] == stream][: MOST_OUTCOMES - read]
        if any(await run_each(present, keys, lake.capabilities.in_flight)):
            return True
        read += len(keys)
        if read >= MOST_OUTCOMES:
            break
    return False
