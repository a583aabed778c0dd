"""The whole worker, on real time: it stays until drained, drains when asked, and says why it stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haulier.api.scope.changes import with_hold, with_pause_lifted
from haulier.api.scope.orders import Hold
from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.clock import SystemClock
from haulier.errors import LakeUnavailableError, QueueUnavailableError, UsageError
from haulier.queues.memory import MemoryQueue
from haulier.queues.seam import Lease
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.rows.memory import MemoryRows
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state
from haulier.sources.context import Context
from haulier.worker import loop
from haulier.worker.loop import Worker
from haulier.worker.settings import FIRST_ITEMS, QUEUE_PATIENCE_LEASES, UNPROVEN_FAILURES, WorkerSettings
from haulier.worker.watch import Quiet, Watch
from tests.harness.cuts.calls import Cuts
from tests.harness.things import IN_FLIGHT, SOURCE, Things, things
from tests.harness.wiring import worker_of
from tests.worker.rig import Others, Rig, key_of

LEASE_SECONDS = 1.0
ITEMS = tuple(things(start, start + 2) for start in range(1, 21, 2))


@pytest.fixture
async def real(folder: Path) -> AsyncIterator[Rig]:
    """The rig on the machine's own clock."""
    settings = WorkerSettings(lease_seconds=LEASE_SECONDS, grace_seconds=0.2)
    async with Rig(folder, clock=SystemClock(), settings=settings) as real:
        yield real


async def state_of(rig: Rig, run: Run) -> RunState:
    state, _ = await run_state(rig.lake, run.paths)
    return state


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_worker_stays_until_its_run_is_closed(real: Rig) -> None:
    """Every item, the closing, and nothing left on the queue; exit code 0."""
    run = await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        assert await worker.run() == 0
        assert (worker.reason, worker.stats.done, worker.stats.records, worker.stats.under_way) == ("", 10, 20, 0)
    assert await state_of(real, run) is RunState.COMPLETE
    assert real.objects() == sorted(map(key_of, ITEMS))
    assert real.messages == []
    assert len(real.api.requests) == len(ITEMS)


async def test_workers_share_a_run(real: Rig) -> None:
    """No item is worked twice, and whoever sees the end closes it; both leave."""
    real.api.latency_seconds = 0.02
    run = await real.run(*ITEMS)
    async with real.deps() as first, real.deps() as second:
        workers = [real.worker(deps) for deps in (first, second)]
        assert await asyncio.gather(*(worker.run() for worker in workers)) == [0, 0]
        assert sum(worker.stats.done for worker in workers) == len(ITEMS)
    assert await state_of(real, run) is RunState.COMPLETE
    assert sorted(real.api.requests) == [item.ids.start for item in ITEMS]


async def test_several_runs_share_a_queue(real: Rig) -> None:
    """Each message names its run; the worker leaves when all of them are closed."""
    runs = [await real.run(*ITEMS[:3]), await real.run(*ITEMS)]
    async with real.deps() as deps:
        assert await real.worker(deps).run() == 0
    assert [await state_of(real, run) for run in runs] == [RunState.COMPLETE] * 2


@pytest.mark.parametrize("is_lost", [False, True], ids=["worked", "lost"])
async def test_g1_a_run_ends_while_another_keeps_its_worker_busy(real: Rig, is_lost: bool) -> None:
    """Its items come first, though they were sent last; it is closed although no worker is ever idle; and if the queue
    lost its messages, they are sent again although the queue holds those of the other run."""
    real.api.latency_seconds = 0.5
    many = tuple(things(start, start + 2) for start in range(1_001, 1_401, 2))
    full = None if is_lost else await real.run(*many)
    short = await real.run(*ITEMS[:3], mode="incremental")
    if full is None:
        await real.queue.purge()
        full = await real.run(*many)
    async with real.deps() as deps:
        worker = real.worker(deps, only=short.run_id)
        assert await worker.run() == 0
    assert [await state_of(real, run) for run in (short, full)] == [RunState.COMPLETE, RunState.OPEN]
    assert {message.run_id for message in real.messages} == {full.run_id}
    assert sorted(start for start in real.api.requests if start < 1_000) == [1, 3, 5]
    if not is_lost:
        assert sorted(real.api.requests[:3]) == [1, 3, 5]


