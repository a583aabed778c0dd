"""A worker that is killed with items in its hands: on its machine nobody waits for leases of a process that is gone."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haulier.api.scope.process import find_process, this_process
from haulier.clock import SystemClock
from haulier.queues.seam import ThisProcess
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a process has ended"),
    pytest.mark.timeout(120),
]

SLOW = SandboxSettings(records=RECORDS, latency_seconds=0.3)
IN_FLIGHT = "in_flight = 2"
SOON_SECONDS = 40.0
"""Far below the lease of 60 s, on a busy machine too."""


def start_with_items(place: Place, *words: str) -> "subprocess.Popen[str]":
    """A run that has leased some items, and some of them are done."""
    process = place.start("run", *words)
    while not list(place.lake.rglob("*.ndjson.gz")):
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("words", [(), ("--workers", "2")])
def test_what_a_killed_run_had_leased_is_taken_at_once(place: Place, words: tuple[str, ...]) -> None:
    """G1, G2: killed with its whole group, and run again."""
    with SandboxProcess(SLOW) as api:
        place.write(api.url, in_flight=IN_FLIGHT)
        process = start_with_items(place, *words)
        for pid in [*children_of(process.pid), process.pid]:
            os.killpg(pid, signal.SIGKILL)
        process.communicate()
        status = place.run("status").out
        assert re.search(r"  leased   [0-9]+ items? by \S+-[0-9]+-\S+, which has ended: free at once\n", status)
        began_at = time.monotonic()
        said = place.run("run")
        assert said.code == 0, said.err
        assert "items of processes that have ended are free again" in said.err
    assert time.monotonic() - began_at < SOON_SECONDS
    assert place.lines() == RECORDS


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_what_a_stopped_run_has_leased_is_its_own(place: Place) -> None:
    """It may go on at any moment: its leases run out, or it ends its items itself."""
    with SandboxProcess(SLOW) as api:
        place.write(api.url, in_flight=IN_FLIGHT)
        process = start_with_items(place)
        os.killpg(process.pid, signal.SIGSTOP)
        assert ", which is alive\n" in place.run("status").out
        asyncio.run(take_what_is_ready(place.folder / ".haulier/shop/queue.sqlite3"))
        assert ", which is alive\n" in place.run("status").out
        os.killpg(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert place.lines() == RECORDS


async def take_what_is_ready(path: Path) -> None:
    """As a worker beside it does, which then hands it back."""
    queue = SqliteQueue(path, SystemClock(), process=ThisProcess("box-1", this_process(), find_process))
    held = (await queue.depth()).leased
    ready = await queue.dequeue(256, 60.0)
    assert await queue.dequeue(256, 60.0) == []
    assert (await queue.depth()).leased == held + len(ready)
    for lease in ready:
        await queue.release(lease, lease.body)
    await queue.close()


def test_leases_of_a_process_elsewhere_are_waited_for_and_named(place: Place) -> None:
    """Another container's process may live: for what, and how long, is said on the way and by `status`."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        place.run("enqueue")
        asyncio.run(lease_elsewhere(place.folder / ".haulier/shop/queue.sqlite3"))
        status = place.run("status")
        assert re.search(
            r"  leased   5 items by box-17-ab, which cannot be seen from here: waited for up to [1-6] s\n",
            status.out,
        )
        (lease,) = place.run("status", "--json").json["leases"]
        assert (lease["name"], lease["whereabouts"], lease["leases"]) == ("box-17-ab", "unknown", 5)
        said = place.run("run")
    assert said.code == 0, said.err
    assert "items are leased by a process that cannot be seen from here, and are waited for" in said.err
    assert '"holder":"box-17-ab"' in said.err
    assert place.lines() == RECORDS


async def lease_elsewhere(path: Path) -> None:
    queue = SqliteQueue(path, SystemClock(), process=ThisProcess("box-17-ab", "boot/pid:[1]/17:1", find_process))
    assert len(await queue.dequeue(256, 6.0)) == 5
    await queue.close()


def test_this_process_is_here() -> None:
    place, _, _ = this_process().rpartition("/")
    assert find_process(this_process()) == "here"
    assert find_process(f"{place}/{os.getpid()}:1") == "gone"
    assert find_process("") == find_process("other/pid:[1]/17:1") == "unknown"
