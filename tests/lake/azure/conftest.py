"""Lakes in a container of Azurite, reached through a proxy that breaks answers, and a client of its own beside."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from azure.storage.blob.aio import ContainerClient

from haulier.clock import Clock, SystemClock
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.lake import AzureLake
from haulier.testing.proxy.operations import blob_operation, storage_refusal
from haulier.testing.proxy.rules import FaultRule
from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import QUIET
from tests.harness.azurite import Azurite, fresh_name


@dataclass
class Container:
    """With a lake in its folder ``lake``."""

    azurite: Azurite
    name: str
    proxy: FaultProxy
    beside: ContainerClient
    """Past the proxy, as another program."""

    def folder(self, **account: str) -> ContainerFolder:
        """Through the proxy; ``account`` replaces fields of the account."""
        changes = {"blob_endpoint": f"{self.proxy.url}/{self.azurite.account.name}", **account}
        return ContainerFolder(replace(self.azurite.account, **changes), self.name, "lake", f"az://{self.name}/lake")

    @asynccontextmanager
    async def lake(self, clock: Clock | None = None, **account: str) -> AsyncIterator[AzureLake]:
        lake = AzureLake(self.folder(**account), clock or SystemClock(), random.Random(1))
        yield lake
        await lake.close()

    def breaks(self, *rules: FaultRule) -> None:
        self.proxy.rules.use(rules)

    async def blobs(self) -> dict[str, bytes]:
        """What stands below the lake's folder."""
        found = {}
        async for blob in self.beside.list_blobs(name_starts_with="lake/"):
            found[blob.name.removeprefix("lake/")] = bytes(await (await self.beside.download_blob(blob.name)).readall())
        return found


@pytest.fixture
async def container(azurite: Azurite) -> AsyncIterator[Container]:
    name, upstream = fresh_name(), azurite.blob_url.rpartition("/")[0]
    async with (
        FaultProxy(upstream, QUIET, name=blob_operation, refuse=storage_refusal) as proxy,
        ContainerClient.from_connection_string(azurite.connection_string, name) as beside,
    ):
        await beside.create_container()
        yield Container(azurite, name, proxy, beside)


@pytest.fixture
async def azure_lake(container: Container) -> AsyncIterator[AzureLake]:
    async with container.lake() as lake:
        yield lake
