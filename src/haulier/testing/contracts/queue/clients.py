"""The part of `QueueContract` about several clients, threads and closing."""

from __future__ import annotations

import pytest

from haulier.queues.seam import Queue, QueueOpener
from haulier.testing.contracts.queue.setting import QueueSetting


class ClientContract(QueueSetting):
    async def test_clients_share_one_queue(self, queue: Queue, other: Queue) -> None:
        await queue.enqueue([b"%d" % n for n in range(10)])
        first, second = await self.take(other, 6), await self.take(queue, 6)
        assert sorted(lease.body for lease in first + second) == [b"%d" % n for n in range(10)]

    async def test_lease_is_settled_by_any_client(self, queue: Queue, other: Queue) -> None:
        """The token counts, not the client: the lease keeper has its own client."""
        await queue.enqueue([b"one", b"two"])
        first, second = await self.take(queue, 2)
        renewed = await other.renew([first, second], self.lease_seconds)
        assert renewed[0] is not None
        assert renewed[1] is not None
        body = await self.hand_back(other, renewed[0], b"again")
        assert await queue.complete([renewed[1]]) == []
        assert (await self.take_one(queue)).body == body

    async def test_clients_in_threads(self, queue: Queue, opener: QueueOpener) -> None:
        bodies = [b"%04d" % n for n in range(200)]
        await queue.enqueue(bodies)

        async def drain_slowly(client: Queue) -> list[bytes]:
            mine = []
            while leases := await self.take(client, 3):
                mine += [lease.body for lease in leases]
                assert await client.complete(leases) == []
            return mine

        drained = await self.in_threads(opener, drain_slowly)
        assert sorted(body for mine in drained for body in mine) == bodies
        assert await queue.peek(1) == []

    async def test_enqueue_in_threads(self, queue: Queue, opener: QueueOpener) -> None:

        async def enqueue(client: Queue) -> None:
            for _ in range(20):
                await client.enqueue([b"x"] * 5)

        await self.in_threads(opener, enqueue)
        assert len(await self.drain(queue)) == 100 * self.threads

    async def test_close_is_no_release(self, opener: QueueOpener, queue: Queue) -> None:
        """Leases outlive their client: other clients may settle them, and they expire as before."""
        await queue.enqueue([b"one", b"two"])
        client = opener()
        leases = await self.take(client, 2)
        await client.close()
        assert await self.take(queue, 2) == []
        assert await queue.complete(leases[:1]) == []
        await self.expire()
        assert (await self.take_one(queue)).body == leases[1].body

    async def test_close_may_be_repeated(self, opener: QueueOpener, queue: Queue) -> None:
        await queue.enqueue([b"one"])
        unused, client = opener(), opener()
        await unused.close()
        assert await client.peek(1) == [b"one"]
        await client.close()
        await client.close()
        lease = await self.take_one(queue)
        assert lease.body == b"one"
        later = opener()
        [renewed] = await later.renew([lease], self.lease_seconds)
        assert renewed is not None
        assert await later.complete([renewed]) == []
        await later.close()

    async def test_closed_client_refuses(self, opener: QueueOpener) -> None:
        client = opener()
        await client.enqueue([b"one"])
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            await client.enqueue([b"two"])
        with pytest.raises(RuntimeError, match="closed"):
            await self.take(client)
