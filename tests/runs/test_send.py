"""P2: what is sent, when it is marked, and with which number."""

from __future__ import annotations

import asyncio

import pytest

from haulier.errors import RunEndedError
from haulier.runs.records import Seal
from tests.harness.cuts.calls import Cut, Cuts, Halt
from tests.runs.rig import Place, Process, finish, given, key_of, thing

AFTER_SENDING = Cut("MemoryQueue.enqueue", is_after=True)
"""A shard is in the queue, and not ticked off."""


async def test_p2_the_first_message_of_a_key_is_not_marked(place: Place, process: Process) -> None:
    """A shard that this process claimed goes out unmarked, with number 0 and no failures."""
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])
    assert [(sent.key, sent.resent, sent.redrives, sent.failures) for sent in place.messages] == [
        (key_of(thing(1)), False, 0, 0),
        (key_of(thing(2)), False, 0, 0),
    ]


async def test_p2_a_shard_claimed_and_not_ticked_off_is_sent_again_marked(place: Place) -> None:
    """Who finds `.sending` without `.sent` cannot know what was sent: all of the shard goes out again, marked."""
    run = await place.process().claim()
    cuts = Cuts(AFTER_SENDING)
    await cuts.run(place.process(cuts).enqueue(run, [thing(1), thing(2), thing(3)]))
    await place.process().enqueue(run, [])
    assert [(sent.key, sent.resent) for sent in place.messages] == [
        (key_of(thing(1)), False),
        (key_of(thing(2)), False),
        (key_of(thing(1)), True),
        (key_of(thing(2)), True),
        (key_of(thing(3)), False),
    ]
    await finish(place, run)
    assert place.judge(run).problems == []
    assert place.api.requests.total() == 3


async def test_p2_a_shard_is_sent_again_with_the_newest_redrive_numbers(place: Place) -> None:
    """A sender died before it ticked off, and items were redriven meanwhile: the copies carry the redrive's number, so
    that none of them can poison an item that the redrive has freed."""
    run = await place.process().claim()
    cuts = Cuts(AFTER_SENDING)
    await cuts.run(place.process(cuts).enqueue(run, [thing(1), thing(2)]))
    place.api.failing = {2}
    process = place.process()
    await process.work(run)
    await process.redriver.redrive(run)
    place.store.messages.clear()
    await place.process().enqueue(run, [])
    assert [(sent.resent, sent.redrives) for sent in place.messages] == [(True, 0), (True, 1)]


async def test_p2_two_senders_at_once_send_a_shard_once(place: Place) -> None:
    """A sender that listed the plan before another ticked its shards off looks again before it sends them."""
    first, late = place.process(), place.process(Cuts(on_call=(halt := Halt(Cut("LocalLake.names", is_after=True)))))
    run = await first.claim()
    await first.enqueuer.plan(run, lambda: given([thing(n) for n in range(5)]))
    sending = asyncio.create_task(late.enqueue(run, []))
    assert await halt.reached(sending)
    await first.enqueue(run, [])
    halt.release()
    await sending
    assert len(place.messages) == 5


async def test_p2_a_late_sender_costs_no_row(place: Place) -> None:
    """A sender that halts between its claim and its send wakes after everything was sent again and done: its messages
    are first ones by their look, and are worked; what is published is still one object of one attempt."""
    late = place.process(Cuts(on_call=(halt := Halt(Cut("MemoryQueue.enqueue")))))
    run = await place.process().claim()
    sending = asyncio.create_task(late.enqueue(run, [thing(1, 4)]))
    assert await halt.reached(sending)
    other = place.process()
    await other.enqueue(run, [])
    await other.work(run)
    halt.release()
    await sending
    assert [sent.resent for sent in place.messages] == [False]
    verdict = await finish(place, run)
    assert verdict.verdict == "complete"
    assert place.judge(run).problems == []


async def test_on_sent_hears_of_every_item_once(process: Process) -> None:
    """A progress bar is fed by `on_sent`, for what was sent by an earlier process too."""
    run = await process.claim()
    heard: list[int] = []
    await process.enqueuer.enqueue(run, lambda: given([thing(n) for n in range(5)]), heard.append)
    await process.enqueuer.enqueue(run, lambda: given([]), heard.append)
    assert heard == [2, 2, 1] * 2


async def test_nothing_is_sent_of_a_run_that_was_closed_while_it_was_planned(place: Place, process: Process) -> None:
    """A person cancelled it, or superseded it from another machine, between its plan and its first message."""
    run = await process.claim()

    async def cancel(_seal: Seal) -> None:
        await place.process().closer.end(run, "cancelled")

    with pytest.raises(RunEndedError, match=r"it is cancelled\. Nothing more of it is sent"):
        await process.enqueuer.enqueue(run, lambda: given([thing(1)]), on_planned=cancel)
    assert place.messages == []


async def test_a_run_that_a_worker_beside_closed_as_complete_is_no_failure(place: Place, process: Process) -> None:
    """With nothing due, it is complete as soon as its plan is sealed."""
    run = await process.claim()

    async def close(_seal: Seal) -> None:
        assert await place.process().closer.close(run) is not None

    seal = await process.enqueuer.enqueue(run, lambda: given([]), on_planned=close)
    assert seal.items == 0
