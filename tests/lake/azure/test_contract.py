"""The lake in a container keeps the contract of the seam, on Azurite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from haulier.clock import SystemClock
from haulier.lake.opening import open_lake
from haulier.lake.seam import Lake
from haulier.testing.contracts.lake import LakeContract
from tests.harness.azurite import Azurite, fresh_name


class TestAzureLake(LakeContract):
    @pytest.fixture
    def lake_url(self, azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
        for name, value in azurite.environ.items():
            monkeypatch.setenv(name, value)
        container = fresh_name()
        with ContainerClient.from_connection_string(azurite.connection_string, container) as client:
            client.create_container()
        return f"az://{container}/lake"

    @pytest.fixture
    async def lake(self, lake_url: str, tmp_path: Path) -> AsyncIterator[Lake]:
        lake = open_lake(lake_url, base=tmp_path, clock=SystemClock())
        yield lake
        await lake.close()
