"""The part of `QueueContract` about messages."""

from __future__ import annotations

import string

import pytest

from haulier.queues.envelope import MAX_BODY_BYTES
from haulier.queues.seam import Depth, Queue
from haulier.testing.contracts.queue.setting import QueueSetting

BODIES = {
    "json": b'{"v":1,"kind":"ids","payload":{"ids":[1,5000]}}',
    "printable": string.printable[:95].encode(),
    "markup": b"<a href='x'>&amp;]]>&#0;<!-- --></a>",
    "like base64": b"aGF1bGllcg==",
    "like a number": b"0012.500",
    "blanks around": b"  \t\n x \n\t  ",
    "one byte": b"x",
}
"""ASCII that some queues change, such as services that transport XML or base64."""


class MessageContract(QueueSetting):
    async def test_message_comes_out_as_it_went_in(self, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        lease = await self.take_one(queue)
        assert (lease.body, lease.deliveries) == (b"one", 1)
        assert lease.token

    async def test_queue_exists_once_it_holds_something(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"one"])
        assert await queue.exists()
        assert await other.exists()

    async def test_empty_queue_hands_out_nothing(self, queue: Queue) -> None:
        assert await self.take(queue) == []
        assert await self.take(queue, 10) == []

    async def test_enqueue_of_nothing(self, queue: Queue) -> None:
        await queue.enqueue([])
        assert await self.take(queue, 10) == []

    async def test_limit_is_kept(self, queue: Queue) -> None:
        await queue.enqueue([b"%d" % n for n in range(5)])
        first, second = await self.take(queue, 3), await self.take(queue, 3)
        assert (len(first), len(second)) == (3, 2)
        assert {lease.body for lease in first + second} == {b"%d" % n for n in range(5)}

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_limit_of_none(self, queue: Queue, limit: int) -> None:
        await queue.enqueue([b"one"])
        assert await self.take(queue, limit) == []
        assert (await self.take_one(queue)).deliveries == 1

    async def test_limit_above_the_backends_own(self, queue: Queue) -> None:
        most = queue.capabilities.max_dequeue
        await queue.enqueue([b"%d" % n for n in range(most + 3)])
        assert 0 < len(await self.take(queue, most + 3)) <= most

    async def test_leased_message_is_hidden(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"one"])
        await self.take_one(queue)
        await self.pass_time(self.lease_seconds / 2)
        assert await self.take(other) == []

    async def test_tokens_differ(self, queue: Queue) -> None:
        await queue.enqueue([b"%d" % n for n in range(10)])
        first = await self.take(queue, 10)
        await self.expire()
        second = await self.take(queue, 10)
        assert len({lease.token for lease in first + second}) == 20

    async def test_oldest_visibility_comes_first(self, queue: Queue) -> None:
        if not queue.capabilities.is_ordered:
            pytest.skip(f"{queue.capabilities.name} promises no order")
        unit = self.lease_seconds / 4
        await queue.enqueue([b"third"], delay_seconds=3 * unit)
        await queue.enqueue([b"second"], delay_seconds=2 * unit)
        await queue.enqueue([b"first"])
        await self.pass_time(4 * unit)
        await queue.enqueue([b"fourth"])
        assert await self.drain(queue) == [b"first", b"second", b"third", b"fourth"]

    async def test_expired_lease_queues_by_its_expiry(self, queue: Queue) -> None:
        """An expired message comes after those that became visible earlier."""
        if not queue.capabilities.is_ordered:
            pytest.skip(f"{queue.capabilities.name} promises no order")
        await queue.enqueue([b"abandoned"])
        await self.take_one(queue)
        await queue.enqueue([b"waiting"], delay_seconds=self.lease_seconds / 2)
        await self.expire()
        assert await self.drain(queue) == [b"waiting", b"abandoned"]

    async def test_delay_hides_a_message(self, queue: Queue) -> None:
        await queue.enqueue([b"later"], delay_seconds=self.lease_seconds)
        await self.pass_time(self.lease_seconds / 2)
        assert await self.take(queue) == []
        await self.expire()
        assert (await self.take_one(queue)).deliveries == 1

    async def test_negative_delay_is_none(self, queue: Queue) -> None:
        await queue.enqueue([b"one"], delay_seconds=-5.0)
        lease = await self.take_one(queue)
        body = await self.hand_back(queue, lease, b"two", delay_seconds=-5.0)
        assert (await self.take_one(queue)).body == body

    async def test_delay_above_the_backends_own(self, queue: Queue) -> None:
        await queue.enqueue([b"one"], delay_seconds=100 * 366 * 86_400.0)
        assert await self.take(queue) == []

    async def test_large_batch(self, queue: Queue) -> None:
        bodies = [b"%06d" % n for n in range(self.many)]
        await queue.enqueue(bodies)
        assert sorted(await self.drain(queue)) == bodies

    async def test_largest_body(self, queue: Queue) -> None:
        """48 KiB of ASCII pass unchanged through enqueue, release, peek and poison."""
        body = (string.ascii_letters * 1_000)[:MAX_BODY_BYTES].encode()
        await queue.enqueue([body])
        lease = await self.take_one(queue)
        assert lease.body == body
        released = await self.hand_back(queue, lease, body[::-1])
        await queue.poison(body)
        assert await queue.peek(1) == [released]
        assert await queue.peek(1, poison=True) == [body]

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_any_ascii_body(self, queue: Queue, body: bytes) -> None:
        await queue.enqueue([body])
        lease = await self.take_one(queue)
        assert lease.body == body
        await queue.release(lease, body)
        assert (await self.take_one(queue)).body == body

    async def test_poison_queue_stands_apart(self, queue: Queue) -> None:
        for body in (b"first", b"second", b"third"):
            await queue.poison(body)
        assert await queue.peek(2, poison=True) == [b"first", b"second"]
        assert await queue.peek(10, poison=True) == [b"first", b"second", b"third"]
        assert await self.take(queue, 10) == []
        assert await queue.peek(10) == []

    async def test_peek_changes_nothing(self, queue: Queue) -> None:
        """Peek shows ready messages, may show delayed or leased ones, and changes none."""
        await queue.enqueue([b"leased"])
        lease = await self.take_one(queue)
        await queue.enqueue([b"ready"])
        await queue.enqueue([b"delayed"], delay_seconds=self.lease_seconds)
        for _ in range(2):
            shown = await queue.peek(10)
            assert len(shown) == len(set(shown))
            assert {b"ready"} <= set(shown) <= {b"delayed", b"leased", b"ready"}
        assert (await self.take_one(queue)).deliveries == 1
        assert await queue.complete([lease]) == []

    @pytest.mark.parametrize("is_poison", [False, True], ids=["messages", "poison"])
    async def test_peek_keeps_its_limit(self, queue: Queue, is_poison: bool) -> None:
        await queue.enqueue([b"a", b"b", b"c"])
        for body in (b"a", b"b", b"c"):
            await queue.poison(body)
        for limit, shown in ((-1, 0), (0, 0), (2, 2), (9, 3)):
            assert len(await queue.peek(limit, poison=is_poison)) == shown

    async def test_depth_counts_by_state(self, queue: Queue) -> None:
        self._require_exact_depth(queue)
        assert await queue.depth() == Depth(ready=0, delayed=0, leased=0, poisoned=0)
        await queue.enqueue([b"%d" % n for n in range(6)])
        await queue.enqueue([b"later"] * 2, delay_seconds=self.lease_seconds * 2)
        leases = await self.take(queue, 3)
        await queue.poison(b"bad")
        assert await queue.depth() == Depth(ready=3, delayed=2, leased=3, poisoned=1)
        await queue.complete(leases[:1])
        await self.hand_back(queue, leases[1], b"again", delay_seconds=self.lease_seconds * 2)
        assert await queue.depth() == Depth(ready=3, delayed=3, leased=1, poisoned=1)
        assert (await queue.depth()).unsettled == 7

    async def test_depth_after_time_has_passed(self, queue: Queue) -> None:
        """Expired leases and delays count as ready, even before a dequeue."""
        self._require_exact_depth(queue)
        await queue.enqueue([b"leased"])
        await self.take_one(queue)
        await queue.enqueue([b"delayed"], delay_seconds=self.lease_seconds)
        assert await queue.depth() == Depth(ready=0, delayed=1, leased=1, poisoned=0)
        await self.expire()
        assert await queue.depth() == Depth(ready=2, delayed=0, leased=0, poisoned=0)

    async def test_a_check_leaves_nothing(self, queue: Queue) -> None:
        """Neither in an empty queue, nor beside what is there."""
        await queue.check()
        assert await self.take(queue, 10) == []
        await queue.enqueue([b"work"])
        await queue.poison(b"bad")
        await queue.check()
        await self.expire()
        assert [lease.body for lease in await self.take(queue, 10)] == [b"work"]
        assert await queue.peek(10, poison=True) == [b"bad"]

    async def test_purge_removes_every_message(self, queue: Queue) -> None:
        """Purge removes messages in any state, returns their number, and keeps the poison queue."""
        await queue.enqueue([b"a", b"b", b"c"])
        await queue.enqueue([b"later"], delay_seconds=self.lease_seconds)
        lease = (await self.take(queue))[0]
        await queue.poison(b"bad")
        assert await queue.purge() == 4
        assert await queue.purge() == 0
        await self.require_lost(queue, lease)
        await self.expire()
        assert await self.take(queue, 10) == []
        assert await queue.peek(10, poison=True) == [b"bad"]

    async def test_purge_of_the_poison_queue(self, queue: Queue) -> None:
        await queue.enqueue([b"work"])
        await queue.poison(b"bad")
        await queue.poison(b"worse")
        assert await queue.purge(poison=True) == 2
        assert await queue.peek(10, poison=True) == []
        assert (await self.take_one(queue)).body == b"work"

    async def test_queue_goes_on_after_a_purge(self, queue: Queue) -> None:
        await queue.enqueue([b"old"])
        old = await self.take_one(queue)
        await queue.purge()
        await queue.enqueue([b"new"])
        await self.require_lost(queue, old)
        new = await self.take_one(queue)
        assert (new.body, new.deliveries) == (b"new", 1)
        await self.require_lost(queue, old)
        assert await queue.complete([new]) == []

    def _require_exact_depth(self, queue: Queue) -> None:
        if not queue.capabilities.exact_depth:
            pytest.skip(f"{queue.capabilities.name} counts roughly")
