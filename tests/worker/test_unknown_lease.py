"""A lease of which nobody can tell whether it is held (P7, P8): over the Azure queue, and a model of its service that
loses the answer to a renewal."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from haulier.queues.azure.queue import AzureQueue
from haulier.queues.envelope import Envelope, decode
from haulier.queues.seam import Lease
from haulier.runs.run import Run
from haulier.sources.context import Context
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.proxy.rules import FaultRule
from haulier.worker.keeper import HeldLease, LeaseKeeper
from tests.harness.cuts.calls import Cuts
from tests.harness.figures import Figures
from tests.harness.things import Things, records_of, things
from tests.queues.azure.service import client_of, served
from tests.worker.rig import Hand, Rig, key_of

ITEM = things(1, 5)
LEASE_SECONDS = 6.0
"""Renewed again after half a second where there was no answer."""


@dataclass
class Stand:
    rig: Rig
    server: AzureQueueServer
    queue: AzureQueue
    is_broken: bool = False
    """Whether the processor raises."""

    @contextlib.asynccontextmanager
    async def hand(self, call: str = "", act: Callable[[], Awaitable[object]] | None = None) -> AsyncIterator[Hand]:
        """A worker, and what happens just before its first call of that name to lake or queue."""
        has_acted = False

        async def on_call(_number: int, name: str, is_after: bool) -> None:
            nonlocal has_acted
            if act is not None and name == call and not is_after and not has_acted:
                has_acted = True
                await act()

        async with self.rig.hand(
            {Things: raising if self.is_broken else self.rig.api.work},
            open_queue=lambda: client_of(self.server),
            cuts=Cuts(on_call=on_call),
        ) as hand:
            yield hand
        assert act is None or has_acted, f"{call} was not called"

    async def lose_a_renewal(self, keeper: LeaseKeeper, held: HeldLease) -> None:
        self.server.rules.use([FaultRule("lost", "update", times=1)])
        assert await keeper.renew(held)
        assert held.is_unknown
        assert not held.is_lost

    async def take(self, hand: Hand) -> HeldLease:
        held = await hand.take()
        assert held is not None
        return held

    def run_out(self) -> None:
        self.server.clock.advance(LEASE_SECONDS + 1)
        self.rig.turn(LEASE_SECONDS + 1)

    async def messages(self) -> list[Envelope]:
        """All that stand in the queue, whoever holds them."""
        self.run_out()
        leases: list[Lease] = []
        while more := await self.queue.dequeue(32, 1_000.0):
            leases += more
        return [decode(lease.body) for lease in leases]


async def raising(_item: Things, _context: Context) -> AsyncGenerator[Any, None]:
    raise RuntimeError("a fault of the processor")
    yield


@pytest.fixture
async def stand(rig: Rig) -> AsyncIterator[Stand]:
    rig.settings = replace(rig.settings, lease_seconds=LEASE_SECONDS)
    async with served() as (server, queue):
        rig.queue = queue
        yield Stand(rig, server, queue)


async def unknown_at(stand: Stand, call: str, *, is_late: bool = False) -> Hand:
    """Work the only message, whose lease becomes unknown before that call, and runs out, if it is late."""
    held: list[HeldLease] = []

    async def act() -> None:
        await stand.lose_a_renewal(hand.keeper, held[0])
        if is_late:
            stand.rig.turn(LEASE_SECONDS + 1)

    async with stand.hand(call, act) as hand:
        held.append(await stand.take(hand))
        await hand.attempt(held[0])
        await hand.settle()
    assert not hand.stop.event.is_set(), hand.stop.reason
    return hand


@pytest.mark.parametrize("is_late", [False, True], ids=["within its deadline", "after it"])
async def test_g1_the_item_goes_on_and_its_message_ends_by_a_look(stand: Stand, is_late: bool) -> None:
    """It is published and has its receipt; the message comes back, and is completed without a request (P4)."""
    rig = stand.rig
    run = await rig.run(ITEM)
    await unknown_at(stand, "LocalSpool.finish", is_late=is_late)
    assert rig.objects() == [key_of(ITEM)]
    assert [receipt.adopted for receipt in await rig.receipts(run)] == [False]
    asked = len(rig.api.requests)
    stand.run_out()
    async with stand.hand() as hand:
        await hand.work()
    assert hand.state.stats.adopted == 1
    assert len(rig.api.requests) == asked
    assert await stand.messages() == []
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.done) == ("complete", 1)


async def test_g2_another_that_took_the_message_does_no_harm(stand: Stand) -> None:
    """Both work the item, and one object stands: the second adopts it."""
    rig = stand.rig
    run = await rig.run(ITEM)

    async def another_works_it() -> None:
        await stand.lose_a_renewal(hand.keeper, held)
        stand.run_out()
        async with stand.hand() as other:
            await rig.while_time_passes(other.work())

    async with stand.hand("LocalLake.publish", another_works_it) as hand:
        held = await stand.take(hand)
        await hand.attempt(held)
        await hand.settle()
    assert rig.objects() == [key_of(ITEM)]
    assert sorted(receipt.adopted for receipt in await rig.receipts(run)) == [False, True]
    assert await stand.messages() == []
    verdict = await rig.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.records) == ("complete", len(records_of(ITEM.ids)))


async def test_p6_an_empty_item_has_its_outcome(stand: Stand) -> None:
    rig = stand.rig
    rig.api.empty = {1}
    run = await rig.run(ITEM)
    await unknown_at(stand, "LocalLake.create", is_late=True)
    assert await rig.outcome(run, ITEM) is not None


async def test_p6_children_of_an_unknown_lease_are_marked(stand: Stand) -> None:
    """Another may hold the parent, and send them too."""
    rig = stand.rig
    rig.api.divided, rig.api.smallest = {1}, 2
    run = await rig.run(ITEM)
    await unknown_at(stand, "LocalLake.create")
    children = await rig.children(run, ITEM)
    assert children is not None
    sent = {envelope.key: envelope.resent for envelope in await stand.messages() if envelope.key != key_of(ITEM)}
    assert sent == dict.fromkeys(children, True)


@pytest.mark.parametrize("ends", ["empty", "divided"])
async def test_p6_nothing_is_written_into_a_run_that_was_closed_meanwhile(stand: Stand, ends: str) -> None:
    """Suspended under an unknown lease, while another ended the item: a child list would beat the good object (C3)."""
    rig = stand.rig
    rig.telemetry = figures = Figures()
    rig.api.smallest = 2
    run = await rig.run(ITEM)

    async def another_ends_it() -> None:
        await stand.lose_a_renewal(hand.keeper, held)
        stand.run_out()
        async with stand.hand() as other:
            await rig.while_time_passes(other.work())
        assert await rig.close(run) is not None
        (rig.api.empty if ends == "empty" else rig.api.divided).add(1)

    async with stand.hand("LocalLake.open_spool", another_ends_it) as hand:
        held = await stand.take(hand)
        await rig.while_time_passes(hand.attempt(held))
        await hand.settle()
        assert not hand.stop.event.is_set(), hand.stop.reason
    assert rig.objects() == [key_of(ITEM)]
    assert (await rig.outcome(run, ITEM), await rig.children(run, ITEM)) == (None, None)
    assert (hand.state.stats.empty, hand.state.stats.split) == (0, 0)
    assert figures.items == {("done", False): 1, ("give_up", False): 1}
    assert sorted(map(str, figures.outcomes)) == ["done", "give_up"]
    assert await stand.messages() == []


async def poison_of(stand: Stand, *, is_late: bool) -> tuple[Run, bool]:
    rig = stand.rig
    rig.settings = replace(rig.settings, max_failures=1)
    stand.is_broken = True
    run = await rig.run(ITEM)
    async with stand.hand() as hand:
        held = await stand.take(hand)
        await stand.lose_a_renewal(hand.keeper, held)
        if is_late:
            rig.turn(LEASE_SECONDS + 1)
        await hand.attempt(held)
        await hand.settle()
        assert not hand.stop.event.is_set()
        assert hand.state.stats.poisoned == (not is_late)
    return run, await rig.poison(run, ITEM) is not None


@pytest.mark.parametrize("is_late", [False, True], ids=["within its deadline", "after it"])
async def test_g4_poison_wants_a_lease_that_is_surely_ours(stand: Stand, is_late: bool) -> None:
    """After the deadline another attempt may be succeeding. The message comes back, and fails again if it must."""
    run, is_poisoned = await poison_of(stand, is_late=is_late)
    assert is_poisoned is not is_late
    stand.run_out()
    async with stand.hand() as hand:
        await hand.work()
    assert await stand.rig.poison(run, ITEM) is not None


async def test_a_failure_under_an_unknown_lease_is_not_charged(stand: Stand) -> None:
    """Nothing can be written into the message: it comes back as it was."""
    rig = stand.rig
    stand.is_broken = True
    await rig.run(ITEM)
    async with stand.hand() as hand:
        held = await stand.take(hand)
        await stand.lose_a_renewal(hand.keeper, held)
        await hand.attempt(held)
        assert not hand.stop.event.is_set()
    (message,) = await stand.messages()
    assert (message.failures, message.releases) == (0, 0)


async def test_the_keeper_asks_no_more_for_an_unknown_lease(stand: Stand) -> None:
    await stand.rig.run(ITEM)
    async with stand.hand() as hand:
        held = await stand.take(hand)
        await stand.lose_a_renewal(hand.keeper, held)
        asked = stand.server.counters.operations["update"]
        assert hand.keeper.count == 0
        assert await hand.keeper.renew(held)
        assert await hand.keeper.let_go(held) == held.lease
        assert stand.server.counters.operations["update"] == asked
