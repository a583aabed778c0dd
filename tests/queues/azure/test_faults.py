"""Each call on the queue of a storage account, with each way in which it can fail once: what stands in the end, and
what the caller is told. The service is the model, which does what the documentation of the real one allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from haulier.clock import SystemClock
from haulier.errors import LeaseLostError, QueueUnavailableError
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.envelope import Envelope, decode, encode
from haulier.queues.seam import Lease
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import AzureQueueSettings
from haulier.testing.proxy.rules import Fault, FaultRule
from tests.queues.azure.service import account_of

LEASE_SECONDS = 60.0
CALL_SECONDS = 0.4
HANG_SECONDS = 2.0
"""Beyond it, but for the call that clears a queue: then the connection ends."""
AFTER: tuple[Fault, ...] = ("lost", "500 after", "503 after", "hang after")
BEFORE: tuple[Fault, ...] = ("503", "500", "reset", "hang")
REFUSED = "refused"
"""Connections are refused for a moment: the call was surely not sent."""
TRANSIENT = (*AFTER, *BEFORE, REFUSED)

transient = pytest.mark.parametrize("fault", TRANSIENT)
stale = pytest.mark.parametrize("stale_404_rate", [0.0, 1.0], ids=["400", "404"])


class Rig:
    """A service and two of its clients. One of them meets the faults."""

    def __init__(self, service: AzureQueueServer, queue: AzureQueue, other: AzureQueue) -> None:
        self.service = service
        self.queue = queue
        self.other = other

    @asynccontextmanager
    async def failing(self, operation: str, fault: str, first: int = 1) -> AsyncIterator[None]:
        """The ``first`` request of the ``operation`` meets the fault, and was made."""
        if fault == REFUSED:
            async with self._shut():
                yield
            return
        rule = FaultRule(fault, operation, first=first, times=1, seconds=HANG_SECONDS)  # type: ignore[arg-type]
        self.service.rules.use([rule])
        yield
        assert self.service.counters.struck.get(f"{operation}: {fault}") == 1, "The fault met no request."

    @asynccontextmanager
    async def _shut(self) -> AsyncIterator[None]:
        await self.service.leave()
        opening = asyncio.create_task(self._open_soon())
        try:
            yield
        finally:
            await opening

    async def _open_soon(self) -> None:
        await asyncio.sleep(0.1)
        await self.service.come_back()

    async def take_one(self) -> Lease:
        [lease] = await self.queue.dequeue(2, LEASE_SECONDS)
        return lease

    async def taken_by_another(self) -> Lease:
        """What becomes of a lease that ran out."""
        self.pass_lease()
        [lease] = await self.other.dequeue(2, LEASE_SECONDS)
        return lease

    def pass_lease(self) -> None:
        self.service.clock.advance(LEASE_SECONDS + 1)

    def standing(self) -> int:
        return self.service.store.counts().get("items", 0)


@asynccontextmanager
async def rigged(**settings: Any) -> AsyncIterator[Rig]:
    async with AzureQueueServer(AzureQueueSettings(**settings)) as service:
        queue, other = (
            AzureQueue(account_of(service), "items", SystemClock(), call_seconds=seconds)
            for seconds in (CALL_SECONDS, 10.0)
        )
        try:
            yield Rig(service, queue, other)
        finally:
            await queue.close()
            await other.close()


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    async with rigged() as rig:
        yield rig


def message(key: str = "thing-1", **fields: Any) -> bytes:
    return encode(Envelope(kind="thing", key=key, run_id="full-1", payload=msgspec.Raw(b"{}"), **fields))


@transient
async def test_g1_a_message_is_sent_whatever_becomes_of_the_first_try(rig: Rig, fault: str) -> None:
    """Once or twice; and the second is marked, so that it costs a look-up and not a second pull."""
    await rig.queue.enqueue([message("first")])
    await rig.queue.complete([await rig.take_one()])
    async with rig.failing("put", fault):
        await rig.queue.enqueue([message()])
    found = [decode(body) for body in await rig.queue.peek(10)]
    assert {envelope.key for envelope in found} == {"thing-1"}
    assert len(found) == (2 if fault in AFTER else 1)
    assert sum(not envelope.resent for envelope in found) <= 1


@transient
async def test_g1_many_messages_are_all_sent(rig: Rig, fault: str) -> None:
    """Of those that are sent side by side none is missing."""
    async with rig.failing("put", fault):
        await rig.queue.enqueue([message(f"thing-{number}") for number in range(100)])
    keys = set()
    while leases := await rig.queue.dequeue(32, LEASE_SECONDS):
        keys |= {decode(lease.body).key for lease in leases}
        assert await rig.queue.complete(leases) == []
    assert keys == {f"thing-{number}" for number in range(100)}


@transient
@pytest.mark.parametrize("first", [1, 3], ids=["items", "poison"])
async def test_g1_a_queue_is_made_whatever_becomes_of_the_first_try(rig: Rig, first: int, fault: str) -> None:
    """With those beside it, by the first message, which is then sent."""
    async with rig.failing("create-queue", fault, first):
        await rig.queue.enqueue([message()])
    assert set(rig.service.store.counts()) == {"items", "items-first", "items-poison"}
    assert await rig.queue.peek(10) == [message()]


@transient
@pytest.mark.parametrize("is_first", [False, True], ids=["others", "first"])
async def test_g1_a_receive_that_fails_hides_a_message_for_a_lease_at_most(
    rig: Rig, fault: str, is_first: bool
) -> None:
    """The caller is told that the queue does not answer, and not that it is empty. The first lane is asked before."""
    await rig.queue.enqueue([message()], is_first=is_first)
    async with rig.failing("get", fault, 1 if is_first else 2):
        with pytest.raises(QueueUnavailableError):
            await rig.queue.dequeue(1, LEASE_SECONDS)
    if fault in AFTER:
        assert await rig.queue.dequeue(1, LEASE_SECONDS) == []
        rig.pass_lease()
    [lease] = await rig.other.dequeue(2, LEASE_SECONDS)
    assert (lease.body, lease.deliveries) == (message(), 2 if fault in AFTER else 1)


async def renew(rig: Rig, lease: Lease, fault: str) -> Lease:
    """Ask for a lease twice, and meet the fault the first time."""
    async with rig.failing("update", fault):
        if fault == REFUSED:
            with pytest.raises(QueueUnavailableError):
                await rig.queue.renew([lease], LEASE_SECONDS)
        else:
            [doubtful] = await rig.queue.renew([lease], LEASE_SECONDS)
            assert doubtful is not None
            assert doubtful.hold == "doubtful"
            lease = doubtful
    [renewed] = await rig.queue.renew([lease], LEASE_SECONDS)
    assert renewed is not None, "A lease that is held was taken for lost."
    return renewed


@stale
@transient
async def test_g2_a_renewal_whose_answer_is_lost_is_no_lost_lease(fault: str, stale_404_rate: float) -> None:
    """What was done is unknown from then on, and what was not is done by the second try. The message stays hidden."""
    async with rigged(stale_404_rate=stale_404_rate) as rig:
        await rig.queue.enqueue([message()])
        lease = await renew(rig, await rig.take_one(), fault)
        assert lease.hold == ("unknown" if fault in AFTER else "held")
        assert await rig.other.dequeue(1, LEASE_SECONDS) == []
        if lease.hold == "held":
            assert await rig.queue.complete([lease]) == []
            assert rig.standing() == 0


@stale
@pytest.mark.parametrize("fault", AFTER)
async def test_g1_an_unknown_lease_is_settled_by_its_message(fault: Fault, stale_404_rate: float) -> None:
    """Completing or releasing it touches nothing and is no lost lease; the message comes back by itself."""
    async with rigged(stale_404_rate=stale_404_rate) as rig:
        await rig.queue.enqueue([message()])
        lease = await renew(rig, await rig.take_one(), fault)
        assert await rig.queue.complete([lease]) == []
        await rig.queue.release(lease, message(failures=1))
        assert [kept and kept.hold for kept in await rig.queue.renew([lease], LEASE_SECONDS)] == ["unknown"]
        owner = await rig.taken_by_another()
        assert owner.body == message()
        assert await rig.queue.complete([lease]) == []
        assert await rig.other.complete([owner]) == []
        assert rig.standing() == 0


@stale
@transient
async def test_g2_a_lease_that_was_taken_is_not_touched(fault: str, stale_404_rate: float) -> None:
    """Whatever the holder of a stale receipt tries and meets: the message is its new owner's."""
    async with rigged(stale_404_rate=stale_404_rate) as rig:
        await rig.queue.enqueue([message()])
        late = await rig.take_one()
        owner = await rig.taken_by_another()
        for operation, attempt in (
            ("update", lambda: rig.queue.renew([late], LEASE_SECONDS)),
            ("update", lambda: rig.queue.release(late, message(failures=1))),
            ("delete", lambda: rig.queue.complete([late])),
        ):
            rig.service.counters.struck.clear()
            async with rig.failing(operation, fault):
                with contextlib.suppress(QueueUnavailableError, LeaseLostError):
                    await attempt()
        assert rig.standing() == 1
        assert await rig.queue.dequeue(1, LEASE_SECONDS) == []
        [renewed] = await rig.other.renew([owner], LEASE_SECONDS)
        assert renewed is not None
        assert (renewed.hold, renewed.body) == ("held", message())
        assert await rig.other.complete([renewed]) == []


