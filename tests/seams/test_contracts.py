"""Throwaway backends, written from the seams alone, pass the shipped suites unchanged."""

from __future__ import annotations

import pytest

from haulier.lake.seam import Lake
from haulier.queues.seam import QueueOpener
from haulier.rows.seam import RowsOpener
from haulier.testing.clock import FakeClock
from haulier.testing.contracts.lake import LakeContract
from haulier.testing.contracts.queue import QueueContract
from haulier.testing.contracts.rows import RowsContract
from tests.seams.object_lake import ObjectLake, Objects
from tests.seams.object_rows import ObjectRows, VersionedObjects
from tests.seams.receipt_queue import ReceiptQueue, ReceiptStore


class TestObjectLake(LakeContract):
    has_processes = False

    @pytest.fixture
    def lake(self) -> Lake:
        return ObjectLake(Objects())


class TestReceiptQueue(QueueContract):
    @pytest.fixture
    def opener(self) -> QueueOpener:
        self.clock, store = FakeClock(), ReceiptStore()
        return lambda: ReceiptQueue(store, self.clock)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestObjectRows(RowsContract):
    @pytest.fixture
    def opener(self) -> RowsOpener:
        store = VersionedObjects()
        return lambda: ObjectRows(store)
