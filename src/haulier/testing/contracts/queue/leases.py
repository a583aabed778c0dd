"""The part of `QueueContract` about leases (G2)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from haulier.errors import LeaseLostError
from haulier.queues.seam import Lease, Queue, ThisProcess, Whereabouts
from haulier.testing.contracts.queue.setting import QueueSetting

STRANGE_TOKENS = ["", "x", "1", "7.7", "0.0", "-1.-1", "1.1.x", "9" * 5_000, f"{'9' * 30}.{'9' * 30}", "\u0663.\u0663"]


class LeaseContract(QueueSetting):
    async def test_expired_lease_goes_to_the_next(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"one"])
        await self.take_one(queue)
        await self.expire()
        lease = await self.take_one(other)
        assert (lease.body, lease.deliveries) == (b"one", 2)

    async def test_leases_of_the_dead_are_free_at_once(self, queue: Queue) -> None:
        """A lease expires at once if its process has surely ended, and in no other case."""
        if not queue.capabilities.frees_dead:
            pytest.skip(f"{queue.capabilities.name}: leases of a process that has ended run out")
        found: dict[str, Whereabouts] = {}
        processes = {mark: ThisProcess(f"box-{mark}", mark, found.__getitem__) for mark in ("1", "2", "3", "4")}
        clients = {mark: self.open_as(process) for mark, process in processes.items()}
        try:
            await queue.enqueue([b"1", b"2", b"3"])
            taken = {mark: (await self.take(clients[mark]))[0] for mark in ("1", "2", "3")}
            found |= {"1": "gone", "2": "here", "3": "unknown"}
            assert {(each.name, each.whereabouts, each.leases) for each in await clients["4"].holders()} == {
                ("box-1", "gone", 1),
                ("box-2", "here", 1),
                ("box-3", "unknown", 1),
            }
            freed = await self.take_one(clients["4"])
            assert (freed.body, freed.deliveries) == (b"1", 2)
            await self.pass_time(self.lease_seconds * 0.1)
            assert await self.take(clients["4"]) == []
            await self.require_lost(clients["1"], taken["1"])
            assert await clients["2"].complete([taken["2"], taken["3"]]) == []
            assert await clients["4"].complete([freed]) == []
        finally:
            for client in clients.values():
                await client.close()

    async def test_deliveries_count_every_handing_out(self, queue: Queue) -> None:
        """Deliveries after expiry and after release count; renewals do not."""
        await queue.enqueue([b"busy"])
        for deliveries in (1, 2, 3):
            lease = await self.take_one(queue)
            assert lease.deliveries == deliveries
            await queue.renew([lease], self.lease_seconds)
            await self.expire()
        await queue.release(await self.take_one(queue), b"busy")
        await queue.enqueue([b"fresh"])
        counts = {lease.body: lease.deliveries for lease in await self.take(queue, 2)}
        assert counts == {b"busy": 5, b"fresh": 1}

    async def test_renewed_lease_holds(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"one"])
        lease: Lease | None = await self.take_one(queue)
        for _ in range(3):
            await self.pass_time(self.lease_seconds * 0.6)
            assert lease is not None
            [lease] = await queue.renew([lease], self.lease_seconds)
            assert await self.take(other) == []
        assert lease is not None
        assert (lease.body, lease.deliveries) == (b"one", 1)
        assert await queue.complete([lease]) == []

    async def test_renewed_lease_runs_out(self, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        for _ in range(3):
            [renewed] = await queue.renew([lease], self.lease_seconds)
            assert renewed is not None
            lease = renewed
        await self.expire()
        assert len(await self.take(queue, 2)) == 1

    async def test_renewed_twice_in_a_moment_is_one_message(self, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        for seconds in (1.0, 0.5, 1.0, 1.0):
            [renewed] = await queue.renew([lease], self.lease_seconds * seconds)
            assert renewed is not None
            lease = renewed
        await self.expire()
        assert [lease.deliveries for lease in await self.take(queue, 10)] == [2]

    async def test_renew_revives_an_expired_lease(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        await self.expire()
        [revived] = await queue.renew([lease], self.lease_seconds)
        assert revived is not None
        assert await self.take(other) == []
        assert await queue.complete([revived]) == []

    async def test_renew_of_a_lost_lease(self, queue: Queue, other: Queue) -> None:
        """A lease is lost once another worker took its message; that worker's lease does not change (G2)."""
        await queue.enqueue([b"one"])
        zombie = await self.take_one(queue)
        await self.expire()
        owner = await self.take_one(other)
        assert await queue.renew([zombie], self.lease_seconds * 100) == [None]
        await self.expire()
        assert len(await self.take(queue, 2)) == 1
        await self.require_lost(other, owner)

    async def test_renew_answers_in_the_order_asked(self, queue: Queue) -> None:
        await queue.enqueue([b"%d" % n for n in range(6)])
        leases = await self.take(queue, 6)
        await queue.complete([leases[1]])
        await queue.release(leases[4], leases[4].body, delay_seconds=self.lease_seconds)
        asked = leases[::-1]
        renewed = await queue.renew(asked, self.lease_seconds)
        assert [lease and lease.body for lease in renewed] == [
            None if lease in (leases[1], leases[4]) else lease.body for lease in asked
        ]

    async def test_nothing_to_renew_or_complete(self, queue: Queue) -> None:
        assert await queue.renew([], self.lease_seconds) == []
        assert await queue.complete([]) == []

    async def test_release_hands_back_with_another_body(self, queue: Queue, other: Queue) -> None:
        if not queue.capabilities.replaces_body:
            pytest.skip(f"{queue.capabilities.name} cannot replace a body")
        await queue.enqueue([b"old"])
        await queue.release(await self.take_one(queue), b"new")
        assert await queue.peek(10) == [b"new"]
        lease = await self.take_one(other)
        assert (lease.body, lease.deliveries) == (b"new", 2)

    async def test_release_with_a_delay(self, queue: Queue) -> None:
        await queue.enqueue([b"old"])
        body = await self.hand_back(queue, await self.take_one(queue), b"new", delay_seconds=self.lease_seconds)
        assert await queue.peek(10) in ([], [body])
        await self.pass_time(self.lease_seconds / 2)
        assert await self.take(queue) == []
        await self.expire()
        assert (await self.take_one(queue)).body == body

    async def test_release_ends_the_lease(self, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        body = await self.hand_back(queue, lease, b"two")
        await self.require_lost(queue, lease)
        again = await self.take_one(queue)
        await self.require_lost(queue, lease)
        assert again.body == body
        assert await queue.complete([again]) == []

    async def test_release_of_a_lost_lease(self, queue: Queue, other: Queue) -> None:
        """The release is refused: neither the body nor the owner's lease changes (G2)."""
        await queue.enqueue([b"one"])
        zombie = await self.take_one(queue)
        await self.expire()
        owner = await self.take_one(other)
        with pytest.raises(LeaseLostError):
            await self.hand_back(queue, zombie, b"a zombie's")
        assert await self.take(queue) == []
        assert await queue.peek(10) in ([], [b"one"])
        assert await other.complete([owner]) == []

    async def test_release_of_an_expired_lease(self, queue: Queue) -> None:
        await queue.enqueue([b"old"])
        lease = await self.take_one(queue)
        await self.expire()
        body = await self.hand_back(queue, lease, b"new")
        assert (await self.take_one(queue)).body == body

    async def test_complete_is_for_good(self, queue: Queue) -> None:
        await queue.enqueue([b"one", b"two"])
        assert await queue.complete(await self.take(queue, 2)) == []
        await self.expire()
        assert await self.take(queue, 10) == []
        assert await queue.peek(10) == []

    async def test_complete_returns_the_lost(self, queue: Queue, other: Queue) -> None:
        self._require_fence(queue)
        await queue.enqueue([b"%d" % n for n in range(4)])
        leases = await self.take(queue, 4)
        await self.expire()
        taken = await self.take(other, 2)
        lost = await queue.complete(leases)
        assert sorted(lease.body for lease in lost) == sorted(lease.body for lease in taken)
        assert [lease for lease in leases if lease in lost] == lost
        assert {lease.body for lease in taken} >= set(await queue.peek(10))
        await self.expire()
        assert sorted(await self.drain(queue)) == sorted(lease.body for lease in taken)

    async def test_complete_twice(self, queue: Queue) -> None:
        self._require_fence(queue)
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        assert await queue.complete([lease]) == []
        await self.require_lost(queue, lease)

    async def test_complete_an_expired_lease(self, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        await self.expire()
        assert await queue.complete([lease]) == []
        assert await self.take(queue) == []

    async def test_zombie_cannot_complete(self, queue: Queue, other: Queue) -> None:
        """A stale token removes nothing; the message stays with its owner (G2)."""
        self._require_fence(queue)
        await queue.enqueue([b"one"])
        zombie = await self.take_one(queue)
        await self.expire()
        owner = await self.take_one(other)
        assert await queue.complete([zombie]) == [zombie]
        [renewed] = await other.renew([owner], self.lease_seconds)
        assert renewed is not None
        assert await other.complete([renewed]) == []

    async def test_last_lease_of_many_counts(self, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        leases = []
        for _ in range(4):
            leases.append(await self.take_one(queue))
            await self.expire()
        for stale in leases[:-1]:
            await self.require_lost(queue, stale)
        assert await queue.complete(leases[-1:]) == []

    @pytest.mark.parametrize("token", STRANGE_TOKENS, ids=range(len(STRANGE_TOKENS)))
    async def test_strange_token_is_lost(self, queue: Queue, token: str) -> None:
        await queue.enqueue([b"one"])
        held = await self.take_one(queue)
        await self.require_lost(queue, Lease(token=token, body=b"one", deliveries=1))
        assert await queue.complete([held]) == []

    async def test_cancelled_dequeue_loses_nothing(self, queue: Queue) -> None:
        """Messages taken by a cancelled dequeue come back when the lease expires, or earlier."""
        await queue.enqueue([b"%d" % n for n in range(5)])
        task = asyncio.ensure_future(self.take(queue, 5))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # It may have finished already.
            await task
        await self.expire()
        assert len(await self.drain(queue)) == 5

    def _require_fence(self, queue: Queue) -> None:
        if not queue.capabilities.fenced_completion:
            pytest.skip(f"{queue.capabilities.name} does not fence completion")
