"""Closing, redrive and discard cut between every two steps, and two processes interleaved at every step. What is left
is finished by processes that come later, and judged by a check that knows the files alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from haulier.errors import LeaseLostError, UsageError
from haulier.items.ranges import IdRange
from haulier.queues.seam import Lease
from haulier.runs.records import VerdictRecord
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from tests.harness.cuts.calls import Cut, Cuts, Halt, every_cut
from tests.runs.rig import LEASE_SECONDS, Place, Process, finish, key_of, thing

Step = Callable[[Process], Awaitable[object]]


class Stage:
    """A run that was brought so far, and a copy of its lake and queue for every trial."""

    def __init__(self, place: Place, run: Run, folder: Path) -> None:
        self._place = place
        self._folder = folder
        self._trials = 0
        self.run = run

    def trial(self) -> Place:
        self._trials += 1
        return self._place.clone(self._folder / f"trial-{self._trials}")

    async def cuts_of(self, step: Step) -> list[Cut]:
        """Every cut of a step that nothing disturbs."""
        place, whole = self.trial(), Cuts()
        await step(place.process(whole))
        await place.close()
        return list(every_cut(whole))

    async def close(self, process: Process) -> VerdictRecord | None:
        return await process.closer.close(self.run)

    async def redrive(self, process: Process) -> int:
        return await process.redriver.redrive(self.run)

    async def discard(self, process: Process) -> int:
        return await process.discarder.discard(self.run, Decision(why="cannot be read"))

    async def work(self, process: Process) -> None:
        await process.work(self.run)


@pytest.fixture
async def started(place: Place, folder: Path) -> Stage:
    """Items that have records, have none, and are divided; nothing is worked yet."""
    process = place.process()
    run = await process.claim()
    await process.enqueue(run, [thing(10, 12), thing(20), thing(30, 32)])
    place.api.empty, place.api.split = {20}, {30}
    await place.close()
    return Stage(place, run, folder)


@pytest.fixture
async def drained(place: Place, folder: Path) -> Stage:
    """Every item has ended, and dead workers left what they do: an object without a receipt beside live poison, the
    object and receipt of an item that was divided since, a spool."""
    process = place.process()
    run = await process.claim()
    await process.enqueue(run, [thing(10, 12), thing(20), thing(30, 32), thing(40)])
    halts = [Halt(Cut("LocalLake.publish")), Halt(Cut("LocalLake.publish"))]
    dying = Cuts(Cut("LocalLake.publish", is_after=True), halts[0])
    zombies = [place.process(dying), place.process(Cuts(on_call=halts[1]))]
    poisoned, empty, divided, spooled = await process.queue.dequeue(4, LEASE_SECONDS)
    tasks = [
        asyncio.create_task(dying.run(zombies[0].settle(run, poisoned))),
        asyncio.create_task(Cuts().run(zombies[1].settle(run, divided))),
    ]
    for halt, task in zip(halts, tasks, strict=True):
        assert await halt.reached(task)
    cuts = Cuts(Cut("LocalSpool.finish", is_after=True))
    await cuts.run(place.process(cuts).settle(run, spooled))
    place.api.failing, place.api.empty, place.api.split = {10}, {20}, {30}
    await process.settle(run, empty)
    place.forget_leases()
    await process.work(run)
    for halt, task in zip(halts, tasks, strict=True):
        halt.release()
        await task
    place.api.failing.clear()
    await place.close()
    return Stage(place, run, folder)


@pytest.fixture
async def partial(place: Place, folder: Path) -> Stage:
    """A run that closed partial: two items are poisoned. They would not fail again."""
    process = place.process()
    run = await process.claim()
    await process.enqueue(run, [thing(10), thing(20), thing(30)])
    place.api.failing = {10, 20}
    verdict = await finish(place, run)
    assert (verdict.verdict, verdict.reasons) == ("partial", {"poison": 2})
    place.api.failing.clear()
    await place.close()
    return Stage(place, run, folder)


def failed(ids: IdRange) -> bool:
    """Items that the fixtures let fail."""
    return ids.start in (10, 20)


async def test_the_stage_is_as_it_says(drained: Stage) -> None:
    """The closing that the cuts go through has something to do at each of its steps."""
    place = drained.trial()
    assert len(place.files(f"{drained.run.paths.staging}/*")) == 1
    assert len(place.files("shop/**/*.ndjson.gz")) == 5
    process = place.process()
    verdict = await process.closer.close(drained.run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done, verdict.totals.split) == ("complete", 4, 1)
    assert {"LocalLake.sweep", "LocalLake.adopt", "LocalLake.remove"} <= set(process.cuts.calls)
    assert place.judge(drained.run).problems == []
    await place.close()


async def test_an_item_cut_at_every_step(started: Stage) -> None:
    """G1, G2: wherever a worker dies, another one settles its items: each of them once, in one attempt's records."""
    for cut in await started.cuts_of(started.work):
        place, cuts = started.trial(), Cuts(cut)
        await cuts.run(started.work(place.process(cuts)))
        assert (await finish(place, started.run)).verdict == "complete", cut
        await _sweep(place, started.run)
        assert place.judge(started.run).problems == [], cut
        await place.close()


