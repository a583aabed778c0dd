"""A lake, a queue and a clock that processes share, and a worker that does just what the protocol asks of one."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from haulier.errors import LeaseLostError, SweptError
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Lake, Published
from haulier.queues.envelope import Envelope, decode, encode
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.queues.seam import Lease, Queue
from haulier.runs.closing import Closer
from haulier.runs.discard import Discarder
from haulier.runs.enqueue import Enqueuer
from haulier.runs.expect import Expect
from haulier.runs.ledger import Ledger
from haulier.runs.plan import plan_item
from haulier.runs.receipts import write_receipts
from haulier.runs.records import (
    ChildList,
    OutcomeRecord,
    PoisonRecord,
    Receipt,
    VerdictRecord,
    decode_record,
    encode_record,
)
from haulier.runs.redrive import Redriver
from haulier.runs.run import NewRun, Run, claim_run
from haulier.runs.send import envelope_of
from haulier.runs.state import RunState, closing_in_force, run_state
from haulier.runs.stranded import is_stranded, mend_stranded
from haulier.testing.clock import FakeClock
from tests.harness.cuts.calls import Cuts
from tests.harness.oracle import Judgement, judge_run

SOURCE = "shop"
LEASE_SECONDS = 60.0
SHARD_ITEMS = 2


@dataclass(frozen=True)
class Thing(WorkItem, stream="things", kind="things"):
    """The only kind of these tests: a range of IDs, with a record for each."""

    ids: IdRange


def thing(start: int, end: int | None = None) -> Thing:
    return Thing(IdRange(start, start + 1 if end is None else end))


def key_of(item: Thing) -> str:
    return plan_item(item).key


def records_of(ids: IdRange) -> list[bytes]:
    return [b'{"id":%d}' % id for id in range(ids.start, ids.end)]


@dataclass
class Api:
    """What the API answers for an item, by its first ID: records, unless something else is said here."""

    empty: set[int] = field(default_factory=set)
    split: set[int] = field(default_factory=set)
    failing: set[int] = field(default_factory=set)
    requests: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """How long an item says that it took."""


class Process:
    """One process: a lake and a queue of its own over the shared store, seen through its cuts."""

    def __init__(self, place: Place, name: str, cuts: Cuts, expect: Expect | None) -> None:
        self.place = place
        self.name = name
        self.cuts = cuts
        own = place.open_lake()
        place.lakes.append(own)
        self.lake: Lake = cuts.wrap(own)
        self.queue: Queue = cuts.wrap(MemoryQueue(place.store, place.clock))
        self.closer = Closer(self.lake, self.queue, place.clock, name, expect)
        self.redriver = Redriver(self.closer)
        self.discarder = Discarder(self.closer)
        self.enqueuer = Enqueuer(self.lake, self.queue, place.clock, expect, SHARD_ITEMS)
        self._written = itertools.count()

    async def claim(self, *, mode: str = "full", has_expect: bool = False, fingerprint: str = "as it was") -> Run:
        new = NewRun(SOURCE, mode, fingerprint, (Thing.stream,), has_expect, "0")
        return await claim_run(self.lake, self.place.clock, new)

    async def enqueue(self, run: Run, items: Iterable[Thing]) -> None:
        await self.enqueuer.enqueue(run, lambda: given(items))

    # -- the worker ----------------------------------------------------------------------------------------------------

    async def work(self, run: Run) -> None:
        """Settle what the queue has of a run; what is delayed waits for its time."""
        while leases := await self.queue.dequeue(1, LEASE_SECONDS):
            with contextlib.suppress(LeaseLostError):
                await self.settle(run, leases[0])

    async def settle(self, run: Run, lease: Lease) -> None:
        """P3 to P9 for one message."""
        envelope = decode(lease.body)
        assert envelope.run_id == run.run_id
        state, _ = await run_state(self.lake, run.paths)
        if state.is_closed:
            await self.queue.complete([lease])
        elif state is not RunState.OPEN:
            await self.give_up(lease, envelope)
        elif (lease.deliveries > 1 or envelope.resent) and await self._look(run, lease, envelope):
            pass
        else:
            await self._ask(run, lease, envelope)

    async def give_up(self, lease: Lease, envelope: Envelope) -> None:
        body = encode(msgspec.structs.replace(envelope, resent=True, releases=envelope.releases + 1))
        await self.queue.release(lease, body, delay_seconds=1.0)

    async def _look(self, run: Run, lease: Lease, envelope: Envelope) -> bool:
        """P4."""
        if body := await self.lake.read(run.paths.children(envelope.key)):
            await self._send_children(run, decode_record(ChildList, body, "children"), is_marked=True)
        elif facts := await self.lake.adopt(run.paths.object(Thing.stream, envelope.key)):
            await self._write_receipt(run, envelope.key, facts.records, facts.bytes, facts.sha256, adopted=True)
        elif not await self.lake.exists(run.paths.outcome(envelope.key)):
            return False
        await self.queue.complete([lease])
        return True

    async def _ask(self, run: Run, lease: Lease, envelope: Envelope) -> None:
        """P5 to P8."""
        api, key = self.place.api, envelope.key
        ids = msgspec.json.decode(envelope.payload, type=dict[str, IdRange])["ids"]
        api.requests[key] += 1
        if ids.start in api.failing:
            await self.poison(run, envelope)
        elif ids.start in api.empty:
            await self._note_empty(run, key)
        elif ids.start in api.split and (halves := ids.halves()):
            await self._divide(run, key, [Thing(half) for half in halves])
        elif not await self._publish(run, key, records_of(ids)):
            await self.give_up(lease, envelope)
            return
        await self.queue.complete([lease])

    async def _note_empty(self, run: Run, key: str) -> None:
        seconds, now = self.place.api.seconds, self.place.clock.now()
        record = OutcomeRecord(key=key, requests=1, seconds=seconds, worker=self.name, ended_at=now)
        await self.lake.create(run.paths.outcome(key), encode_record(record))

    async def _divide(self, run: Run, key: str, parts: Iterable[WorkItem]) -> None:
        children = tuple(plan_item(part) for part in parts)
        divided = ChildList(key=key, children=children, worker=self.name, split_at=self.place.clock.now())
        is_ours = await self.lake.create(run.paths.children(key), encode_record(divided))
        await self._send_children(run, divided, is_marked=not is_ours)

    async def poison(self, run: Run, envelope: Envelope) -> None:
        """C6: the number is the message's, plus one."""
        record = PoisonRecord(
            number=envelope.redrives + 1,
            key=envelope.key,
            kind=envelope.kind,
            run_id=run.run_id,
            payload=envelope.payload,
            reason="failed",
            error_class="ItemError",
            error="it fails",
            poisoned_at=self.place.clock.now(),
        )
        await self.lake.create(run.paths.numbered("poison", envelope.key, record.number), encode_record(record))

    async def _publish(self, run: Run, key: str, records: list[bytes]) -> bool:
        """P7. False: a closing came in between."""
        spool = await self.lake.open_spool(run.paths.staging, f"{key}.{self.name}-{next(self._written)}")
        try:
            await spool.write(records)
            facts = await spool.finish()
            if await closing_in_force(self.lake, run.paths) is not None:
                return False
            published = await self.lake.publish(spool, run.paths.object(Thing.stream, key))
        except SweptError:
            return False
        finally:
            await spool.discard()
        if published is Published.TAKEN:
            found = await self.lake.adopt(run.paths.object(Thing.stream, key))
            assert found is not None
            facts = found
        await self._write_receipt(
            run, key, facts.records, facts.bytes, facts.sha256, adopted=published is Published.TAKEN
        )
        return True

    async def _write_receipt(self, run: Run, key: str, records: int, size: int, sha256: str, *, adopted: bool) -> None:
        receipt = Receipt(
            key=key,
            records=records,
            bytes=size,
            sha256=sha256,
            requests=int(not adopted),
            seconds=0.0 if adopted else self.place.api.seconds,
            adopted=adopted,
            ended=run.seconds_at(self.place.clock.now()),
        )
        await write_receipts(self.lake, run.paths, self.name, next(self._written), [receipt])

    async def _send_children(self, run: Run, divided: ChildList, *, is_marked: bool) -> None:
        await self.queue.enqueue(
            [encode(envelope_of(child, run.paths, resent=is_marked)) for child in divided.children]
        )


