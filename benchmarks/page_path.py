"""A page's way from its body to an object in the lake, beside a bare loop that does the same: the same slices, the same
compressor and level, the same fsync and link, and none of the checks, counts, sums and threads.

`python benchmarks/page_path.py [--rounds 7] [--megabytes 100]` prints medians of rounds that take turns, and ratios; a
ratio carries over to another machine, a rate does not. CPU seconds count all threads, wall seconds the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from isal import isal_zlib

from haulier.api.page import split_records
from haulier.clock import SystemClock
from haulier.lake.local import LocalLake
from haulier.lake.ndjson import to_lines
from haulier.testing.sandbox import SandboxSettings
from haulier.testing.sandbox_answers import answer

LEVEL = 2


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


class Bare:
    """The loop that one writes by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decoder = msgspec.json.Decoder(Blob)
        for name in ("staging", "bronze"):
            (folder / name).mkdir(parents=True)

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
                        getattr(side, name)(body)

        return work

    print(f"\n{job.name}, {items * job.pages_per_item:,} pages, {total_mb:.0f} MB")
    print("| step | ours, CPU | bare, CPU | CPU ratio | wall ratio |\n|---|---|---|---|---|")
    for name, words in (
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds of each step; %(default)s")
    parser.add_argument("--megabytes", type=int, default=100, help="pages to work through a round; %(default)s")
    parser.add_argument("--folder", type=Path, help="where the files are made: the disk to measure")
    options = parser.parse_args()
    for job in JOBS:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            asyncio.run(contest(job, options.rounds, options.megabytes, Path(folder)))


if __name__ == "__main__":
    main()
