"""Repairs: what a queue lost is sent again, by workers (docs/protocol.md#drained-and-stranded) or for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from haulier.errors import BrokenEnvelopeError, NewerFormatError, UsageError
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.queues.envelope import decode
from haulier.queues.seam import Queue
from haulier.runs import ledger_schema as table
from haulier.runs.ledger import Ledger
from haulier.runs.plan import read_seal
from haulier.runs.records import RepairRecord, Seal, encode_record
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state
from haulier.runs.stranded import is_counted, is_message_of, send_lost

if TYPE_CHECKING:
    from haulier.runs.closing import Closer

MAX_PEEKED = 100_000
"""Messages that are read to see which items are queued: about 50 MB."""
LOOKS_APART_SECONDS = 2.0


async def newest_repair(lake: Lake, paths: RunPaths) -> int:
    """Return 0 for none."""
    names = await lake.names(paths.folder("repairs"))
    return max((int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdecimal()), default=0)


async def claim_repair(closer: Closer, run: Run, number: int) -> bool:
    """Whether this process is the one to send."""
    record = RepairRecord(number=number, by=closer.name, repaired_at=closer.clock.now())
    return await closer.lake.create(run.paths.repair(number), encode_record(record))


@dataclass(frozen=True)
class Repaired:
    missing: int
    """Items that have not ended."""
    sent: int
    """Of these, those that were sent; with ``is_dry_run``, those that would be."""
    is_exact: bool
    """Whether the queue shows all that it holds. If not, every missing item is sent."""


@dataclass(frozen=True)
class Repairer:
    """Sends the items of an open run that its queue does not hold. Repeatable: a duplicate costs a look-up."""

    closer: Closer

    async def repair(self, run: Run, *, is_dry_run: bool = False) -> Repaired:
        """Raises `UsageError` where the run is not open, was not yet counted (``expect``), or is repaired by another
        process, which began meanwhile."""
        found = await self._repair(run, await self._require_open(run), is_dry_run=is_dry_run)
        if found is None:
            raise UsageError(
                f"Run {run.run_id} is being repaired by another process, which began at the same time. "
                f"`haulier status SOURCE --run {run.run_id}` shows what is missing; repair again if that stays so."
            )
        return found

    async def repair_if_lost(self, run: Run) -> int:
        """Send what is missing of an open run, if the queue holds no message of it at two looks; where it cannot show
        that, none at all. Returns how many were sent: 0 too where another process does it."""
        if await self._has_messages(run):
            return 0
        await self.closer.clock.sleep(LOOKS_APART_SECONDS)
        if await self._has_messages(run):
            return 0
        # Read after the looks: what has ended since the last message was taken is in the lake by now.
        state, _ = await run_state(self.closer.lake, run.paths)
        seal = await read_seal(self.closer.lake, run.paths)
        if state is not RunState.OPEN or seal is None or not await is_counted(self.closer, run):
            return 0
        found = await self._repair(run, seal)
        return 0 if found is None else found.sent

    async def _has_messages(self, run: Run) -> bool:
        """A count that is not exact is never below what there is, leased and delayed messages too."""
        queue = self.closer.queue
        if queue.capabilities.exact_depth:
            return await queue.holds(is_message_of(run))
        return (await queue.depth()).unsettled > 0

    async def _repair(self, run: Run, seal: Seal, *, is_dry_run: bool = False) -> Repaired | None:
        """None where another process repairs it. Workers wait anew before they do so by themselves."""
        lake, queue = self.closer.lake, self.closer.queue
        number = await newest_repair(lake, run.paths) + 1
        ledger = Ledger(lake, run.paths)
        try:
            # Before the ledger is read: what is completed meanwhile is in the lake by then, and not missing.
            is_exact = await _note_queued(queue, run, ledger)
            await ledger.refresh()
            missing = (await ledger.progress()).missing
            lost = await ledger.count(table.LOST)
            if lost and not is_dry_run:
                if not await claim_repair(self.closer, run, number):
                    return None
                await send_lost(self.closer, run, seal, ledger)
        finally:
            ledger.close()
        return Repaired(missing, lost, is_exact)

    async def _require_open(self, run: Run) -> Seal:
        state, _ = await run_state(self.closer.lake, run.paths)
        seal = await read_seal(self.closer.lake, run.paths)
        if state is RunState.PLANNING or seal is None:
            raise UsageError(
                f"The plan of run {run.run_id} is not sealed: nothing of it can be missing from the queue. "
                f"`{run.command}` plans it."
            )
        if state is RunState.CLOSING:
            raise UsageError(
                f"Run {run.run_id} is being closed, which sends what is missing. `haulier verify SOURCE --run "
                f"{run.run_id}` finishes that."
            )
        if state is RunState.PARTIAL:
            raise UsageError(
                f"Run {run.run_id} is closed: its items have all ended, some of them poisoned. "
                f"`haulier poison redrive SOURCE --all --run {run.run_id}` sends those again."
            )
        if state.is_closed:
            raise UsageError(
                f"Run {run.run_id} is {state.value}, which is final: nothing of it is sent again. "
                f"`{run.command}` starts a new run."
            )
        if not await is_counted(self.closer, run):
            raise UsageError(
                f"Run {run.run_id} promises a count (`expect`), which its API was not asked for yet: "
                f"`{run.command}` asks, and then sends what is missing."
            )
        return seal


async def _note_queued(queue: Queue, run: Run, ledger: Ledger) -> bool:
    """Tell the ledger which items of the run are in the queue; False where nobody can know."""
    if not queue.capabilities.exact_depth:
        return False
    unsettled = (await queue.depth()).unsettled
    if unsettled > MAX_PEEKED:
        return False
    bodies = await queue.peek(MAX_PEEKED)
    if len(bodies) < unsettled and len(bodies) < (await queue.depth()).unsettled:
        return False  # It does not show what is leased or delayed.
    await ledger.note_queued(key for body in bodies if (key := _key_in(body, run)))
    return True


def _key_in(body: bytes, run: Run) -> str:
    try:
        envelope = decode(body)
    except (BrokenEnvelopeError, NewerFormatError):
        return ""
    is_ours = envelope.run_id == run.run_id and envelope.is_of(run.paths.source)
    return envelope.key if is_ours else ""
