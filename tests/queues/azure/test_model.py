"""The queue of a storage account keeps the contract, on the model of the service: with receipts that are stale by 400
or 404, and whatever order it hands out in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haulier.clock import SystemClock
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.seam import QueueOpener
from haulier.testing.azure_queue.process import AzureQueueProcess
from haulier.testing.azure_queue.settings import AzureQueueSettings
from haulier.testing.contracts.queue import QueueContract
from tests.harness.azurite import fresh_name
from tests.queues.azure.service import account_of


@pytest.fixture(scope="module")
def service() -> Iterator[AzureQueueProcess]:
    with AzureQueueProcess(AzureQueueSettings(seed=3, stale_404_rate=0.5, reorder_rate=0.5)) as service:
        yield service


class TestAzureQueueOnTheModel(QueueContract):
    many = 300

    @pytest.fixture
    def opener(self, service: AzureQueueProcess) -> QueueOpener:
        self.service = service
        name, account = fresh_name("queue"), account_of(service)
        return lambda: AzureQueue(account, name, SystemClock())

    async def pass_time(self, seconds: float) -> None:
        self.service.advance(seconds)
