"""The queue of a storage account keeps the contract, on the emulator."""

from __future__ import annotations

import asyncio

import pytest

from haulier.clock import SystemClock
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.seam import QueueOpener
from haulier.testing.contracts.queue import QueueContract
from tests.harness.azurite import Azurite, fresh_name


class TestAzureQueue(QueueContract):
    lease_seconds = 2.0
    many = 300

    @pytest.fixture
    def opener(self, azurite: Azurite) -> QueueOpener:
        name, account = fresh_name("queue"), azurite.account
        return lambda: AzureQueue(account, name, SystemClock())

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
