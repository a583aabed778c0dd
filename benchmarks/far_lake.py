"""What commands about a run cost where each call to the lake takes its time, as in an object store.

`python benchmarks/far_lake.py [--items 20000] [--milliseconds 20]`. The lake is a folder, with a wait before each call
and before each page of 5,000 names of a listing. A run is written as workers would leave it: receipts in groups of 32,
1,000 items poisoned; then it is looked at and closed, each with a count of the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from haulier.clock import SystemClock
from haulier.items.workitem import WorkItem
from haulier.lake.local.lake import LocalLake
from haulier.queues.memory import MemoryQueue, MemoryStore
from haulier.runs.closing import Closer
from haulier.runs.concurrency import run_each
from haulier.runs.enqueue import Enqueuer
from haulier.runs.plan import plan_item
from haulier.runs.poison.records import poisoned
from haulier.runs.receipts import write_receipts
from haulier.runs.records import PoisonRecord, Receipt, encode_record
from haulier.runs.run import NewRun, Run, claim_run, list_runs
from haulier.runs.status import run_status

PAGE_NAMES = 5_000
GROUP = 32
POISONED = 1_000
IN_FLIGHT = 64
"""What an object store bears of one process with ease."""


@dataclass(frozen=True)
class Blob(WorkItem, stream="blobs", kind="blob"):
    n: int


class FarLake:
    """A lake behind a wire."""

    def __init__(self, lake: LocalLake, seconds: float) -> None:
        self._lake = lake
        self._seconds = seconds
        self.calls: Counter[str] = Counter()
        self.capabilities = replace(lake.capabilities, in_flight=IN_FLIGHT)

    async def walk(self, folder: str) -> AsyncIterator[list[str]]:
        await self._wait("walk")
        seen = 0
        async for names in self._lake.walk(folder):
            seen += len(names)
            while seen > PAGE_NAMES:
                seen -= PAGE_NAMES
                await self._wait("walk")
            yield names

    async def download(self, path: str) -> AsyncIterator[bytes]:
        await self._wait("download")
        async for piece in self._lake.download(path):
            yield piece

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._lake, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._wait(name)
            return await method(*arguments, **named)

        return call

    async def _wait(self, name: str) -> None:
        self.calls[name] += 1
        await asyncio.sleep(self._seconds)


async def left_by_workers(lake: LocalLake, run: Run, items: int) -> None:
    """Objects, receipts and poison, without the latency."""
    keys = [plan_item(Blob(n)).key for n in range(items)]
    bad, good = keys[:POISONED], keys[POISONED:]

    async def publish(key: str) -> Receipt:
        spool = await lake.open_spool(run.paths.staging, key)
        await spool.write([b'{"id":1}'])
        facts = await spool.finish()
        await lake.publish(spool, run.paths.object("blobs", key))
        return Receipt(key=key, records=facts.records, bytes=facts.bytes, sha256=facts.sha256, requests=1, seconds=0.1)

    async def poison(key: str) -> None:
        record = PoisonRecord(
            number=1,
            key=key,
            kind="blob",
            run_id=run.run_id,
            payload=plan_item(Blob(0)).payload,
            reason="failed",
            error_class="ItemError",
            error="it fails",
            poisoned_at=SystemClock().now(),
        )
        await lake.create(run.paths.numbered("poison", key, 1), encode_record(record))

    receipts = await run_each(publish, good, 8)
    await run_each(poison, bad, 8)
    for number, start in enumerate(range(0, len(receipts), GROUP)):
        await write_receipts(lake, run.paths, "w1", number, receipts[start : start + GROUP])


@contextmanager
def timed(lake: FarLake, what: str) -> Iterator[None]:
    lake.calls.clear()
    began = time.perf_counter()
    yield
    took = time.perf_counter() - began
    calls = ", ".join(f"{count} {name}" for name, count in lake.calls.most_common())
    print(f"| {what} | {took:.2f} | {lake.calls.total():,} | {calls} |", flush=True)


async def measure(folder: Path, items: int, seconds: float) -> None:
    clock = SystemClock()
    near = LocalLake(folder, clock)
    far: Any = FarLake(near, seconds)
    queue = MemoryQueue(MemoryStore(), clock)
    closer = Closer(far, queue, clock, "closer")

    async def blobs() -> AsyncIterator[WorkItem]:
        for n in range(items):
            yield Blob(n)

    async def look(what: str, ask: Callable[[], Awaitable[object]]) -> None:
        with timed(far, what):
            await ask()

    async def all_poisoned() -> None:
        await poisoned(far, run, 1_000)

    print(f"\n{items:,} items, {seconds * 1_000:g} ms a call\n\n| | seconds | calls | which |\n|---|---|---|---|")
    run = await claim_run(near, clock, NewRun("bench", "full", "print", ("blobs",), False, "0"))
    await look("plan and enqueue", lambda: Enqueuer(far, queue, clock).enqueue(run, blobs))
    await left_by_workers(near, run, items)
    for _ in range(50):
        await claim_run(near, clock, NewRun("bench", "full", "print", ("blobs",), False, "0"))
    await look("list 51 runs", lambda: list_runs(far, "bench"))
    await look("status of an open run", lambda: run_status(far, queue, run))
    await look("poison list", all_poisoned)
    await look("close", lambda: closer.close(run))
    await look("status of a closed run", lambda: run_status(far, queue, run))
    await near.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--milliseconds", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        asyncio.run(measure(Path(folder), arguments.items, arguments.milliseconds / 1_000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
