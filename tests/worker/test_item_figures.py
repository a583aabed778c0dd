"""What telemetry is told of an item is what was done with it, not what was meant to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from haulier.sources.context import Context
from haulier.telemetry import names
from tests.harness.figures import Figures
from tests.harness.things import Things, things
from tests.worker.rig import LEASE_SECONDS, Rig

ITEM = things(1, 4)


async def fails(_item: Things, _context: Context) -> AsyncGenerator[Any, None]:
    raise RuntimeError("a fault of the processor")
    yield


@pytest.mark.parametrize("outcome", ["empty", "split", "done"])
async def test_an_item_that_had_ended_is_adopted(rig: Rig, outcome: str) -> None:
    """Whatever it ended in. Its records are counted by who wrote them."""
    rig.telemetry = figures = Figures()
    run = await rig.run(ITEM)
    if outcome == "empty":
        await rig.put_outcome(run, ITEM)
    elif outcome == "split":
        await rig.put_children(run, ITEM, things(1, 2), things(2, 4))
    else:
        await rig.put_object(run, ITEM, [b"{}"])
    async with rig.hand() as hand:
        await hand.take()
        rig.turn(LEASE_SECONDS + 1)
        await hand.work()
    assert figures.items == {(outcome, True): 1}
    assert (figures.outcomes, figures.sums[names.WRITTEN_RECORDS]) == ([outcome], 0)


async def test_an_item_that_two_poisoned_is_poison_once(rig: Rig) -> None:
    """The second delivery finds the record of the first."""
    rig.telemetry = figures = Figures()
    rig.settings = replace(rig.settings, max_failures=1)
    await rig.run(ITEM)
    async with rig.hand({Things: fails}) as zombie, rig.hand({Things: fails}) as other:
        held = await zombie.take()
        rig.turn(LEASE_SECONDS + 1)
        await other.attempt(await other.take())
        zombie.keeper.stop()  # It cannot know that its lease was lost.
        assert held is not None
        held.deadline = rig.clock.monotonic() + 9
        await zombie.attempt(held)
        await other.settle()
    assert figures.items == {("poison", False): 1, ("poison", True): 1}
    assert figures.sums[names.POISON] == 1
