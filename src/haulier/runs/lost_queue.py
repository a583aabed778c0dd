"""A queue that does not exist, though items of an open run were sent to one."""

from __future__ import annotations

from haulier.errors import UsageError
from haulier.lake.seam import Lake
from haulier.queues.seam import Queue
from haulier.runs.plan import read_seal
from haulier.runs.run import Run, list_runs
from haulier.runs.send import unsent_shards
from haulier.runs.state import run_state


async def require_queue(lake: Lake, queue: Queue, source: str) -> None:
    """Raises `UsageError` for a queue that was deleted, or whose name is wrong: in a new one of that name nothing would
    be found, and after some minutes everything be sent and pulled again."""
    if await queue.exists():
        return
    run = await _sent_run(lake, source)
    # Another process may have made it since.
    if run is not None and not await queue.exists():
        raise UsageError(
            f"The queue does not exist, but items of run {run.run_id}, which is open, were sent to one. Correct the "
            "key `queue` of the source file, or --queue. If it was deleted, `haulier repair SOURCE` makes it and sends "
            "what is missing."
        )


async def require_queue_of(lake: Lake, queue: Queue, run: Run) -> None:
    """As `require_queue`, for a run that may be partial. Raises before what is sent makes the queue."""
    if await queue.exists() or not await _was_sent(lake, run):
        return
    raise UsageError(
        f"The queue does not exist, but items of run {run.run_id} were sent to one. Correct the key `queue` of the "
        "source file, or --queue. If it was deleted, make an empty one of that name, and repeat the command."
    )


async def _sent_run(lake: Lake, source: str) -> Run | None:
    for run in reversed(await list_runs(lake, source)):
        if not (await run_state(lake, run.paths))[0].is_closed and await _was_sent(lake, run):
            return run
    return None


async def _was_sent(lake: Lake, run: Run) -> bool:
    seal = await read_seal(lake, run.paths)
    return seal is not None and len(await unsent_shards(lake, run.paths, seal)) < len(seal.shards)
