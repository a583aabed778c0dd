"""What the dashboard costs: the workers beside it, and whoever waits for its first page.

`python benchmarks/dashboard.py [--items 4000] [--rounds 3] [--large 100000]`: `haulier work` of small items against the
sandbox with no dashboard, with one at which nobody looks, and with ten tabs open at the run, in turn; the least of the
rounds. Read the worker's CPU where the machine is busy with something else. Then a dashboard of a run that is half
done, of 100,000 items of which 1,000 are poisoned (`status_size.py` plants them): the seconds until a page has what it
shows first, and the memory held.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from many_items import cpu_seconds, resident_mb, timed, write_source
from status_size import GROUP, plant

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

TABS = 10
COLUMNS = ("", "wall s", "the worker's CPU s", "x without", "the dashboard's CPU s", "events a tab")


@dataclass(frozen=True)
class Cost:
    wall_seconds: float
    worker_seconds: float
    dashboard_seconds: float = 0.0
    events: float = 0.0


@contextlib.contextmanager
def served(folder: str) -> Iterator[tuple[str, int]]:
    """URL and process of a dashboard."""
    command = [sys.executable, "-m", "haulier", "dashboard", "many.toml", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


@contextlib.asynccontextmanager
async def tabs(url: str, run_id: str, count: int) -> AsyncIterator[list[int]]:
    """Tabs that are open at a run, and the events that each has seen."""
    seen = [0] * count

    async def look(http: aiohttp.ClientSession, place: int) -> None:
        async with http.get(f"{url}api/runs/{run_id}/events", timeout=aiohttp.ClientTimeout()) as answer:
            async for line in answer.content:
                seen[place] += line.startswith(b"event: status")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(look(http, place)) for place in range(count)]
        yield seen
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hauled(items: int, tab_count: int | None) -> Cost:
    """One run, planned beforehand; None is without a dashboard."""
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
        contextlib.ExitStack() as stack,
    ):
        write_source(folder, api.url)
        timed(folder, "enqueue", "many.toml")
        (run,) = Path(folder, "lake/_haulier/many/runs").iterdir()
        if tab_count is None:
            return await asyncio.to_thread(worked, folder)
        url, pid = stack.enter_context(served(folder))
        async with tabs(url, run.name, tab_count) as seen:
            before = cpu_seconds(pid)
            cost = await asyncio.to_thread(worked, folder)
            return Cost(
                cost.wall_seconds, cost.worker_seconds, cpu_seconds(pid) - before, sum(seen) / max(1, tab_count)
            )


def worked(folder: str) -> Cost:
    began_at = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", "work", "many.toml"], cwd=folder, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Cost(time.perf_counter() - began_at, usage.ru_utime + usage.ru_stime)


async def first_page(items: int) -> None:
    with (
        SandboxProcess(SandboxSettings(records=items)) as api,
        tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder,
    ):
        write_source(folder, api.url)
        timed(folder, "enqueue", "many.toml")
        plant(Path(folder, "lake"), GROUP)
        (run,) = Path(folder, "lake/_haulier/many/runs").iterdir()
        with served(folder) as (url, pid):
            async with aiohttp.ClientSession() as http:
                print(f"\n{items:,} items, half of them ended: seconds until the answer is there\n")
                print("| | first | again |\n|---|---|---|")
                for path in ("", "api/runs", f"api/runs/{run.name}", f"api/runs/{run.name}/poison"):
                    took = []
                    for _ in range(2):
                        began_at = time.perf_counter()
                        async with http.get(f"{url}{path}") as answer:
                            assert answer.status == 200
                            await answer.read()
                        took.append(time.perf_counter() - began_at)
                    print(f"| `/{path.replace(run.name, 'RUN')}` | {took[0]:.2f} | {took[1]:.3f} |", flush=True)
            print(f"\nIt holds {resident_mb(pid):.0f} MB then.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=100_000)
    flags = parser.parse_args()
    ways = {"no dashboard": None, "nobody looks": 0, f"{TABS} tabs": TABS}
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for _ in range(flags.rounds):
        for way, count in ways.items():
            costs[way].append(asyncio.run(hauled(flags.items, count)))
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    alone = min(one.worker_seconds for one in costs["no dashboard"])
    for way, found in costs.items():
        wall, worker, own, events = (
            min(getattr(one, name) for one in found)
            for name in ("wall_seconds", "worker_seconds", "dashboard_seconds", "events")
        )
        print(f"| {way} | {wall:.2f} | {worker:.2f} | {worker / alone:.2f} | {own:.2f} | {events:.0f} |", flush=True)
    asyncio.run(first_page(flags.large))


if __name__ == "__main__":
    main()
