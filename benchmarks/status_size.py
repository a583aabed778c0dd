"""What it costs to look at a run that is half done, by the number of its items.

`python benchmarks/status_size.py [--items 1000 10000 100000] [--group 32]`: haulier makes the plan and enqueues it.
Receipts, empty items and poison are put there by this script as workers would have left them: of 100 items 45 are done,
4 are empty and 1 is poisoned. A cell has the wall seconds of the whole command, its start included, the best of three;
its CPU seconds in brackets, which are what to read on a busy machine; and the most memory that it held, in MB. The last
two columns are looks of `status --watch` within one process: the first, and a further one after which nothing is new.
With `--group 1` each receipt is a file of its own, as a slow API leaves them.

The goal is a second for 100,000 items, and memory that does not grow with them but for what SQLite may cache.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from many_items import Timed, timed, write_source

from haulier.app.open_source import Options, open_source
from haulier.app.source_loader import load_app
from haulier.cli.pick_run import pick_run
from haulier.cli.status.reader import StatusReader
from haulier.lake.paths import RunPaths
from haulier.runs.records import OutcomeRecord, PoisonRecord, Receipt, encode_record
from haulier.testing.sandbox import SandboxProcess, SandboxSettings

NOT_FINISHED = 4
"""The exit code of `haulier status` while a run is open."""
GROUP = 32
"""Receipts in a file; a busy worker writes up to 128 at once."""
ROUNDS = 3
COMMANDS = {
    "status": ("status", "many.toml"),
    "status --json": ("status", "many.toml", "--json"),
    "poison list": ("poison", "list", "many.toml"),
    "runs": ("runs", "many.toml"),
}
CODES = {"status": NOT_FINISHED, "status --json": NOT_FINISHED}
GOAL_SECONDS = 1.0
CACHE_MB = 24
"""A ledger may cache 16 MB; the rest is what the allocator keeps of a batch."""


def plant(lake: Path, group: int) -> None:
    """What ended of the first half of the plan."""
    (run,) = (lake / "_haulier/many/runs").iterdir()
    started_at = datetime.strptime(run.name, "full-%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    paths = RunPaths("many", run.name, "full", started_at)
    digest = hashlib.sha256(gzip.compress(b'{"id":1}\n')).hexdigest()
    for folder in ("receipts", "outcomes", "poison"):
        (run / folder).mkdir(exist_ok=True)
    done: list[str] = []
    for place, key in enumerate(half_of(run)):
        if place % 50 == 0:
            put_poison(lake, paths, key, started_at)
        elif place % 10 == 0:
            record = OutcomeRecord(key=key, requests=1, seconds=0.1, worker="planted", ended_at=started_at)
            (lake / paths.outcome(key)).write_bytes(encode_record(record))
        else:
            done.append(key)
    for number, keys in enumerate(batched(iter(done), group)):
        lines = [
            msgspec.json.encode(Receipt(key=key, records=1, bytes=29, sha256=digest, requests=1, seconds=0.1))
            for key in keys
        ]
        (lake / paths.receipts("planted", number)).write_bytes(b"\n".join(lines) + b"\n")


def put_poison(lake: Path, paths: RunPaths, key: str, at: datetime) -> None:
    record = PoisonRecord(
        number=1,
        key=key,
        kind="items_ids",
        run_id=paths.run_id,
        payload=msgspec.Raw(b'{"ids":{"start":1,"end":2}}'),
        reason="failed",
        error_class="ApiError",
        error="GET http://127.0.0.1/items?from_id=1&to_id=2: status 500.",
        traceback="  a line\n" * 40,
        status=500,
        excerpt="x" * 500,
        failures=5,
        poisoned_at=at,
    )
    path = lake / paths.numbered("poison", key, 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_record(record))


def half_of(run: Path) -> Iterator[str]:
    shards = sorted(run.glob("plan/*/*.ndjson"))
    keys = (json.loads(line)["key"] for shard in shards for line in shard.read_bytes().splitlines())
    items = json.loads((run / "plan/_SEALED.json").read_bytes())["items"]
    return itertools.islice(keys, items // 2)


def batched(keys: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(itertools.islice(keys, size)):
        yield batch


def best(folder: str, name: str) -> Timed:
    runs = [timed(folder, *COMMANDS[name], ends_with=CODES.get(name, 0)) for _ in range(ROUNDS)]
    return min(runs, key=lambda one: one.cpu_seconds)


async def looks(folder: str) -> tuple[float, float]:
    """Seconds of the first look of a watch, and of one after which nothing is new."""
    app = load_app(str(Path(folder, "many.toml")))
    async with open_source(app, Options(), writes=False) as source:
        reader = StatusReader(source, await pick_run(source, None), is_watching=True)
        seconds = []
        for _ in range(3):
            began_at = time.perf_counter()
            await reader.look()
            seconds.append(time.perf_counter() - began_at)
        reader.close()
    return seconds[0], seconds[-1]


def measure(items: int, group: int) -> dict[str, Timed]:
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
    ):
        write_source(folder, api.url)
        timed(folder, "enqueue", "many.toml")
        plant(Path(folder, "lake"), group)
        costs = {name: best(folder, name) for name in COMMANDS}
        first, further = asyncio.run(looks(folder))
    cells = [f"{one.seconds:.2f} ({one.cpu_seconds:.2f}), {one.peak_mb:.0f}" for one in costs.values()]
    print(f"| {items:,} | {' | '.join(cells)} | {first:.2f} s | {further:.3f} s |", flush=True)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--group", type=int, default=GROUP, help="receipts in a file (default: %(default)s)")
    flags = parser.parse_args()
    print(
        f"| items | {' | '.join(COMMANDS)} | first look | further look |\n{'|---' * (len(COMMANDS) + 3)}|", flush=True
    )
    costs = [measure(items, flags.group) for items in flags.items]
    slowest = max(one.cpu_seconds for one in costs[-1].values())
    grown = max(one.peak_mb - costs[0][name].peak_mb for name, one in costs[-1].items())
    print(
        f"\nThe slowest of {flags.items[-1]:,} items took {slowest:.2f} s of CPU: {verdict(slowest <= GOAL_SECONDS)}."
    )
    print(f"The most memory that {flags.items[-1]:,} items take more is {grown:.0f} MB: {verdict(grown <= CACHE_MB)}.")
    if grown > CACHE_MB:
        raise SystemExit(1)


def verdict(is_met: bool) -> str:
    return "as wanted" if is_met else "too much"


if __name__ == "__main__":
    main()