async def test_c1_a_worker_halts_at_every_step_while_a_closing_goes_by(started: Stage) -> None:
    """G2: whatever it does when it wakes, the complete run stays what its manifest says."""
    for cut in await started.cuts_of(started.work):
        place = started.trial()
        slow = place.process(Cuts(on_call=(halt := Halt(cut))))
        working = asyncio.create_task(started.work(slow))
        if await halt.reached(working):
            assert (await finish(place, started.run)).verdict == "complete", cut
        halt.release()
        await working
        await finish(place, started.run)
        assert place.judge(started.run).problems == [], cut
        await place.close()


async def test_c1_a_worker_wakes_at_every_step_of_a_closing(started: Stage) -> None:
    """It had looked for a closing, found none, and halted before its `link()`; the item ended without it, and the run
    is being closed. What it publishes in the middle is in the manifest, or is not there."""
    for cut in await _cuts_of_closing(started):
        place = started.trial()
        late = _Late(place, started.run)
        working = asyncio.create_task(late.take())
        assert await late.halt.reached(working)
        await late.end_without_it()
        closer = place.process(Cuts(on_call=(halt := Halt(cut))))
        closing = asyncio.create_task(started.close(closer))
        await halt.reached(closing)
        late.halt.release()
        await working
        halt.release()
        await closing
        await late.judge(cut)


async def test_c1_a_worker_begins_at_every_step_of_a_closing(started: Stage) -> None:
    """It held its lease and had not begun; it works while a closer halts, looks for a closing, and halts before its
    `link()` until the closer has listed everything. Its spool was swept, or it saw the closing, or its object is
    listed."""
    for cut in await _cuts_of_closing(started):
        place = started.trial()
        late = _Late(place, started.run)
        await late.end_without_it()
        listed = Cut("LocalLake.create_from")
        closer = place.process(Cuts(on_call=(halt := Halt(cut, listed))))
        closing = asyncio.create_task(started.close(closer))
        await halt.reached(closing)
        working = asyncio.create_task(late.take())
        await late.halt.reached(working)
        halt.release()
        await halt.reached(closing)
        late.halt.release()
        await working
        halt.release()
        await closing
        await late.judge(cut)


class _Late:
    """A worker that is late with the first item, which another attempt ends without records meanwhile."""

    def __init__(self, place: Place, run: Run) -> None:
        self._place = place
        self._run = run
        self._object = place.folder / run.paths.object("things", key_of(thing(10, 12)))
        self.halt = Halt(Cut("LocalLake.publish"))
        self._process = place.process(Cuts(on_call=self.halt))
        self._lease: Lease | None = None

    async def take(self) -> None:
        if self._lease is None:
            (self._lease,) = await self._process.queue.dequeue(1, LEASE_SECONDS)
        with contextlib.suppress(LeaseLostError):
            await self._process.settle(self._run, self._lease)

    async def end_without_it(self) -> None:
        if self._lease is None:
            (self._lease,) = await self._process.queue.dequeue(1, LEASE_SECONDS)
        self._place.forget_leases()
        self._place.api.empty |= {10}
        await self._place.process().work(self._run)
        # From here on the API has records for it again, for the attempt that is late.
        self._place.api.empty -= {10}

    async def judge(self, cut: Cut) -> None:
        assert (await finish(self._place, self._run)).verdict == "complete", cut
        if not self._object.exists():
            self._place.api.empty |= {10}
        assert self._place.judge(self._run).problems == [], cut
        await self._place.close()