async def test_a_worker_waits_for_a_plan(real: Rig) -> None:
    """Started before the run is: it stays, and works what comes."""
    async with real.deps() as deps:
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await asyncio.sleep(1)
        assert not working.done()
        run = await real.run(*ITEMS)
        assert await working == 0
    assert await state_of(real, run) is RunState.COMPLETE


# -- ends --------------------------------------------------------------------------------------------------------------


async def test_a_worker_that_is_woken_looks_for_work(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent says that the plan is on the queue; by itself it would have looked much later."""
    monkeypatch.setattr(loop, "IDLE_SECONDS", 3_600.0)
    async with real.deps() as deps, asyncio.timeout(60):
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await asyncio.sleep(0.2)
        await real.run(*ITEMS)
        worker.wake()
        await until(lambda: worker.stats.done == len(ITEMS))
        worker.drain("the test")
        await working


async def test_a_worker_sees_that_another_has_closed_its_run(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at the run as a whole now and then, and at whether it is closed all the time."""
    async with real.deps() as deps, asyncio.timeout(60):
        run = await real.run(*ITEMS)
        watch = Watch(real.lake, real.queue, real.closer, SOURCE)
        assert not await watch.has_ended()  # It has seen none yet.
        assert await watch.look() == 1
        assert not await watch.has_ended()
        assert await real.worker(deps).run() == 0
        assert await watch.has_ended()
        assert await watch.look() == 0
        assert list(watch.closed) == [run.run_id]
        watch.close()


async def test_a_drain_finishes_what_is_under_way(real: Rig) -> None:
    """Within the grace; nothing new is taken, and what is done is settled before the worker leaves with 4."""
    real.settings = replace(real.settings, grace_seconds=20)
    real.api.latency_seconds = 0.1
    run = await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await until(lambda: real.api.requests)
        under_way = worker.stats.under_way
        worker.drain("SIGTERM")
        assert await working == 4
        assert worker.reason == "stopped by SIGTERM"
    assert real.objects() == sorted(map(key_of, ITEMS[:under_way]))
    assert len(await real.receipts(run)) == under_way
    assert len(real.messages) == len(ITEMS) - under_way
    assert real.leased == 0


async def test_a_drain_hands_the_rest_back_at_once_and_uncounted(real: Rig) -> None:
    """G4: no failure, no silent delivery, and nobody waits for a lease to run out."""
    real.api.latency_seconds = 60
    await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await until(lambda: real.api.requests)
        worker.drain("SIGTERM")
        assert await working == 4
    assert real.leased == 0
    assert all(real.delay_of(number) <= 0 for number in range(len(ITEMS)))
    assert not any(message.failures for message in real.messages)
    for stored, message in zip(real.store.messages.values(), real.messages, strict=True):
        assert stored.deliveries - message.failures - message.releases == 0


async def test_a_second_signal_does_not_wait_for_the_grace(real: Rig) -> None:
    real.settings = replace(real.settings, grace_seconds=60)
    real.api.latency_seconds = 60
    await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await until(lambda: real.api.requests)
        worker.drain("SIGTERM")
        await asyncio.sleep(0.1)
        assert not working.done()
        worker.stop_now()
        async with asyncio.timeout(5):
            assert await working == 4
        assert worker.reason == "stopped by SIGTERM"
    assert real.leased == 0


async def test_a_worker_that_is_cancelled_hands_everything_back(real: Rig) -> None:
    """As where its scope fails: no lease is left to run out."""
    real.api.latency_seconds = 60
    await real.run(*ITEMS)
    async with real.deps() as deps:
        working = asyncio.create_task(real.worker(deps).run())
        await until(lambda: real.api.requests)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    assert real.leased == 0
    assert not any(message.failures for message in real.messages)


async def test_exit_idle_leaves_when_nothing_is_ready(real: Rig) -> None:
    """What is delayed, or in other hands, is left to the next worker."""
    run = await real.run(*ITEMS)
    await real.queue.dequeue(1, 60)
    async with real.deps() as deps:
        assert await real.worker(deps, exit_idle=True).run() == 0
    assert len(real.objects()) == len(ITEMS) - 1
    assert await state_of(real, run) is RunState.OPEN


async def test_exit_idle_closes_what_it_drained(real: Rig) -> None:
    """Nobody else may come: an autoscaler starts no worker for an empty queue."""
    run = await real.run(*ITEMS)
    async with real.deps() as deps:
        assert await real.worker(deps, exit_idle=True).run() == 0
    assert await state_of(real, run) is RunState.COMPLETE


class SlowWatch(Watch):
    """Is slow to say what it saw."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.has_seen, self.may_say = asyncio.Event(), asyncio.Event()

    async def look(self, quiet: Quiet | None = None) -> int:
        still_open = await super().look(quiet)
        self.has_seen.set()
        await self.may_say.wait()
        return still_open


async def test_exit_idle_looks_again_where_items_came_during_a_look(real: Rig) -> None:
    """What was seen before they came says nothing of them: they are worked, and their run is closed."""
    async with real.deps() as deps:
        watch = SlowWatch(deps.lake, deps.queue, deps.closer, SOURCE)
        worker = worker_of(deps, watch, exit_idle=True)
        working = asyncio.create_task(worker.run())
        await watch.has_seen.wait()
        run = await real.run(*ITEMS)
        await until(lambda: not real.messages)
        watch.may_say.set()
        assert await working == 0
    assert await state_of(real, run) is RunState.COMPLETE


async def test_exit_idle_leaves_where_there_is_nothing_at_all(real: Rig) -> None:
    async with real.deps() as deps:
        assert await real.worker(deps, exit_idle=True).run() == 0


# -- what it takes -----------------------------------------------------------------------------------------------------


async def test_a_worker_holds_a_quarter_more_than_its_share(real: Rig) -> None:
    """No prefetch: what waits in a worker is what others could work."""
    real.api.latency_seconds = 0.05
    await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        most = 0
        while not working.done():
            most = max(most, worker.stats.under_way)
            await asyncio.sleep(0.002)
        assert await working == 0
    assert 1 < most <= IN_FLIGHT * 1.25


async def test_a_worker_without_a_share_takes_nothing(real: Rig) -> None:
    """The scope is paused for long: items taken now would only wait."""
    await real.run(*ITEMS)
    async with real.deps() as deps:
        await deps.client.scope.pause(600)
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await asyncio.sleep(0.5)
        assert (worker.stats.under_way, real.leased) == (0, 0)
        worker.stop_now()
        assert await working == 4


# -- what fails around it ----------------------------------------------------------------------------------------------


async def test_a_lost_queue_is_rebuilt_from_the_plan(real: Rig) -> None:
    """G1: everything that stood in it is sent again, marked; what is done is not done again."""
    real.api.latency_seconds = 0.02
    run = await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        working = asyncio.create_task(worker.run())
        await until(lambda: worker.stats.done > 2)
        await real.queue.purge()
        assert await working == 0
    assert await state_of(real, run) is RunState.COMPLETE
    assert real.objects() == sorted(map(key_of, ITEMS))


async def test_a_lost_queue_file_is_rebuilt_from_the_plan(real: Rig) -> None:
    """G1: the SQLite file is deleted in the middle, its log and its shared memory with it."""
    path = real.folder / "queue.sqlite3"

    def open_queue() -> SqliteQueue:
        return SqliteQueue(path, real.clock, busy_timeout_seconds=LEASE_SECONDS / 4)

    real.queue = open_queue()
    real.api.latency_seconds = 0.05
    run = await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(replace(deps, open_queue=open_queue))
        working = asyncio.create_task(worker.run())
        await until(lambda: worker.stats.done > 2)
        for file in real.folder.glob("queue.sqlite3*"):
            file.unlink()
        assert await working == 0
    await real.queue.close()
    assert await state_of(real, run) is RunState.COMPLETE
    assert real.objects() == sorted(map(key_of, ITEMS))


class Away(MemoryQueue):
    """Cannot be asked for messages for some time."""

    until = 0.0
    error: Exception = QueueUnavailableError("The queue has been held by another process.")

    async def dequeue(self, limit: int, lease_seconds: float) -> list[Lease]:
        if SystemClock().monotonic() < self.until:
            raise self.error
        return await super().dequeue(limit, lease_seconds)


async def with_queue_away(real: Rig, seconds: float) -> tuple[int, Worker]:
    away = Away(real.store, real.clock)
    real.queue = away
    await real.run(*ITEMS[:2])
    async with real.deps() as deps:
        worker = real.worker(deps)
        away.until = real.clock.monotonic() + seconds
        return await worker.run(), worker


async def test_a_queue_that_is_busy_is_waited_for(real: Rig) -> None:
    """A neighbour that was stopped inside a transaction must not end every worker of a machine."""
    code, _ = await with_queue_away(real, LEASE_SECONDS)
    assert code == 0


async def test_a_queue_that_stays_away_ends_the_worker(real: Rig) -> None:
    """After two leases: whoever holds it is not only busy then."""
    real.settings = replace(real.settings, lease_seconds=0.3)
    before = real.clock.monotonic()
    code, worker = await with_queue_away(real, 60)
    assert (code, "held by another process" in worker.reason) == (4, True)
    assert real.clock.monotonic() - before >= QUEUE_PATIENCE_LEASES * 0.3


class Hiccups(MemoryQueue):
    """Does not answer a look once in a while."""

    is_away = False
    answered = 0

    async def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        if self.is_away:
            self.is_away = False
            raise QueueUnavailableError("The queue has been held by another process.")
        self.answered += 1
        return await super().holds(is_wanted)


async def order(real: Rig, change: Callable[[ScopeRow], ScopeRow]) -> None:
    (name,) = real.rows.rows
    await MemoryRows(real.rows).update(name, lambda body: encode(change(decode(body))))


async def test_hiccups_of_the_queue_under_a_pause_do_not_add_up(real: Rig) -> None:
    """Nothing is taken meanwhile, so nothing but the looks themselves can tell that the queue answers again."""
    real.settings = replace(real.settings, lease_seconds=0.3)
    real.queue = hiccups = Hiccups(real.store, real.clock)
    run = await real.run(*ITEMS[:2])
    async with real.deps() as deps:
        worker = real.worker(deps)
        await order(real, lambda row: with_hold(row, Hold(by="ann@host", since=1.0)))
        await until(lambda: deps.client.scope.held is not None)
        working = asyncio.ensure_future(worker.run())
        for _ in range(2):
            hiccups.is_away = True
            await until(lambda: not hiccups.is_away or working.done())
            answered = hiccups.answered
            await until(lambda before=answered: hiccups.answered > before or working.done())
            await asyncio.sleep(QUEUE_PATIENCE_LEASES * 0.3)
        assert not working.done(), worker.reason
        await order(real, lambda row: with_pause_lifted(row, 2.0))
        assert await working == 0
    assert await state_of(real, run) is RunState.COMPLETE


async def test_a_queue_that_a_person_must_mend_ends_the_worker_with_2(
    real: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one of a newer format."""
    monkeypatch.setattr(Away, "error", UsageError("Upgrade haulier."))
    code, worker = await with_queue_away(real, 60)
    assert (code, worker.reason) == (2, "Upgrade haulier.")


async def test_a_full_disk_ends_the_worker_and_charges_nobody(real: Rig) -> None:
    """Free: the worker stops dequeuing, says so, and exits 4; everything is there for the next."""
    run = await real.run(*ITEMS)

    async def on_call(_number: int, name: str, is_after: bool) -> None:
        if name == "LocalSpool.finish" and not is_after:
            raise LakeUnavailableError("The disk of the lake is full.")

    async with real.deps() as deps:
        worker = real.worker(replace(deps, lake=Cuts(on_call=on_call).wrap(deps.lake)))
        assert await worker.run() == 4
        assert worker.reason == "The disk of the lake is full."
    assert (len(real.messages), real.leased) == (len(ITEMS), 0)
    assert not any(message.failures for message in real.messages)
    assert real.files(run, "staging/*") == []


async def test_refused_credentials_end_the_worker_with_2(real: Rig) -> None:
    """A person must act; nothing is charged."""
    real.api.statuses = {item.ids.start: 401 for item in ITEMS}
    await real.run(*ITEMS)
    async with real.deps() as deps:
        worker = real.worker(deps)
        assert await worker.run() == 2
        assert "401" in worker.reason
    assert not any(message.failures for message in real.messages)


async def test_an_api_that_never_answered_well_ends_the_worker_with_4(
    real: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4: a few tries tell as much as a thousand; nothing is charged, and it is said."""
    monkeypatch.setattr("haulier.api.requester.BACKOFF_BASE_SECONDS", 0.001)
    items = [things(start) for start in range(1, UNPROVEN_FAILURES + 6)]
    real.api.statuses = {item.ids.start: 503 for item in items}
    await real.run(*items)
    async with real.deps() as deps:
        worker = real.worker(deps)
        assert await worker.run() == 4
        assert "Not one request has succeeded yet" in worker.reason
    assert not any(message.failures for message in real.messages)


@pytest.mark.parametrize("status", [404, 403])
async def test_a_path_that_was_never_right_ends_the_worker_with_2(real: Rig, status: int) -> None:
    """G4: an answer that is final to all of the first items is no outage: a person must act. Nothing is charged."""
    items = [things(start) for start in range(1, FIRST_ITEMS + 11)]
    real.api.statuses = {item.ids.start: status for item in items}
    await real.run(*items)
    async with real.deps() as deps:
        worker = real.worker(deps)
        assert await worker.run() == 2
        assert worker.reason.startswith("The first items of this worker all failed in the same way")
        assert f"status {status}" in worker.reason
    assert len(real.messages) == len(items)
    assert not any(message.failures for message in real.messages)


async def test_a_fault_of_ours_ends_the_worker_with_1(real: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """And is charged to no item."""

    class Broken(MemoryQueue):
        async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
            raise ZeroDivisionError("ours")

    run = await real.run(*ITEMS[:2])
    await real.closer.end(run, "cancelled")
    real.queue = Broken(real.store, real.clock)
    async with real.deps() as deps:
        worker = real.worker(deps)
        assert await worker.run() == 1
        assert worker.reason == "ZeroDivisionError: ours"
    assert "an attempt ended in a fault of haulier" in caplog.messages
    assert not any(message.failures for message in real.messages)


async def test_a_worker_before_another_of_a_newer_version(real: Rig) -> None:
    """A rolling deploy: the kind that only the new one knows waits for it, uncounted; the old one does the rest."""

    async def work(item: Others, ctx: Context) -> AsyncGenerator[Any, None]:
        yield [{"id": item.id}]

    run = await real.run(Others(7), *ITEMS)
    async with real.deps() as old:
        assert await real.worker(old, exit_idle=True).run() == 0
    assert real.objects() == sorted(map(key_of, ITEMS))
    assert (real.message.kind, real.message.failures, real.message.releases) == ("others", 0, 1)
    for number, message in real.store.messages.items():
        real.store.schedule(number, message, real.clock.monotonic(), 0)  # Half a minute later.
    async with real.deps({Things: real.api.work, Others: work}) as new:
        assert await real.worker(new).run() == 0
    assert "others-7" in {path.name.partition(".")[0] for path in (real.folder / "lake").rglob("*.gz")}
    assert await state_of(real, run) is not RunState.OPEN
