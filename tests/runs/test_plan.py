"""P1: plan shards, the seal, and what becomes of attempts that lost it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from haulier.errors import LakeUnavailableError, RunEndedError, UsageError
from haulier.items.workitem import WorkItem
from haulier.runs.plan import MAX_ITEM_BYTES, plan_item, read_seal, read_shard, write_plan
from haulier.runs.planning import LOST_SECONDS, SIGN_SECONDS, PlanningRun
from tests.harness.cuts.calls import Cuts, every_cut
from tests.runs.rig import SHARD_ITEMS, Place, Process, Thing, finish, given, key_of, thing


@dataclass(frozen=True)
class Padded(WorkItem, stream="things", kind="padded"):
    """As long as one wants it."""

    text: str


@dataclass(frozen=True)
class Pair(WorkItem, stream="things", kind="things"):
    """Of the same kind as `Thing`, as only a test can make it: its keys are the same, its parameters are not."""

    start: int
    end: int


async def test_p1_nothing_is_enqueued_before_the_seal(place: Place, process: Process) -> None:
    """While the plan is written the queue stays empty; the first message follows the seal."""
    run = await process.claim()

    async def items() -> AsyncIterator[Thing]:
        for start in range(SHARD_ITEMS + 1):
            assert not place.store.messages
            yield thing(start)

    await process.enqueuer.enqueue(run, items)
    calls = process.cuts.calls
    assert len(place.files("**/_SEALED.json")) == 1
    assert len(place.store.messages) == SHARD_ITEMS + 1
    assert calls.index("MemoryQueue.enqueue") > calls.index("LocalLake.create")


async def test_p1_two_planners_at_once(place: Place) -> None:
    """Who loses the seal adopts the sealed plan and its attempt is ignored; each item is sent once."""
    first, second = place.process(), place.process()
    run = await first.claim()

    async def items() -> AsyncIterator[Thing]:
        yield thing(1)
        await second.enqueue(run, [thing(1), thing(2), thing(3)])
        yield thing(4)

    seal = await first.enqueuer.enqueue(run, items)
    assert seal == await read_seal(first.lake, run.paths)
    assert seal.items == 3
    assert Counter(message.key for message in place.messages) == Counter(key_of(thing(n)) for n in (1, 2, 3))
    assert not any(message.resent for message in place.messages)


async def test_p1_lost_attempts_go_only_after_a_final_verdict(place: Place) -> None:
    """The shards of another attempt stay while the run is open or partial, and are removed once it is final."""
    first, second = place.process(), place.process()
    run = await first.claim()
    place.api.failing = {2}

    async def items() -> AsyncIterator[Thing]:
        await second.enqueue(run, [thing(1), thing(2)])
        yield thing(1)

    seal = await first.enqueuer.enqueue(run, items)
    assert len(place.files("**/*.ndjson")) == 2
    verdict = await finish(place, run)
    assert verdict.verdict == "partial"
    assert len(place.files(f"{run.paths.plans}/*/*.ndjson")) == 2
    place.api.failing.clear()
    await first.redriver.redrive(run)
    verdict = await finish(place, run)
    assert verdict.verdict == "complete"
    assert place.files(f"{run.paths.plans}/*/*.ndjson") == [run.paths.shard(seal.attempt, "000000")]


async def test_p1_an_unsealed_plan_stays_when_its_run_is_cancelled(place: Place, process: Process) -> None:
    """Nobody has lost yet: a planner that is under way may still seal what it wrote."""
    run = await process.claim()

    async def items() -> AsyncIterator[Thing]:
        for start in range(SHARD_ITEMS):
            yield thing(start)
        await place.process().closer.end(run, "cancelled")
        yield thing(SHARD_ITEMS)

    with pytest.raises(RunEndedError, match="it is cancelled"):
        await process.enqueuer.enqueue(run, items)
    assert len(place.files("**/*.ndjson")) == 2
    await process.work(run)
    assert not place.api.requests


async def test_a_plan_gives_signs_while_it_is_made(place: Place, process: Process) -> None:
    """Workers wait for one that takes hours, and not for one that was given up; one that is begun again counts anew.
    What a sealed plan has of them is in nobody's way."""
    run = await process.claim()
    watched = PlanningRun(process.lake, run.paths, place.clock.monotonic())

    async def never() -> AsyncIterator[WorkItem]:
        await asyncio.Event().wait()
        yield thing(1)

    async def is_alive_after(seconds: float) -> bool:
        await place.clock.run_for(seconds)
        return await watched.is_alive(place.clock.monotonic())

    planning = asyncio.ensure_future(process.enqueuer.plan(run, never))
    await asyncio.wait_for(place.clock.wait_for_sleepers(), 30)
    for _ in range(4):
        await place.clock.run_for(LOST_SECONDS / 2)
        await asyncio.wait_for(place.clock.wait_for_sleepers(), 30)  # It has given a sign, if its thread was slow.
        assert await is_alive_after(0)
    planning.cancel()
    await asyncio.wait([planning])
    assert await is_alive_after(0)
    assert not await is_alive_after(LOST_SECONDS)
    late = PlanningRun(process.lake, run.paths, place.clock.monotonic() - LOST_SECONDS)
    assert not await late.is_alive(place.clock.monotonic())

    async def slow() -> AsyncIterator[WorkItem]:
        await place.clock.sleep(SIGN_SECONDS * 2.5)
        yield thing(1)

    planning = asyncio.ensure_future(process.enqueuer.enqueue(run, slow))
    await asyncio.wait_for(place.clock.wait_for_sleepers(2), 30)
    await place.clock.run_for(SIGN_SECONDS * 1.5)
    await asyncio.wait_for(place.clock.wait_for_sleepers(2), 30)  # It has given a sign.
    assert await is_alive_after(0)
    assert await late.is_alive(place.clock.monotonic())
    await place.clock.run_for(SIGN_SECONDS)
    assert (await planning).items == 1
    assert (await finish(place, run)).verdict == "complete"
    assert place.judge(run).problems == []


