"""The contract of every queue backend, as a test class to subclass (needs pytest and pytest-asyncio):

    class TestMyQueue(QueueContract):
        @pytest.fixture
        def opener(self) -> QueueOpener:
            self.clock = FakeClock()
            return MyQueueOpener(self.clock)

        async def pass_time(self, seconds: float) -> None:
            self.clock.advance(seconds)

If the backend has no fake clock, set ``lease_seconds = 2.0`` and let ``pass_time`` sleep. Tests of what the backend
lacks, by its `QueueCapabilities`, are reported as skipped. ``pytest.register_assert_rewrite("haulier.testing")`` in a
``conftest.py`` makes failures show their values.
"""

from __future__ import annotations

from haulier.testing.contracts.queue.clients import ClientContract
from haulier.testing.contracts.queue.lanes import LaneContract
from haulier.testing.contracts.queue.leases import LeaseContract
from haulier.testing.contracts.queue.messages import MessageContract


class QueueContract(MessageContract, LaneContract, LeaseContract, ClientContract):
    """The whole contract of `haulier.queues.seam.Queue`."""
