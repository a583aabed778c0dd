from __future__ import annotations

from haulier.queues.envelope import Envelope
from haulier.runs.run import Run
from haulier.runs.watermark.feed_moves import FeedRecord, digest, note_feed
from haulier.worker.deps import WorkerDeps
from haulier.worker.dispatch import Produced


async def note_feed_end(deps: WorkerDeps, run: Run, envelope: Envelope, produced: Produced, checksum: str = "") -> None:
    """Keep where a feed goes on behind an item's records, before they are visible (W7). ``checksum`` is that of their
    object; "" without records."""
    if produced.feed is None:
        return
    record = FeedRecord(
        key=envelope.key,
        stream=deps.registry.get(envelope.kind).stream,
        start=digest(produced.feed.start),
        end=produced.feed.end,
        has_expired=produced.feed.has_expired,
        by=deps.name,
    )
    await note_feed(deps.lake, run.paths, bytes(envelope.payload), record, checksum)
