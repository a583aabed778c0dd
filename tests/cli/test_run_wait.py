"""When a worker of a fixed fleet leaves, by a clock that the test turns."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import pytest

from haulier.app.open_source import Options, open_live
from haulier.app.run_start import WantedRun, new_run
from haulier.app.source_loader import load_app
from haulier.cli.drivers import end_stalled
from haulier.cli.run_wait import LOOK_SECONDS, PAUSE_SECONDS, leaving_without_run
from haulier.runs.run import claim_run
from haulier.testing.clock import FakeClock
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch
from tests.cli.conftest import Place

WAIT_SECONDS = 1_800.0
RUN_SECONDS = 600.0
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("runs", "stays_seconds"),
    [
        ([], WAIT_SECONDS),
        ([("full", -MINUTE)], RUN_SECONDS + PAUSE_SECONDS),
        ([("full", MINUTE)], RUN_SECONDS + PAUSE_SECONDS),
        ([("full", -20 * HOUR)], WAIT_SECONDS),
        ([("incremental", MINUTE)], WAIT_SECONDS),
        ([("trial", MINUTE)], WAIT_SECONDS),
        ([("full", -20 * HOUR), ("full", MINUTE)], RUN_SECONDS + PAUSE_SECONDS),
    ],
)
def test_a_fixed_fleet_leaves_after_the_run_that_it_was_started_for(
    shop: Place, runs: Sequence[tuple[str, timedelta]], stays_seconds: float
) -> None:
    """The full run that is claimed about when the fleet starts. After an earlier night's, or one of another mode, that
    one is still to come."""
    assert asyncio.run(_stay_seconds(shop, runs)) == pytest.approx(stays_seconds, abs=LOOK_SECONDS)


async def _stay_seconds(shop: Place, runs: Sequence[tuple[str, timedelta]]) -> float:
    """The runs are claimed so long after the worker's start, and closed after `RUN_SECONDS`."""
    async with open_live(load_app(str(shop.toml)), Options()) as site:
        clock = FakeClock()
        fleet = dataclasses.replace(site, clock=clock)
        watch = Watch(site.lake, site.queue, site.closer, site.app.name)
        worker = Worker(fleet.worker_deps(), watch, end_stalled, stays=True)
        started_at = clock.monotonic()
        async with leaving_without_run(fleet, watch, worker, WAIT_SECONDS):
            claimed = []
            for mode, after in runs:
                new = dataclasses.replace(new_run(site, WantedRun("full", ("items",))), mode=mode)
                claimed.append(await claim_run(site.lake, FakeClock(clock.now() + after), new))
            while not worker.rule:
                if clock.monotonic() - started_at >= RUN_SECONDS:
                    for run in claimed:
                        await site.closer.end(run, "cancelled")
                await _look(clock, worker)
        return clock.monotonic() - started_at


async def _look(clock: FakeClock, worker: Worker) -> None:
    await asyncio.wait_for(clock.wait_for_sleepers(), 30)
    clock.advance(LOOK_SECONDS)
    while not clock.sleeping and not worker.rule:
        await asyncio.sleep(0)
