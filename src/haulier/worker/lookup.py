"""P4: looks whether an item has ended, by child list, object and outcome, in this order."""

from __future__ import annotations

from haulier.lake.seam import Lake
from haulier.runs.records import ChildList, Receipt, decode_record
from haulier.runs.run import Run
from haulier.worker.outcome import Done, Empty, Split


async def look_up(lake: Lake, run: Run, stream: str, key: str) -> Split | Done | Empty | None:
    """None if the item has to be worked. Live poison is no outcome."""
    path = run.paths.children(key)
    body = await lake.read(path)
    if body is not None:
        divided = decode_record(ChildList, body, path)
        return Split(divided.children, divided.cause)
    facts = await lake.adopt(run.paths.object(stream, key))
    if facts is not None:
        return Done(adopted_receipt(key, facts.records, facts.bytes, facts.sha256))
    if await lake.exists(run.paths.outcome(key)):
        return Empty()
    return None


async def has_records(lake: Lake, run: Run, stream: str) -> bool:
    """Whether an item of the stream ended with records, in any process."""
    async for paths in lake.walk(run.paths.bronze(stream)):
        if paths:
            return True
    return False


async def has_empty(lake: Lake, run: Run, kind: str) -> bool:
    """Whether one ended well without a record, in any process."""
    async for paths in lake.walk(run.paths.folder("outcomes")):
        if any(path.rpartition("/")[2].startswith(f"{kind}-") for path in paths):
            return True
    return False


def adopted_receipt(key: str, records: int, size: int, sha256: str) -> Receipt:
    return Receipt(key=key, records=records, bytes=size, sha256=sha256, adopted=True)
