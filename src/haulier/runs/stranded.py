"""Stranded runs (docs/protocol.md#drained-and-stranded)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from haulier.errors import BrokenEnvelopeError, NewerFormatError
from haulier.queues.envelope import decode
from haulier.queues.seam import Queue
from haulier.runs import ledger_schema as table
from haulier.runs.expect import ask_expect
from haulier.runs.ledger import Ledger
from haulier.runs.plan import read_seal, read_shard
from haulier.runs.records import Seal
from haulier.runs.run import Run
from haulier.runs.send import send_again, send_plan, unsent_shards

if TYPE_CHECKING:
    from haulier.runs.closing import Closer


async def is_stranded(queue: Queue, run: Run, ledger: Ledger) -> bool:
    """Whether keys are missing and the queue holds no message of the run at two looks, whatever it holds of others.

    The ledger is read between them: what was completed before the first is in the lake by then. Never true of a planned
    run, nor where depth is not exact: an empty queue proves nothing there.
    """
    if not queue.capabilities.exact_depth or await queue.holds(is_message_of(run)):
        return False
    await ledger.refresh()
    return (await ledger.progress()).missing > 0 and not await queue.holds(is_message_of(run))


def is_message_of(run: Run) -> Callable[[bytes], bool]:
    """Such as `Queue.holds` takes."""
    mark = run.run_id.encode()

    def is_ours(body: bytes) -> bool:
        if mark not in body:  # Nearly all of another run's: decoding them would take ten times as long.
            return False
        try:
            envelope = decode(body)
        except NewerFormatError:
            return True
        except BrokenEnvelopeError:
            return False
        return envelope.run_id == run.run_id and envelope.is_of(run.paths.source)

    return is_ours


async def mend_stranded(closer: Closer, run: Run, ledger: Ledger) -> int:
    """Send the missing items, and return how many; 0 where the first count was never asked, and this process has no
    API."""
    seal = await read_seal(closer.lake, run.paths)
    if seal is None or not await is_counted(closer, run):
        return 0
    return await send_lost(closer, run, seal, ledger)


async def send_lost(closer: Closer, run: Run, seal: Seal, ledger: Ledger) -> int:
    """Send what is missing and, as far as the ledger was told, not in the queue. Returns how many.

    Unsent shards go out under their claim (P2), so that a late enqueuer marks its own; the rest is marked.
    """
    lake, queue = closer.lake, closer.queue
    try:
        for shard in await unsent_shards(lake, run.paths, seal):
            await ledger.note_queued(item.key for item in await read_shard(lake, run.paths, seal, shard))
        sent = await send_plan(lake, queue, run.paths, seal, messages=closer.messages)
        async for items in ledger.items(table.LOST, "redrive"):
            sent += await send_again(queue, run.paths, items, closer.messages)
    finally:
        await ledger.forget_queued()  # It may be lost another time.
    return sent


async def is_counted(closer: Closer, run: Run) -> bool:
    """Whether the first count of ``expect`` was asked, now if need be: no message precedes it."""
    if not run.file.has_expect:
        return True
    if closer.expect is None:
        return await closer.lake.exists(run.paths.expect("before"))
    await ask_expect(closer.lake, run, closer.clock, "before", closer.expect)
    return True
