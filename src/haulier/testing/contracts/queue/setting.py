"""The fixtures and helpers of the contract of queues, and what a subclass overrides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
import pytest_asyncio

from haulier.errors import LeaseLostError
from haulier.queues.seam import Lease, Queue, QueueOpener, ThisProcess
from haulier.testing.contracts.threads import in_threads

T = TypeVar("T")


@pytest.mark.asyncio
class QueueSetting:
    """The fixtures of the contract. Override ``opener`` and ``pass_time``; adapt the numbers to the backend."""

    lease_seconds = 60.0
    """The length of leases, and the unit of time. Set 2.0 if the backend has no fake clock, since tests then wait."""
    many = 2_500
    """The number of messages in a large batch."""
    threads = 4

    @pytest.fixture
    def opener(self) -> QueueOpener:
        """Return a function that opens clients of one new queue, in any thread."""
        raise NotImplementedError("Define the fixture `opener` in the subclass: it opens clients of one new queue.")

    async def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass for the backend: advance its clock, or sleep."""
        raise NotImplementedError(
            "Define `pass_time` in the subclass: it advances the clock of the backend, or sleeps."
        )

    @pytest_asyncio.fixture
    async def queue(self, opener: QueueOpener) -> AsyncIterator[Queue]:
        queue = opener()
        yield queue
        await queue.close()

    @pytest_asyncio.fixture
    async def other(self, opener: QueueOpener) -> AsyncIterator[Queue]:
        other = opener()
        yield other
        await other.close()

    def open_as(self, process: ThisProcess) -> Queue:
        """Open a client of the same queue for another process (for `QueueCapabilities.frees_dead`)."""
        raise NotImplementedError("Define `open_as` in the subclass: it opens a client for another process.")

    async def expire(self) -> None:
        """Let every lease and delay of ``lease_seconds`` run out."""
        await self.pass_time(self.lease_seconds * 1.25)

    async def take(self, queue: Queue, limit: int = 1) -> list[Lease]:
        return await queue.dequeue(limit, self.lease_seconds)

    async def take_one(self, queue: Queue) -> Lease:
        leases = await self.take(queue, 2)
        assert len(leases) == 1, f"expected one visible message, found {len(leases)}"
        return leases[0]

    async def drain(self, queue: Queue) -> list[bytes]:
        """Take and complete all visible messages. Return their bodies in order."""
        bodies = []
        while leases := await self.take(queue, queue.capabilities.max_dequeue):
            bodies += [lease.body for lease in leases]
            assert await queue.complete(leases) == []
        return bodies

    async def hand_back(self, queue: Queue, lease: Lease, body: bytes, delay_seconds: float = 0.0) -> bytes:
        """Release a message with ``body``, or with its own if the backend cannot replace it. Return the body."""
        body = body if queue.capabilities.replaces_body else lease.body
        await queue.release(lease, body, delay_seconds=delay_seconds)
        return body

    async def require_lost(self, queue: Queue, lease: Lease) -> None:
        """Require that renewing, releasing and completing this lease are refused."""
        assert await queue.renew([lease], self.lease_seconds) == [None]
        with pytest.raises(LeaseLostError):
            await self.hand_back(queue, lease, b"from a zombie")
        if queue.capabilities.fenced_completion:
            assert await queue.complete([lease]) == [lease]

    async def in_threads(self, opener: QueueOpener, work: Callable[[Queue], Awaitable[T]]) -> Sequence[T]:
        return await in_threads(opener, work, self.threads)
