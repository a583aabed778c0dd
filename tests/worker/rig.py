"""A lake, a queue, an API and a clock in one process, and workers over them: one delivery at a time, or whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from haulier.api.client import Client
from haulier.clock import Clock
from haulier.items.workitem import WorkItem
from haulier.lake.local.lake import LocalLake
from haulier.queues.envelope import Envelope, decode
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.queues.seam import Queue, QueueOpener
from haulier.rows.memory import MemoryRows, RowStore
from haulier.runs.closing import Closer
from haulier.runs.enqueue import Enqueuer
from haulier.runs.plan import plan_item
from haulier.runs.records import (
    ChildList,
    OutcomeRecord,
    PoisonRecord,
    Receipt,
    Record,
    VerdictRecord,
    decode_record,
    encode_record,
)
from haulier.runs.redrive import Redriver
from haulier.runs.run import NewRun, Run, claim_run
from haulier.telemetry.messages import MessageSpans
from haulier.telemetry.seam import NO_TELEMETRY, Telemetry
from haulier.testing.clock import FakeClock
from haulier.worker.attempt import Attempt
from haulier.worker.batch_settler import BatchSettler
from haulier.worker.deps import Processor, WorkerDeps
from haulier.worker.done_item_probe import DoneItemProbe
from haulier.worker.held_items import HeldItems
from haulier.worker.keeper import HeldLease, LeaseKeeper
from haulier.worker.loop import Worker
from haulier.worker.run_cache import RunCache
from haulier.worker.settings import WorkerSettings
from haulier.worker.stats import Stats
from haulier.worker.stop import StopSign
from haulier.worker.worker_state import WorkerState
from tests.harness.cuts.calls import Cuts
from tests.harness.things import SOURCE, Things, ThingsApi, client_of
from tests.harness.wiring import deps_of, worker_of

LEASE_SECONDS = 60.0
R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True)
class Others(WorkItem, stream="things", kind="others"):
    """A kind that workers do not know unless they are told."""

    id: int


def key_of(item: WorkItem) -> str:
    return plan_item(item).key


@dataclass
class Rig:
    """What outlives a worker."""

    folder: Path
    clock: Clock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    rows: RowStore = field(default_factory=RowStore)
    api: ThingsApi = field(default_factory=ThingsApi)
    settings: WorkerSettings = field(default_factory=lambda: WorkerSettings(lease_seconds=LEASE_SECONDS))
    isolate: tuple[str, ...] = ()
    max_requests: int | None = None
    telemetry: Telemetry = NO_TELEMETRY
    _born: int = 0

    async def __aenter__(self) -> Self:
        self.lake = LocalLake(self.folder / "lake", self.clock)
        self.queue: Queue = MemoryQueue(self.store, self.clock)
        self.closer = Closer(self.lake, self.queue, self.clock, "closer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.lake.close()

    async def run(self, *items: WorkItem, mode: str = "full") -> Run:
        """A run of these items, on the queue."""
        run = await claim_run(self.lake, self.clock, NewRun(SOURCE, mode, "as it was", ("things",), False, "0"))
        await self.enqueue(run, items)
        return run

    async def enqueue(self, run: Run, items: Iterable[WorkItem]) -> None:
        async def given() -> AsyncIterator[WorkItem]:
            for item in items:
                yield item

        await Enqueuer(self.lake, self.queue, self.clock).enqueue(run, given)

    async def close(self, run: Run) -> VerdictRecord | None:
        return await self.closer.close(run)

    async def redrive(self, run: Run) -> int:
        return await Redriver(self.closer).redrive(run)

    # -- workers -------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def deps(self, processors: Mapping[type[WorkItem], Processor] | None = None) -> AsyncIterator[WorkerDeps]:
        """The wiring of one more worker, which has joined the scope."""
        self._born += 1
        name = f"w{self._born}"
        asleep = self.clock.sleeping if isinstance(self.clock, FakeClock) else 0
        async with client_of(
            self.api, MemoryRows(self.rows), self.clock, name, max_requests=self.max_requests
        ) as client:
            if isinstance(self.clock, FakeClock):
                await self.clock.wait_for_sleepers(asleep + 1)  # Its beats wait for the clock from now on.
            yield self.parts_over(client, name, processors)

    def parts_over(
        self, client: Client, name: str, processors: Mapping[type[WorkItem], Processor] | None = None
    ) -> WorkerDeps:
        deps = deps_of(
            SOURCE,
            lake=self.lake,
            queue=self.queue,
            open_queue=lambda: MemoryQueue(self.store, self.clock),
            client=client,
            clock=self.clock,
            name=name,
            settings=self.settings,
            processors={Things: self.api.work} if processors is None else processors,
            isolate=self.isolate,
        )
        return replace(deps, telemetry=self.telemetry, messages=MessageSpans(self.telemetry, "memory", SOURCE))

    @contextlib.asynccontextmanager
    async def hand(
        self,
        processors: Mapping[type[WorkItem], Processor] | None = None,
        *,
        open_queue: QueueOpener | None = None,
        cuts: Cuts | None = None,
    ) -> AsyncIterator[Hand]:
        """A worker that is led by hand. ``open_queue`` is for its keeper alone; ``cuts`` go through its calls to lake
        and queue, but for its keeper's and its beats."""
        async with self.deps(processors) as deps:
            if open_queue is not None:
                deps = replace(deps, open_queue=open_queue)
            if cuts is not None:
                deps = replace(deps, lake=cuts.wrap(deps.lake), queue=cuts.wrap(deps.queue))
            hand = Hand(deps)
            hand.keeper.start()
            try:
                yield hand
            finally:
                hand.keeper.stop()

    def worker(self, deps: WorkerDeps, *, only: str | None = None, exit_idle: bool = False) -> Worker:
        """A whole worker. It must not hang."""
        return worker_of(deps, only=only, exit_idle=exit_idle)

    def turn(self, seconds: float) -> None:
        """Let time pass at once."""
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(seconds)

    async def while_time_passes(self, work: Coroutine[Any, Any, T], step_seconds: float = 0.25) -> T:
        """Await what needs beats, or sleeps."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=0.001)
            self.turn(step_seconds)
        return task.result()

    # -- what is there -------------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Envelope]:
        """What stands in the queue, in the order in which it was sent."""
        return [decode(message.body) for _, message in sorted(self.store.messages.items())]

    @property
    def message(self) -> Envelope:
        """The only one."""
        (message,) = self.messages
        return message

    @property
    def leased(self) -> int:
        return sum(message.token != 0 for message in self.store.messages.values())

    def delay_of(self, number: int = 0) -> float:
        """In how many seconds a message is visible."""
        message = [message for _, message in sorted(self.store.messages.items())][number]
        return message.visible_at - self.clock.monotonic()

    def poison_copies(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for body in self.store.poison]

    def files(self, run: Run, pattern: str = "**/*") -> list[str]:
        """Files of the run's account, as paths in it."""
        root = self.folder / "lake" / run.paths.root
        return sorted(str(path.relative_to(root)) for path in root.glob(pattern) if path.is_file())

    def objects(self) -> list[str]:
        return sorted(path.name.partition(".")[0] for path in (self.folder / "lake" / SOURCE).rglob("*.ndjson.gz"))

    async def receipts(self, run: Run) -> list[Receipt]:
        found: list[Receipt] = []
        for name in sorted(await self.lake.names(run.paths.folder("receipts"))):
            body = await self.lake.read(f"{run.paths.folder('receipts')}/{name}")
            assert body is not None
            found += [msgspec.json.decode(line, type=Receipt) for line in body.splitlines()]
        return found

    async def poison(self, run: Run, item: WorkItem, number: int = 1) -> PoisonRecord | None:
        return await self._record(PoisonRecord, run.paths.numbered("poison", key_of(item), number))

    async def outcome(self, run: Run, item: WorkItem) -> OutcomeRecord | None:
        return await self._record(OutcomeRecord, run.paths.outcome(key_of(item)))

    async def children(self, run: Run, item: WorkItem) -> list[str] | None:
        found = await self._record(ChildList, run.paths.children(key_of(item)))
        return None if found is None else [child.key for child in found.children]

    async def put_object(self, run: Run, item: WorkItem, records: list[bytes]) -> None:
        """What another attempt published."""
        self._born += 1
        spool = await self.lake.open_spool(run.paths.staging, f"other.{self._born}")
        await spool.write(records)
        await spool.finish()
        await self.lake.publish(spool, run.paths.object(item.stream, key_of(item)))

    async def put_outcome(self, run: Run, item: WorkItem) -> None:
        record = OutcomeRecord(key=key_of(item), ended_at=self.clock.now())
        await self.lake.create(run.paths.outcome(key_of(item)), encode_record(record))

    async def put_children(self, run: Run, item: WorkItem, *children: WorkItem) -> None:
        record = ChildList(
            key=key_of(item), children=tuple(map(plan_item, children)), worker="other", split_at=self.clock.now()
        )
        await self.lake.create(run.paths.children(key_of(item)), encode_record(record))

    async def _record(self, kind: type[R], path: str) -> R | None:
        body = await self.lake.read(path)
        return None if body is None else decode_record(kind, body, path)


