"""What a run costs in calls to a lake that charges for them: none of them is a listing for each item."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from haulier.runs.run import Run
from tests.harness.cuts.calls import Cuts
from tests.harness.things import things
from tests.harness.virtual_time import VirtualTime
from tests.seams import object_lake
from tests.seams.cloud import Cloud

ITEMS = tuple(things(start, start + 4) for start in range(100, 500, 4))
LOOK_SECONDS = 5.0


@pytest.fixture
def charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object store is one that charges for calls."""
    monkeypatch.setattr(object_lake, "_CAPABILITIES", replace(object_lake._CAPABILITIES, look_seconds=LOOK_SECONDS))


def calls_of(cuts: Cuts) -> Counter[str]:
    return Counter(call.partition(".")[2] for call in cuts.calls if call.startswith("ObjectLake."))


@pytest.mark.usefixtures("charged")
def test_an_item_costs_its_object_and_a_share_of_the_rest() -> None:
    """Closings are looked for once for all publications of a second, receipts go out in groups, and the state of the
    run is read once in a second."""
    time, cuts = VirtualTime(), Cuts()
    cloud = Cloud(time)
    cloud.api.latency_seconds = 0.2

    async def main() -> Run:
        run = await cloud.plan(ITEMS)
        await cloud.work(run, cuts)
        return run

    began = time.monotonic()
    run = time.run(main())
    seconds = time.monotonic() - began
    calls = calls_of(cuts)
    assert calls["publish"] == calls["open_spool"] == len(ITEMS)
    assert calls["names"] + calls["exists"] <= 4 * seconds + 10, calls
    assert calls["create"] <= seconds + 10, calls
    assert calls["walk"] <= 30, calls
    assert calls["adopt"] == 0, calls
    assert time.run(cloud.verdict(run)).totals.done == len(ITEMS)


@pytest.mark.usefixtures("charged")
def test_a_worker_that_waits_for_the_last_item_of_another_costs_little() -> None:
    """Ten minutes of waiting: it looks whether the run is closed every few seconds, and at all of it every half minute;
    and it leaves soon after the end."""
    time, cuts = VirtualTime(), Cuts()
    cloud = Cloud(time)
    cloud.api.latency_seconds = 600.0
    ends: dict[str, float] = {}

    async def work(run: Run, name: str, *own: Any) -> None:
        await cloud.work(run, *own)
        ends[name] = time.monotonic()

    async def main() -> None:
        run = await cloud.plan([things(1, 4)])
        first = asyncio.create_task(work(run, "first"))
        await asyncio.sleep(1)
        await asyncio.gather(first, work(run, "second", cuts))

    time.run(main())
    calls = calls_of(cuts)
    assert calls["walk"] <= 7 * 40, calls
    assert calls["names"] <= 3 * 600 / LOOK_SECONDS + 50, calls
    assert ends["second"] - ends["first"] <= LOOK_SECONDS + 1
