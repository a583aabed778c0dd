"""C9: a put that is delayed past a whole closing lands all the same, and nothing that was promised is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from haulier.runs.plan import plan_item
from haulier.runs.poison.selection import PoisonSelection
from haulier.runs.records import ChildList, OutcomeRecord, PoisonRecord, RedriveRecord, VerdictRecord, encode_record
from haulier.runs.redrive import Redriver
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state
from haulier.runs.strays import late_objects
from haulier.runs.verify import verify_run
from haulier.testing.clock import FakeClock
from tests.harness.cuts.calls import Cut, Cuts, Halt
from tests.harness.things import Things, things
from tests.seams.cloud import LEASE_SECONDS, Cloud
from tests.worker.rig import key_of

ITEM = things(1, 5)
KEY = key_of(ITEM)


@dataclass
class Late:
    """A worker that stands still before its put, and what others do meanwhile."""

    cloud: Cloud
    run: Run

    @contextlib.asynccontextmanager
    async def put(self, *, then_dies: bool = False) -> AsyncIterator[None]:
        """The worker stands still within the block, longer than its lease; at its end it puts its object, and settles
        unless it dies of it."""
        halt, clock = Halt(Cut("ObjectLake.publish")), self.cloud.clock
        cuts = Cuts(Cut("ObjectLake.publish", is_after=True) if then_dies else None, on_call=halt)
        async with self.cloud.hand(cuts) as hand:
            attempt = asyncio.create_task(cuts.run(hand.attempt(await hand.take())))
            assert await halt.reached(attempt)
            assert isinstance(clock, FakeClock)
            clock.advance(LEASE_SECONDS + 1)
            yield
            halt.release()
            await attempt
            assert cuts.is_dead == then_dies
            if not then_dies:
                await hand.settle()
        assert self.path in self.cloud.objects.bodies, "it did not land"

    @property
    def path(self) -> str:
        return self.run.paths.object("things", KEY)

    async def take_over(self, path: str, record: ChildList | OutcomeRecord | PoisonRecord) -> None:
        """Another worker, which was handed the item when the lease ran out, writes down what became of it."""
        queue = self.cloud.queue
        [lease] = [lease for lease in await queue.dequeue(10, LEASE_SECONDS) if KEY.encode() in lease.body]
        assert lease.deliveries == 2
        await self.cloud.lake.create(path, encode_record(record))
        await queue.complete([lease])

    async def poison(self) -> VerdictRecord:
        record = PoisonRecord(
            number=1,
            key=KEY,
            kind="things",
            run_id=self.run.run_id,
            payload=msgspec.Raw(b"{}"),
            reason="failed",
            error_class="ApiError",
            error="it fails",
            poisoned_at=self.cloud.clock.now(),
        )
        await self.take_over(self.run.paths.numbered("poison", KEY, 1), record)
        return await self.cloud.verdict(self.run)


@pytest.fixture
async def late() -> Late:
    cloud = Cloud(FakeClock())
    return Late(cloud, await cloud.plan([ITEM]))


async def require_stray(late: Late, verdict: VerdictRecord) -> None:
    """The object is reported, and nothing is unsound: the manifest holds."""
    seen = await verify_run(late.cloud.lake, late.run, verdict)
    assert (seen.strays, seen.is_sound) == (1, True)
    assert seen.findings == [f"{late.path} is in the lake, but the manifest does not list it"]
    assert await late_objects(late.cloud.lake, late.run, verdict, "things") == [late.path]


@pytest.mark.parametrize("then_dies", [False, True], ids=["settles", "dies"])
async def test_a_redrive_settles_what_landed_late_without_a_request(
    late: Late, tmp_path: Path, then_dies: bool
) -> None:
    """Poisoned, closed as partial, and then its object lands: the redriven item is looked up, and the run complete."""
    cloud, run = late.cloud, late.run
    async with late.put(then_dies=then_dies):
        partial = await late.poison()
    assert (partial.verdict, partial.totals.poisoned) == ("partial", 1)
    await require_stray(late, partial)
    requests = len(cloud.api.requests)
    assert await Redriver(cloud.closer).redrive(run, PoisonSelection.of_keys([KEY])) == 1
    await cloud.work_by_hand()
    verdict = await cloud.verdict(run)
    assert (verdict.verdict, verdict.totals.records, len(cloud.api.requests)) == ("complete", 4, requests)
    assert await late_objects(cloud.lake, run, verdict, "things") == []
    cloud.judge(run, tmp_path)


@pytest.mark.parametrize("then_dies", [False, True], ids=["settles", "dies"])
async def test_a_redrive_that_died_before_it_reopened_the_run_is_done_again(late: Late, then_dies: bool) -> None:
    """C7 with C9: its record stands, and so does the late object; the next redrive finds the item all the same."""
    cloud, run = late.cloud, late.run
    async with late.put(then_dies=then_dies):
        await late.poison()
    record = RedriveRecord(number=1, key=KEY, redriven_at=cloud.clock.now())
    await cloud.lake.create(run.paths.numbered("redrives", KEY, 1), encode_record(record))
    assert await Redriver(cloud.closer).redrive(run) == 1
    await cloud.work_by_hand()
    verdict = await cloud.verdict(run)
    assert (verdict.verdict, verdict.totals.records) == ("complete", 4)


async def test_a_redrive_that_was_cut_off_is_finished_for_what_landed_late(late: Late) -> None:
    """Who does not list objects sees it as redriven and not ended. So does the redrive that finishes just these."""
    cloud, run = late.cloud, late.run
    async with late.put(then_dies=True):
        await late.poison()
    record = RedriveRecord(number=1, key=KEY, redriven_at=cloud.clock.now())
    await cloud.lake.create(run.paths.numbered("redrives", KEY, 1), encode_record(record))
    redriver, selection = Redriver(cloud.closer), PoisonSelection(is_redriven=True)
    assert [(len(one.items), one.is_live) async for one in redriver.preview(run, selection)] == [(1, False)]
    assert await redriver.redrive(run, selection) == 1
    await cloud.work_by_hand()
    assert (await cloud.verdict(run)).verdict == "complete"


async def test_a_late_object_of_an_empty_item_is_no_part_of_a_complete_run(late: Late) -> None:
    """The API had answered otherwise to the other attempt: the verdict stands, the object is reported and left (C4)."""
    async with late.put():
        record = OutcomeRecord(key=KEY, ended_at=late.cloud.clock.now())
        await late.take_over(late.run.paths.outcome(KEY), record)
        verdict = await late.cloud.verdict(late.run)
    assert (verdict.verdict, verdict.totals.records) == ("complete", 0)
    assert await late.cloud.closer.close(late.run) == verdict
    await require_stray(late, verdict)


async def divide(late: Late) -> None:
    halves = [Things(half) for half in ITEM.ids.halves() or ()]
    children = tuple(plan_item(half) for half in halves)
    record = ChildList(key=KEY, children=children, worker="other", split_at=late.cloud.clock.now())
    await late.take_over(late.run.paths.children(KEY), record)
    await late.cloud.send(late.run, children)
    await late.cloud.work_by_hand()


async def test_a_late_object_of_a_divided_item_is_no_part_of_a_complete_run(late: Late) -> None:
    """Its records are in the objects of its parts already: no reader of the manifest has them twice (G2)."""
    async with late.put():
        await divide(late)
        verdict = await late.cloud.verdict(late.run)
    assert (verdict.verdict, verdict.totals.records, verdict.totals.split) == ("complete", 4, 1)
    assert (await late.cloud.states(late.run, verdict))[KEY] == "split"
    await require_stray(late, verdict)


async def test_what_lands_before_the_verdict_is_removed_with_its_divided_item(late: Late, tmp_path: Path) -> None:
    """C4: after the manifest the closer lists once more, since nothing was fenced when it listed first."""
    halt = Halt(Cut("ObjectLake.create_from", is_after=True))
    closer = late.cloud.closer_of(Cuts(on_call=halt))
    async with late.put():
        await divide(late)
        closing = asyncio.create_task(closer.close(late.run))
        assert await halt.reached(closing)
    halt.release()
    verdict = await closing
    assert verdict is not None
    assert (verdict.verdict, late.path in late.cloud.objects.bodies) == ("complete", False)
    assert await late_objects(late.cloud.lake, late.run, verdict, "things") == []
    late.cloud.judge(late.run, tmp_path)


async def test_no_run_is_ended_by_a_look_for_records(late: Late) -> None:
    """C8: records could land after any look, so that an open run is left to the person's own decision."""
    assert not await late.cloud.closer.end_without_records(late.run)
    assert (await run_state(late.cloud.lake, late.run.paths))[0] is RunState.OPEN
