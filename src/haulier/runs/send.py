"""P2: a sealed shard is claimed, sent in bulk, then ticked off. Whoever sends a key again sends it marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.envelope import Envelope, encode
from haulier.queues.seam import Queue
from haulier.runs.plan import read_shard
from haulier.runs.records import PlannedItem, Seal


def envelope_of(item: PlannedItem, run_id: str, *, redrives: int = 0, resent: bool = False) -> Envelope:
    """The first message of an item, or (``resent``) another one of it, marked, with no failures."""
    return Envelope(
        kind=item.kind, key=item.key, run_id=run_id, redrives=redrives, resent=resent, payload=item.payload
    )


async def send_plan(
    lake: Lake, queue: Queue, paths: RunPaths, seal: Seal, on_sent: Callable[[int], None] = lambda items: None
) -> None:
    """Enqueue what of a sealed plan is not ticked off as sent. Repeatable: a shard that may have been sent in part is
    sent again, marked, and its duplicates cost a look-up each. Memory is one shard's."""
    names = set(await lake.names(f"{paths.plans}/{seal.attempt}"))
    for shard in seal.shards:
        if f"{shard.name}.sent" not in names:
            is_first = await lake.create(paths.sending(seal.attempt, shard.name), b"{}\n")
            items = await read_shard(lake, paths, seal, shard)
            await queue.enqueue([encode(envelope_of(item, paths.run_id, resent=not is_first)) for item in items])
            await lake.create(paths.sent(seal.attempt, shard.name), b"{}\n")
        on_sent(shard.items)


async def send_again(queue: Queue, run_id: str, items: Iterable[tuple[PlannedItem, int]]) -> int:
    """Enqueue items anew, marked, each with its newest redrive number in the lake. Returns how many."""
    bodies = [encode(envelope_of(item, run_id, redrives=redrives, resent=True)) for item, redrives in items]
    if bodies:
        await queue.enqueue(bodies)
    return len(bodies)
