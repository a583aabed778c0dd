"""P7: makes a spool one visible object, fenced against closings and lost leases."""

from __future__ import annotations

from haulier.clock import Clock
from haulier.errors import LakeUnavailableError, LeaseLostError, SweptError
from haulier.lake.seam import Lake, ObjectFacts, Published, Spool
from haulier.runs.run import Run
from haulier.runs.state import closing_in_force
from haulier.worker.keeper import HeldLease, LeaseKeeper


async def require_lease(held: HeldLease, keeper: LeaseKeeper, clock: Clock) -> bool:
    """Raises `LeaseLostError` unless the lease is ours. Returns whether that took a renewal, which may take long."""
    if not held.is_lost and clock.monotonic() < held.deadline:
        return False
    if not await keeper.renew(held):
        raise LeaseLostError("The item's lease ran out and another worker may hold it")
    return True


async def publish(
    lake: Lake, run: Run, path: str, spool: Spool, held: HeldLease, keeper: LeaseKeeper, clock: Clock
) -> tuple[ObjectFacts, bool]:
    """Make the records visible, or adopt what another attempt made visible first (P9).

    Returns the object and whether it was adopted. Raises `SweptError` where a closing came between; nothing is visible
    then.
    """
    facts = await spool.finish()
    while True:
        if await closing_in_force(lake, run.paths) is not None:
            raise SweptError(f"Run {run.run_id} is being closed")
        if not await require_lease(held, keeper, clock):
            break  # The deadline was good after the look at the closings; a renewal in between means: look again.
    if await lake.publish(spool, path) is Published.OURS:
        return facts, False
    theirs = await lake.adopt(path)
    if theirs is None:
        raise LakeUnavailableError(f"{path} was in the lake and has disappeared: something else removes files there")
    return theirs, True
