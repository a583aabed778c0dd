"""P6: an item that is divided. The child list alone is the split, and it is durable before a child is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest

from haulier.errors import QueueUnavailableError
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.queues.memory import MemoryQueue
from haulier.runs.plan import MAX_ITEM_BYTES
from haulier.runs.run import Run
from haulier.sources.context import Context
from tests.harness.cuts.calls import Cut, Cuts
from tests.harness.things import Things, records_of, things
from tests.worker.rig import LEASE_SECONDS, Rig, key_of

ITEM = things(1, 5)
HALVES = (things(1, 3), things(3, 5))
KEYS = [key_of(half) for half in HALVES]


async def divided(rig: Rig) -> Run:
    rig.api.divided, rig.api.smallest = {1}, 2
    return await rig.run(ITEM)


def sent(rig: Rig) -> list[tuple[str, bool]]:
    """The children on the queue: key, and whether it is marked."""
    return [(message.key, message.resent) for message in rig.messages if message.key != key_of(ITEM)]


async def test_p6_the_creator_sends_its_children_unmarked(rig: Rig) -> None:
    """They are surely the first of their keys: no look-up is spent on them. The parent has no object and no receipt."""
    run = await divided(rig)
    async with rig.hand() as hand:
        await hand.work()
    assert await rig.children(run, ITEM) == KEYS
    assert [(message.key, message.resent) for message in rig.messages] == [(key, False) for key in KEYS]
    assert (await rig.receipts(run), rig.objects(), rig.files(run, "staging/*")) == ([], [], [])


async def test_p6_the_list_is_durable_before_the_first_child_is_sent(rig: Rig) -> None:
    """And the completion comes last: killed anywhere in between, the parent comes again and finds the list."""
    await divided(rig)
    cuts = Cuts()
    async with rig.hand(cuts=cuts) as hand:
        await hand.work()
    changing = [call for call in cuts.calls if call.endswith((".create", ".enqueue", ".complete"))]
    assert changing == ["LocalLake.create", "MemoryQueue.enqueue", "MemoryQueue.complete"]


async def test_p6_a_divided_item_is_completed_at_once(rig: Rig) -> None:
    """Not with the next group: each time that its worker dies before, all its children are sent once more."""
    await divided(rig)
    async with rig.hand() as hand:
        settling = asyncio.create_task(hand.settler.run())
        await hand.attempt(await hand.take())
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert [message.key for message in rig.messages] == KEYS
        hand.settler.stop()
        await settling


@pytest.mark.parametrize("call", ["LocalLake.create", "MemoryQueue.enqueue", "MemoryQueue.complete"])
@pytest.mark.parametrize("is_after", [False, True])
async def test_p6_a_later_attempt_adopts_the_list(rig: Rig, call: str, is_after: bool) -> None:
    """Once it stands nothing is computed anew, no request is made for the parent, and children are sent marked."""
    run = await divided(rig)
    cuts = Cuts(Cut(call, is_after))
    async with rig.hand(cuts=cuts) as hand:
        await cuts.run(hand.work())
    assert cuts.is_dead
    was_listed = await rig.children(run, ITEM) is not None
    first = sent(rig)
    rig.turn(LEASE_SECONDS + 1)
    asked = len(rig.api.requests)
    async with rig.hand() as hand:
        while any(message.key == key_of(ITEM) for message in rig.messages):
            await hand.work()
        assert await rig.children(run, ITEM) == KEYS
        again = sent(rig)[len(first) :] if was_listed else []
        assert all(is_marked for _, is_marked in again)
        assert (asked == len(rig.api.requests)) or not was_listed or first
        while await hand.work():
            pass
    assert rig.objects() == KEYS
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done, verdict.totals.split) == ("complete", 2, 1)


async def test_hidden_rows_of_a_divided_item_are_counted_by_its_parts_alone(rig: Rig) -> None:
    """A parent's list is read for each child stream; what was skipped in it is told by nobody else."""
    run = await rig.run(ITEM)

    async def divides(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        ctx.api.usage.counts.hidden += 3
        if item == ITEM:
            ctx.api.usage.counts.skipped += 2
            for half in HALVES:
                yield half

    async with rig.hand({Things: divides}) as hand:
        while await hand.work():
            pass
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.totals.split, verdict.totals.hidden, verdict.totals.skipped) == (1, 6, 2)


async def test_p6_a_list_that_another_attempt_made_is_adopted_though_ours_differs(rig: Rig) -> None:
    """The first one counts, for ever: the rows of both must never be seen."""
    run = await divided(rig)

    async def on_call(_number: int, name: str, is_after: bool) -> None:
        if name == "LocalLake.create" and not is_after:
            await rig.put_children(run, ITEM, things(1, 2), things(2, 5))

    async with rig.hand(cuts=Cuts(on_call=on_call)) as hand:
        await hand.work()
    assert sent(rig) == [(key_of(things(1, 2)), True), (key_of(things(2, 5)), True)]