async def test_p1_equal_items_are_kept_once_and_counted(process: Process) -> None:
    """An enumeration that gives an item three times plans it once, and the seal says so."""
    run = await process.claim()
    items = [thing(1), thing(2), thing(1), thing(1)]
    seal = await write_plan(process.lake, run.paths, process.place.clock, given(items))
    assert (seal.items, seal.repeated) == (2, 2)
    shard = await read_shard(process.lake, run.paths, seal, seal.shards[0])
    assert [item.key for item in shard] == [key_of(thing(1)), key_of(thing(2))]


async def test_p1_equal_keys_of_unequal_items_are_an_error(place: Place, process: Process) -> None:
    """Nothing is sealed or sent: one of the two would be lost without a word."""
    run = await process.claim()
    twin = Pair(1, 2)
    assert plan_item(twin).key == key_of(thing(1))

    async def items() -> AsyncIterator[WorkItem]:
        yield thing(1)
        yield twin

    with pytest.raises(UsageError, match="Two different items have the key"):
        await process.enqueuer.enqueue(run, items)
    assert await read_seal(process.lake, run.paths) is None
    assert not place.messages


async def test_p1_an_item_that_is_too_large_is_refused_before_the_seal(process: Process) -> None:
    """A sealed plan that cannot be sent would keep its run open for ever."""
    run = await process.claim()

    async def items() -> AsyncIterator[WorkItem]:
        yield Padded("a" * MAX_ITEM_BYTES)

    with pytest.raises(UsageError, match="the limit is"):
        await process.enqueuer.enqueue(run, items)
    assert await read_seal(process.lake, run.paths) is None


async def test_a_shard_that_is_not_what_was_sealed_is_refused(place: Place, process: Process) -> None:
    """A plan that was changed by hand, or lost a file, is never half enqueued or half reconciled."""
    run = await process.claim()
    seal = await write_plan(process.lake, run.paths, place.clock, given([thing(1)]))
    file = place.folder / run.paths.shard(seal.attempt, "000000")
    file.write_bytes(file.read_bytes().replace(b'"end":2', b'"end":9'))
    with pytest.raises(LakeUnavailableError, match="is not as it was sealed"):
        await process.enqueue(run, [])
    file.unlink()
    with pytest.raises(LakeUnavailableError, match="is missing"):
        await process.closer.close(run)
    assert not place.messages


async def test_an_empty_plan_is_a_plan(place: Place, process: Process) -> None:
    """An enumeration without items is sealed and closes complete, with nothing in it."""
    run = await process.claim()
    await process.enqueue(run, [])
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.planned) == ("complete", 0)
    assert place.judge(run).problems == []


ITEMS = [thing(n) for n in range(SHARD_ITEMS + 1)]


async def test_p1_p2_an_enqueue_cut_at_every_step(place: Place) -> None:
    """Wherever a planner dies, the next one ends its work: one sealed plan, every item sent, at most one message of it
    unmarked, and none before the seal."""
    whole = Cuts()
    await place.process(whole).enqueue(await place.process().claim(), ITEMS)
    for cut in every_cut(whole):
        place.store.messages.clear()
        place.clock.advance(1)
        run = await place.process().claim()
        cuts = Cuts(cut)
        await cuts.run(place.process(cuts).enqueue(run, ITEMS))
        assert cuts.is_dead
        next_one = place.process()
        assert not place.messages or await read_seal(next_one.lake, run.paths) is not None
        await next_one.enqueue(run, ITEMS)
        unmarked = Counter(message.key for message in place.messages if not message.resent)
        assert {message.key for message in place.messages} == {key_of(item) for item in ITEMS}
        assert max(unmarked.values(), default=1) == 1
        before = len(place.store.messages)
        await place.process().enqueue(run, ITEMS)
        assert len(place.store.messages) == before
        await place.close()
