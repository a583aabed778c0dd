"""What it costs to plan a run, to ask for its status and to close it, by the number of its items.

`python benchmarks/closing.py [--items 20000 100000 1000000]`: the plan is made and enqueued by haulier. Objects and
receipts are put there by this script as workers would have left them, since a million requests take long and teach
nothing here. Then the queue is emptied, and `haulier work` has nothing left to do but to close. `s (CPU)` is wall
seconds, with CPU seconds in brackets. The table stands in docs/scale.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from many_items import timed, write_source

from haulier.lake.paths import RunPaths
from haulier.runs.records import Receipt
from haulier.testing.sandbox import SandboxProcess, SandboxSettings

NOT_FINISHED = 4
"""The exit code of `haulier status` while a run is open."""
GROUP = 32
"""Receipts in a file; a busy worker writes up to 128 at once."""
COLUMNS = (
    "items", "plan, enqueue s (CPU)", "peak MB", "queue MB", "status, all queued s (CPU)", "close s (CPU)", "peak MB",
    "status, closed s (CPU)",
)  # fmt: skip
MOST_LINKS = 50_000
"""Names of one inode: ext4 allows 65,000."""


def plant(lake: Path) -> None:
    """Objects and receipts for every key of the plan."""
    (run,) = (lake / "_haulier/many/runs").iterdir()
    started_at = datetime.strptime(run.name, "full-%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    paths = RunPaths("many", run.name, "full", started_at)
    body = gzip.compress(b'{"id":1}\n')
    digest = hashlib.sha256(body).hexdigest()
    (lake / paths.object("items", "x")).parent.mkdir(parents=True, exist_ok=True)
    (run / "receipts").mkdir(exist_ok=True)
    for number, keys in enumerate(batched(keys_of(run))):
        lines = []
        for place, key in enumerate(keys):
            index = number * GROUP + place
            original = lake.parent / f"object-{index // MOST_LINKS}"
            if index % MOST_LINKS == 0:
                original.write_bytes(body)
            os.link(original, lake / paths.object("items", key))
            lines.append(msgspec.json.encode(Receipt(key=key, records=1, bytes=len(body), sha256=digest, requests=1)))
        (lake / paths.receipts("planted", number)).write_bytes(b"\n".join(lines) + b"\n")


def keys_of(run: Path) -> Iterator[str]:
    for shard in sorted(run.glob("plan/*/*.ndjson")):
        with shard.open("rb") as lines:
            yield from (json.loads(line)["key"] for line in lines)


def batched(keys: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(keys, GROUP)):
        yield batch


def close(items: int, folder: str) -> None:
    with SandboxProcess(SandboxSettings(records=items)) as api:
        write_source(folder, api.url)
        enqueue = timed(folder, "enqueue", "many.toml")
        queued = timed(folder, "status", "many.toml", ends_with=NOT_FINISHED)
        size = sum(file.stat().st_size for file in Path(folder, ".haulier").rglob("*") if file.is_file())
        plant(Path(folder, "lake"))
        timed(folder, "clear", "many.toml")
        work = timed(folder, "work", "many.toml")
        closed = timed(folder, "status", "many.toml", "--json")
    assert json.loads(closed.out)["state"] == "complete"
    print(
        f"| {items:,} | {enqueue} | {enqueue.peak_mb:.0f} | {size / 1e6:.0f} | {queued} | {work} | "
        f"{work.peak_mb:.0f} | {closed} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[20_000, 100_000, 1_000_000])
    flags = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    for items in flags.items:
        with tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder:
            close(items, folder)


if __name__ == "__main__":
    main()