async def test_p6_who_lost_its_lease_writes_no_list(rig: Rig) -> None:
    """G2: the other worker may be publishing the item whole this very moment."""
    run = await divided(rig)
    async with rig.hand() as hand:
        held = await hand.take()
        rig.turn(LEASE_SECONDS + 1)
        await rig.queue.dequeue(1, LEASE_SECONDS)
        await rig.while_time_passes(hand.attempt(held))
    assert await rig.children(run, ITEM) is None
    assert sent(rig) == []


async def test_p6_who_had_to_renew_after_the_list_sends_marked(rig: Rig) -> None:
    """Its time had run out: another worker may have found the list and sent the children already."""
    run = await divided(rig)

    async def on_call(_number: int, name: str, is_after: bool) -> None:
        if name == "LocalLake.create" and is_after:
            rig.turn(LEASE_SECONDS + 1)

    async with rig.hand(cuts=Cuts(on_call=on_call)) as hand:
        await hand.work()
    assert await rig.children(run, ITEM) == KEYS
    assert sent(rig) == [(key, True) for key in KEYS]


async def test_p6_children_of_children(rig: Rig) -> None:
    """Each has a list of its own; what is left in the end are the leaves, with every record once."""
    rig.api.divided = {1, 3, 5, 7}
    run = await rig.run(things(1, 9))
    async with rig.hand() as hand:
        while await hand.work():
            pass
    assert rig.objects() == sorted(key_of(things(start)) for start in range(1, 9))
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.split, verdict.totals.done, verdict.totals.records) == ("complete", 7, 8, 8)


async def test_c4_rows_of_a_parent_that_was_published_before_it_was_divided_are_never_seen_beside_its_childrens(
    rig: Rig,
) -> None:
    """A zombie publishes the item whole after another worker divided it: the closing removes that object alone."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        held = await hand.take()
        rig.turn(LEASE_SECONDS + 1)
        rig.api.divided, rig.api.smallest = {1}, 2
        async with rig.hand() as other:
            await rig.while_time_passes(other.work())
        await rig.put_object(run, ITEM, records_of(ITEM.ids))
        assert held is not None
        hand.keeper.drop(held)
        rig.api.divided = set()
        while await rig.while_time_passes(hand.work()):
            pass
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.records) == ("complete", 4)
    assert rig.objects() == KEYS


@dataclass(frozen=True)
class Loose(WorkItem, stream="things", kind="loose"):
    """An item whose key says less than it is."""

    ids: IdRange


async def outcome_of(rig: Rig, *pieces: object) -> str:
    """What a processor that yields these comes to, as the failure says it; the keys of the children otherwise."""
    run = await rig.run(ITEM)

    async def yields(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        for piece in pieces:
            yield piece

    rig.settings = type(rig.settings)(max_failures=1)
    async with rig.hand({Things: yields}) as hand:
        await hand.work()
    found = await rig.poison(run, ITEM)
    return found.error if found is not None else " ".join(await rig.children(run, ITEM) or ())


async def test_an_item_cannot_be_divided_into_itself(rig: Rig) -> None:
    """G1: it would count as divided, and none of its rows would ever come."""
    assert "divided an item into itself" in await outcome_of(rig, HALVES[0], ITEM)
    assert rig.messages == []


async def test_equal_children_are_one(rig: Rig) -> None:
    """As in a plan."""
    assert await outcome_of(rig, *HALVES, *HALVES) == " ".join(KEYS)
    assert [message.key for message in rig.messages] == KEYS


async def test_records_and_items_together_are_refused(rig: Rig) -> None:
    """Whichever comes first: the records would be lost, or seen beside those of the children."""
    assert "both records and items" in await outcome_of(rig, [{"id": 1}], HALVES[0])
    assert rig.objects() == []


async def test_items_and_then_records_are_refused(rig: Rig) -> None:
    assert "both records and items" in await outcome_of(rig, HALVES[0], [{"id": 1}])
    assert rig.objects() == []


async def test_a_child_that_is_too_large_stops_the_worker_before_the_list(rig: Rig) -> None:
    """A plan could not hold it either: the source has to be changed."""

    @dataclass(frozen=True)
    class Wide(WorkItem, stream="things", kind="wide"):
        text: str

    run = await rig.run(ITEM)

    async def yields(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        yield Wide("x" * MAX_ITEM_BYTES)

    async with rig.hand({Things: yields, Wide: yields}) as hand:
        await hand.work()
        assert (hand.stop.code, "the limit is" in hand.stop.reason) == (2, True)
    assert await rig.children(run, ITEM) is None
    assert (rig.message.failures, rig.message.releases) == (0, 1)


async def test_a_queue_that_fails_between_list_and_children_hands_the_parent_back(rig: Rig) -> None:
    """The list stands: the next attempt sends them, marked."""
    await divided(rig)

    class Failing(MemoryQueue):
        async def enqueue(self, bodies: Any, *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
            raise QueueUnavailableError("full")

    plain = rig.queue
    rig.queue = Failing(rig.store, rig.clock)
    async with rig.hand() as hand:
        await hand.work()
        assert hand.stop.code == 4
    rig.queue = plain
    rig.turn(3_600)
    async with rig.hand() as hand:
        await hand.work()
    assert sent(rig) == [(key, True) for key in KEYS]
