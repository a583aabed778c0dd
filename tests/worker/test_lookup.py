"""P4: a redelivered or marked item is looked up before it is worked: child list, object, outcome, in this order."""

from __future__ import annotations

import pytest

from haulier.queues.envelope import encode
from haulier.runs.plan import plan_item
from haulier.runs.records import PoisonRecord, encode_record
from haulier.runs.run import Run
from haulier.runs.send import envelope_of, send_again
from haulier.worker.lookup import has_empty, has_records
from tests.harness.things import records_of, things
from tests.worker.rig import LEASE_SECONDS, Rig, key_of

ITEM = things(1, 5)
HALVES = (things(1, 3), things(3, 5))
LEFT_BY_OTHERS = ("children", "object", "outcome")


async def leave(rig: Rig, run: Run, *what: str) -> None:
    if "children" in what:
        await rig.put_children(run, ITEM, *HALVES)
    if "object" in what:
        await rig.put_object(run, ITEM, records_of(ITEM.ids))
    if "outcome" in what:
        await rig.put_outcome(run, ITEM)


@pytest.fixture(params=["redelivered", "marked"])
async def run(rig: Rig, request: pytest.FixtureRequest) -> Run:
    """A run whose only message is not surely the first of its key."""
    run = await rig.run(ITEM)
    if request.param == "redelivered":
        await rig.queue.dequeue(1, LEASE_SECONDS)
        rig.turn(LEASE_SECONDS)
    else:
        await rig.queue.purge()
        await send_again(rig.queue, run.paths, [(plan_item(ITEM), 0)])
    return run


@pytest.mark.parametrize("also", LEFT_BY_OTHERS)
async def test_p4_a_child_list_comes_first(rig: Rig, run: Run, also: str) -> None:
    """Its children are sent again, marked, and nothing is asked of the API."""
    await leave(rig, run, "children", also)
    async with rig.hand() as hand:
        await hand.work()
    assert [(message.key, message.resent) for message in rig.messages] == [(key_of(half), True) for half in HALVES]
    assert rig.api.requests == []
    assert await rig.receipts(run) == []


@pytest.mark.parametrize("also", LEFT_BY_OTHERS[1:])
async def test_p4_p9_an_object_comes_before_an_outcome_and_is_adopted(rig: Rig, run: Run, also: str) -> None:
    """It is read to its end, counted and summed; its receipt says that it was found."""
    await leave(rig, run, "object", also)
    async with rig.hand() as hand:
        await hand.work()
    (receipt,) = await rig.receipts(run)
    assert (receipt.key, receipt.records, receipt.adopted, receipt.requests) == (key_of(ITEM), 4, True, 0)
    assert rig.messages == []
    assert rig.api.requests == []


async def test_p4_an_outcome_is_the_end(rig: Rig, run: Run) -> None:
    """Completed; no second record of it, no receipt, no request."""
    await leave(rig, run, "outcome")
    before = await rig.outcome(run, ITEM)
    async with rig.hand() as hand:
        await hand.work()
    assert await rig.outcome(run, ITEM) == before
    assert rig.messages == []
    assert (await rig.receipts(run), rig.api.requests) == ([], [])


async def test_p4_live_poison_is_not_looked_at(rig: Rig, run: Run) -> None:
    """A message whose worker died after the poison record is worked again: an object beats poison."""
    record = PoisonRecord(
        number=1,
        key=key_of(ITEM),
        kind="things",
        run_id=run.run_id,
        payload=plan_item(ITEM).payload,
        reason="failed",
        error_class="E",
        error="e",
        poisoned_at=rig.clock.now(),
    )
    await rig.lake.create(run.paths.numbered("poison", key_of(ITEM), 1), encode_record(record))
    async with rig.hand() as hand:
        await hand.work()
    assert rig.objects() == [key_of(ITEM)]
    verdict = await rig.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"


async def test_p4_nothing_found_is_worked(rig: Rig, run: Run) -> None:
    async with rig.hand() as hand:
        await hand.work()
    assert rig.api.requests == [1]
    assert rig.objects() == [key_of(ITEM)]


async def test_p4_a_first_message_costs_no_look(rig: Rig) -> None:
    """It is worked at once; what stands there all the same is found when it is published."""
    run = await rig.run(ITEM)
    await leave(rig, run, "object")
    async with rig.hand() as hand:
        await hand.work()
    assert rig.api.requests == [1]
    (receipt,) = await rig.receipts(run)
    assert receipt.adopted


async def test_p4_a_second_copy_of_a_done_item_costs_a_look_and_no_request(rig: Rig) -> None:
    """Duplicates never cost a row: two enqueuers at once, each sent the plan."""
    run = await rig.run(ITEM)
    copy = envelope_of(plan_item(ITEM), run.paths, resent=True)
    await rig.queue.enqueue([encode(copy), encode(copy)])
    async with rig.hand() as hand:
        while await hand.work():
            pass
    assert rig.api.requests == [1]
    assert rig.messages == []
    assert {receipt.sha256 for receipt in await rig.receipts(run)} == {(await rig.receipts(run))[0].sha256}


async def test_a_damaged_object_is_said_to_be_damaged(rig: Rig, run: Run) -> None:
    """Nothing else can be published there, so working the item again would be of no use. The closing names it."""
    await leave(rig, run, "object")
    path = rig.folder / "lake" / run.paths.object("things", key_of(ITEM))
    path.write_bytes(path.read_bytes()[:-4])
    async with rig.hand() as hand:
        await hand.work()
    found = await rig.poison(run, ITEM)
    assert found is not None
    assert found.reason == "damaged"
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons) == ("partial", {"damaged": 1})
    assert rig.api.requests == []


async def test_g4_what_ended_well_elsewhere_is_found(rig: Rig) -> None:
    """A record shows that the source is right, an empty item that the API answers; what was divided shows neither."""
    run = await rig.run(ITEM)
    await leave(rig, run, "children")
    found = []
    for left in ("", "outcome", "object"):
        await leave(rig, run, left)
        found.append((await has_records(rig.lake, run, ITEM.stream), await has_empty(rig.lake, run, ITEM.kind)))
    assert found == [(False, False), (False, True), (True, True)]
