"""What a command costs besides its work: its start, looking at a run, closing it, and a second worker.

`python benchmarks/start_close.py [--rounds 5] [--only start|runs|workers]`. The bare start is a Python that imports
asyncio, aiohttp and msgspec, measured in turn with the rest: what a machine that is busy adds, it adds to both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haulier.app.open_source import Options, open_source
from haulier.app.run_start import WantedRun, claim
from haulier.app.source_loader import load_app
from haulier.runs.plan import read_shard, write_plan
from haulier.runs.records import Receipt
from haulier.testing.sandbox import SandboxProcess, SandboxSettings

ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
BARE = [sys.executable, "-c", "import asyncio, aiohttp, msgspec"]
HAULIER = [sys.executable, "-m", "haulier"]
GROUP = 32
"""Receipts in a file, as a worker writes them."""

SOURCE = """
import os, time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from haulier import Api, App, Context, Page, Single, WorkItem

app = App("bench", api=Api(os.environ.get("BENCH_URL", "http://127.0.0.1:9"), in_flight=int({in_flight})))

@dataclass(frozen=True)
class Blob(WorkItem, stream="blobs", kind="blob"):
    n: int

@app.enumerate("full")
async def blobs(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range({items}):
        yield Blob(n)

@app.processor(Blob)
async def blob(item: Blob, ctx: Context) -> AsyncIterator[Page]:
    async for page in ctx.api.pages("/blob", {{"bytes": 20_000, "n": item.n}}, pages=Single(), records="records"):
        until = time.thread_time() + {busy_seconds}
        while time.thread_time() < until:
            pass
        yield page
"""


@dataclass(frozen=True)
class Took:
    wall_seconds: float
    cpu_seconds: float
    """Of the process and its children."""


def source(folder: Path, *, items: int, in_flight: int = 64, busy_seconds: float = 0.0) -> str:
    path = folder / f"source_{items}.py"
    path.write_text(SOURCE.format(items=items, in_flight=in_flight, busy_seconds=busy_seconds))
    return str(path)


def took(command: list[str], *, codes: tuple[int, ...] = (0,), url: str = "") -> Took:
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        command, env=ENVIRON | {"BENCH_URL": url} if url else ENVIRON, check=False, capture_output=True
    )
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.decode()}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(wall, cpu)


def until_first_request(folder: Path, *words: str) -> Took:
    """From the start of `haulier run` to its first connection. Its CPU is read at that moment."""
    place = Path(tempfile.mkdtemp(dir=folder))
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [*HAULIER, "run", "--fixed", source(place, items=2_000), *words]
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        started = time.perf_counter()
        process = subprocess.Popen(command, env=ENVIRON | {"BENCH_URL": url}, stderr=subprocess.DEVNULL)
        try:
            connection, _ = server.accept()
            wall = time.perf_counter() - started
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            connection.close()
        finally:
            process.kill()
            process.wait()
    return Took(wall, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


def report(rounds: int, contestants: dict[str, Callable[[], Took]]) -> None:
    """In turn, so that each round meets the same machine; the first one beside which the others are shown."""
    results: dict[str, list[Took]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            results[name].append(contestant())
    print("\n| | wall s | CPU s | wall x first | CPU x first |\n|---|---|---|---|---|")
    first = next(iter(results.values()))
    for name, found in results.items():
        wall = statistics.median(one.wall_seconds for one in found)
        cpu = statistics.median(one.cpu_seconds for one in found)
        walls = statistics.median(a.wall_seconds / b.wall_seconds for a, b in zip(found, first, strict=True))
        cpus = statistics.median(a.cpu_seconds / b.cpu_seconds for a, b in zip(found, first, strict=True))
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {walls:.2f} | {cpus:.2f} |", flush=True)


async def write_run(name: str, items: int, done: int) -> None:
    """An open run of which so many items are done, as workers leave it; its objects hold nothing."""
    app = load_app(name)
    async with open_source(app, Options()) as site:
        run = await claim(site, WantedRun("full", ("blobs",)))  # It asks its API nothing.
        kind = next(iter(app.processors))

        async def enumerated():
            for n in range(items):
                yield kind(n)

        seal = await write_plan(site.lake, run.paths, site.clock, enumerated())
        planned = [item for shard in seal.shards for item in await read_shard(site.lake, run.paths, seal, shard)]
        receipts = [
            Receipt(key=one.key, records=100, bytes=9_000, sha256=64 * "a", requests=1) for one in planned[:done]
        ]
        for folder in (run.paths.bronze("blobs"), run.paths.folder("receipts")):
            Path(site.lake.locate(folder)).mkdir(parents=True)
        for receipt in receipts:
            Path(site.lake.locate(run.paths.object("blobs", receipt.key))).touch()
        for start in range(0, done, GROUP):
            lines = [msgspec.json.encode(receipt) + b"\n" for receipt in receipts[start : start + GROUP]]
            Path(site.lake.locate(run.paths.receipts("worker", start))).write_bytes(b"".join(lines))


@contextmanager
def runs(folder: Path, items: int, done: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        name = source(Path(place), items=items)
        asyncio.run(write_run(name, items, done))
        yield name


def start(rounds: int, folder: Path) -> None:
    report(
        rounds,
        {
            "bare start": lambda: took(BARE),
            "haulier --help": lambda: took([*HAULIER, "--help"]),
            "first request of 2,000 items": lambda: until_first_request(folder),
            "first request, --workers 2 (CPU: the parent's)": lambda: until_first_request(folder, "--workers", "2"),
        },
    )


def looks(rounds: int, folder: Path) -> None:
    def close() -> Took:
        with runs(folder, 20_000, 20_000) as drained:
            return took([*HAULIER, "wait", drained])

    with runs(folder, 2_000, 1_000) as small, runs(folder, 100_000, 50_000) as large:
        report(
            rounds,
            {
                "bare start": lambda: took(BARE),
                "status, 2,000 items": lambda: took([*HAULIER, "status", small], codes=(4,)),
                "status, 100,000 items": lambda: took([*HAULIER, "status", large], codes=(4,)),
                "start and closing, 20,000 items": close,
            },
        )


def workers(rounds: int, folder: Path) -> None:
    def pull(url: str, *words: str, items: int, busy_seconds: float = 0.0) -> Took:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            name = source(Path(place), items=items, in_flight=256, busy_seconds=busy_seconds)
            return took([*HAULIER, "run", "--fixed", name, *words], url=url)

    with SandboxProcess(SandboxSettings(latency_seconds=0.5)) as api:
        report(
            rounds,
            {
                "2,000 pages of 20 KB, one process": lambda: pull(api.url, items=2_000),
                "the same, --workers 2": lambda: pull(api.url, "--workers", "2", items=2_000),
            },
        )
    with SandboxProcess(SandboxSettings()) as api:
        report(
            rounds,
            {
                "1,000 items of 10 ms of CPU, one process": lambda: pull(api.url, items=1_000, busy_seconds=0.01),
                "the same, --workers 2": lambda: pull(api.url, "--workers", "2", items=1_000, busy_seconds=0.01),
            },
        )


PARTS = {"start": start, "runs": looks, "workers": workers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=list(PARTS))
    flags = parser.parse_args()
    # A worker whose parent was ended at its first request may still write while its folder is removed.
    with tempfile.TemporaryDirectory(prefix="haulier-bench-", ignore_cleanup_errors=True) as folder:
        for name, part in PARTS.items():
            if flags.only in (None, name):
                part(flags.rounds, Path(folder))


if __name__ == "__main__":
    main()
