"""Sending of a plan (P2): a sealed shard is claimed, sent in bulk, then ticked off; what is sent again is marked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.envelope import Envelope, encode
from haulier.queues.seam import Queue
from haulier.runs.lane import is_first_lane
from haulier.runs.plan import read_shard
from haulier.runs.records import PlannedItem, Seal, Shard
from haulier.telemetry.messages import NO_MESSAGE_SPANS, MessageSpans


def envelope_of(
    item: PlannedItem,
    paths: RunPaths,
    *,
    redrives: int = 0,
    resent: bool = False,
    depth: int = 0,
    suspect: str = "",
    trace: str = "",
) -> Envelope:
    """Return an item's first message; with ``resent``, a marked one without failures."""
    return Envelope(
        kind=item.kind,
        key=item.key,
        run_id=paths.run_id,
        source=paths.source,
        redrives=redrives,
        resent=resent,
        depth=depth,
        suspect=suspect,
        held_in=item.held_in,
        trace=trace,
        payload=item.payload,
    )


async def send_plan(
    lake: Lake,
    queue: Queue,
    paths: RunPaths,
    seal: Seal,
    on_sent: Callable[[int], None] = lambda items: None,
    messages: MessageSpans = NO_MESSAGE_SPANS,
) -> int:
    """Send the shards that are not ticked off, and return the number of their items. Memory is one shard's.

    Repeatable: a shard that may be sent in part is sent again, marked, and each duplicate costs a look-up. ``on_sent``
    is told the items of each shard, those sent earlier too.
    """
    enqueued = 0
    unsent = set(await unsent_shards(lake, paths, seal))
    for shard in seal.shards:
        if shard in unsent:
            sent = paths.sent(seal.attempt, shard.name)
            is_first = await lake.create(paths.sending(seal.attempt, shard.name), b"{}\n")
            # A shard that stood claimed may have been sent by another process since its names were listed.
            if is_first or not await lake.exists(sent):
                items = await read_shard(lake, paths, seal, shard)
                if is_first:
                    with messages.send(paths.run_id, len(items)) as span:
                        bodies = [encode(envelope_of(item, paths, trace=span.context)) for item in items]
                        await queue.enqueue(bodies, is_first=is_first_lane(paths.mode))
                else:
                    redrives = await _newest_redrives(lake, paths, {item.key for item in items})
                    numbered = [(item, redrives.get(item.key, 0)) for item in items]
                    await send_again(queue, paths, numbered, messages)
                await lake.create(sent, b"{}\n")
                enqueued += len(items)
        on_sent(shard.items)
    return enqueued


async def unsent_shards(lake: Lake, paths: RunPaths, seal: Seal) -> list[Shard]:
    """Return the shards that are not ticked off."""
    names = set(await lake.names(f"{paths.plans}/{seal.attempt}"))
    return [shard for shard in seal.shards if f"{shard.name}.sent" not in names]


async def send_again(
    queue: Queue,
    paths: RunPaths,
    items: Iterable[tuple[PlannedItem, int]],
    messages: MessageSpans = NO_MESSAGE_SPANS,
) -> int:
    """Send items marked, each with its newest redrive number. Returns how many."""
    numbered = list(items)
    if numbered:
        with messages.send(paths.run_id, len(numbered)) as span:
            bodies = [
                encode(envelope_of(item, paths, redrives=redrives, resent=True, trace=span.context))
                for item, redrives in numbered
            ]
            await queue.enqueue(bodies, is_first=is_first_lane(paths.mode))
    return len(numbered)


async def _newest_redrives(lake: Lake, paths: RunPaths, keys: Collection[str]) -> dict[str, int]:
    newest: dict[str, int] = {}
    async for batch in lake.walk(paths.folder("redrives")):
        for path in batch:
            key, name = path.split("/")[-2:]
            number = name.removesuffix(".json")
            if key in keys and number.isdecimal():
                newest[key] = max(newest.get(key, 0), int(number))
    return newest
