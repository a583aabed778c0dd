"""Where a queue cannot count exactly, workers find by themselves that it lost items
(docs/protocol.md#drained-and-stranded)."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.http.transport import Request, Response
from haulier.queues.envelope import decode, encode
from haulier.runs.plan import plan_item
from haulier.runs.repair import claim_repair, newest_repair
from haulier.runs.run import Run
from haulier.runs.send import envelope_of
from haulier.testing.clock import FakeClock
from haulier.worker.blame import RETRY_CAP_SECONDS
from haulier.worker.watch import Quiet, Watch
from tests.harness.cuts.calls import Cuts
from tests.harness.things import SOURCE, ThingsApi, things
from tests.harness.virtual_time import VirtualTime
from tests.harness.wiring import worker_of
from tests.seams.cloud import LEASE_SECONDS, RECORDS, Cloud

SPAN_SECONDS = LEASE_SECONDS + RETRY_CAP_SECONDS
MANY = tuple(things(start, start + 4) for start in range(100, 180, 4))


async def purge_once(cloud: Cloud, after_requests: int) -> None:
    while len(cloud.api.requests) < after_requests:
        await asyncio.sleep(0.05)
    with cloud.messages.lock:
        cloud.messages.messages.clear()


async def worked_by(cloud: Cloud, run: Run, workers: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(cloud.work(run))


def test_g1_a_queue_that_is_purged_in_mid_run_is_filled_again_by_workers(tmp_path: Path) -> None:
    """After every message that it could hold would have come back: once, by one of the workers, and marked."""
    time = VirtualTime()
    cloud = Cloud(time)
    cloud.api.latency_seconds = 1.0

    async def main() -> Run:
        run = await cloud.plan(MANY)
        purging = asyncio.create_task(purge_once(cloud, 6))
        await worked_by(cloud, run, 3)
        await purging
        return run

    began = time.monotonic()
    run = time.run(main())
    took = time.monotonic() - began
    verdict = time.run(cloud.verdict(run))
    assert (verdict.verdict, verdict.totals.done, verdict.totals.records) == ("complete", 20, 80)
    assert SPAN_SECONDS < took < SPAN_SECONDS + 60
    assert time.run(newest_repair(cloud.lake, run.paths)) == 1
    assert len(cloud.api.requests) == 20, "what had ended was looked up, and each other item was sent once"
    cloud.judge(run, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_message_that_nobody_works_hinders_no_repair(workers: int) -> None:
    """Of a run that was deleted, of another source, of a newer haulier: they come back every half minute, for ever."""
    time = VirtualTime()
    cloud = Cloud(time)

    async def main() -> Run:
        run = await cloud.plan(MANY)
        cloud.messages.messages.clear()
        stray = envelope_of(plan_item(things(1)), replace(run.paths, run_id="full-20200101T000000Z"))
        foreign = envelope_of(plan_item(things(1)), replace(run.paths, source="other"))
        await cloud.queue.enqueue([encode(stray), encode(foreign), b'{"v": 99}'])
        async with asyncio.timeout(4 * SPAN_SECONDS):
            await worked_by(cloud, run, workers)
        return run

    run = time.run(main())
    assert time.run(cloud.verdict(run)).totals.done == len(MANY)
    assert time.run(newest_repair(cloud.lake, run.paths)) == 1
    assert len(cloud.messages.messages) == 3, "a newer worker, or one with the right lake, may come"


def test_an_item_that_another_worker_has_for_long_is_not_sent_again() -> None:
    """Whoever waits for it asks the queue in vain, and sees in the shared row that somebody works."""
    time = VirtualTime()
    cloud = Cloud(time)
    cloud.api.latency_seconds = 3 * SPAN_SECONDS

    async def main() -> Run:
        run = await cloud.plan([things(1, 4)])
        await worked_by(cloud, run, 2)
        return run

    run = time.run(main())
    assert time.run(newest_repair(cloud.lake, run.paths)) == 0
    assert cloud.api.requests == [1]


class BusyApi(ThingsApi):
    """Wants one item to wait, until it is ready for it."""

    WAIT_SECONDS = 800.0

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time
        self.refused_at: list[float] = []

    async def send(self, request: Request) -> Response:
        found = await super().send(request)
        now, ready_at = self._time.monotonic(), (self.refused_at or [math.inf])[0] + self.WAIT_SECONDS
        if self.requests[-1] != 100 or ready_at <= now:
            return found
        self.refused_at.append(now)
        headers = CIMultiDictProxy(CIMultiDict({"Retry-After": f"{self.WAIT_SECONDS:.0f}"}))
        return Response(500, headers, b"", url=request.url)


@pytest.mark.parametrize("workers", [1, 2])
def test_g5_what_the_api_wants_to_wait_for_long_is_not_sent_again(workers: int) -> None:
    """Longer than any backoff: all workers know until when its message is hidden, also one that comes later."""
    time = VirtualTime()
    cloud = Cloud(time)
    cloud.api = api = BusyApi(time)

    async def first_worker(run: Run) -> None:
        async with cloud.deps() as deps:
            worker = worker_of(deps, only=run.run_id)
            working = asyncio.create_task(worker.run())
            await asyncio.sleep(30)
            worker.drain("the test")
            await working

    async def main() -> Run:
        run = await cloud.plan(MANY)
        await first_worker(run)
        assert api.refused_at
        await worked_by(cloud, run, workers)
        return run

    run = time.run(main())
    assert time.run(newest_repair(cloud.lake, run.paths)) == 0
    assert api.refused_at[-1] - api.refused_at[0] < 30, "it was left alone for as long as it had asked"
    assert cloud.messages.messages == {}


def test_a_pause_is_no_sign_of_loss() -> None:
    """While the API wants to be left alone nobody asks the queue, which holds everything."""
    time = VirtualTime()
    cloud = Cloud(time)

    async def main() -> Run:
        run = await cloud.plan(MANY)
        async with cloud.deps() as deps:
            await deps.client.scope.pause(2 * SPAN_SECONDS)
            assert await worker_of(deps, only=run.run_id).run() == 0
        return run

    run = time.run(main())
    assert time.run(newest_repair(cloud.lake, run.paths)) == 0
    assert len(cloud.api.requests) == len(MANY)


def test_who_finds_a_repair_of_another_waits_another_span() -> None:
    """A claim whose worker died before it sent holds the others back for one span, and not for ever."""
    time = VirtualTime()
    cloud = Cloud(time)

    async def main() -> Run:
        run = await cloud.plan()
        cloud.messages.messages.clear()

        async def claim() -> None:
            await asyncio.sleep(SPAN_SECONDS / 2)
            assert await claim_repair(cloud.closer, run, 1)

        claiming = asyncio.create_task(claim())
        await cloud.work(run)
        await claiming
        return run

    began = time.monotonic()
    run = time.run(main())
    assert 2 * SPAN_SECONDS < time.monotonic() - began < 2 * SPAN_SECONDS + 60
    assert time.run(newest_repair(cloud.lake, run.paths)) == 2
    assert time.run(cloud.verdict(run)).totals.records == RECORDS


def test_what_is_sent_again_is_marked_and_sent_once_in_a_span() -> None:
    """Four idle workers find the loss at the same moment."""
    time = VirtualTime()
    cloud = Cloud(time)
    sent: list[bytes] = []

    async def main() -> Run:
        run = await cloud.plan(MANY)
        cloud.messages.messages.clear()
        working = asyncio.create_task(worked_by(cloud, run, 4))
        while not cloud.messages.messages:
            await asyncio.sleep(0.01)
        sent.extend(message.body for message in cloud.messages.messages.values())
        await working
        return run

    run = time.run(main())
    assert {decode(body).resent for body in sent} == {True}
    assert len(cloud.api.requests) == len(MANY)
    assert time.run(newest_repair(cloud.lake, run.paths)) == 1


async def test_of_two_workers_that_find_a_loss_at_the_same_step_one_sends() -> None:
    """Both have read the same newest number; whoever creates the next one is the sender."""
    clock = FakeClock()
    cloud = Cloud(clock)
    run = await cloud.plan(MANY)
    cloud.messages.messages.clear()
    other = Watch(cloud.lake, cloud.queue, cloud.closer, SOURCE)

    async def let_the_other_go_first(number: int, name: str, is_after: bool) -> None:
        if name == "ObjectLake.create" and not is_after:
            await other.look(quiet)

    cuts = Cuts(on_call=let_the_other_go_first)
    late = Watch(cuts.wrap(cloud.lake), cloud.queue, cloud.closer_of(cuts), SOURCE)
    since = clock.monotonic()
    quiet = Quiet(since, since, SPAN_SECONDS)
    for watch in (other, late):
        await watch.look(quiet)
    clock.advance(SPAN_SECONDS - 1)
    quiet = Quiet(since, clock.monotonic(), SPAN_SECONDS)
    for watch in (other, late):
        await watch.look(quiet)
    assert cloud.messages.messages == {}
    clock.advance(1)
    quiet = Quiet(since, clock.monotonic(), SPAN_SECONDS)
    await late.look(quiet)
    assert "ObjectLake.create" in cuts.calls
    assert len(cloud.messages.messages) == len(MANY)
    assert await newest_repair(cloud.lake, run.paths) == 1
    for watch in (other, late):
        watch.close()


async def test_what_passes_during_a_look_is_no_quiet() -> None:
    """The lake did not answer for a span, or the process was suspended: nobody asked the queue, which holds all."""
    clock = FakeClock()
    cloud = Cloud(clock)
    run = await cloud.plan(MANY)
    is_away = False

    async def be_away(number: int, name: str, is_after: bool) -> None:
        if is_away and name == "ObjectLake.names" and not is_after:
            clock.advance(SPAN_SECONDS)

    watch = Watch(Cuts(on_call=be_away).wrap(cloud.lake), cloud.queue, cloud.closer, SOURCE)
    since = clock.monotonic()
    await watch.look(Quiet(since, since, SPAN_SECONDS))
    clock.advance(1)
    is_away = True
    await watch.look(Quiet(since, clock.monotonic(), SPAN_SECONDS))
    watch.close()
    assert clock.monotonic() - since > SPAN_SECONDS
    assert len(cloud.messages.messages) == len(MANY)
    assert await newest_repair(cloud.lake, run.paths) == 0


def test_a_worker_that_was_suspended_asks_for_a_whole_span_anew() -> None:
    """What it did not ask for meanwhile, somebody else may have taken, of whom it has not heard yet."""
    time = VirtualTime()
    cloud = Cloud(time)

    began_at, jumps = time.monotonic(), 0

    async def suspend(number: int, name: str, is_after: bool) -> None:
        nonlocal jumps
        if name == "ReceiptQueue.dequeue" and not is_after and not jumps and time.monotonic() > began_at + 20:
            jumps += 1
            time.jump(SPAN_SECONDS)
            hide(LEASE_SECONDS)

    def hide(seconds: float) -> None:
        with cloud.messages.lock:
            for message in cloud.messages.messages.values():
                message.visible_at = time.monotonic() + seconds

    async def main() -> Run:
        run = await cloud.plan(MANY)
        hide(SPAN_SECONDS - 1)
        await cloud.work(run, Cuts(on_call=suspend))
        return run

    run = time.run(main())
    assert jumps == 1
    assert time.run(newest_repair(cloud.lake, run.paths)) == 0
    assert len(cloud.api.requests) == len(MANY)
