"""Closing, redrive and discard cut between every two steps, and two processes interleaved at every step. What is left
is finished by processes that come later, and judged by a check that knows the files alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest

from haulier.items.ranges import IdRange
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run
from haulier.testing.cuts import Cut, Cuts, Halt, every_cut
from tests.runs.rig import Place, Process, finish, key_of, thing

Step = Callable[[Process], Awaitable[object]]


class Stage:
    """One prepared lake and queue, cloned for every trial."""

    def __init__(self, place: Place, run: Run, folder: Path) -> None:
        self._place = place
        self.run = run
        self._folder = folder
        self._trials = 0

    async def trial(self) -> Place:
        self._trials += 1
        return self._place.clone(self._folder / str(self._trials))

    async def cuts_of(self, step: Step) -> list[Cut]:
        """Every cut of a step that nothing disturbs."""
        place, whole = await self.trial(), Cuts()
        await step(place.process(whole))
        await place.close()
        return list(every_cut(whole))


@pytest.fixture
async def drained(place: Place, tmp_path: Path) -> Stage:
    """A run whose items have ended in all ways, with what dead workers leave behind: an object without a receipt, the
    object of a divided item, a spool."""
    process = place.process()
    run = await process.claim()
    await process.enqueue(run, [thing(10, 12), thing(20), thing(30, 32), thing(40)])
    place.api.empty = {20}
    halt = Halt(Cut("LocalLake.publish"))
    zombie = place.process(Cuts(on_call=halt))
    await _take(place, process, run, key_of(thing(30, 32)), zombie)
    place.api.split = set()
    halt.release()
    await place.close()
    return Stage(place, run, tmp_path)
