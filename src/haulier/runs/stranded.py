"""Stranded: keys are missing and nothing in the queue will bring them. A lost queue looks so.

See docs/protocol.md#drained-and-stranded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.expect import ask_expect
from haulier.runs.ledger import Ledger
from haulier.runs.plan import read_seal
from haulier.runs.run import Run
from haulier.runs.send import send_again, send_plan

if TYPE_CHECKING:
    from haulier.runs.closing import Closer


async def is_stranded(queue: Queue, ledger: Ledger) -> bool:
    """Whether the queue held nothing, in any state, at two reads while keys were missing. It changes nothing.

    The ledger is read in between: what a worker had completed by the first read was in the lake before that. Never true
    where depth is not exact: an empty queue proves nothing there. Nor of a run that is still planned.
    """
    if not queue.capabilities.exact_depth or (await queue.depth()).unsettled:
        return False
    await ledger.refresh()
    return (await ledger.progress()).missing > 0 and (await queue.depth()).unsettled == 0


async def mend_stranded(closer: Closer, run: Run, ledger: Ledger) -> int:
    """Send what `is_stranded` found missing. Returns how many items were sent; none if this process has no API and the
    run's first count, which comes before its first message, was never asked.

    Shards that nobody sent go out under their claim, as P2 has it: an enqueuer that is late rather than dead then finds
    it and marks its own. Only where all were sent are the missing sent again, marked.
    """
    lake, queue = closer.lake, closer.queue
    seal = await read_seal(lake, run.paths)
    if seal is None or not await _is_counted(lake, closer, run):
        return 0
    sent = await send_plan(lake, queue, run.paths, seal)
    if not sent:
        async for items in ledger.missing():
            sent += await send_again(queue, run.run_id, items)
    return sent


async def _is_counted(lake: Lake, closer: Closer, run: Run) -> bool:
    if not run.file.has_expect:
        return True
    if closer.expect is None:
        return await lake.exists(run.paths.expect("before"))
    await ask_expect(lake, run, closer.clock, "before", closer.expect)
    return True
