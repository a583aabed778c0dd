"""Whole runs over a queue service that loses answers, repeats messages, forgets order and goes away (G1, G2)."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import UNKIND, AzureQueueSettings
from haulier.testing.proxy.rules import Fault, FaultRule
from tests.seams.unkind_cloud import ITEMS, LEASE_SECONDS, cloud_on, haul


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
async def test_g1_nothing_is_lost_over_an_unkind_service(tmp_path: Path, seed: int) -> None:
    """Everything at once, and many duplicates: each record is there once, and nothing is poisoned."""
    settings = dataclasses.replace(AzureQueueSettings(seed=seed, **UNKIND), duplicate_rate=0.1)
    async with AzureQueueServer(settings) as service:
        async with cloud_on(service) as cloud:
            cloud.judge(await haul(cloud), tmp_path)
        assert service.counters.struck
        assert service.counters.duplicated


@pytest.mark.slow
async def test_g1_two_runs_at_once_lose_nothing_over_an_unkind_service(tmp_path: Path) -> None:
    """Each worker stays until its own run is closed, and works both; each record is there once in each."""
    async with AzureQueueServer(AzureQueueSettings(seed=4, **UNKIND)) as service:
        async with cloud_on(service) as cloud:
            full = await cloud.plan(ITEMS)
            increment = await cloud.plan(ITEMS[:10], "incremental")
            reasons = await asyncio.gather(*(cloud.work(run) for run in (full, full, increment)))
            assert reasons == [""] * 3
            for run, items in ((full, ITEMS), (increment, ITEMS[:10])):
                assert (await cloud.verdict(run)).totals.records == 4 * (len(items) - 1)
                cloud.judge(run, tmp_path)
        assert {"items", "items-first"} <= service.store.counts().keys()


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "rate"), [("put", 0.3), ("get", 0.15), ("delete", 0.3)])
async def test_g2_answers_of_an_operation_are_lost(tmp_path: Path, operation: str, rate: float) -> None:
    """One object for each item, from one attempt."""
    rules = (FaultRule("lost", operation, rate=rate),)
    async with AzureQueueServer(AzureQueueSettings(seed=5, rules=rules, stale_404_rate=0.5)) as service:
        async with cloud_on(service) as cloud:
            cloud.judge(await haul(cloud), tmp_path)
        assert service.counters.struck


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost", "hang after"])
async def test_g2_renewals_of_slow_items_are_not_answered(tmp_path: Path, fault: Fault) -> None:
    """Items that take more than a lease go on, and each is published once."""
    rules = (FaultRule(fault, "update", rate=0.5, seconds=LEASE_SECONDS),)
    async with AzureQueueServer(AzureQueueSettings(seed=5, rules=rules, stale_404_rate=0.5)) as service:
        async with cloud_on(service) as cloud:
            cloud.api.latency_seconds = LEASE_SECONDS * 1.1
            cloud.judge(await haul(cloud, ITEMS[:8]), tmp_path)
        assert service.counters.struck


@pytest.mark.slow
async def test_g4_a_service_that_is_away_poisons_nothing(tmp_path: Path) -> None:
    """Away for longer than a lease, in the middle of a run: it goes on when the service is back."""
    async with AzureQueueServer() as service, cloud_on(service) as cloud:
        hauling = asyncio.create_task(haul(cloud))
        while service.counters.operations.get("get", 0) < 3:
            await asyncio.sleep(0.01)
        async with service.away():
            await asyncio.sleep(LEASE_SECONDS * 1.2)
            assert not hauling.done()
        cloud.judge(await hauling, tmp_path)
