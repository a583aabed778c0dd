"""Where the contract of queues takes place: the fixtures of its parts, and what a backend's own test overrides."""

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
    """Override ``opener`` and ``pass_time``; the rest may be tuned to what a backend can bear."""

    lease_seconds = 60.0
    """What the suite calls a lease, and its unit of time. Short (2 s) where time cannot be turned: it waits it out."""
    many = 2_500
    """Messages of a large batch."""
    threads = 4

    @pytest.fixture
    def opener(self) -> QueueOpener:
        """Opens clients of one queue, empty at first, in any thread."""
        raise NotImplementedError("A fixture `opener` opens clients of a fresh queue of the backend under test.")

    async def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass for the backend: turn its clock, or wait."""
        raise NotImplementedError("`pass_time` turns the clock of the backend under test, or waits.")

    @pytest_asyncio.fixture
    async def queue(self, opener: QueueOpener) -> AsyncIterator[Queue]:
        queue = opener()
        yield queue
        await queue.close()

    @pytest_asyncio.fixture
    async def other(self, opener: QueueOpener) -> AsyncIterator[Queue]:
        """A second client of the same queue."""
        other = opener()
        yield other
        await other.close()

    def open_as(self, process: ThisProcess) -> Queue:
        """A client of the same queue for a process of that mark (for `QueueCapabilities.frees_dead`)."""
        raise NotImplementedError("`open_as` opens a client for another process than this one.")

    async def expire(self) -> None:
        """Let every lease and delay of ``lease_seconds`` run out."""
        await self.pass_time(self.lease_seconds * 1.25)

    async def take(self, queue: Queue, limit: int = 1) -> list[Lease]:
        return await queue.dequeue(limit, self.lease_seconds)

    async def take_one(self, queue: Queue) -> Lease:
        """The one message that is visible."""
        leases = await self.take(queue, 2)
        assert len(leases) == 1, f"one visible message was expected, not {len(leases)}"
        return leases[0]

    async def drain(self, queue: Queue) -> list[bytes]:
        """Take and complete all that is visible. Returns the bodies in the order handed out."""
        bodies = []
        while leases := await self.take(queue, queue.capabilities.max_dequeue):
            bodies += [lease.body for lease in leases]
            assert await queue.complete(leases) == []
        return bodies

    async def hand_back(self, queue: Queue, lease: Lease, body: bytes, delay_seconds: float = 0.0) -> bytes:
        """Release a message with ``body``, or with its own where the backend cannot replace it. Returns which."""
        body = body if queue.capabilities.replaces_body else lease.body
        await queue.release(lease, body, delay_seconds=delay_seconds)
        return body

    async def require_lost(self, queue: Queue, lease: Lease) -> None:
        """Whatever is done with a lost lease is refused, and none of it is a crash."""
        assert await queue.renew([lease], self.lease_seconds) == [None]
        with pytest.raises(LeaseLostError):
            await self.hand_back(queue, lease, b"from a zombie")
        if queue.capabilities.fenced_completion:
            assert await queue.complete([lease]) == [lease]

    async def in_threads(self, opener: QueueOpener, work: Callable[[Queue], Awaitable[T]]) -> Sequence[T]:
        """Do ``work`` in several threads at once, each with an event loop and a client of its own."""
        return await in_threads(opener, work, self.threads)