@stale
@transient
async def test_g1_a_release_whose_answer_is_lost_is_done_once(fault: str, stale_404_rate: float) -> None:
    """The message comes back once, after its delay, with what was written into it."""
    async with rigged(stale_404_rate=stale_404_rate) as rig:
        await rig.queue.enqueue([message()])
        lease = await rig.take_one()
        async with rig.failing("update", fault):
            await rig.queue.release(lease, message(failures=1), delay_seconds=LEASE_SECONDS)
        assert await rig.queue.dequeue(1, LEASE_SECONDS) == []
        assert rig.standing() == 1
        back = await rig.taken_by_another()
        assert decode(back.body).failures == 1


@stale
@transient
async def test_g1_a_completion_whose_answer_is_lost_is_done(fault: str, stale_404_rate: float) -> None:
    """No lease counts as lost, and nothing comes back."""
    async with rigged(stale_404_rate=stale_404_rate) as rig:
        await rig.queue.enqueue([message(f"thing-{number}") for number in range(8)])
        leases = await rig.queue.dequeue(8, LEASE_SECONDS)
        async with rig.failing("delete", fault):
            assert await rig.queue.complete(leases) == []
        assert rig.standing() == 0


@transient
async def test_g1_a_copy_of_poison_is_kept(rig: Rig, fault: str) -> None:
    """Once or twice, for ever, with all that it says: it is no work, and is not marked as such."""
    copy = msgspec.json.encode(msgspec.json.decode(message()) | {"number": 1, "reason": "poison", "status": 404})
    await rig.queue.enqueue([message("first")])
    async with rig.failing("put", fault):
        await rig.queue.poison(copy)
    rig.service.clock.advance(30 * 24 * 3600)
    kept = await rig.queue.peek(10, poison=True)
    assert kept == [copy] * (2 if fault in AFTER else 1)


