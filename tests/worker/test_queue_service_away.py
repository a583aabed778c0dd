"""The service of a hosted queue goes away in mid-run: nothing is poisoned, no worker ends, and all is done (G1, G4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haulier.clock import SystemClock
from haulier.queues.azure.queue import AzureQueue
from haulier.runs.state import RunState, run_state
from haulier.sources.context import Context
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.proxy.rules import FaultRule
from haulier.worker.settings import WorkerSettings
from tests.harness.things import Things, things
from tests.queues.azure.service import account_of, client_of, served
from tests.worker.rig import Rig, key_of

AWAY_SECONDS = 3.0
LEASE_SECONDS = 4.0
ITEMS = tuple(things(start, start + 2) for start in range(1, 81, 2))
FAILING = {9, 31}


async def test_g1_a_queue_that_goes_away_in_mid_run_is_waited_for(folder: Path) -> None:
    """Items end, fail and are handed back meanwhile: receipts are written, and completions and releases wait."""
    settings = WorkerSettings(lease_seconds=LEASE_SECONDS)
    failed: set[int] = set()
    began = asyncio.Event()

    async def work(item: Things, context: Context) -> AsyncGenerator[Any, None]:
        async for page in rig.api.work(item, context):
            yield page
        began.set()
        await asyncio.sleep(0.5)  # Until the service is away.
        if item.ids.start in FAILING - failed:
            failed.add(item.ids.start)
            raise RuntimeError("a fault of the processor")

    async with Rig(folder, clock=SystemClock(), settings=settings) as rig, served() as (server, queue):
        rig.queue = queue
        run = await rig.run(*ITEMS)
        async with rig.deps({Things: work}) as deps:
            worker = rig.worker(replace(deps, open_queue=lambda: client_of(server)), only=run.run_id)
            working = asyncio.create_task(worker.run())
            await began.wait()
            async with server.away():
                await asyncio.sleep(AWAY_SECONDS)
            assert (await working, worker.reason) == (0, "")
        assert (await run_state(rig.lake, run.paths))[0] is RunState.COMPLETE
        assert rig.objects() == sorted(map(key_of, ITEMS))
        assert rig.files(run, "poison/**/*") == []
        assert failed == FAILING
        assert await queue.peek(32) == []


async def test_g4_a_stop_while_the_queue_hangs_takes_no_longer_than_a_container_gives(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Renewals, completions and releases are under way then, and none is answered: what waits for them comes back when
    its lease runs out."""
    settings = WorkerSettings(lease_seconds=LEASE_SECONDS, grace_seconds=LEASE_SECONDS / 2)
    ended: list[int] = []
    is_slow = True

    async def work(item: Things, context: Context) -> AsyncGenerator[Any, None]:
        async for page in rig.api.work(item, context):
            yield page
        if is_slow and item.ids.start % 4 == 1:
            await asyncio.sleep(60.0)
        ended.append(item.ids.start)

    async with Rig(folder, clock=SystemClock(), settings=settings) as rig, AzureQueueServer() as server:

        def opened() -> AzureQueue:
            return AzureQueue(account_of(server), "flights", SystemClock(), call_seconds=60.0)

        rig.queue = opened()
        run = await rig.run(*ITEMS)
        async with rig.deps({Things: work}) as deps:
            worker = rig.worker(replace(deps, open_queue=opened), only=run.run_id)
            server.rules.use([FaultRule("hang", operation) for operation in ("update", "delete")])
            working = asyncio.create_task(worker.run())
            while not ended:
                await asyncio.sleep(0.01)
            worker.drain("SIGTERM")
            began_at = time.monotonic()
            assert await working == 4
            took_seconds = time.monotonic() - began_at
        assert took_seconds < settings.grace_seconds + 5.0
        assert "items could not be handed back in time" in caplog.messages
        server.rules.use([])
        server.clock.advance(2 * LEASE_SECONDS)
        is_slow = False
        async with rig.deps({Things: work}) as deps:
            assert await rig.worker(replace(deps, open_queue=opened), only=run.run_id).run() == 0
        await rig.queue.close()
        assert (await run_state(rig.lake, run.paths))[0] is RunState.COMPLETE
    assert rig.objects() == sorted(map(key_of, ITEMS))
