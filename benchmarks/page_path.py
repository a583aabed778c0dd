"""A page's way to an object in the lake, beside a bare loop that does the same: the same slices, the same compressor
and level, the same fsync and link, and none of the checks, counts, sums and threads.

`python benchmarks/page_path.py [--rounds 7] [--megabytes 100] [--only steps|path|memory]`: rounds take turns. Read the
ratios, which carry over to another machine; rates do not. CPU seconds count all threads, wall seconds the disk.

steps: from the body to the object, step by step. path: all of it, from the request on, plain and with gzip answers, in
MB a second of this process's CPU. memory: the peak of whole pulls against 55 MB + 2 x in flight x page size.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import end_to_end
import msgspec
from isal import isal_zlib
from multidict import CIMultiDict, CIMultiDictProxy

from haulier import Api, Single
from haulier.api.client import Client
from haulier.api.http.redactor import Redactor
from haulier.api.records.page import split_records
from haulier.api.scope.scope import Scope
from haulier.api.scope.settings import ScopeSettings
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.api.wire.body import decode_body
from haulier.api.wire.framing import Framing
from haulier.cli.event_loop import run_loop
from haulier.clock import SystemClock
from haulier.lake.local.lake import LocalLake
from haulier.lake.ndjson import to_lines
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.testing.sandbox.answers import answer

LEVEL = 2
IN_FLIGHT = 12
GZIP = CIMultiDictProxy(CIMultiDict({"Content-Encoding": "gzip"}))


class Blob(msgspec.Struct):
    records: list[msgspec.Raw]


@dataclass(frozen=True)
class Job:
    name: str
    page_bytes: int
    pages_per_item: int

    def items(self, megabytes: int) -> int:
        return max(1, megabytes * 1_000_000 // (self.page_bytes * self.pages_per_item))

    def bodies(self) -> list[bytes]:
        """Different pages, as the sandbox serves them."""
        return [answer(SandboxSettings(), f"/blob?bytes={self.page_bytes}&n={number}").body for number in range(16)]


JOBS = (Job("1 MB pages, 10 an item", 1_000_000, 10), Job("20 KB pages, 50 an item", 20_000, 50))


class Ours:
    """haulier's own parts."""

    def __init__(self, folder: Path) -> None:
        self.lake = LocalLake(folder, SystemClock())

    def inflate(self, wire: bytes) -> None:
        decode_body(wire, GZIP, Framing(len(wire)), 1 << 28)

    def slice(self, body: bytes) -> None:
        split_records(body, "records")

    def lines(self, body: bytes) -> None:
        to_lines(split_records(body, "records").records)

    async def spool(self, bodies: list[bytes]) -> None:
        spool = await self.lake.open_spool("staging", uuid.uuid4().hex)
        for body in bodies:
            await spool.write(split_records(body, "records").records)
        await spool.finish()
        await spool.discard()

    async def item(self, bodies: list[bytes]) -> None:
        spool = await self.lake.open_spool("staging", uuid.uuid4().hex)
        for body in bodies:
            await spool.write(split_records(body, "records").records)
        await spool.finish()
        await self.lake.publish(spool, f"bronze/{uuid.uuid4().hex}.ndjson.gz")

    @contextlib.asynccontextmanager
    async def puller(self, job: Job, url: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """What pulls one item, given the number of its first page."""
        clock, rng, redactor = SystemClock(), random.Random(7), Redactor()
        api = Api(url, in_flight=IN_FLIGHT)
        transport = AiohttpTransport(api, clock=clock, redactor=redactor)
        rows = MemoryRows(RowStore())
        scope = Scope(ScopeSettings("bench", api.schedule, is_fixed=True), "bench", rows, clock, rng)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(transport.close)
            await stack.enter_async_context(scope.joined())
            client = Client(api, transport, scope, clock, rng, redactor)

            async def pull(first: int) -> None:
                spool, session = await self.lake.open_spool("staging", uuid.uuid4().hex), client.session()
                for n in range(first, first + job.pages_per_item):
                    query = {"bytes": job.page_bytes, "n": n}
                    async for page in session.pages("/blob", query, pages=Single(), records="records"):
                        await spool.write(page.slices)
                await spool.finish()
                await self.lake.publish(spool, f"bronze/{uuid.uuid4().hex}.ndjson.gz")

            yield pull


class Bare:
    """The loop that one writes by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decoder = msgspec.json.Decoder(Blob)
        for name in ("staging", "bronze"):
            (folder / name).mkdir(parents=True)

    def inflate(self, wire: bytes) -> None:
        isal_zlib.decompress(wire, 31)

    def slice(self, body: bytes) -> None:
        self.decoder.decode(body)

    def lines(self, body: bytes) -> None:
        b"\n".join((*self.decoder.decode(body).records, b""))

    async def spool(self, bodies: list[bytes]) -> None:
        name, descriptor = self._write(bodies)
        os.fsync(descriptor)
        os.close(descriptor)
        os.unlink(name)

    async def item(self, bodies: list[bytes]) -> None:
        name, descriptor = self._write(bodies)
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(name, self.folder / "bronze" / f"{uuid.uuid4().hex}.ndjson.gz")
        place = os.open(self.folder / "bronze", os.O_RDONLY)
        os.fsync(place)
        os.close(place)
        os.unlink(name)

    @contextlib.asynccontextmanager
    async def puller(self, job: Job, url: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """As `Ours.puller`."""
        aiohttp.set_zlib_backend(isal_zlib)
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=4 << 20) as session:

            async def pull(first: int) -> None:
                bodies = []
                for n in range(first, first + job.pages_per_item):
                    async with session.get(f"{url}/blob?bytes={job.page_bytes}&n={n}") as response:
                        bodies.append(await response.read())
                await self.item(bodies)

            yield pull

    def _write(self, bodies: list[bytes]) -> tuple[Path, int]:
        name = self.folder / "staging" / uuid.uuid4().hex
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        compressor = isal_zlib.compressobj(LEVEL, wbits=31)
        for body in bodies:
            os.write(descriptor, compressor.compress(b"\n".join((*self.decoder.decode(body).records, b""))))
        os.write(descriptor, compressor.flush())
        return name, descriptor


async def timed(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    await work()
    return time.process_time() - cpu, time.perf_counter() - wall


async def contest(job: Job, rounds: int, megabytes: int, folder: Path) -> None:
    bodies, items = job.bodies(), job.items(megabytes)
    wires = {body: isal_zlib.compress(body, LEVEL, 31) for body in bodies}
    pages = [[bodies[(item + page) % len(bodies)] for page in range(job.pages_per_item)] for item in range(items)]
    total_mb = items * job.pages_per_item * job.page_bytes / 1e6
    sides = (Ours(folder / "ours"), Bare(folder / "bare"))

    def step(side: Ours | Bare, name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            for item in pages:
                if name in ("spool", "item"):
                    await getattr(side, name)(item)
                else:
                    for body in item:
                        getattr(side, name)(wires[body] if name == "inflate" else body)

        return work

    print(f"\n{job.name}, {items * job.pages_per_item:,} pages, {total_mb:.0f} MB")
    print("| step | ours, CPU | bare, CPU | CPU ratio | wall ratio |\n|---|---|---|---|---|")
    for name, words in (
        ("inflate", "inflate a gzip answer"),
        ("slice", "slice"),
        ("lines", "slice, lines"),
        ("spool", "slice, lines, gzip, write, fsync"),
        ("item", "the same, link, fsync of the folder, unlink"),
    ):
        measured: tuple[list[tuple[float, float]], ...] = ([], [])
        for number in range(rounds + 1):  # The first warms up and is not counted.
            for side, results in zip(sides, measured, strict=True):
                result = await timed(step(side, name))
                if number:
                    results.append(result)
        (our_cpu, our_wall), (bare_cpu, bare_wall) = (
            (statistics.median(cpu for cpu, _ in results), statistics.median(wall for _, wall in results))
            for results in measured
        )
        print(
            f"| {words} | {total_mb / our_cpu:,.0f} MB/s | {total_mb / bare_cpu:,.0f} MB/s "
            f"| {our_cpu / bare_cpu:.2f} | {our_wall / bare_wall:.2f} |"
        )
    await sides[0].lake.close()


async def whole_paths(job: Job, rounds: int, megabytes: int, folder: Path) -> None:
    """The best of the rounds: other work on the machine only ever adds to one."""
    items = job.items(megabytes)
    total_mb = items * job.pages_per_item * job.page_bytes / 1e6
    sides = (Ours(folder / "ours"), Bare(folder / "bare"))
    print(f"\n{job.name}, {total_mb:.0f} MB, {IN_FLIGHT} in flight: from the request to the object")
    print("| answers | ours, a core | bare loop, a core | CPU ratio |\n|---|---|---|---|")
    for is_gzipped in (False, True):
        with SandboxProcess(SandboxSettings(gzip=is_gzipped)) as api:
            best = [float("inf")] * 2
            for number in range(rounds + 1):
                for place, side in enumerate(sides):
                    async with side.puller(job, api.url) as pull:
                        numbers = iter(range(0, items * job.pages_per_item, job.pages_per_item))
                        cpu, _ = await timed(lambda pull=pull, numbers=numbers: in_flight(pull, numbers))
                    if number:
                        best[place] = min(best[place], cpu)
        ours, bare = best
        print(
            f"| {'gzip' if is_gzipped else 'plain'} | {total_mb / ours:,.0f} MB/s | {total_mb / bare:,.0f} MB/s "
            f"| {ours / bare:.2f} |"
        )
    await sides[0].lake.close()


async def in_flight(pull: Callable[[int], Awaitable[None]], numbers: Iterator[int]) -> None:
    async def work() -> None:
        for number in numbers:
            await pull(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


def memory() -> None:
    """Peaks of `haulier run --fixed`, each in a process of its own."""
    print("\n| pull | answers | peak | bound |\n|---|---|---|---|")
    for pages, size, at_once in ((200, 1_000_000, 12), (400, 1_000_000, 64), (2_000, 20_000, 256)):
        job = end_to_end.Job(f"{pages:,} pages of {size // 1000:,} KB, {at_once} in flight", pages, size, at_once)
        for is_gzipped in (False, True):
            settings = SandboxSettings(latency_seconds=end_to_end.LATENCY_SECONDS, gzip=is_gzipped)
            with SandboxProcess(settings) as api:
                peak = end_to_end.pull("haulier", job, api.url).peak_mb
            print(f"| {job.name} | {'gzip' if is_gzipped else 'plain'} | {peak:.0f} MB | {job.bound_mb:.0f} MB |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds of each step; %(default)s")
    parser.add_argument("--megabytes", type=int, default=100, help="pages to work through a round; %(default)s")
    parser.add_argument("--folder", type=Path, help="where the files are made: the disk to measure")
    parser.add_argument("--only", choices=["steps", "path", "memory"])
    options = parser.parse_args()
    for name, contested in (("steps", contest), ("path", whole_paths)):
        for job in JOBS if options.only in (None, name) else ():
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                run_loop(contested(job, options.rounds, options.megabytes, Path(folder)))
    if options.only in (None, "memory"):
        memory()


if __name__ == "__main__":
    main()
