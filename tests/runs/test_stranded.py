"""Stranded runs: keys are missing and the queue is empty (docs/protocol.md#drained-and-stranded).

G1: a lost queue is rebuilt.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping

import pytest

from haulier.errors import QueueUnavailableError
from haulier.queues.seam import QueueCapabilities
from haulier.runs.ledger import Ledger
from haulier.runs.run import Run
from haulier.runs.status import run_status
from haulier.runs.stranded import is_stranded, mend_stranded
from tests.harness.cuts.calls import Cut, Cuts, Halt
from tests.runs.rig import Place, Process, finish, given, key_of, thing


async def looked(process: Process, run: Run) -> bool:
    ledger = Ledger(process.lake, run.paths)
    found = await is_stranded(process.queue, run, ledger)
    ledger.close()
    return found


async def mended(process: Process, run: Run) -> int:
    ledger = Ledger(process.lake, run.paths)
    await ledger.refresh()
    sent = await mend_stranded(process.closer, run, ledger)
    ledger.close()
    return sent


async def test_g1_a_lost_queue_is_rebuilt_from_the_plan(place: Place, process: Process) -> None:
    """What is missing is sent again, marked, with its newest redrive number; what has ended is not."""
    place.api.failing, place.api.split = {3}, {4}
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2), thing(3), thing(4, 6)])
    for lease in await process.queue.dequeue(4, 60):
        if lease.body.find(b'"things-2-3"') < 0:
            await process.settle(run, lease)
    await process.redriver.redrive(run)
    await process.queue.purge()
    assert await looked(process, run)
    assert await mended(process, run) == 4
    assert {(sent.key, sent.resent, sent.redrives) for sent in place.messages} == {
        (key_of(thing(2)), True, 0),
        (key_of(thing(3)), True, 1),
        (key_of(thing(4)), True, 0),
        (key_of(thing(5)), True, 0),
    }
    place.api.failing.clear()
    assert (await finish(place, run)).verdict == "complete"
    assert place.judge(run).problems == []


async def test_a_message_in_any_state_strands_nothing(place: Place, process: Process) -> None:
    """Ready, leased or delayed: it will bring its item, and may bring children."""
    run = await process.claim()
    assert not await looked(process, run)
    await process.enqueue(run, [thing(1)])
    assert not await looked(process, run)
    (lease,) = await process.queue.dequeue(1, 60)
    assert not await looked(process, run)
    await process.queue.release(lease, lease.body, delay_seconds=600)
    assert not await looked(process, run)
    await process.queue.purge()
    assert await looked(process, run)


async def test_g1_messages_of_another_run_hide_no_loss(process: Process) -> None:
    """Each run is looked for by itself, whatever state the others' messages are in."""
    lost = await process.claim()
    await process.enqueue(lost, [thing(1)])
    await process.queue.purge()
    await process.queue.enqueue([b"no message", b'{"v":99,"run_id":"full-1"}'])
    other = await process.claim()
    await process.enqueue(other, [thing(1), thing(2)])
    await process.queue.dequeue(3, 60)
    assert (await looked(process, lost), await looked(process, other)) == (True, False)


async def test_a_drained_run_is_not_stranded(process: Process) -> None:
    """Nothing is missing."""
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await process.work(run)
    assert not await looked(process, run)


async def test_an_item_that_ends_between_the_two_reads_is_not_missing(place: Place, process: Process) -> None:
    """The ledger is read after the queue: what was completed by then has its receipt in the lake."""
    run = await process.claim()
    await process.enqueue(run, [thing(1)])

    async def work_first(number: int, name: str, is_after: bool) -> None:
        if number == 1 and not is_after:
            await process.work(run)

    assert not await looked(place.process(Cuts(on_call=work_first)), run)


async def test_where_depth_is_not_exact_an_empty_queue_proves_nothing(process: Process) -> None:
    """Such a queue may count none while it holds some."""

    class Vague:
        def __init__(self) -> None:
            self.capabilities: QueueCapabilities = dataclasses.replace(process.queue.capabilities, exact_depth=False)

        def __getattr__(self, name: str) -> object:
            return getattr(process.queue, name)

    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await process.queue.purge()
    ledger = Ledger(process.lake, run.paths)
    assert not await is_stranded(Vague(), run, ledger)  # type: ignore[arg-type]
    assert await is_stranded(process.queue, run, ledger)
    ledger.close()


async def test_p2_mending_claims_what_nobody_has_sent(place: Place, process: Process) -> None:
    """An enqueuer that is late between seal and send finds its shards taken and marks its own copies: each item is
    requested once."""
    run = await process.claim()
    late = place.process(Cuts(on_call=(halt := Halt(Cut("LocalLake.names", is_after=True)))))
    enqueuing = asyncio.create_task(late.enqueue(run, [thing(n) for n in range(5)]))
    assert await halt.reached(enqueuing)
    assert await looked(process, run)
    assert await mended(process, run) == 5
    assert not any(sent.resent for sent in place.messages)
    await process.work(run)
    halt.release()
    await enqueuing
    assert (await finish(place, run)).verdict == "complete"
    assert place.api.requests.total() == 5


async def test_g1_what_nobody_has_sent_and_what_was_lost_go_out_together(place: Place, process: Process) -> None:
    """A shard that was never sent does not let the lost items of another wait; what is lost anew is sent anew."""
    run = await process.claim()

    async def be_away_for_the_second(number: int, name: str, is_after: bool) -> None:
        if name == "MemoryQueue.enqueue" and not is_after and place.messages:
            raise QueueUnavailableError("The queue does not answer.")

    with pytest.raises(QueueUnavailableError):
        await place.process(Cuts(on_call=be_away_for_the_second)).enqueue(run, [thing(n) for n in range(6)])
    assert len(place.messages) == 2
    await process.queue.purge()
    ledger = Ledger(process.lake, run.paths)
    for _ in range(2):
        await ledger.refresh()
        assert await mend_stranded(process.closer, run, ledger) == 6
        assert sorted(sent.key for sent in place.messages) == sorted(key_of(thing(n)) for n in range(6))
        await process.queue.purge()
    ledger.close()


async def test_mending_waits_for_the_first_count(place: Place, process: Process) -> None:
    """A run that promises a count and was never asked for it is not begun by a process without the API; by one that has
    it, it is asked first."""

    async def expect(run: Run) -> Mapping[str, int]:
        return {"things": len(place.messages) + 1}

    able = place.process(expect=expect)
    run = await able.claim(has_expect=True)
    halting = place.process(Cuts(Cut("MemoryQueue.enqueue")), expect=expect)
    await halting.cuts.run(halting.enqueuer.plan(run, lambda: given([thing(1)])))
    (place.folder / run.paths.expect("before")).unlink()
    assert await looked(process, run)
    assert await mended(process, run) == 0
    assert place.messages == []
    assert await mended(able, run) == 1
    assert (place.folder / run.paths.expect("before")).exists()


async def test_status_reports_stranded_and_changes_nothing(place: Place, process: Process) -> None:
    """A look is a look; without a queue at hand nobody can tell."""
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await process.queue.purge()
    assert (await run_status(process.lake, process.queue, run)).is_stranded
    assert not (await run_status(process.lake, None, run)).is_stranded
    assert place.messages == []
