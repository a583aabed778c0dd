"""The queue in memory keeps the contract."""

import pytest

from haulier.queues.memory import MemoryQueueOpener
from haulier.queues.seam import QueueOpener
from haulier.testing.clock import FakeClock
from haulier.testing.contracts.queue import QueueContract


class TestMemoryQueue(QueueContract):
    @pytest.fixture
    def opener(self) -> QueueOpener:
        self.clock = FakeClock()
        return MemoryQueueOpener(self.clock)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


async def test_openers_are_queues_of_their_own() -> None:
    """Two openers share nothing; the clients of one do."""
    clock = FakeClock()
    one, another = MemoryQueueOpener(clock), MemoryQueueOpener(clock)
    await one().enqueue([b"mine"])
    assert await one().peek(10) == [b"mine"]
    assert await another().peek(10) == []
