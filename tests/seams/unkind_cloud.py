"""A run over the model of Azure's queue, or over that and a container of Azurite behind a proxy: both may be unkind."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from azure.storage.blob.aio import ContainerClient

from haulier.azure.account import AzureAccount
from haulier.clock import SystemClock
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.lake import AzureLake
from haulier.lake.seam import Lake
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.seam import Queue
from haulier.rows.seam import Rows
from haulier.runs.run import Run
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.proxy.server import FaultProxy
from tests.harness.azurite import Azurite, fresh_name
from tests.harness.things import Things, ThingsApi, things
from tests.queues.azure.service import account_of
from tests.seams.cloud import Cloud

WORKERS = 3
LEASE_SECONDS = 3.0
ITEMS = tuple(things(start, start + 4) for start in range(0, 160, 4))
EMPTY, DIVIDED = 8, 20


@dataclass
class UnkindCloud(Cloud):
    """Its queue is the model of Azure's: one client for this event loop, and those that the keepers open and close."""

    account: AzureAccount | None = None
    client: AzureQueue | None = None

    @property
    def queue(self) -> Queue:
        if threading.current_thread() is not threading.main_thread():
            return self.open()
        if self.client is None:
            self.client = self.open()
        return self.client

    def open(self) -> AzureQueue:
        assert self.account is not None
        return AzureQueue(self.account, "items", self.clock, call_seconds=self.lease_seconds / 6)

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()


@asynccontextmanager
async def cloud_on(service: AzureQueueServer) -> AsyncIterator[UnkindCloud]:
    cloud = UnkindCloud(SystemClock(), api=_api(), account=account_of(service), lease_seconds=LEASE_SECONDS)
    try:
        yield cloud
    finally:
        await cloud.close()


def _api() -> ThingsApi:
    return ThingsApi(empty={EMPTY}, divided={DIVIDED}, smallest=2, latency_seconds=0.02)


async def haul(cloud: UnkindCloud, items: Sequence[Things] = ITEMS) -> Run:
    """Plan, and work with some workers until the run is closed."""
    run = await cloud.plan(items)
    reasons = await asyncio.gather(*(cloud.work(run) for _ in range(WORKERS)))
    assert reasons == [""] * WORKERS
    verdict = await cloud.verdict(run)
    assert (verdict.verdict, verdict.totals.records) == ("complete", 4 * (len(items) - 1))
    assert verdict.totals.poisoned == 0
    return run


@dataclass
class AzureCloud(UnkindCloud):
    """Its lake and its rows stand in a container."""

    container_lake: AzureLake | None = None

    @property
    def lake(self) -> Lake:
        assert self.container_lake is not None
        return self.container_lake

    @property
    def scope_rows(self) -> Rows:
        assert self.container_lake is not None
        return self.container_lake.rows()

    async def close(self) -> None:
        await super().close()
        if self.container_lake is not None:
            await self.container_lake.close()


@asynccontextmanager
async def azure_cloud(
    service: AzureQueueServer, proxy: FaultProxy, azurite: Azurite, folder: Path
) -> AsyncIterator[AzureCloud]:
    """On leaving, the container is written to ``folder``, past the proxy."""
    name, account = fresh_name("lake"), azurite.account
    async with ContainerClient.from_connection_string(azurite.connection_string, name) as beside:
        await beside.create_container()
        behind = replace(account, blob_endpoint=f"{proxy.url}/{account.name}")
        clock = SystemClock()
        lake = AzureLake(ContainerFolder(behind, name, "lake", f"az://{name}/lake"), clock, random.Random(1))
        cloud = AzureCloud(
            clock, api=_api(), account=account_of(service), lease_seconds=LEASE_SECONDS, container_lake=lake
        )
        try:
            yield cloud
            await _export(beside, folder)
        finally:
            await cloud.close()


async def _export(beside: ContainerClient, folder: Path) -> None:
    """Write the blobs down as files, for the oracle."""
    async for blob in beside.list_blobs(name_starts_with="lake/"):
        path = folder / blob.name.removeprefix("lake/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(await (await beside.download_blob(blob.name)).readall()))
