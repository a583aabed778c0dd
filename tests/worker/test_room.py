"""A disk that is nearly full: nothing new is taken, what is under way ends, and it goes on by itself (G1, G4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.errors import LakeUnavailableError
from haulier.lake.floor import FLOOR_BYTES
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Disk
from haulier.runs.state import RunState, run_state
from haulier.testing.clock import FakeClock
from haulier.worker.room import RoomWatch
from haulier.worker.settings import WorkerSettings
from tests.harness.things import things
from tests.worker.rig import Rig, key_of

PATIENCE_SECONDS = 3_600.0
ENOUGH = 2 * FLOOR_BYTES
ITEMS = tuple(things(start, start + 2) for start in range(1, 21, 2))


class Told(LocalLake):
    """A lake whose disk is told what is free on it."""

    free_bytes = ENOUGH
    looks = 0
    error: Exception | None = None

    async def disk(self) -> Disk:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return Disk("/data/lake", self.free_bytes, 1_000 * FLOOR_BYTES, 10**6, 10**6)


@pytest.fixture
async def lake(folder: Path) -> AsyncIterator[Told]:
    lake = Told(folder / "lake", SystemClock())
    yield lake
    await lake.close()


@pytest.fixture
async def real(folder: Path, lake: Told) -> AsyncIterator[Rig]:
    """The rig on the machine's own clock, over a lake whose disk is told."""
    settings = WorkerSettings(lease_seconds=30.0, grace_seconds=20)
    async with Rig(folder, clock=SystemClock(), settings=settings) as real:
        yield real


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


# -- the watch ---------------------------------------------------------------------------------------------------------


