"""A queue that does not exist, though items of a run were sent to one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.queues.azure.queue import AzureQueue
from haulier.runs.closing import Closer
from haulier.runs.redrive import Redriver
from haulier.runs.state import RunState, run_state
from haulier.sources.context import Context
from tests.harness.things import Things, things
from tests.queues.azure.service import account_of, served
from tests.worker.rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path) as rig:
        yield rig


async def failing(_item: Things, _context: Context) -> AsyncGenerator[Any, None]:
    raise RuntimeError("a fault of the processor")
    yield


async def test_c7_a_redrive_into_a_misspelt_queue_is_refused_before_anything_is_done(rig: Rig) -> None:
    """It would make that queue, reopen the run, and send where no worker looks."""
    rig.settings = replace(rig.settings, max_failures=1)
    run = await rig.run(things(1, 5))
    async with rig.hand({Things: failing}) as hand:
        await hand.work()
    verdict = await rig.close(run)
    assert verdict is not None
    async with served() as (server, queue):
        misspelt = AzureQueue(account_of(server), "fligths", SystemClock(), call_seconds=2.0, patience_seconds=10.0)
        try:
            redriver = Redriver(Closer(rig.lake, misspelt, rig.clock, "person"))
            with pytest.raises(UsageError, match="The queue does not exist, but items of run full-"):
                await redriver.redrive(run)
            assert not await misspelt.exists()
            assert (await run_state(rig.lake, run.paths))[0] is RunState.PARTIAL
            assert rig.files(run, "redrives/**/*.json") == []
        finally:
            await misspelt.close()
        await queue.enqueue([b"{}"])  # It is made by that.
        assert await Redriver(Closer(rig.lake, queue, rig.clock, "person")).redrive(run) == 1
