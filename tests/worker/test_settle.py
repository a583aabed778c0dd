"""P8: what is durable before a lease is let go, and in which order; stale tokens are never a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from haulier.errors import ItemError, LakeUnavailableError, QueueUnavailableError
from haulier.queues.memory import MemoryQueue
from haulier.queues.seam import Lease, Queue
from haulier.sources.context import Context
from haulier.testing.clock import FakeClock
from haulier.worker.settings import GROUP_ITEMS, GROUP_SECONDS
from tests.harness.cuts.calls import Cuts
from tests.harness.figures import Figures
from tests.harness.things import Things, things
from tests.worker.rig import LEASE_SECONDS, Rig, key_of

ITEM = things(1, 4)


async def calls_of(rig: Rig, processors: Any = None) -> list[str]:
    """The calls to lake and queue that change something, for one item from its dequeue on."""
    cuts = Cuts()
    async with rig.hand(processors, cuts=cuts) as hand:
        await hand.work()
    quiet = (".read", ".exists", ".names", ".dequeue")
    return [call.partition(".")[2] for call in cuts.calls if not call.endswith(quiet)]


async def test_p8_receipts_are_durable_before_the_completion(rig: Rig) -> None:
    await rig.run(ITEM)
    calls = await calls_of(rig)
    assert calls[-2:] == ["create", "complete"]
    assert calls.index("publish") < len(calls) - 2


async def test_p6_p8_an_outcome_is_durable_before_the_completion(rig: Rig) -> None:
    """No records: one create-only record, no object, no receipt."""
    run = await rig.run(ITEM)
    rig.api.empty = {1}
    calls = await calls_of(rig)
    assert calls[-2:] == ["create", "complete"]
    assert "publish" not in calls
    found = await rig.outcome(run, ITEM)
    assert found is not None
    assert (found.outcome, found.requests) == ("empty", 1)
    assert (rig.objects(), await rig.receipts(run), rig.messages) == ([], [], [])


async def test_p8_poison_is_the_record_then_its_copy_then_the_completion(rig: Rig) -> None:
    run = await rig.run(ITEM)
    rig.api.statuses = {1: 404}
    assert (await calls_of(rig))[-1] == "release", "it is asked for once more"
    rig.turn(60)
    calls = await calls_of(rig)
    assert calls[-3:] == ["create", "poison", "complete"]
    found = await rig.poison(run, ITEM)
    assert found is not None
    assert (found.reason, found.status, found.error_class) == ("poison", 404, "ApiError")
    assert [(one.number, one.status, one.settled) for one in found.attempts] == [
        (1, 404, "charged"),
        (2, 404, "poisoned"),
    ]
    assert found.request is not None
    assert found.request.method == "GET"
    assert "404" not in found.request.url
    (copy,) = rig.poison_copies()
    assert (copy["key"], copy["reason"], copy["status"], copy["number"]) == (key_of(ITEM), "poison", 404, 1)
    assert "error" not in copy, "the queue's copy carries class and status only (G7)"


async def test_p8_a_copy_that_is_moved_back_is_looked_up_and_tried_once_more(rig: Rig) -> None:
    """As long as the run is open. One whose item is done by then costs no request."""
    run = await rig.run(ITEM)
    rig.api.statuses = {1: 404}
    await calls_of(rig)
    rig.turn(60)
    await calls_of(rig)
    (copy,) = rig.store.poison
    rig.api.statuses = {}
    for adopted in (0, 1):
        await rig.queue.enqueue([copy])
        asked = len(rig.api.requests)
        async with rig.hand() as hand:
            await hand.work()
        assert (len(rig.api.requests) == asked, hand.state.stats.adopted) == (bool(adopted), adopted)
    assert rig.messages == []
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done) == ("complete", 1)


async def test_p8_a_failure_is_written_with_its_release_in_one_step(rig: Rig) -> None:
    """The message itself carries the count: whoever takes it next knows."""
    await rig.run(ITEM)

    async def fails(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        raise ItemError("no")
        yield

    calls = await calls_of(rig, {Things: fails})
    assert calls[-1] == "release"
    assert (rig.message.failures, rig.message.releases, rig.message.resent, rig.leased) == (1, 0, False, 0)
    assert rig.delay_of() > 0


async def test_p8_five_failures_are_poison(rig: Rig) -> None:
    """G4: and the record says what happened, at whose hands, how often."""
    run = await rig.run(ITEM)

    async def fails(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        raise ItemError(f"no, for the {ctx.attempt}. time")
        yield

    async with rig.hand({Things: fails}) as hand:
        for failures in range(4):
            await hand.work()
            assert rig.message.failures == failures + 1
            rig.turn(3_600)
        await hand.work()
    assert rig.messages == []
    found = await rig.poison(run, ITEM)
    assert found is not None
    assert (found.reason, found.failures, found.deliveries, found.worker) == ("failed", 5, 5, "w1")
    assert found.error == "no, for the 5. time"
    assert [(one.number, one.worker, one.error_class, one.settled) for one in found.attempts] == [
        *((number, "w1", "ItemError", "charged") for number in range(1, 5)),
        (5, "w1", "ItemError", "poisoned"),
    ]
    assert found.request is None, "it sent none"
    assert "raise ItemError" in found.traceback


async def test_c6_the_number_of_poison_is_the_messages_plus_one(rig: Rig) -> None:
    """A message that was redriven twice writes poison 3, whatever else stands there."""
    run = await rig.run(ITEM)
    rig.api.statuses = {1: 404}
    for number in (1, 2, 3):
        async with rig.hand() as hand:
            await hand.work()
            rig.turn(3_600)
            await hand.work()
        found = await rig.poison(run, ITEM, number)
        assert found is not None
        assert found.number == number
        assert await rig.redrive(run) == 1
        assert (rig.message.redrives, rig.message.resent, rig.message.failures) == (number, True, 0)


async def test_c6_a_zombie_from_before_a_redrive_poisons_nothing(rig: Rig) -> None:
    """It writes a number that exists, which is no new poison: the redriven message decides."""
    run = await rig.run(ITEM)
    rig.api.statuses = {1: 404}
    async with rig.hand() as zombie, rig.hand() as other:
        held = await zombie.take()
        rig.turn(LEASE_SECONDS + 1)
        for _ in range(2):
            await rig.while_time_passes(other.work())
            rig.turn(3_600)
        assert await rig.redrive(run) == 1
        zombie.keeper.stop()  # It cannot know that its lease was lost.
        assert held is not None
        held.deadline = rig.clock.monotonic() + 9
        await rig.while_time_passes(zombie.attempt(held))
        await zombie.settle()
        rig.api.statuses = {}
        await rig.while_time_passes(other.work())
    assert rig.files(run, "poison/**/*") == [f"poison/{key_of(ITEM)}/1.json"]
    verdict = await rig.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_p8_a_stale_token_is_no_crash(rig: Rig, status: int) -> None:
    """The lease was lost while the item was worked, whatever came of it: another's message is left as it is."""
    rig.telemetry = figures = Figures()
    await rig.run(ITEM)
    rig.api.statuses = {1: status}
    async with rig.hand() as hand:
        held = await hand.take()
        rig.turn(LEASE_SECONDS + 1)
        await rig.queue.dequeue(1, LEASE_SECONDS)
        before = rig.message
        await rig.while_time_passes(hand.attempt(held))
        await hand.settle()
        assert not hand.stop.event.is_set()
    assert (rig.message, rig.leased) == (before, 1)
    assert (figures.items, figures.outcomes) == ({("lost", False): 1}, ["lost"])


