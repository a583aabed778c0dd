"""The contract that every queue backend keeps, as a test class to subclass (it needs pytest and pytest-asyncio):

    class TestMyQueue(QueueContract):
        @pytest.fixture
        def opener(self) -> QueueOpener:
            self.clock = FakeClock()
            return MyQueueOpener(self.clock)

        async def pass_time(self, seconds: float) -> None:
            self.clock.advance(seconds)

Where time cannot be turned, ``lease_seconds = 2.0`` and a ``pass_time`` that sleeps do the same. What a backend lacks
by its `QueueCapabilities` is skipped, visibly. ``pytest.register_assert_rewrite("haulier.testing")`` in a
``conftest.py`` makes a failure show its values.
"""

from __future__ import annotations

from haulier.testing.contracts.queue.clients import ClientContract
from haulier.testing.contracts.queue.leases import LeaseContract
from haulier.testing.contracts.queue.messages import MessageContract


class QueueContract(MessageContract, LeaseContract, ClientContract):
    """Everything that `haulier.queues.seam.Queue` promises and that can be seen from outside."""
