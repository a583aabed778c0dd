"""Poison records, read for a person."""

from __future__ import annotations

from collections.abc import AsyncIterator

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.ledger import Ledger
from haulier.runs.records import PoisonRecord, decode_record
from haulier.runs.run import Run


async def poisoned(lake: Lake, run: Run) -> AsyncIterator[PoisonRecord]:
    """Yield the newest poison record of each item that is poisoned now, by key."""
    ledger = Ledger(lake, run.paths)
    try:
        await ledger.refresh()
        async for rows in ledger.select(table.LIVE_POISON, "poison"):
            for key, number in rows:
                record = await read_poison(lake, run.paths, str(key), int(str(number)))
                if record is not None:
                    yield record
    finally:
        ledger.close()


async def read_poison(lake: Lake, paths: RunPaths, key: str, number: int) -> PoisonRecord | None:
    path = paths.numbered("poison", key, number)
    body = await lake.read(path)
    return None if body is None else decode_record(PoisonRecord, body, path)


async def newest_poison(lake: Lake, paths: RunPaths, key: str) -> int:
    """Return 0 for none."""
    names = await lake.names(f"{paths.folder('poison')}/{key}")
    return max((int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdecimal()), default=0)
