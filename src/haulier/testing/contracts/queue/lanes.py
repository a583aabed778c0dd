"""The part of `QueueContract` about the first lane.

A client may leave the first lane alone for `QueueCapabilities.lane_seconds` after it found it empty; one that was just
opened asks.
"""

from __future__ import annotations

from haulier.queues.seam import Queue, QueueOpener
from haulier.testing.contracts.queue.setting import QueueSetting


class LaneContract(QueueSetting):
    async def test_first_lane_is_taken_first(self, queue: Queue, other: Queue) -> None:
        """However many are before it in the other lane, and however long they have waited."""
        await queue.enqueue([b"%d" % n for n in range(40)])
        await self.pass_time(self.lease_seconds / 4)
        await queue.enqueue([b"first", b"second"], is_first=True)
        leases = await self.take(other, 2)
        assert {(lease.body, lease.is_first) for lease in leases} == {(b"first", True), (b"second", True)}
        assert [lease.is_first for lease in await self.take(other, 3)] == [False] * 3

    async def test_lanes_are_drained_one_after_the_other(self, queue: Queue, other: Queue) -> None:
        for n in range(6):
            await queue.enqueue([b"%d" % n], is_first=n % 2 == 1)
        taken = []
        while leases := await self.take(other, 4):
            taken += [lease.body for lease in leases]
        assert (sorted(taken[:3]), sorted(taken[3:])) == ([b"1", b"3", b"5"], [b"0", b"2", b"4"])

    async def test_message_stays_in_its_lane(self, queue: Queue, opener: QueueOpener) -> None:
        """Through releases, renewals and leases that run out."""
        await queue.enqueue([b"other"] * 5)
        await queue.enqueue([b"released", b"run out"], is_first=True)
        client = opener()
        taken = {lease.body: lease for lease in await self.take(client, 2)}
        [renewed] = await client.renew([taken[b"released"]], self.lease_seconds)
        assert renewed is not None
        released = await self.hand_back(client, renewed, b"again")
        await client.close()
        await self.expire()
        client = opener()
        again = {lease.body: (lease.is_first, lease.deliveries) for lease in await self.take(client, 2)}
        assert again == {released: (True, 2), b"run out": (True, 2)}
        await client.close()

    async def test_hidden_messages_of_the_first_lane_hold_nobody_back(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"leased"], is_first=True)
        await queue.enqueue([b"delayed"], delay_seconds=self.lease_seconds * 2, is_first=True)
        await queue.enqueue([b"other"])
        assert [lease.is_first for lease in await self.take(queue, 1)] == [True]
        assert [lease.body for lease in await self.take(other, 3)] == [b"other"]

    async def test_leases_of_both_lanes_are_settled_together(self, queue: Queue, opener: QueueOpener) -> None:
        """They are complete or lost each by itself."""
        await queue.enqueue([b"other", b"lost"])
        await queue.enqueue([b"first"], is_first=True)
        client = opener()
        leases = await self.take(client, 1) + await self.take(client, 2)
        assert [lease.is_first for lease in leases] == [True, False, False]
        renewed = [lease for lease in await client.renew(leases, self.lease_seconds) if lease is not None]
        assert [lease.body for lease in renewed] == [lease.body for lease in leases]
        if client.capabilities.fenced_completion:
            gone = [lease for lease in renewed if lease.body == b"lost"]
            assert await client.complete(gone) == []
            assert await client.complete(renewed) == gone
        else:
            assert await client.complete(renewed) == []
        await self.expire()
        assert await self.drain(client) == []
        await client.close()

    async def test_both_lanes_are_shown_counted_and_purged(self, queue: Queue) -> None:
        await queue.enqueue([b"a", b"b"])
        await queue.enqueue([b"c"], is_first=True)
        shown = await queue.peek(10)
        assert (shown[0], sorted(shown)) == (b"c", [b"a", b"b", b"c"])
        assert await queue.peek(1) == [b"c"]
        assert (await queue.depth()).unsettled == 3
        assert await queue.purge() == 3
        assert await queue.peek(10) == []
        assert (await queue.depth()).unsettled == 0

    async def test_holds_finds_a_message_in_any_state(self, queue: Queue) -> None:
        await queue.enqueue([b"leased"], is_first=True)
        await self.take_one(queue)
        await queue.enqueue([b"ready", b"done"])
        await queue.enqueue([b"delayed"], delay_seconds=self.lease_seconds)
        done = [lease for lease in await self.take(queue, 2) if lease.body == b"done"]
        assert await queue.complete(done) == []
        await queue.poison(b"poison")
        found = [
            body
            for body in (b"leased", b"ready", b"delayed", b"done", b"poison")
            if await queue.holds(lambda held, body=body: held == body)  # type: ignore[misc]
        ]
        is_exact = queue.capabilities.exact_depth
        assert found == [b"leased", b"ready", b"delayed", *([] if is_exact else [b"done", b"poison"])]