READS: dict[str, tuple[str, Callable[[AzureQueue], Coroutine[Any, Any, object]]]] = {
    "peek": ("peek", lambda queue: queue.peek(10)),
    "depth": ("get-metadata", lambda queue: queue.depth()),
}


@transient
@pytest.mark.parametrize("read", READS)
async def test_a_read_that_fails_says_so(rig: Rig, read: str, fault: str) -> None:
    """A queue that does not answer is never taken for an empty one."""
    await rig.queue.enqueue([message()])
    operation, call = READS[read]
    with pytest.raises(QueueUnavailableError):
        async with rig.failing(operation, fault):
            await call(rig.queue)
    rig.service.rules.use([])
    assert await rig.queue.peek(10) == [message()]
    assert (await rig.queue.depth()).unsettled == 1


@transient
async def test_a_purge_empties_the_queue_or_says_that_it_did_not(rig: Rig, fault: str) -> None:
    """One that the service ends half-way, with 500 OperationTimedOut, goes on."""
    await rig.queue.enqueue([message(f"thing-{number}") for number in range(5)])
    try:
        async with rig.failing("clear", fault):
            await rig.queue.purge()
    except QueueUnavailableError:
        assert fault in (*BEFORE, REFUSED)
    else:
        assert rig.standing() == 0
