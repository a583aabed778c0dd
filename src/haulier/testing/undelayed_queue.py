"""A queue whose messages come back at once: nobody waits for the next try of an item."""

from __future__ import annotations

from collections.abc import Sequence

from haulier.queues.memory import MemoryQueue
from haulier.queues.seam import Lease


class UndelayedQueue(MemoryQueue):
    async def enqueue(self, bodies: Sequence[bytes], *, delay_seconds: float = 0.0, is_first: bool = False) -> None:
        await super().enqueue(bodies, is_first=is_first)

    async def release(self, lease: Lease, body: bytes, *, delay_seconds: float = 0.0) -> None:
        await super().release(lease, body)
