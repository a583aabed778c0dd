"""Whole runs where queue service and container are unkind, which hold messages, objects, account and rows (G1, G2)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from haulier.runs.run import Run
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import UNKIND, AzureQueueSettings
from haulier.testing.proxy.operations import blob_operation, storage_refusal
from haulier.testing.proxy.rules import FaultRule, FaultRules
from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import QUIET
from tests.harness.azurite import Azurite
from tests.harness.oracle import judge_run
from tests.harness.things import SOURCE
from tests.seams.unkind_cloud import LEASE_SECONDS, WORKERS, AzureCloud, azure_cloud, haul

BLOB_RULES = (
    FaultRule("lost", rate=0.01),
    FaultRule("500 after", rate=0.01),
    FaultRule("503", rate=0.01),
    FaultRule("reset", rate=0.005),
    FaultRule("lost", operation="put-blob", rate=0.05),
    FaultRule("delay", operation="put-blob", rate=0.02, seconds=0.5),
    FaultRule("cut", operation="get", rate=0.01),
)


def proxy_of(azurite: Azurite, seed: int = 1, rules: tuple[FaultRule, ...] = ()) -> FaultProxy:
    upstream = azurite.blob_url.rpartition("/")[0]
    return FaultProxy(upstream, QUIET, rules=FaultRules(seed, rules), name=blob_operation, refuse=storage_refusal)


def judge(folder: Path, run: Run, cloud: AzureCloud) -> None:
    seen = judge_run(folder, SOURCE, run.run_id, cloud.api.served, cloud.api.refuses)
    assert not seen.problems, seen.problems


async def members(cloud: AzureCloud) -> int:
    """Workers that have begun."""
    row = await cloud.scope_rows.read(f"scope/{SOURCE}")
    return 0 if row is None else len(json.loads(row)["members"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_g1_nothing_is_lost_over_an_unkind_account(azurite: Azurite, tmp_path: Path, seed: int) -> None:
    """Queue and container lose answers, fail before and after the effect, and are late: each record is there once."""
    settings = dataclasses.replace(AzureQueueSettings(seed=seed, **UNKIND), duplicate_rate=0.1)
    async with AzureQueueServer(settings) as service, proxy_of(azurite, seed, BLOB_RULES) as proxy:
        async with azure_cloud(service, proxy, azurite, tmp_path) as cloud:
            run = await haul(cloud)
        judge(tmp_path, run, cloud)
        assert service.counters.struck
        assert "put-blob: lost" in proxy.counters.struck


@pytest.mark.slow
@pytest.mark.parametrize("who", ["queue", "lake", "both"])
async def test_g4_what_is_away_for_longer_than_a_lease_poisons_nothing(
    azurite: Azurite, tmp_path: Path, who: str
) -> None:
    """In the middle of a run. It goes on when the service is back."""
    async with AzureQueueServer() as service, proxy_of(azurite) as proxy:
        async with azure_cloud(service, proxy, azurite, tmp_path) as cloud:
            cloud.api.latency_seconds = 0.25
            hauling = asyncio.create_task(haul(cloud))
            while await members(cloud) < WORKERS:
                await asyncio.sleep(0.01)
            servers = [server for name, server in (("queue", service), ("lake", proxy)) if who in (name, "both")]
            for server in servers:
                await server.leave()
            await asyncio.sleep(LEASE_SECONDS * 1.2)
            assert not hauling.done()
            for server in servers:
                await server.come_back()
            run = await hauling
        judge(tmp_path, run, cloud)
