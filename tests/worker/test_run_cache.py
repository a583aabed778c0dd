"""What a worker knows of its runs: "open" for a moment, "closed" never (docs/protocol.md#terms)."""

from __future__ import annotations

import asyncio

from haulier.runs.state import RunState
from haulier.testing.clock import FakeClock
from haulier.worker.run_cache import OPEN_SECONDS, RunCache
from tests.harness.cuts.calls import Cuts
from tests.harness.things import SOURCE, things
from tests.worker.rig import Rig

AT_ONCE = 20


async def test_items_that_are_dequeued_together_look_once(rig: Rig) -> None:
    """A worker with hundreds of slots would else list the run hundreds of times a second."""
    run, cuts = await rig.run(things(1)), Cuts()
    book = RunCache(cuts.wrap(rig.lake), SOURCE, rig.clock)
    states = await asyncio.gather(*(book.state(run) for _ in range(AT_ONCE)))
    assert states == [RunState.OPEN] * AT_ONCE
    assert cuts.calls == ["LocalLake.names", "LocalLake.exists"]


async def test_closed_is_read_by_each_item_for_itself(rig: Rig) -> None:
    """What depends on it is read after the item's own dequeue: a run may be reopened in between."""
    assert isinstance(rig.clock, FakeClock)
    run, cuts = await rig.run(things(1)), Cuts()
    book = RunCache(cuts.wrap(rig.lake), SOURCE, rig.clock)
    assert await book.state(run) is RunState.OPEN
    await rig.closer.end(run, "superseded")
    assert await book.state(run) is RunState.OPEN
    rig.clock.advance(OPEN_SECONDS)
    cuts.calls.clear()
    states = await asyncio.gather(*(book.state(run) for _ in range(AT_ONCE)))
    assert states == [RunState.SUPERSEDED] * AT_ONCE
    assert cuts.calls.count("LocalLake.read") == AT_ONCE


async def test_a_look_that_was_cancelled_is_taken_up_by_the_next(rig: Rig) -> None:
    """Whoever waits for it looks itself."""
    run = await rig.run(things(1))
    book = RunCache(rig.lake, SOURCE, rig.clock)
    first, second = (asyncio.create_task(book.state(run)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is RunState.OPEN
    assert first.cancelled()


async def test_a_run_that_nobody_claimed_is_looked_for_each_time(rig: Rig) -> None:
    """It may be claimed yet; until then its messages are strays."""
    book = RunCache(rig.lake, SOURCE, rig.clock)
    run_id = "full-20261123T222500Z"
    assert not book.is_unclaimed(run_id)
    assert await book.get(run_id) is None
    assert book.is_unclaimed(run_id)
    assert (await rig.run(things(1))).run_id == run_id
    assert await book.get(run_id) is not None
    assert not book.is_unclaimed(run_id)
