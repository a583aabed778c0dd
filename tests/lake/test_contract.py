"""The local lake keeps the contract of the seam."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.lake.opening import open_lake
from haulier.lake.seam import Lake
from haulier.testing.contracts.lake import LakeContract


class TestLocalLake(LakeContract):
    @pytest.fixture
    def lake_url(self, tmp_path: Path) -> str:
        return str(tmp_path / "lake")

    @pytest.fixture
    async def lake(self, lake_url: str, tmp_path: Path) -> AsyncIterator[Lake]:
        lake = open_lake(lake_url, base=tmp_path, clock=SystemClock())
        yield lake
        await lake.close()
