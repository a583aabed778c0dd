"""What the tests of processes run: `python child.py WORD PATH ...` uses the queue at PATH, and talks by lines."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from haulier.clock import SystemClock
from haulier.errors import HaulierError
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.clock import FakeClock


def say(*words: object) -> None:
    print(*words, flush=True)


class Warnings(logging.Handler):
    """What was logged, for a person to hear."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class StallingBatch:
    """Bodies of which the queue, inside its transaction, gets half before whoever runs this says a word."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, part: slice) -> StallingBatch:
        return self

    def __iter__(self) -> Iterator[bytes]:
        for n in range(10):
            if n == 5:
                say("inside")
                sys.stdin.readline()
            yield b"stalled %d" % n


async def stall(path: Path) -> None:
    """Stand inside a transaction until a line comes. The clock is the parent's: it stands at its start."""
    queue = SqliteQueue(path, FakeClock())
    await queue.enqueue(cast("Sequence[bytes]", StallingBatch()))
    say("done")
    await queue.close()


async def enqueue_for_ever(path: Path) -> None:
    """Enqueue number after number, in pairs, saying each pair that was acknowledged."""
    queue = SqliteQueue(path, SystemClock())
    for n in range(10**9):
        await queue.enqueue([b"%d" % n, b"%d" % n])
        say(n)


async def drain(path: Path, lease_seconds: str, pause_seconds: str) -> None:
    """Take and complete until nothing is left, saying what was completed, with a pause after each few."""
    queue = SqliteQueue(path, SystemClock())
    while (await queue.depth()).unsettled:
        leases = await queue.dequeue(8, float(lease_seconds))
        lost = await queue.complete(leases)
        for lease in leases:
            if lease not in lost:
                say(lease.body.decode(), lease.deliveries)
        await asyncio.sleep(float(pause_seconds) if leases else 0.02)
    await queue.close()


async def enqueue_at_once(path: Path, name: str) -> None:
    """Wait for a line, enqueue ``name``, and say what happened to the file."""
    queue = SqliteQueue(path, SystemClock())
    warnings = Warnings()
    logging.getLogger("haulier.queues").addHandler(warnings)
    say("ready")
    sys.stdin.readline()
    await queue.enqueue([name.encode()])
    say(len(warnings.messages), *warnings.messages)
    sys.stdin.readline()
    await queue.close()


async def open_as_nobody(path: Path) -> None:
    """Say what an unprivileged user is told."""
    if os.geteuid() == 0:
        os.setuid(65_534)
    queue = SqliteQueue(path, SystemClock())
    try:
        say("ok", await queue.depth())
    except HaulierError as error:
        say(type(error).__name__, error)
    await queue.close()


async def fill_the_disk(path: Path, limit_bytes: str) -> None:
    """Enqueue until files may not grow any more; then let them, and go on."""
    queue = SqliteQueue(path, SystemClock())
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit_bytes), resource.RLIM_INFINITY))
    acknowledged = 0
    try:
        while True:
            await queue.enqueue([b"x" * 10_000])
            acknowledged += 1
    except HaulierError as error:
        say(type(error).__name__, error)
    say((await queue.depth()).ready - acknowledged, "more than acknowledged")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await queue.enqueue([b"after"])
    say((await queue.depth()).ready - acknowledged, "more than acknowledged")
    await queue.close()


WORDS: dict[str, Any] = {
    work.__name__: work for work in (stall, enqueue_for_ever, drain, enqueue_at_once, open_as_nobody, fill_the_disk)
}

if __name__ == "__main__":
    asyncio.run(WORDS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:]))
