"""A run over backends that can do little: a hosted queue, an object store, and rows apart from both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from haulier.clock import Clock
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Lake
from haulier.queues.envelope import encode
from haulier.queues.seam import Queue
from haulier.rows.seam import Rows
from haulier.runs.closing import Closer
from haulier.runs.enqueue import Enqueuer
from haulier.runs.manifest import read_manifest
from haulier.runs.records import PlannedItem, VerdictRecord
from haulier.runs.run import NewRun, Run, claim_run
from haulier.runs.send import envelope_of
from haulier.testing.clock import FakeClock
from haulier.worker.deps import WorkerDeps
from haulier.worker.settings import WorkerSettings
from tests.harness.cuts.calls import Cuts
from tests.harness.oracle import judge_run
from tests.harness.things import SOURCE, Things, ThingsApi, client_of, things
from tests.harness.wiring import deps_of, worker_of
from tests.seams.object_lake import ObjectLake, Objects
from tests.seams.object_rows import ObjectRows, VersionedObjects
from tests.seams.receipt_queue import ReceiptQueue, ReceiptStore
from tests.worker.rig import Hand

ITEMS = (things(1, 4), things(4), things(10, 14), things(20, 22))
RECORDS = 3 + 4 + 2
MAX_FAILURES = 3
LEASE_SECONDS = 10.0
OPERATIONS_PER_SECOND = 2.0


@dataclass
class Cloud:
    """What outlives a process."""

    clock: Clock
    objects: Objects = field(default_factory=Objects)
    messages: ReceiptStore = field(default_factory=ReceiptStore)
    rows: VersionedObjects = field(default_factory=VersionedObjects)
    api: ThingsApi = field(default_factory=lambda: ThingsApi(empty={4}, divided={10}, smallest=2))
    lease_seconds: float = LEASE_SECONDS
    born: int = 0

    @property
    def lake(self) -> Lake:
        return ObjectLake(self.objects)

    @property
    def queue(self) -> Queue:
        return ReceiptQueue(self.messages, self.clock)

    @property
    def scope_rows(self) -> Rows:
        return ObjectRows(self.rows, OPERATIONS_PER_SECOND)

    @property
    def closer(self) -> Closer:
        return self.closer_of(Cuts())

    def closer_of(self, cuts: Cuts) -> Closer:
        return Closer(cuts.wrap(self.lake), self.queue, self.clock, "closer")

    async def plan(self, items: Sequence[WorkItem] = ITEMS, mode: str = "full") -> Run:
        async def given() -> AsyncIterator[WorkItem]:
            for item in items:
                yield item

        run = await claim_run(self.lake, self.clock, NewRun(SOURCE, mode, "as it was", ("things",), False, "0"))
        await Enqueuer(self.lake, self.queue, self.clock).enqueue(run, given)
        return run

    @contextlib.asynccontextmanager
    async def deps(self, cuts: Cuts | None = None, isolate: tuple[str, ...] = ()) -> AsyncIterator[WorkerDeps]:
        """The wiring of one more worker, which has joined the scope."""
        self.born += 1
        name, cuts = f"w{self.born}", cuts or Cuts()
        asleep = self.clock.sleeping if isinstance(self.clock, FakeClock) else 0
        async with client_of(self.api, self.scope_rows, self.clock, name) as client:
            if isinstance(self.clock, FakeClock):
                await self.clock.wait_for_sleepers(asleep + 1)  # Its beats wait for the clock from now on.
            yield deps_of(
                SOURCE,
                lake=cuts.wrap(self.lake),
                queue=cuts.wrap(self.queue),
                open_queue=lambda: self.queue,
                client=client,
                clock=self.clock,
                name=name,
                settings=WorkerSettings(lease_seconds=self.lease_seconds, max_failures=MAX_FAILURES),
                processors={Things: self.api.work},
                isolate=isolate,
            )

    async def work(self, run: Run, cuts: Cuts | None = None, isolate: tuple[str, ...] = ()) -> str:
        """One worker process, to its end or to its cut. Returns why it stopped."""
        cuts = cuts or Cuts()
        async with self.deps(cuts, isolate) as deps:
            worker = worker_of(deps, only=run.run_id)
            await cuts.run(worker.run())
        return worker.reason

    @contextlib.asynccontextmanager
    async def hand(self, cuts: Cuts | None = None) -> AsyncIterator[Hand]:
        """A worker that is led by hand, and whose leases nobody renews."""
        async with self.deps(cuts) as deps:
            yield Hand(deps)

    async def verdict(self, run: Run) -> VerdictRecord:
        found = await self.closer.close(run)
        assert found is not None, "the run is open"
        return found

    async def work_by_hand(self) -> None:
        """Bring every message that is visible to its end, while time passes for the beats of other members."""
        assert isinstance(self.clock, FakeClock)
        async with self.hand() as hand:
            is_any = True
            while is_any:
                work = asyncio.create_task(hand.work())
                while not work.done():
                    await asyncio.wait([work], timeout=0.001)
                    self.clock.advance(0.25)
                is_any = await work

    async def send(self, run: Run, items: Sequence[PlannedItem]) -> None:
        await self.queue.enqueue([encode(envelope_of(item, run.paths)) for item in items])

    async def states(self, run: Run, verdict: VerdictRecord) -> dict[str, str]:
        manifest = read_manifest(self.lake, run.paths, verdict.number)
        return {entry.key: entry.state async for entries in manifest for entry in entries}

    def judge(self, run: Run, folder: Path) -> None:
        """The independent check of the closed run."""
        self.objects.export(folder)
        seen = judge_run(folder, SOURCE, run.run_id, self.api.served, self.api.refuses)
        assert not seen.problems, seen.problems
