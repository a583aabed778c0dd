"""The contract of queues, third part: several clients, threads, closing, and the rows that all clients share."""

from __future__ import annotations

import json

import pytest

from haulier.queues.envelope import MAX_BODY_BYTES
from haulier.queues.seam import Depth, QueueClient, QueueOpener
from haulier.testing.contracts.queue.setting import QueueSetting


class ClientContract(QueueSetting):
    """What clients of one queue see of each other."""

    async def test_clients_share_one_queue(self, queue: QueueClient, other: QueueClient) -> None:
        """What one client enqueues another is handed; between them no message is handed out twice."""
        await queue.enqueue([b"%d" % n for n in range(10)])
        first, second = await self.take(other, 6), await self.take(queue, 6)
        assert sorted(lease.body for lease in first + second) == [b"%d" % n for n in range(10)]

    async def test_lease_is_settled_by_any_client(self, queue: QueueClient, other: QueueClient) -> None:
        """The token is what counts, not the client that was given it: the lease keeper has a client of its own."""
        await queue.enqueue([b"one", b"two"])
        first, second = await self.take(queue, 2)
        renewed = await other.renew([first, second], self.lease_seconds)
        assert renewed[0] is not None
        assert renewed[1] is not None
        await other.release(renewed[0], b"again")
        assert await queue.complete([renewed[1]]) == []
        assert (await self.take_one(queue)).body == b"again"

    async def test_clients_in_threads(self, queue: QueueClient, opener: QueueOpener) -> None:
        """Threads that drain one queue at once are handed every message, and each of them once."""
        bodies = [b"%04d" % n for n in range(200)]
        await queue.enqueue(bodies)

        async def drain_slowly(client: QueueClient) -> list[bytes]:
            mine = []
            while leases := await self.take(client, 3):
                mine += [lease.body for lease in leases]
                assert await client.complete(leases) == []
            return mine

        drained = await self.in_threads(opener, drain_slowly)
        assert sorted(body for mine in drained for body in mine) == bodies
        assert await queue.peek(1) == []

    async def test_enqueue_in_threads(self, queue: QueueClient, opener: QueueOpener) -> None:
        """Of messages enqueued at once by several threads none is lost."""

        async def enqueue(client: QueueClient) -> None:
            for _ in range(20):
                await client.enqueue([b"x"] * 5)

        await self.in_threads(opener, enqueue)
        assert len(await self.drain(queue)) == 100 * self.threads

    async def test_close_is_no_release(self, opener: QueueOpener, queue: QueueClient) -> None:
        """Leases outlive the client that took them: others may settle them, and they run out as they would have."""
        await queue.enqueue([b"one", b"two"])
        client = opener()
        leases = await self.take(client, 2)
        await client.close()
        assert await self.take(queue, 2) == []
        assert await queue.complete(leases[:1]) == []
        await self.expire()
        assert (await self.take_one(queue)).body == leases[1].body

    async def test_close_may_be_repeated(self, opener: QueueOpener, queue: QueueClient) -> None:
        """A client may be closed twice, or unused; other clients and later ones go on."""
        await queue.enqueue([b"one"])
        unused, client = opener(), opener()
        await unused.close()
        assert await client.peek(1) == [b"one"]
        await client.close()
        await client.close()
        assert (await self.take_one(queue)).body == b"one"
        later = opener()
        assert await later.peek(1) == [b"one"]
        await later.close()

    async def test_closed_client_refuses(self, opener: QueueOpener) -> None:
        """A call after close is a programming error, and says so."""
        client = opener()
        await client.enqueue([b"one"])
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            await client.enqueue([b"two"])
        with pytest.raises(RuntimeError, match="closed"):
            await self.take(client)
        with pytest.raises(RuntimeError, match="closed"):
            await client.read("scope")

    async def test_row_that_nobody_wrote(self, queue: QueueClient) -> None:
        """A document that nobody has written is None, to read and to update."""
        seen: list[bytes | None] = []

        def change(old: bytes | None) -> bytes:
            seen.append(old)
            return b"first"

        assert await queue.read("scope") is None
        assert await queue.update("scope", change) == b"first"
        assert seen
        assert set(seen) == {None}

    async def test_row_is_seen_by_all(self, queue: QueueClient, other: QueueClient) -> None:
        """An update stands on what the last one wrote, whoever made it, and all clients read it."""
        await queue.update("scope", lambda _: b"1")
        assert await other.update("scope", lambda old: (old or b"") + b"2") == b"12"
        assert await queue.read("scope") == b"12"

    async def test_rows_are_apart(self, queue: QueueClient) -> None:
        """Documents of different names have nothing to do with each other, nor with messages."""
        name = "api.example.com/v1?key=\u00fc " * 3
        await queue.update("a", lambda _: b"A")
        await queue.update(name, lambda _: b"B")
        await queue.enqueue([b"work"])
        await queue.purge()
        assert [await queue.read("a"), await queue.read(name), await queue.read("b")] == [b"A", b"B", None]
        if queue.capabilities.exact_depth:
            assert await queue.depth() == Depth(ready=0, delayed=0, leased=0, poisoned=0)

    async def test_row_of_48_kib(self, queue: QueueClient) -> None:
        """A document may be as large as a message."""
        body = json.dumps(["x" * 1_000] * 48).encode()[:MAX_BODY_BYTES]
        assert await queue.update("large", lambda _: body) == body
        assert await queue.read("large") == body

    async def test_change_that_fails(self, queue: QueueClient, other: QueueClient) -> None:
        """A change that raises changes nothing; its error comes out, and the client goes on."""

        def fail(old: bytes | None) -> bytes:
            raise ZeroDivisionError

        await queue.update("scope", lambda _: b"good")
        with pytest.raises(ZeroDivisionError):
            await queue.update("scope", fail)
        assert await other.update("scope", lambda old: (old or b"") + b"!") == b"good!"
        await queue.enqueue([b"one"])
        assert (await self.take_one(queue)).body == b"one"

    async def test_updates_are_atomic(self, queue: QueueClient, opener: QueueOpener) -> None:
        """Of updates made at once by several threads none is lost: each sees the one before."""

        def increment(old: bytes | None) -> bytes:
            return b"%d" % (int(old or b"0") + 1)

        async def count(client: QueueClient) -> list[bytes]:
            return [await client.update("count", increment) for _ in range(50)]

        answers = await self.in_threads(opener, count)
        assert await queue.read("count") == b"%d" % (50 * self.threads)
        assert sorted(int(one) for mine in answers for one in mine) == list(range(1, 50 * self.threads + 1))