@dataclass
class Place:
    """What outlives a process."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    api: Api = field(default_factory=Api)
    lakes: list[Lake] = field(default_factory=list)
    born: int = 0
    """Processes so far: each has a name of its own."""

    def open_lake(self) -> Lake:
        return LocalLake(self.folder, self.clock)

    def process(self, cuts: Cuts | None = None, *, expect: Expect | None = None) -> Process:
        """A fresh process. Its name is no other's."""
        self.born += 1
        return Process(self, f"p{self.born}", cuts or Cuts(), expect)

    @property
    def messages(self) -> list[Envelope]:
        """What stands in the queue, in the order in which it was sent."""
        return [decode(message.body) for _, message in sorted(self.store.messages.items())]

    def forget_leases(self) -> None:
        """Time passes: what a dead process held is handed out again, and delays are over."""
        self.clock.advance(LEASE_SECONDS + 1)

    def files(self, pattern: str = "**/*") -> list[str]:
        """Files of the lake, as paths in it."""
        found = sorted(path for path in self.folder.glob(pattern) if path.is_file())
        return [str(path.relative_to(self.folder)) for path in found]

    def judge(self, run: Run, may_fail: Callable[[IdRange], bool] = lambda ids: False) -> Judgement:
        """The independent check of a closed run."""

        def records(params: dict[str, dict[str, int]]) -> list[bytes]:
            ids = IdRange(**params["ids"])
            return [] if ids.start in self.api.empty else records_of(ids)

        return judge_run(self.folder, SOURCE, run.run_id, records, lambda params: may_fail(IdRange(**params["ids"])))

    def clone(self, folder: Path) -> Place:
        """The same lake and queue once more, to be treated otherwise. What is cloned stays as it is."""
        shutil.copytree(self.folder, folder)
        messages = {id: dataclasses.replace(message) for id, message in self.store.messages.items()}
        store = MemoryStore(
            messages=messages,
            lanes=tuple([*lane] for lane in self.store.lanes),
            last_id=self.store.last_id,
            last_token=self.store.last_token,
        )
        clock = FakeClock(self.clock.now())
        since = self.clock.monotonic() - clock.monotonic()
        clock.advance(since)
        clock.set_wall(self.clock.now())
        api = copy.deepcopy(self.api)
        return Place(folder, clock, store, api, born=self.born)

    async def close(self) -> None:
        """Let the threads of the processes so far end."""
        while self.lakes:
            await self.lakes.pop().close()


async def given(items: Iterable[Thing]) -> AsyncIterator[Thing]:
    for item in items:
        yield item


async def finish(place: Place, run: Run) -> VerdictRecord:
    """What a `work` that comes later does: it works, closes, and sends again what is stranded. Not for ever."""
    for _ in range(8):
        place.forget_leases()
        process = place.process()
        await process.work(run)
        verdict = await process.closer.close(run)
        if verdict is not None:
            return verdict
        ledger = Ledger(process.lake, run.paths)
        if await is_stranded(process.queue, run, ledger):
            await mend_stranded(process.closer, run, ledger)
        ledger.close()
    raise AssertionError(f"{run.run_id} does not end: {place.files()}")
