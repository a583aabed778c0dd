"""The watermark in a container: holes, edits, versions, and several processes at once (W1 to W4)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.lake.azure.lake import AzureLake
from haulier.lake.paths import versions_root
from haulier.runs.run import Run
from haulier.runs.watermark.edits import write_edit
from haulier.runs.watermark.fold import KEPT_VERSIONS, fold_watermark, read_watermark
from haulier.testing.proxy.rules import FaultRule
from tests.lake.azure.conftest import Container
from tests.runs.rig import SOURCE, Place, Thing, finish, thing


@dataclass
class ContainerPlace(Place):
    container: Container | None = None

    def open_lake(self) -> AzureLake:
        assert self.container is not None
        return AzureLake(self.container.folder(), SystemClock(), random.Random(1))


@pytest.fixture
async def place(container: Container, tmp_path: Path) -> AsyncIterator[ContainerPlace]:
    place = ContainerPlace(tmp_path, container=container)
    yield place
    await place.close()


async def night(place: Place, *items: Thing) -> Run:
    place.clock.advance(3600)
    process = place.process()
    run = await process.claim(mode="incremental")
    await process.enqueue(run, items)
    await finish(place, run)
    return run


async def finished(place: Place) -> list[tuple[int, int]]:
    """As several processes at once find it, each by itself."""
    processes = [place.process() for _ in range(3)]
    states = await asyncio.gather(
        *(fold_watermark(process.lake, place.clock, SOURCE, process.name) for process in processes)
    )
    state = await read_watermark(processes[0].lake, SOURCE)
    assert all(each == state for each in states)
    return [(ids.start, ids.end) for ids in state.finished.ids(Thing.stream)]


async def test_g1_the_watermark_is_the_same_in_a_container(place: ContainerPlace, container: Container) -> None:
    """A hole, its redrive, an edit, lost versions, and answers that are lost after their effect."""
    container.breaks(FaultRule("lost", operation="put-blob", rate=0.05))
    lake = place.process().lake
    place.api.split, place.api.failing = {5}, {7}
    run = await night(place, thing(1, 5), thing(5, 9), thing(9, 11))
    assert await finished(place) == [(1, 5), (9, 11)]
    place.api.failing.clear()
    await place.process().redriver.redrive(run)
    assert await finished(place) == []
    await finish(place, run)
    assert await finished(place) == [(1, 11)]

    await write_edit(lake, place.clock, SOURCE, Thing.stream, ((1, 4),), who="ana@host", why="moved")
    assert await finished(place) == [(1, 4)]
    for start in range(4, 12, 2):
        await night(place, thing(start, start + 2))
        assert await finished(place) == [(1, start + 2)]
    versions = await lake.names(versions_root(SOURCE))
    assert len(versions) <= KEPT_VERSIONS
    for name in versions:
        await lake.remove(f"{versions_root(SOURCE)}/{name}")
    assert await finished(place) == [(1, 12)]
