"""Rows in memory keep the contract of the seam."""

import pytest

from haulier.rows.memory import MemoryRows, RowStore
from haulier.rows.seam import RowsOpener
from haulier.testing.contracts.rows import RowsContract


class TestMemoryRows(RowsContract):
    @pytest.fixture
    def opener(self) -> RowsOpener:
        store = RowStore()
        return lambda: MemoryRows(store)
