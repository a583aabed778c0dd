"""The SQLite queue against bare SQLite: the same transactions, just as durable, without leases, tokens and threads.

`python benchmarks/queues.py --items 1000000` prints rates and ratios; a ratio carries over to another machine, a rate
does not.
Each figure comes from a process of its own, which reports its own peak of memory. (The file is not called `queue.py`:
in the folder of a script that would be the standard library's `queue` to everything that the script imports.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

from haulier.clock import SystemClock
from haulier.queues.envelope import Envelope, encode
from haulier.queues.sqlite.queue import SqliteQueue

SHARD = 1_000
"""Items that the plan sends at once."""
LEASE_SECONDS = 600.0


def shards(items: int) -> Iterator[list[bytes]]:
    """Messages as a run of ID ranges has them, a shard at a time."""
    for start in range(0, items, SHARD):
        yield [
            encode(
                Envelope(
                    kind="assets_by_id",
                    key=f"assets_by_id-{n}-{n + 5_000}",
                    run_id="full-20261123T222500Z",
                    payload=msgspec.Raw(b'{"ids":{"start":%d,"end":%d}}' % (n, n + 5_000)),
                )
            )
            for n in range(start, min(items, start + SHARD))
        ]


async def enqueue(path: Path, items: int) -> None:
    queue = SqliteQueue(path, SystemClock())
    for bodies in shards(items):
        await queue.enqueue(bodies)
    await queue.close()


async def claim_and_complete(path: Path, items: int, at_once: int) -> None:
    queue = SqliteQueue(path, SystemClock())
    for _ in range(items // at_once):
        leases = await queue.dequeue(at_once, LEASE_SECONDS)
        assert len(leases) == at_once
        assert await queue.complete(leases) == []
    await queue.close()


async def bare_enqueue(path: Path, items: int) -> None:
    connection = bare(path)
    for bodies in shards(items):
        with transaction(connection):
            connection.executemany(
                "INSERT INTO messages (visible_at, body) VALUES (0, ?)", ((body,) for body in bodies)
            )
    connection.close()


async def bare_claim_and_complete(path: Path, items: int, at_once: int) -> None:
    connection = bare(path)
    for _ in range(items // at_once):
        with transaction(connection):
            taken = connection.execute(
                "SELECT id, body FROM messages WHERE visible_at <= 0 ORDER BY visible_at, token, id LIMIT ?", (at_once,)
            ).fetchall()
            connection.executemany(
                "UPDATE messages SET visible_at = 1, token = 1 WHERE id = ?", ((id,) for id, _ in taken)
            )
        with transaction(connection):
            connection.executemany("DELETE FROM messages WHERE id = ?", ((id,) for id, _ in taken))
    connection.close()


def bare(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("wal_autocheckpoint", 2_000)
    connection.pragma("cache_size", -8_000)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, visible_at REAL NOT NULL, "
        "token INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL) STRICT; "
        "CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (visible_at, token)"
    )
    return connection


class transaction:  # noqa: N801
    """One durable transaction. (apsw's own context manager uses savepoints, which begin as readers.)"""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *failure: object) -> None:
        self._connection.execute("ROLLBACK" if failure[0] else "COMMIT")


WORK = {
    "enqueue": enqueue,
    "bare_enqueue": bare_enqueue,
    "claim_and_complete": claim_and_complete,
    "bare_claim_and_complete": bare_claim_and_complete,
}


def measure(word: str, *arguments: object) -> dict[str, float]:
    """Do a piece of work in a process of its own."""
    command = [sys.executable, __file__, "--measure", word, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_measure(word: str, path: str, *numbers: str) -> None:
    started_at = time.perf_counter()
    asyncio.run(WORK[word](Path(path), *map(int, numbers)))
    seconds = time.perf_counter() - started_at
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


def main(items: int, folder: Path) -> None:
    few = max(SHARD, items // 10)
    small, large = measure("enqueue", folder / "small", few), measure("enqueue", folder / "large", items)
    floor = measure("bare_enqueue", folder / "bare", items)
    ratio = large["seconds"] / floor["seconds"]
    print(f"enqueue {items:,}: {items / large['seconds']:,.0f} items/s, {ratio:.2f} x bare SQLite")
    print(
        f"  peak memory {large['peak_bytes'] / 1e6:.1f} MB, {large['peak_bytes'] / small['peak_bytes']:.2f} x that of "
        f"{few:,} items; file {sum(file.stat().st_size for file in folder.glob('large*')) / items:.0f} bytes an item"
    )
    for at_once, many in ((1, min(5_000, items // 10)), (32, min(64_000, items // 2))):
        ours = measure("claim_and_complete", folder / "large", many, at_once)
        theirs = measure("bare_claim_and_complete", folder / "bare", many, at_once)
        print(
            f"claim and complete {at_once} at once, {items:,} queued: {many / ours['seconds']:,.0f} items/s, "
            f"{ours['seconds'] / theirs['seconds']:.2f} x bare SQLite, peak memory {ours['peak_bytes'] / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        report_measure(*sys.argv[2:])
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--items", type=int, default=1_000_000, help="messages to enqueue (default: %(default)s)")
        parser.add_argument("--folder", type=Path, help="where the files are made: the disk to measure")
        options = parser.parse_args()
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            main(options.items, Path(name))
