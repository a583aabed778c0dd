"""P2: what is sent, when it is marked, and with which number."""

from __future__ import annotations

from haulier.runs.plan import read_seal
from haulier.runs.send import send_plan
from haulier.testing.cuts import Cut, Cuts, Halt
from tests.runs.rig import Place, Process, finish, key_of, thing


async def test_p2_the_first_message_of_a_key_is_not_marked(place: Place, process: Process) -> None:
    """A shard that this process claimed goes out unmarked, with number 0 and no failures."""
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])
    assert [(message.key, message.resent, message.redrives) for message in place.messages] == [
        (key_of(thing(1)), False, 0),
        (key_of(thing(2)), False, 0),
    ]


async def test_p2_a_shard_that_was_claimed_and_not_ticked_off_is_sent_again_marked(place: Place) -> None:
    """Who finds `.sending` without `.sent` cannot know what was sent: everything goes out again, marked."""
    cuts = Cuts()
    first = place.process(cuts)
    run = await first.claim()
    sent_at = _call_of(cuts, "MemoryQueue.enqueue")
    await first.enqueue(run, [thing(1)])
    place.store.messages.clear()
    run = await place.process().claim()
    dying = Cuts(Cut(sent_at(cuts) - 1, is_after=True))
    await dying.run(place.process(dying).enqueue(run, [thing(1)]))
    assert not place.messages
    await place.process().enqueue(run, [thing(1)])
    assert [message.resent for message in place.messages] == [True]


async def test_p2_a_shard_is_sent_again_with_the_newest_redrive_numbers(place: Place) -> None:
    """A sender that died before it ticked off, and a redrive meanwhile: the copies carry the number of the redrive."""
    cuts = Cuts()
    await place.process(cuts).enqueue(await place.process().claim(), [thing(1), thing(2)])
    place.store.messages.clear()
    run = await place.process().claim()
    dying = Cuts(Cut(len(cuts.calls)))
    await dying.run(place.process(dying).enqueue(run, [thing(1), thing(2)]))
    place.api.failing = {2}
    process = place.process()
    await process.work(run)
    await process.redriver.redrive(run)
    place.store.messages.clear()
    await place.process().enqueue(run, [])
    assert [(message.resent, message.redrives) for message in place.messages] == [(True, 0), (True, 1)]
    place.api.failing.clear()
    await finish(place, run)
    assert place.judge(run).problems == []
    assert place.api.requests[key_of(thing(1))] == 1


async def test_p2_a_shard_that_another_ticked_off_meanwhile_is_not_sent_again(place: Place) -> None:
    """Two enqueuers at once: the second looks again before it sends a shard that it could not claim."""
    counted = Cuts()
    await place.process(counted).enqueue(await place.process().claim(), [thing(1)])
    place.store.messages.clear()
    listed = counted.calls.index("LocalLake.names") + 1
    first = place.process()
    run = await first.claim()
    await first.enqueuer.plan(run, lambda: _never())
    seal = await read_seal(first.lake, run.paths)
    assert seal is not None
    halt = Halt(Cut(1, is_after=True))
    late = place.process(Cuts(on_call=halt))
    import asyncio

    task = asyncio.create_task(send_plan(late.lake, late.queue, run.paths, seal))
    assert await halt.reached(task)
    await send_plan(first.lake, first.queue, run.paths, seal)
    halt.release()
    await task
    assert len(place.messages) == 1
    assert listed > 0