async def test_it_is_said_once_in_words_and_once_that_there_is_room(
    lake: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """Which disk, how much is free, what the floor is, what to do; and no word for each second that it lasts."""
    watch = RoomWatch(lake, FakeClock(), PATIENCE_SECONDS)
    await watch.look()
    assert (watch.is_short, caplog.records) == (False, [])
    for free_bytes in (FLOOR_BYTES - 1, 0, FLOOR_BYTES, FLOOR_BYTES * 5 // 4 - 1):
        lake.free_bytes = free_bytes
        await watch.look()
        assert watch.is_short
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert said.getMessage() == "the disk is nearly full: no new items are taken"
    assert vars(said)["reason"] == (
        "The disk of the lake at /data/lake has 255 MiB free, and the floor is 256 MiB. "
        "Free some space: the work goes on by itself once there are 320 MiB."
    )
    lake.free_bytes = FLOOR_BYTES * 5 // 4
    await watch.look()
    await watch.look()
    assert not watch.is_short
    assert [record.getMessage() for record in caplog.records[1:]] == ["the disk has room again: items are taken"]


async def test_patience_runs_out(lake: Told) -> None:
    """After an hour without room somebody has to be told; one that was short before has an hour of its own."""
    clock = FakeClock()
    watch = RoomWatch(lake, clock, PATIENCE_SECONDS)
    for _ in range(2):
        lake.free_bytes = 0
        await watch.look()
        clock.advance(PATIENCE_SECONDS - 1)
        await watch.look()
        lake.free_bytes = ENOUGH
        await watch.look()
    lake.free_bytes = 0
    await watch.look()
    clock.advance(PATIENCE_SECONDS)
    with pytest.raises(
        LakeUnavailableError,
        match=r"at /data/lake has been nearly full for 60 minutes: 0 bytes free, and 320 MiB are needed to go on\.",
    ):
        await watch.look()


async def test_room_that_comes_at_the_last_look_is_taken(lake: Told) -> None:
    clock = FakeClock()
    watch = RoomWatch(lake, clock, PATIENCE_SECONDS)
    lake.free_bytes = 0
    await watch.look()
    clock.advance(PATIENCE_SECONDS * 10)
    lake.free_bytes = ENOUGH
    await watch.look()
    assert not watch.is_short


# -- the worker --------------------------------------------------------------------------------------------------------


async def test_nothing_is_taken_without_room_and_all_of_it_with(real: Rig, lake: Told) -> None:
    """Not one item, at its start; with room it goes on by itself, and the run ends complete."""
    run = await real.run(*ITEMS)
    lake.free_bytes = 0
    async with real.deps() as deps:
        worker = real.worker(replace(deps, lake=lake))
        working = asyncio.create_task(worker.run())
        await until(lambda: lake.looks >= 3)
        assert not working.done()
        assert (worker.stats.under_way, real.leased, real.api.requests) == (0, 0, [])
        assert all(stored.deliveries == 0 for stored in real.store.messages.values())
        lake.free_bytes = ENOUGH
        assert await working == 0
        assert worker.reason == ""
    assert (await run_state(real.lake, run.paths))[0] is RunState.COMPLETE
    assert real.objects() == sorted(map(key_of, ITEMS))


async def test_what_is_under_way_ends_and_nothing_is_counted(real: Rig, lake: Told) -> None:
    """G4: the items that were begun are done; no other has a failure, a release, or a delivery."""
    real.api.latency_seconds = 2.5  # Longer than it takes to see that the disk is short.
    await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(replace(deps, lake=lake))
        working = asyncio.create_task(worker.run())
        await until(lambda: real.api.requests)
        lake.free_bytes, looks = 0, lake.looks
        await until(lambda: lake.looks > looks)
        begun = worker.stats.under_way
        await until(lambda: worker.stats.under_way == 0)
        looks = lake.looks
        await until(lambda: lake.looks > looks + 1)
        assert (len(real.api.requests), worker.stats.done) == (begun, begun)
        assert 0 < begun < len(ITEMS)
        assert len(real.messages) == len(ITEMS) - begun
        assert not any(message.failures or message.releases for message in real.messages)
        assert all(stored.deliveries == 0 for stored in real.store.messages.values())
        assert worker.stats.freed == worker.stats.retried == 0
        worker.drain("SIGTERM")
        assert await working == 4
        assert worker.reason == "stopped by SIGTERM"


async def test_a_worker_does_not_wait_for_room_for_ever(real: Rig, lake: Told) -> None:
    """Exit code 4 and why; the items are there for the next."""
    real.settings = replace(real.settings, room_patience_seconds=0.5)
    await real.run(*ITEMS)
    lake.free_bytes = 0
    async with real.deps() as deps:
        worker = real.worker(replace(deps, lake=lake))
        assert await worker.run() == 4
        assert worker.reason.startswith("The disk of the lake at /data/lake has been nearly full for")
    assert (len(real.messages), real.leased) == (len(ITEMS), 0)


async def test_who_leaves_when_idle_does_not_take_a_full_disk_for_an_empty_queue(real: Rig, lake: Told) -> None:
    """`--exit-idle` says 0, drained: with items on the queue that nobody asked for it would be untrue."""
    run = await real.run(*ITEMS)
    lake.free_bytes = 0
    async with real.deps() as deps:
        worker = real.worker(replace(deps, lake=lake), exit_idle=True)
        working = asyncio.create_task(worker.run())
        await until(lambda: lake.looks >= 3)
        assert not working.done()
        lake.free_bytes = ENOUGH
        assert await working == 0
    assert (await run_state(real.lake, run.paths))[0] is RunState.COMPLETE


async def test_a_drained_run_is_closed_without_room(real: Rig, lake: Told) -> None:
    """What lies under the floor is for that: nothing is left to take, and the worker need not wait."""
    run = await real.run(*ITEMS[:2])
    async with real.deps() as deps:
        assert await real.worker(deps, exit_idle=True, only="another-run").run() == 0
    assert (await run_state(real.lake, run.paths))[0] is RunState.OPEN
    lake.free_bytes = 0
    async with real.deps() as deps:
        assert await real.worker(replace(deps, lake=lake)).run() == 0
    assert (await run_state(real.lake, run.paths))[0] is RunState.COMPLETE


async def test_the_disk_is_asked_now_and_then_and_not_for_each_item(real: Rig, lake: Told) -> None:
    """Ten items in a moment: one look before the first, and at most one more in each second that it took."""
    await real.run(*ITEMS)
    before = real.clock.monotonic()
    async with real.deps() as deps:
        assert await real.worker(replace(deps, lake=lake)).run() == 0
    assert 1 <= lake.looks <= 1 + (real.clock.monotonic() - before)


async def test_a_disk_that_cannot_be_asked_ends_the_worker(real: Rig, lake: Told) -> None:
    """It was unmounted, say: exit code 4, as for any other call that the lake refuses."""
    await real.run(*ITEMS)
    lake.error = LakeUnavailableError("The lake has gone.")
    async with real.deps() as deps:
        worker = real.worker(replace(deps, lake=lake))
        assert await worker.run() == 4
        assert worker.reason == "The lake has gone."
    assert (len(real.messages), real.leased, real.api.requests) == (len(ITEMS), 0, [])
