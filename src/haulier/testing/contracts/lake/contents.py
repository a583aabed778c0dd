"""Where the contract suite of the lake puts things, and what it finds there."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Coroutine, Iterable

from haulier.lake.seam import Bytes, Lake, Spool

OBJECT = "flights/flights/mode=full/snapshot_time=20261123T222500Z/flights-1-5001.ndjson.gz"
STAGING = "_haulier/flights/runs/full-20261123T222500Z/staging"
RECORDS = "_haulier/flights/runs/full-20261123T222500Z/outcomes"


async def spooled(lake: Lake, records: Iterable[Bytes], name: str = "one") -> Spool:
    """A finished spool of these records."""
    spool = await lake.open_spool(STAGING, name)
    await spool.write(records)
    await spool.finish()
    return spool


async def listed(lake: Lake, folder: str) -> list[str]:
    """All that a walk gives."""
    return [path async for batch in lake.walk(folder) for path in batch]


async def stored(lake: Lake, path: str) -> bytes:
    """All that a download gives."""
    return b"".join([piece async for piece in lake.download(path)])


async def lines(lake: Lake, path: str) -> list[bytes]:
    """The records of an object."""
    return gzip.decompress(await stored(lake, path)).splitlines()


async def cancelled_after(turns: int, call: Coroutine[object, object, object]) -> bool:
    """Cancel a call after so many turns of the event loop. Whether that came in time."""
    task = asyncio.create_task(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()
