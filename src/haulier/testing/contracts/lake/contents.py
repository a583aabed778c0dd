"""Paths and helpers of the contract suite of lakes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Coroutine, Iterable

from haulier.lake.seam import Bytes, Lake, Spool

OBJECT = "flights/flights/mode=full/snapshot_time=20261123T222500Z/flights-1-5001.ndjson.gz"
STAGING = "_haulier/flights/runs/full-20261123T222500Z/staging"
RECORDS = "_haulier/flights/runs/full-20261123T222500Z/outcomes"


async def spooled(lake: Lake, records: Iterable[Bytes], name: str = "one") -> Spool:
    """Open, write and finish a spool of these records."""
    spool = await lake.open_spool(STAGING, name)
    await spool.write(records)
    await spool.finish()
    return spool


async def listed(lake: Lake, folder: str) -> list[str]:
    return [path async for batch in lake.walk(folder) for path in batch]


async def stored(lake: Lake, path: str) -> bytes:
    return b"".join([piece async for piece in lake.download(path)])


async def lines(lake: Lake, path: str) -> list[bytes]:
    return gzip.decompress(await stored(lake, path)).splitlines()


async def cancelled_after(turns: int, call: Coroutine[object, object, object]) -> bool:
    """Cancel a call after some turns of the event loop. Return whether it was still running."""
    task = asyncio.create_task(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()