class Hand:
    """One worker whose every step is asked for."""

    def __init__(self, deps: WorkerDeps) -> None:
        self.deps = deps
        self.stalls: list[str] = []
        lease_seconds = deps.settings.lease_seconds
        self.keeper = LeaseKeeper(deps.open_queue, deps.clock, lease_seconds, lambda: self.stalls.append("stall"))
        self.settler = BatchSettler(deps.lake, deps.queue, self.keeper, deps.clock, deps.name)
        self.stop = StopSign()
        run_cache = RunCache(deps.lake, deps.source, deps.clock)
        self.state = WorkerState(
            deps, self.keeper, self.settler, run_cache, HeldItems(deps.lake), DoneItemProbe(deps), Stats(), self.stop
        )

    async def take(self) -> HeldLease | None:
        """Dequeue a message; None if none is visible."""
        sent_at = self.deps.clock.monotonic()
        leases = await self.deps.queue.dequeue(1, self.deps.settings.lease_seconds)
        return self.keeper.hold(leases[0], sent_at) if leases else None

    async def attempt(self, held: HeldLease | None) -> None:
        """What follows a dequeue, up to the point where the item waits to be settled."""
        assert held is not None, "no message is visible"
        await Attempt(self.state, held).run()

    async def settle(self) -> None:
        """Receipts and completions of all that waits."""
        self.settler.stop()
        await self.settler.run()

    async def work(self) -> bool:
        """Take a message and bring it to its end. False if none is visible."""
        held = await self.take()
        if held is None:
            return False
        await self.attempt(held)
        await self.settle()
        return True
