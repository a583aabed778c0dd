"""P7: makes a spool one visible object, fenced against closings and lost leases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from haulier.clock import Clock
from haulier.errors import LakeUnavailableError, LeaseLostError, SweptError
from haulier.lake.seam import Lake, ObjectFacts, Published, Spool
from haulier.runs.run import Run
from haulier.worker.keeper import HeldLease, LeaseKeeper
from haulier.worker.run_cache import RunCache


async def require_lease(held: HeldLease, keeper: LeaseKeeper, clock: Clock, *, may_be_unknown: bool = True) -> bool:
    """Raises `LeaseLostError` unless the lease is ours. Returns whether to find out took a renewal, which may take
    long.

    An unknown lease passes where it may: what is written then is created only where nothing stands, and the message
    comes back.
    """
    is_late = not held.is_unknown and clock.monotonic() >= held.deadline
    if held.is_lost or (is_late and not await keeper.renew(held)):
        raise LeaseLostError("The item's lease ran out and another worker may hold it")
    if held.is_unknown and not may_be_unknown and clock.monotonic() >= held.deadline:
        raise LeaseLostError("Nobody can tell whose the item's lease is, and its message comes back")
    return is_late


async def publish(
    lake: Lake,
    run: Run,
    path: str,
    spool: Spool,
    held: HeldLease,
    keeper: LeaseKeeper,
    runs: RunCache,
    clock: Clock,
    *,
    note: Callable[[ObjectFacts], Awaitable[None]] | None = None,
) -> tuple[ObjectFacts, bool]:
    """Make the records visible, or adopt what another attempt made visible first (P9). ``note`` makes durable what has
    to be known of them before.

    Returns the object and whether it was adopted. Raises `SweptError` where a closing came between; nothing is visible
    then.
    """

    right_ends_at = 0.0

    def seconds_left() -> float:
        return (right_ends_at if held.is_unknown else held.deadline) - clock.monotonic()

    facts = await spool.finish()
    if note is not None:
        await note(facts)
    published = Published.AGAIN
    while published is Published.AGAIN:
        # An unknown lease has no end: each look at the closings is good for one put within the time of a lease (C9).
        right_ends_at = clock.monotonic() + keeper.lease_seconds
        if await runs.is_closing(run):
            raise SweptError(f"Run {run.run_id} is being closed")
        if await require_lease(held, keeper, clock):
            continue  # The deadline must be good after the look at the closings.
        published = await lake.publish(spool, path, seconds_left)
    if published is Published.OURS:
        return facts, False
    theirs = await lake.adopt(path)
    if theirs is None:
        raise LakeUnavailableError(f"{path} was in the lake and has disappeared: something else removes files there")
    return theirs, True
