"""Whole runs over a queue service that loses answers, repeats messages, forgets order and goes away (G1, G2)."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from haulier.azure.account import AzureAccount
from haulier.clock import SystemClock
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.seam import Queue
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import UNKIND, AzureQueueSettings
from haulier.testing.proxy.rules import Fault, FaultRule
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
    api = ThingsApi(empty={EMPTY}, divided={DIVIDED}, smallest=2, latency_seconds=0.02)
    cloud = UnkindCloud(SystemClock(), api=api, account=account_of(service), lease_seconds=LEASE_SECONDS)
    try:
        yield cloud
    finally:
        await cloud.close()


async def haul(cloud: UnkindCloud, folder: Path, items: Sequence[Things] = ITEMS) -> None:
    """Plan, work with some workers, and let the oracle count."""
    run = await cloud.plan(items)
    reasons = await asyncio.gather(*(cloud.work(run) for _ in range(WORKERS)))
    assert reasons == [""] * WORKERS
    verdict = await cloud.verdict(run)
    assert (verdict.verdict, verdict.totals.records) == ("complete", 4 * (len(items) - 1))
    assert verdict.totals.poisoned == 0
    cloud.judge(run, folder)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
async def test_g1_nothing_is_lost_over_an_unkind_service(tmp_path: Path, seed: int) -> None:
    """Everything at once, and many duplicates: each record is there once, and nothing is poisoned."""
    settings = dataclasses.replace(AzureQueueSettings(seed=seed, **UNKIND), duplicate_rate=0.1)
    async with AzureQueueServer(settings) as service:
        async with cloud_on(service) as cloud:
            await haul(cloud, tmp_path)
        assert service.counters.struck
        assert service.counters.duplicated


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "rate"), [("put", 0.3), ("get", 0.15), ("delete", 0.3)])
async def test_g2_answers_of_an_operation_are_lost(tmp_path: Path, operation: str, rate: float) -> None:
    """One object for each item, from one attempt."""
    rules = (FaultRule("lost", operation, rate=rate),)
    async with AzureQueueServer(AzureQueueSettings(seed=5, rules=rules, stale_404_rate=0.5)) as service:
        async with cloud_on(service) as cloud:
            await haul(cloud, tmp_path)
        assert service.counters.struck


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost", "hang after"])
async def test_g2_renewals_of_slow_items_are_not_answered(tmp_path: Path, fault: Fault) -> None:
    """Items that take more than a lease go on, and each is published once."""
    rules = (FaultRule(fault, "update", rate=0.5, seconds=LEASE_SECONDS),)
    async with AzureQueueServer(AzureQueueSettings(seed=5, rules=rules, stale_404_rate=0.5)) as service:
        async with cloud_on(service) as cloud:
            cloud.api.latency_seconds = LEASE_SECONDS * 1.1
            await haul(cloud, tmp_path, ITEMS[:8])
        assert service.counters.struck


@pytest.mark.slow
async def test_g4_a_service_that_is_away_poisons_nothing(tmp_path: Path) -> None:
    """Away for longer than a lease, in the middle of a run: it goes on when the service is back."""
    async with AzureQueueServer() as service, cloud_on(service) as cloud:
        hauling = asyncio.create_task(haul(cloud, tmp_path))
        while service.counters.operations.get("get", 0) < 3:
            await asyncio.sleep(0.01)
        async with service.away():
            await asyncio.sleep(LEASE_SECONDS * 1.2)
            assert not hauling.done()
        await hauling