async def _cuts_of_closing(started: Stage) -> list[Cut]:
    place, whole = started.trial(), Cuts()
    await place.process().work(started.run)
    assert await started.close(place.process(whole)) is not None
    await place.close()
    return list(every_cut(whole))


async def test_c1_to_c5_a_closing_cut_at_every_step(drained: Stage) -> None:
    """Wherever a closer dies, the next one brings the run to the same end; `_SUCCESS.json` never comes before it."""
    for cut in await drained.cuts_of(drained.close):
        place, cuts = drained.trial(), Cuts(cut)
        await cuts.run(drained.close(place.process(cuts)))
        if place.files("**/_SUCCESS.json"):
            assert place.files("**/closings/*/verdict")
        verdict = await place.process().closer.close(drained.run)
        assert verdict is not None
        assert (verdict.number, verdict.verdict) == (1, "complete"), cut
        await _sweep(place, drained.run)
        assert place.judge(drained.run).problems == [], cut
        assert len(place.files("shop/**/_SUCCESS.json")) == 1
        await place.close()


async def test_c1_to_c5_two_closers_at_once(drained: Stage) -> None:
    """A closer halts at any of its steps, another one does the whole closing meanwhile, and the first goes on."""
    for cut in await drained.cuts_of(drained.close):
        place = drained.trial()
        slow = place.process(Cuts(on_call=(halt := Halt(cut))))
        closing = asyncio.create_task(drained.close(slow))
        assert await halt.reached(closing), cut
        verdict = await place.process().closer.close(drained.run)
        halt.release()
        assert await closing == verdict, cut
        assert place.judge(drained.run).problems == [], cut
        await place.close()


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(4))
async def test_c1_to_c5_two_closers_switched_twice(drained: Stage, offset: int) -> None:
    """The first halts, the second comes as far as any of its steps, the first ends, the second ends."""
    cuts = await drained.cuts_of(drained.close)
    for first_cut in cuts[offset::8]:
        for second_cut in cuts[3 - offset :: 4]:
            place = drained.trial()
            halts = [Halt(first_cut), Halt(second_cut)]
            closers = [place.process(Cuts(on_call=halt)) for halt in halts]
            first = asyncio.create_task(drained.close(closers[0]))
            assert await halts[0].reached(first)
            second = asyncio.create_task(drained.close(closers[1]))
            await halts[1].reached(second)
            halts[0].release()
            verdict = await first
            halts[1].release()
            assert await second == verdict
            assert place.judge(drained.run).problems == [], (first_cut, second_cut)
            await place.close()


async def test_c7_a_redrive_cut_at_every_step_is_finished_by_the_next(partial: Stage) -> None:
    """Partial, a redrive that died, a redrive: complete, with every record."""
    for cut in await partial.cuts_of(partial.redrive):
        place, cuts = partial.trial(), Cuts(cut)
        await cuts.run(partial.redrive(place.process(cuts)))
        await partial.redrive(place.process())
        assert (await finish(place, partial.run)).verdict == "complete", cut
        assert place.judge(partial.run).problems == [], cut
        await place.close()


