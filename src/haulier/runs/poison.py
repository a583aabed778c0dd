"""Poison records, read for a person."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.concurrency import run_each
from haulier.runs.ledger import Ledger
from haulier.runs.records import PoisonRecord, decode_record
from haulier.runs.run import Run


async def poisoned(lake: Lake, run: Run, limit: int) -> tuple[int, list[PoisonRecord]]:
    """Count the items that are poisoned now, and read the newest poison record of the first ``limit``, by key.

    They come without parameters, which may take 8 MiB each (G9).
    """

    async def read(row: Sequence[object]) -> PoisonRecord | None:
        record = await read_poison(lake, run.paths, str(row[0]), int(str(row[1])))
        return None if record is None else msgspec.structs.replace(record, payload=msgspec.Raw(b"null"))

    records: list[PoisonRecord] = []
    ledger = Ledger(lake, run.paths)
    try:
        await ledger.refresh()
        async for rows in ledger.select(table.LIVE_POISON, "poison"):
            found = await run_each(read, rows[: limit - len(records)], lake.capabilities.in_flight)
            records += sorted((record for record in found if record is not None), key=lambda record: record.key)
            if len(records) >= limit:
                break
        return await ledger.count(table.LIVE_POISON), records
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
