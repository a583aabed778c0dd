"""Processes that create the same records and publish the same object at once."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec

from haulier.clock import SystemClock
from haulier.lake.opening import open_lake
from haulier.testing.contracts.lake.contents import OBJECT, RECORDS, spooled

RACING_PROCESSES = 3
RACED_RECORDS = 20


class RaceOutcome(msgspec.Struct, frozen=True):
    process: str
    created: list[bool]
    published: str


async def race(lake_url: str) -> list[RaceOutcome]:
    command = [sys.executable, "-c", f"from {__name__} import main; main()", lake_url]
    async with asyncio.TaskGroup() as tasks:
        racing = []
        for number in range(RACING_PROCESSES):
            process = await asyncio.create_subprocess_exec(*command, str(number), stdin=PIPE, stdout=PIPE)
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            racing.append(process)
        ended = [tasks.create_task(process.communicate(b"go\n")) for process in racing]
    return [msgspec.json.decode(end.result()[0], type=RaceOutcome) for end in ended]


async def run_race(lake_url: str, process: str) -> RaceOutcome:
    """Race as one process, with records that contain its name."""
    lake = open_lake(lake_url, base=Path.cwd(), clock=SystemClock())
    spool = await spooled(lake, [process.encode()] * 1000, f"process-{process}")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    created = [
        await lake.create(f"{RECORDS}/{number}.json", process.encode() * 1000) for number in range(RACED_RECORDS)
    ]
    published = await lake.publish(spool, OBJECT)
    await lake.close()
    return RaceOutcome(process, created, published.value)


def main() -> None:
    """Run one process; its arguments are the lake's URL and its number."""
    sys.stdout.write(msgspec.json.encode(asyncio.run(run_race(*sys.argv[1:]))).decode())