async def test_p8_an_item_that_was_settled_after_its_lease_was_lost_stands(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Lost between publication and completion: the receipt is written, the completion is refused, and it is said."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        await hand.attempt(await hand.take())
        rig.turn(LEASE_SECONDS + 1)
        await rig.queue.dequeue(1, LEASE_SECONDS)
        with caplog.at_level(logging.INFO, "haulier.worker"):
            await hand.settle()
    assert "items ended after their leases were lost; their results stand" in caplog.messages
    assert len(await rig.receipts(run)) == 1
    assert rig.leased == 1


async def test_p8_receipts_go_in_groups(rig: Rig) -> None:
    """Of so many, here all that wait at one moment: one file and one completion for each group."""
    run = await rig.run(*(things(start) for start in range(1, GROUP_ITEMS + 4)))
    cuts = Cuts()
    async with rig.hand(cuts=cuts) as hand:
        for _ in range(GROUP_ITEMS + 3):
            await hand.attempt(await hand.take())
        settling = asyncio.create_task(hand.settler.run())
        hand.settler.stop()
        await settling
    assert rig.messages == []
    assert len(await rig.receipts(run)) == GROUP_ITEMS + 3
    assert len(rig.files(run, "receipts/*")) == 2
    assert sum(call.endswith(".complete") for call in cuts.calls) == 2


async def test_p8_a_small_group_waits_a_second_at_most(rig: Rig) -> None:
    """Real time: nobody else is under way."""
    await rig.run(ITEM)
    async with rig.hand() as hand:
        settling = asyncio.create_task(hand.settler.run())
        await hand.attempt(await hand.take())
        async with asyncio.timeout(5 * GROUP_SECONDS):
            while hand.settler.waiting:
                await asyncio.sleep(0.02)
        assert rig.messages == []
        hand.settler.stop()
        await settling


async def test_p8_runs_have_receipts_of_their_own(rig: Rig) -> None:
    """Several open runs share a queue: one group, a file for each run."""
    first = await rig.run(things(1))
    second = await rig.run(things(1), things(2))
    async with rig.hand() as hand:
        while (held := await hand.take()) is not None:
            await hand.attempt(held)
        await hand.settle()
    assert [len(await rig.receipts(run)) for run in (first, second)] == [1, 2]
    assert rig.messages == []


async def test_p8_receipts_that_cannot_be_written_complete_nothing(rig: Rig) -> None:
    """The lease runs out, the object is adopted: nothing is lost, and nothing asked twice."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        await hand.attempt(await hand.take())
        receipts = rig.folder / "lake" / run.paths.folder("receipts")
        receipts.write_text("in the way")
        with pytest.raises(LakeUnavailableError):
            await hand.settle()
        receipts.unlink()
    assert rig.leased == 1
    rig.turn(LEASE_SECONDS + 1)
    async with rig.hand() as hand:
        await hand.work()
    assert rig.api.requests == [1]
    assert [receipt.adopted for receipt in await rig.receipts(run)] == [True]


class Away(MemoryQueue):
    """Does not complete for so many calls."""

    refusals = 2

    async def complete(self, leases: Sequence[Lease]) -> list[Lease]:
        if self.refusals:
            self.refusals -= 1
            raise QueueUnavailableError("another process holds it")
        return await super().complete(leases)


async def test_p8_completions_wait_for_a_busy_queue(rig: Rig) -> None:
    """Their receipts are written once; the queue is tried until it answers."""
    run = await rig.run(ITEM)
    away: Queue = Away(rig.store, rig.clock)
    rig.queue = away
    clock = rig.clock
    assert isinstance(clock, FakeClock)
    async with rig.hand() as hand:
        settling = asyncio.create_task(hand.settler.run())
        await hand.attempt(await hand.take())
        asleep = clock.sleeping
        hand.settler.hurry()
        for _ in range(2):
            await clock.wait_for_sleepers(asleep + 1)
            clock.advance(GROUP_SECONDS)
        async with asyncio.timeout(10):
            while hand.settler.waiting:
                await asyncio.sleep(0.02)
        hand.settler.stop()
        await settling
    assert rig.messages == []
    assert len(rig.files(run, "receipts/*")) == 1


async def test_a_failure_to_settle_hands_the_item_back_uncounted(rig: Rig) -> None:
    """The disk is full when the outcome is to be written: the worker stops with 4, the message waits for another."""
    run = await rig.run(ITEM)
    rig.api.empty = {1}
    outcomes = rig.folder / "lake" / run.paths.folder("outcomes")
    outcomes.write_text("in the way")
    async with rig.hand() as hand:
        await hand.work()
        assert hand.stop.code == 4
    assert (rig.message.failures, rig.message.releases, rig.message.resent, rig.leased) == (0, 1, True, 0)


async def test_a_cancelled_attempt_hands_its_item_back_at_once(rig: Rig) -> None:
    """What a drain does with what its grace was too short for: no delay, uncounted, marked, no spool left."""
    rig.api.latency_seconds = 60
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        attempt = asyncio.create_task(hand.attempt(await hand.take()))
        while not rig.api.requests:
            await asyncio.sleep(0.01)
        attempt.cancel()
        await asyncio.wait([attempt])
        assert attempt.cancelled()
    assert (rig.message.failures, rig.message.releases, rig.message.resent, rig.leased) == (0, 1, True, 0)
    assert rig.delay_of() == 0
    assert rig.files(run, "staging/*") == []


async def test_an_outage_is_not_charged_however_long_it_lasts(rig: Rig) -> None:
    """G4: nothing of the scope succeeds. Handed back again and again, with ever longer delays, and in the end done."""
    rig.settings = replace(rig.settings, max_failures=2)
    run = await rig.run(ITEM)
    rig.api.statuses = {1: 503}
    async with rig.hand() as hand:
        hand.deps.client.scope.note_success()
        await rig.while_time_passes(asyncio.sleep(0.02))
        for hour in range(6):
            rig.turn(3_600)
            await rig.while_time_passes(hand.attempt(await hand.take()), 1.0)
            assert (rig.message.failures, rig.message.releases) == (0, hour + 1)
        rig.api.statuses = {}
        while not rig.objects():  # The breaker is open, and closes by and by.
            rig.turn(60)
            await rig.while_time_passes(asyncio.sleep(0.02), 1.0)  # Its beats, which probe.
            await rig.while_time_passes(hand.work(), 1.0)
    assert rig.objects() == [key_of(ITEM)]
    assert rig.files(run, "poison/**/*") == []