async def test_c7_a_redrive_that_died_and_is_not_repeated_hides_nothing(partial: Stage) -> None:
    """What comes later finds the run partial, or does what the redrive began; it is never complete without its rows."""
    for cut in await partial.cuts_of(partial.redrive):
        place, cuts = partial.trial(), Cuts(cut)
        await cuts.run(partial.redrive(place.process(cuts)))
        await finish(place, partial.run)
        if place.judge(partial.run, failed).verdict == "partial":
            # Redriven keys of a closing that was not reopened are no live poison, and the run is not whole either.
            assert await partial.redrive(place.process()) > 0
            assert (await finish(place, partial.run)).verdict == "complete", cut
        assert place.judge(partial.run).problems == [], cut
        await place.close()


async def test_c7_a_redrive_halts_at_every_step_while_others_work_and_close(partial: Stage) -> None:
    """A worker and a closer do all they find between any two steps of a redrive; the run still comes to be complete."""
    for cut in await partial.cuts_of(partial.redrive):
        place = partial.trial()
        slow = place.process(Cuts(on_call=(halt := Halt(cut))))
        redriving = asyncio.create_task(partial.redrive(slow))
        assert await halt.reached(redriving), cut
        other = place.process()
        await other.work(partial.run)
        await other.closer.close(partial.run)
        halt.release()
        await redriving
        assert (await finish(place, partial.run)).verdict == "complete", cut
        assert place.judge(partial.run).problems == [], cut
        await place.close()


async def test_c7_two_redrives_at_once(partial: Stage) -> None:
    """One halts at any of its steps, the other goes all the way; each key is redriven once, and one request made."""
    for cut in await partial.cuts_of(partial.redrive):
        place = partial.trial()
        slow = place.process(Cuts(on_call=(halt := Halt(cut))))
        redriving = asyncio.create_task(partial.redrive(slow))
        assert await halt.reached(redriving), cut
        requests = place.api.requests.total()
        await partial.redrive(place.process())
        halt.release()
        await redriving
        assert (await finish(place, partial.run)).verdict == "complete", cut
        assert place.api.requests.total() == requests + 2, cut
        assert place.judge(partial.run).problems == [], cut
        await place.close()


@pytest.mark.parametrize("slow", ["redrive", "discard"])
async def test_c7_g1_g2_a_redrive_and_a_discard_of_the_same_keys_at_once(partial: Stage, slow: str) -> None:
    """Two people decide otherwise: one halts at any step, the other goes all the way, and workers and a closer with it.
    Each key is done or discarded in the end, in one object at most, and the verdict counts it so."""
    first, second = (partial.redrive, partial.discard) if slow == "redrive" else (partial.discard, partial.redrive)
    ends: set[tuple[int, int]] = set()
    for number, cut in enumerate(await partial.cuts_of(first)):
        place = partial.trial()
        halted = place.process(Cuts(on_call=(halt := Halt(cut))))
        deciding = asyncio.create_task(first(halted))
        assert await halt.reached(deciding), cut
        await second(place.process())
        if number % 2:
            other = place.process()
            await other.work(partial.run)
            await other.closer.close(partial.run)
        halt.release()
        with contextlib.suppress(UsageError):  # The run may be complete by now, which is said.
            await deciding
        verdict = await finish(place, partial.run)
        assert verdict.verdict == "complete", cut
        assert verdict.totals.done + verdict.totals.discarded == 3, cut
        ends.add((verdict.totals.done, verdict.totals.discarded))
        assert place.judge(partial.run).problems == [], cut
        await place.close()
    assert {(3, 0), (1, 2)} <= ends, "either may win"


async def test_c7_a_discard_cut_at_every_step_is_finished_by_the_next(partial: Stage) -> None:
    """Partial, a discard that died, a discard: complete, with both items listed as discarded."""
    for cut in await partial.cuts_of(partial.discard):
        place, cuts = partial.trial(), Cuts(cut)
        await cuts.run(partial.discard(place.process(cuts)))
        await partial.discard(place.process())
        verdict = await finish(place, partial.run)
        assert (verdict.verdict, verdict.totals.discarded) == ("complete", 2), cut
        assert place.judge(partial.run).problems == [], cut
        await place.close()


async def _sweep(place: Place, run: Run) -> None:
    """What `verify` does for a closed run: a closer that died after its verdict left that to it."""
    await place.process().lake.sweep(run.paths.staging)
