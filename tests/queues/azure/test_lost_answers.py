"""A call whose answer is lost after its effect is no lost lease, for each call and each way to lose it (G1, G2)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from yarl import URL

from haulier.clock import SystemClock
from haulier.errors import LeaseLostError, QueueUnavailableError
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.envelope import Envelope, decode, encode
from haulier.queues.seam import Lease
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import AzureQueueSettings
from haulier.testing.proxy.operations import queue_operation
from haulier.testing.proxy.rules import Fault, FaultRule
from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import QUIET
from haulier.testing.proxy.wire import WireResponse
from tests.queues.azure.service import LEASE_SECONDS, account_of, client_of, served, take, take_one

AFTER: list[Fault] = ["lost", "500 after", "503 after", "hang after", "cut"]
BEFORE: list[Fault] = ["reset", "500", "503", "hang"]
STALE = [0.0, 1.0]
"""The share of stale receipts that is answered with 404; the others with 400."""

ENVELOPE = Envelope(kind="things", key="things-1", run_id="full-20261123T222500Z", payload=msgspec.Raw(b"{}"))


async def renewed(lease: Lease | None, hold: str) -> Lease:
    assert lease is not None
    assert lease.hold == hold
    return lease


@pytest.mark.parametrize("share", STALE)
@pytest.mark.parametrize("fault", [fault for fault in AFTER if fault != "cut"])
async def test_g2_a_renewal_whose_answer_is_lost_is_no_lost_lease(fault: Fault, share: float) -> None:
    """It is doubtful, then unknown, since its receipt is out of date; completing it touches nothing, and the message
    comes back when the renewed lease runs out."""
    async with served(AzureQueueSettings(stale_404_rate=share)) as (server, queue):
        lease = await take_one(queue)
        server.rules.use([FaultRule(fault, "update", times=1)])
        (doubtful,) = await queue.renew([lease], LEASE_SECONDS)
        doubtful = await renewed(doubtful, "doubtful")
        assert server.counters.operations["update"] == 1, "sent once, over a connection that was used before"
        (unknown,) = await queue.renew([doubtful], LEASE_SECONDS)
        unknown = await renewed(unknown, "unknown")
        assert await queue.renew([unknown], LEASE_SECONDS) == [unknown]
        assert await queue.complete([unknown]) == []
        await queue.release(unknown, b"another")
        assert server.counters.operations["update"] == 2, "an unknown lease is asked about no more"
        assert await take(queue) == []
        server.clock.advance(LEASE_SECONDS + 1)
        (again,) = await take(queue)
        assert (again.body, again.deliveries) == (b"one", 2)


@pytest.mark.parametrize("fault", BEFORE)
async def test_g2_a_renewal_that_was_never_heard_of_is_made_up_for(fault: Fault) -> None:
    """Its receipt is still the newest, which the next renewal finds out."""
    async with served() as (server, queue):
        lease = await take_one(queue)
        server.rules.use([FaultRule(fault, "update", times=1)])
        (doubtful,) = await queue.renew([lease], LEASE_SECONDS)
        (held,) = await queue.renew([await renewed(doubtful, "doubtful")], LEASE_SECONDS)
        assert await queue.complete([await renewed(held, "held")]) == []
        server.clock.advance(LEASE_SECONDS + 1)
        assert await take(queue) == []


async def test_g2_renewals_of_others_are_kept_when_one_has_no_answer() -> None:
    """Their receipts are new: with the old ones they would be refused as lost."""
    async with served() as (server, queue):
        await queue.enqueue([b"%d" % n for n in range(8)])
        leases = await take(queue)
        server.rules.use([FaultRule("lost", "update", first=3, times=1)])
        found = [lease for lease in await queue.renew(leases, LEASE_SECONDS) if lease is not None]
        assert sorted(lease.hold for lease in found) == ["doubtful"] + ["held"] * 7
        assert await queue.complete([lease for lease in found if lease.hold == "held"]) == []


async def test_a_renewal_that_was_surely_not_sent_changes_nothing() -> None:
    """A refused connection: an outage, said at once, and the old receipt is as good as before."""
    async with served() as (server, queue):
        lease = await take_one(queue)
        async with server.away():
            began_at = time.monotonic()
            with pytest.raises(QueueUnavailableError, match="'flights' of the storage account 'devstoreaccount1'"):
                await queue.renew([lease], LEASE_SECONDS)
            assert time.monotonic() - began_at < 5
        (held,) = await queue.renew([lease], LEASE_SECONDS)
        await renewed(held, "held")


async def test_g2_a_lease_that_another_took_is_lost() -> None:
    """Where every call was answered there is no doubt, whichever way the service says it."""
    for share in STALE:
        async with served(AzureQueueSettings(stale_404_rate=share)) as (server, queue):
            lease = await take_one(queue)
            server.clock.advance(LEASE_SECONDS + 1)
            (other,) = await take(queue)
            assert await queue.renew([lease], LEASE_SECONDS) == [None]
            assert await queue.complete([lease]) == [lease]
            with pytest.raises(LeaseLostError):
                await queue.release(lease, b"mine")
            assert await queue.complete([other]) == []


@pytest.mark.parametrize("fault", AFTER)
async def test_g1_a_completion_whose_answer_is_lost_is_done(fault: Fault) -> None:
    """The repetition finds no message, and that is what was wanted: nothing counts as lost."""
    async with served() as (server, queue):
        await queue.enqueue([b"one", b"two"])
        leases = await take(queue)
        server.rules.use([FaultRule(fault, "delete", times=1)])
        assert await queue.complete(leases) == []
        server.clock.advance(LEASE_SECONDS + 1)
        assert await take(queue) == []
        assert await queue.complete(leases) == leases, "and only this once"


async def test_g1_a_completion_that_is_repeated_after_an_outage_is_done() -> None:
    """Some were completed before the service went away: they are not lost either, when all are asked for again."""
    async with served() as (server, queue):
        await queue.enqueue([b"%d" % n for n in range(6)])
        leases = await take(queue)
        server.rules.use([FaultRule("500 after", "delete", first=3)])
        with pytest.raises(QueueUnavailableError, match="500 InternalError"):
            await queue.complete(leases)
        server.rules.use([])
        assert await queue.complete(leases) == []
        assert await queue.complete(leases) == leases


@pytest.mark.parametrize("share", STALE)
@pytest.mark.parametrize("fault", [fault for fault in AFTER if fault != "cut"])
async def test_g1_a_release_whose_answer_is_lost_is_done(fault: Fault, share: float) -> None:
    """The new body stands, visible again; the refused repetition says nothing against it."""
    async with served(AzureQueueSettings(stale_404_rate=share)) as (server, queue):
        lease = await take_one(queue)
        server.rules.use([FaultRule(fault, "update", times=1)])
        await queue.release(lease, b"again")
        (again,) = await take(queue)
        assert (again.body, again.deliveries) == (b"again", 2)
        with pytest.raises(LeaseLostError):  # Its token is in doubt no longer than the call was.
            await queue.release(lease, b"once more")


async def test_a_release_of_a_doubtful_lease_counts_nothing() -> None:
    """The renewal was done: the message comes back as it is, after the renewed lease."""
    async with served() as (server, queue):
        lease = await take_one(queue)
        server.rules.use([FaultRule("lost", "update", times=1)])
        (doubtful,) = await queue.renew([lease], LEASE_SECONDS)
        await queue.release(await renewed(doubtful, "doubtful"), b"with one more failure")
        server.clock.advance(LEASE_SECONDS + 1)
        assert [lease.body for lease in await take(queue)] == [b"one"]


@pytest.mark.parametrize("fault", AFTER)
async def test_g1_a_send_whose_answer_is_lost_is_repeated_marked(fault: Fault) -> None:
    """It may be there twice, never not at all. Whoever takes the second looks in the lake first (P2, P4)."""
    async with served() as (server, queue):
        await queue.enqueue([])
        await queue.poison(b"makes the queues")
        server.rules.use([FaultRule(fault, "put", times=1)])
        await queue.enqueue([encode(ENVELOPE)])
        found = sorted((decode(lease.body) for lease in await take(queue)), key=lambda envelope: envelope.resent)
        assert [(envelope.key, envelope.resent) for envelope in found] == [("things-1", False), ("things-1", True)]


async def test_a_send_that_was_surely_not_made_is_repeated_as_it_is() -> None:
    """There is one message, without a mark: it costs nobody a look-up."""
    async with served() as (server, queue):
        await queue.poison(b"makes the queues")
        async with server.away():
            sending = asyncio.create_task(queue.enqueue([encode(ENVELOPE)]))
            await asyncio.sleep(0.5)
            assert not sending.done()
        await sending
        (lease,) = await take(queue)
        assert not decode(lease.body).resent


async def test_a_send_is_given_up_after_its_patience() -> None:
    async with served(patience_seconds=0.5) as (server, queue):
        await queue.poison(b"makes the queues")
        server.rules.use([FaultRule("503", "put")])
        with pytest.raises(QueueUnavailableError, match="503 ServerBusy"):
            await queue.enqueue([b"one"])


async def test_a_receive_whose_answer_is_lost_costs_a_lease_and_no_message() -> None:
    """Its messages are hidden until then. It is asked for once: aiohttp itself would hide as many again."""
    async with served() as (server, queue):
        await queue.enqueue([b"%d" % n for n in range(40)])
        server.rules.use([FaultRule("lost", "get", target="/flights/", times=1)])
        with pytest.raises(QueueUnavailableError):
            await take(queue)
        assert len(await take(queue)) == 8
        server.clock.advance(LEASE_SECONDS + 1)
        again = await take(queue) + await take(queue)
        assert (len(again), {lease.deliveries for lease in again}) == (40, {2})


async def test_what_one_client_doubts_another_heeds() -> None:
    """The keeper renews by a client of its own: what it knows stands in the lease."""
    async with served() as (server, queue):
        keeper = client_of(server)
        lease = await take_one(queue)
        server.rules.use([FaultRule("lost", "update", times=1)])
        (doubtful,) = await keeper.renew([lease], LEASE_SECONDS)
        await keeper.close()
        assert await queue.complete([await renewed(doubtful, "doubtful")]) == []


@contextlib.asynccontextmanager
async def behind_a_gateway() -> AsyncIterator[tuple[FaultProxy, AzureQueue]]:
    """Its ``403`` is a page of its own, with the status 404 and no code of the service."""
    page = (404, "Not Found", [(b"Content-Type", b"text/html")], b"<html><title>404</title></html>")
    async with AzureQueueServer() as server:
        service = URL(server.endpoint)
        async with FaultProxy(
            str(service.origin()), QUIET, name=queue_operation, refuse=lambda _: WireResponse(*page)
        ) as gateway:
            account = dataclasses.replace(account_of(server), queue_endpoint=f"{gateway.url}{service.path}")
            queue = AzureQueue(account, "flights", SystemClock(), call_seconds=2.0, patience_seconds=10.0)
            try:
                yield gateway, queue
            finally:
                await queue.close()


async def test_g2_a_404_of_a_gateway_is_no_lost_lease() -> None:
    """It is no answer of the service, whatever was asked: only a code of the service tells of a message."""
    async with behind_a_gateway() as (gateway, queue):
        lease = await take_one(queue)
        gateway.rules.use([FaultRule("403", "update", times=1)])
        (doubtful,) = await queue.renew([lease], LEASE_SECONDS)
        doubtful = await renewed(doubtful, "doubtful")
        (held,) = await queue.renew([doubtful], LEASE_SECONDS)
        held = await renewed(held, "held")
        gateway.rules.use([FaultRule("403", times=1)])
        with pytest.raises(QueueUnavailableError):
            await take(queue)
        gateway.rules.use([FaultRule("403", times=1)])
        await queue.enqueue([b"two"])
        gateway.rules.use([FaultRule("403", "delete", times=1)])
        assert await queue.complete([held]) == []
        assert await queue.peek(9) == [b"two"]
