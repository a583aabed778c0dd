"""Repairs that a person asks for: what the queue has lost is sent, and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from haulier.errors import UsageError
from haulier.queues.seam import Depth, QueueCapabilities
from haulier.runs.closing import Closer
from haulier.runs.records import OpenedRecord, encode_record
from haulier.runs.repair import LOOKS_APART_SECONDS, Repaired, Repairer, newest_repair
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state
from tests.harness.cuts.calls import Cut, Cuts
from tests.runs.rig import Place, Process, finish, key_of, thing


async def lose(place: Place, *numbers: int) -> None:
    keys = {key_of(thing(number)) for number in numbers}
    for id, message in list(place.store.messages.items()):
        if any(f'"{key}"'.encode() in message.body for key in keys):
            del place.store.messages[id]


async def enqueued(process: Process, *numbers: int) -> Run:
    run = await process.claim()
    await process.enqueue(run, [thing(number) for number in numbers])
    return run


async def test_g1_what_the_queue_lost_is_sent_and_nothing_else(place: Place, process: Process) -> None:
    """Ready, delayed and leased messages are seen where the queue shows all; what has ended is no loss."""
    run = await enqueued(process, 1, 2, 3, 4, 5)
    (done,) = await process.queue.dequeue(1, 60)
    await process.settle(run, done)
    (leased,) = await process.queue.dequeue(1, 60)
    await lose(place, 4, 5)
    assert await Repairer(process.closer).repair(run, is_dry_run=True) == Repaired(4, 2, is_exact=True)
    assert len(place.messages) == 2
    assert await newest_repair(process.lake, run.paths) == 0
    assert await Repairer(process.closer).repair(run) == Repaired(4, 2, is_exact=True)
    assert [(sent.key, sent.resent) for sent in place.messages[-2:]] == [
        (key_of(thing(4)), True),
        (key_of(thing(5)), True),
    ]
    assert await newest_repair(process.lake, run.paths) == 1
    assert await Repairer(process.closer).repair(run) == Repaired(4, 0, is_exact=True)
    await process.settle(run, leased)
    assert (await finish(place, run)).verdict == "complete"
    assert place.judge(run).problems == []


async def test_messages_of_another_run_are_not_taken_for_this_ones(place: Place, process: Process) -> None:
    """Two runs of a source share its queue, and the same keys."""
    old = await enqueued(process, 1, 2)
    new = await enqueued(process, 1, 2)
    for id, message in list(place.store.messages.items()):
        if new.run_id.encode() in message.body:
            del place.store.messages[id]
    assert await Repairer(process.closer).repair(new) == Repaired(2, 2, is_exact=True)
    assert await Repairer(process.closer).repair(old) == Repaired(2, 0, is_exact=True)


async def test_a_redriven_item_is_sent_with_its_number(place: Place, process: Process) -> None:
    """Else its message could be taken for one from before the redrive (C6)."""
    place.api.failing = {1}
    run = await enqueued(process, 1, 2)
    (lease,) = await process.queue.dequeue(1, 60)
    await process.settle(run, lease)
    await process.redriver.redrive(run)
    await lose(place, 1)
    assert (await Repairer(process.closer).repair(run)).sent == 1
    assert (place.messages[-1].key, place.messages[-1].redrives) == (key_of(thing(1)), 1)


async def test_shards_that_nobody_sent_go_out_under_their_claim(place: Place) -> None:
    """A late enqueuer finds them taken; what other shards lost is sent as well, and no item twice."""
    run = await place.process().claim()
    cuts = Cuts(Cut("MemoryQueue.enqueue", is_after=True))
    await cuts.run(place.process(cuts).enqueue(run, [thing(n) for n in range(6)]))
    place.store.messages.clear()
    process = place.process()
    assert await Repairer(process.closer).repair(run) == Repaired(6, 6, is_exact=True)
    assert sorted(sent.key for sent in place.messages) == sorted(key_of(thing(n)) for n in range(6))
    assert (await finish(place, run)).verdict == "complete"


async def test_where_depth_is_not_exact_everything_missing_is_sent(place: Place, process: Process) -> None:
    """Nobody can know what such a queue holds: the duplicates are looked up, and come to nothing."""

    class Vague:
        def __init__(self) -> None:
            self.capabilities: QueueCapabilities = dataclasses.replace(process.queue.capabilities, exact_depth=False)

        def __getattr__(self, name: str) -> object:
            return getattr(process.queue, name)

    run = await enqueued(process, 1, 2, 3)
    await lose(place, 3)
    closer = Closer(process.lake, Vague(), place.clock, "closer")  # type: ignore[arg-type]
    assert await Repairer(closer).repair(run) == Repaired(3, 3, is_exact=False)
    assert len(place.messages) == 5
    assert (await finish(place, run)).verdict == "complete"
    assert place.api.requests.total() == 3


async def test_g1_a_start_sends_what_a_queue_has_lost_and_only_then(place: Place, process: Process) -> None:
    """Not while a message of the run is held or delayed; nor, where the queue counts roughly, any message at all. What
    has ended is not sent, and the next start finds what this one sent."""

    class Rough:
        """Counts as Azure does: all messages, in whatever state, as ready ones."""

        def __init__(self) -> None:
            self.capabilities: QueueCapabilities = dataclasses.replace(process.queue.capabilities, exact_depth=False)

        async def depth(self) -> Depth:
            return Depth((await process.queue.depth()).unsettled, 0, 0, 0)

        def __getattr__(self, name: str) -> Any:
            return getattr(process.queue, name)

    async def sent_by(*repairers: Repairer) -> list[int]:
        starts = asyncio.gather(*[repairer.repair_if_lost(run) for repairer in repairers])
        await place.clock.run_for(LOOKS_APART_SECONDS)
        return await starts

    exact, rough = Repairer(process.closer), Repairer(dataclasses.replace(process.closer, queue=Rough()))
    run = await enqueued(process, 1, 2, 3)
    (done,) = await process.queue.dequeue(1, 60)
    await process.settle(run, done)
    (leased,) = await process.queue.dequeue(1, 600)
    await lose(place, 3)
    await process.queue.release(leased, leased.body, delay_seconds=600)
    assert await sent_by(exact, rough) == [0, 0]
    await process.queue.purge()
    other = await enqueued(process, 4)
    assert await sent_by(rough) == [0]
    assert await sent_by(exact) == [2]
    place.store.messages.clear()
    assert await sent_by(rough) == [2]
    assert await sent_by(rough, exact) == [0, 0]
    assert sorted((sent.run_id, sent.key, sent.resent) for sent in place.messages) == sorted(
        (run.run_id, key_of(thing(number)), True) for number in (2, 3)
    )
    assert (await finish(place, run)).verdict == "complete"
    assert await sent_by(exact) == [0]
    assert (await run_state(process.lake, other.paths))[0] is RunState.OPEN


async def test_of_two_repairs_at_once_one_sends(place: Place, process: Process) -> None:
    """The other says so, and sends nothing."""
    run = await enqueued(process, 1, 2, 3)
    await lose(place, 1, 2, 3)

    async def let_another_go_first(number: int, name: str, is_after: bool) -> None:
        if name == "LocalLake.create" and not is_after:
            assert (await Repairer(process.closer).repair(run)).sent == 3

    late = place.process(Cuts(on_call=let_another_go_first))
    with pytest.raises(UsageError, match=r"being repaired by another process.*haulier status SOURCE"):
        await Repairer(late.closer).repair(run)
    assert len(place.messages) == 3
    assert await newest_repair(process.lake, run.paths) == 1


async def test_only_an_open_run_is_repaired(place: Place, process: Process) -> None:
    """Each other state is refused with the command that helps there."""
    repairer = Repairer(process.closer)
    run = await process.claim()
    with pytest.raises(UsageError, match=r"is not sealed.*haulier run SOURCE"):
        await repairer.repair(run)
    await process.enqueue(run, [thing(1)])
    opened = OpenedRecord(number=1, by="closer", opened_at=place.clock.now())
    await process.lake.create(run.paths.closing(1, "opened"), encode_record(opened))
    with pytest.raises(UsageError, match=r"is being closed.*haulier verify SOURCE"):
        await repairer.repair(run)
    await process.closer.end(run, "cancelled")
    with pytest.raises(UsageError, match=r"is cancelled, which is final"):
        await repairer.repair(run)
    await process.queue.purge()
    place.api.failing = {2}
    poisoned = await enqueued(process, 2)
    assert (await finish(place, poisoned)).verdict == "partial"
    with pytest.raises(UsageError, match=r"poison redrive SOURCE --all"):
        await repairer.repair(poisoned)


async def test_a_run_whose_count_was_never_asked_is_left_to_who_has_its_api(place: Place) -> None:
    """No message precedes the first count: an API that grows would else seem to have promised too little."""

    async def expect(run: Run) -> dict[str, int]:
        return {"things": 1}

    able = place.process(expect=expect)
    run = await able.claim(has_expect=True)
    await able.enqueue(run, [thing(1)])
    (place.folder / run.paths.expect("before")).unlink()
    place.store.messages.clear()
    with pytest.raises(UsageError, match=r"promises a count.*haulier run SOURCE"):
        await Repairer(place.process().closer).repair(run)
    assert (await Repairer(able.closer).repair(run)).sent == 1
