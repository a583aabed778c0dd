"""Sixty nights of incremental runs, in virtual time, with the code that plans, closes and folds.

Rows are inserted, changed, deleted, seen late, and once updated all in one second. Every third night is cut off at any
step, and somebody goes on hours later, or gives the run up. The machine's clock is up to an hour off, ahead and
behind, and moves. Windows fail for some nights; some of them are redriven later, others never, and some runs are given
up after a redrive. Now and then a person edits the state, or versions of it are lost.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulier.api.http.server_time import ServerTime
from haulier.app.run_time import run_time
from haulier.items.due import due_windows
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.queues.envelope import Envelope, decode
from haulier.queues.seam import Lease
from haulier.runs.ledger import Ledger
from haulier.runs.newest_runs import open_run
from haulier.runs.plan import read_seal
from haulier.runs.run import NewRun, Run, claim_run, list_runs, load_run
from haulier.runs.state import RunState, run_state
from haulier.runs.stranded import is_stranded, mend_stranded
from haulier.runs.watermark import fold as watermark
from haulier.runs.watermark.edits import read_edits, write_edit
from haulier.runs.watermark.fold import fold_watermark, read_watermark
from haulier.runs.watermark.span_table import Ends
from haulier.sources.finished import Finished
from tests.harness.cuts.calls import Cut, Cuts
from tests.runs.orders_api import OrdersApi, Outage, Version
from tests.runs.rig import SOURCE, Place, Process

NIGHTS = 60
SEEDS = range(int(os.environ.get("HAULIER_NIGHTS_SEEDS", "1")))
"""Each is another story. One takes some seconds."""

START = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
STEP, LOOKBACK, SETTLE = timedelta(hours=12), timedelta(hours=5), timedelta(minutes=2)
SHORTEST = timedelta(hours=3)
"""Windows are not divided further for a failure."""
CAP = 40
"""Records that the API hands out at once."""
HOUR = 3600.0


@dataclass(frozen=True)
class NewOrders(WorkItem, stream="things", kind="things_new_windows"):
    window: TimeWindow


@dataclass(frozen=True)
class Rules:
    """What an incremental run goes by. A test takes one back, and sees that records are lost."""

    lookback: timedelta = LOOKBACK
    """By default less than what lies between two nights, so that most windows are read once."""
    asks_the_time: bool = True


@dataclass(frozen=True)
class Pace:
    """``clock_hours`` is how far the machine's clock is off at most."""

    least_hours: float = 6.0
    most_hours: float = 30.0
    clock_hours: float = 1.0


HOURLY = Pace(0.3, 2.0, clock_hours=4.0)
"""Runs so close to each other that a clock makes later ones the earlier ones by their names."""


@dataclass
class Story:
    """What happens in the nights, and to whom."""

    place: Place
    rng: random.Random
    api: OrdersApi
    rules: Rules = field(default_factory=Rules)
    pace: Pace = field(default_factory=Pace)
    happened: Counter[str] = field(default_factory=Counter)
    hours_off: float | None = None
    """Of the machine's clock; None is another each time."""
    calls: int = 100
    """Calls of a whole night so far: a cut is one of them."""
    nights: int = 0

    async def night(self, number: int) -> None:
        self.pass_time(self.rng.uniform(self.pace.least_hours, self.pace.most_hours) * HOUR)
        self.nights = number
        await self._people_act()
        if number == NIGHTS // 2:
            self.api.update_all()
        if self.rng.random() < 0.3:
            moment = self.api.now - timedelta(hours=self.rng.uniform(0, 1.3) * self.pace.most_hours)
            length = timedelta(hours=self.rng.uniform(0.2, 3.2) * self.pace.most_hours)
            self.api.outages.append(Outage(moment, self.api.now + length))
        if number % 3 == 2:
            await self._cut_off_night()
        await self._whole_night()

    async def clean_nights(self) -> None:
        """Nothing fails any more, until there is no hole."""
        self.api.outages.clear()
        for _ in range(3):
            self.pass_time(24 * HOUR)
            await self._whole_night()

    def pass_time(self, seconds: float) -> None:
        self.place.clock.advance(seconds)
        self.api.advance(timedelta(seconds=seconds))

    def move_clock(self) -> None:
        """The machine's clock is right, or not."""
        off = self.rng.choice([0.0, self.rng.uniform(-HOUR, HOUR) * self.pace.clock_hours])
        if self.hours_off is not None:
            off = self.hours_off * HOUR
        self.place.clock.set_wall(self.api.now + timedelta(seconds=off))

    def process(self, cuts: Cuts | None = None) -> NightProcess:
        self.move_clock()
        self.place.born += 1
        return NightProcess(self, f"p{self.place.born}", cuts or Cuts())

    async def _whole_night(self) -> None:
        cuts = Cuts()
        process = self.process(cuts)
        if self.rng.random() < 0.15:
            self.happened["two at once"] += 1
            await asyncio.gather(process.night(), self.process().night())
        else:
            await process.night()
            self.calls = len(cuts.calls)
        await self.place.close()

    async def _cut_off_night(self) -> None:
        cuts = Cuts(Cut(self.rng.randrange(1, self.calls + 1), is_after=self.rng.random() < 0.5))
        process = self.process(cuts)
        await cuts.run(process.night())
        await self.place.close()
        self.happened["cut off"] += cuts.is_dead
        self.pass_time(self.rng.uniform(0.003, 0.33) * self.pace.most_hours * HOUR)
        closer = self.process().closer
        left = await open_run(closer.lake, SOURCE, "incremental")
        if left is not None and self.rng.random() < 0.2:
            await closer.end(left, self.rng.choice(["cancelled", "superseded"]))
            self.happened["given up"] += 1

    async def _people_act(self) -> None:
        process = self.process()
        if self.rng.random() < 0.06 or (self.nights > NIGHTS // 2 and not self.happened["edit"]):
            await self._edit(process)
        if self.rng.random() < 0.25:
            await self._redrive(process)
        if self.rng.random() < 0.1:
            self.happened["lost version"] += 1
            for path in self.place.folder.glob(f"_haulier/{SOURCE}/state/versions/*"):
                if self.rng.random() < 0.7:
                    path.unlink()
        await self.place.close()

    async def _edit(self, process: Process) -> None:
        """What a person says is true: a part of what is finished, up to the first hole; or nothing."""
        self.happened["edit"] += 1
        finished = (await read_watermark(process.lake, SOURCE)).finished.windows("things")
        spans: tuple[Ends, ...] = ()
        if finished and self.rng.random() < 0.8:
            first = finished[0]
            end = first.end - first.duration * self.rng.choice([0.0, 0.01, 0.5])
            spans = ((first.start, end),)
        await write_edit(process.lake, self.place.clock, SOURCE, "things", spans, who="ana@host", why="moved")

    async def _redrive(self, process: NightProcess) -> None:
        runs = await list_runs(process.lake, SOURCE)
        partial = [run for run in runs if (await run_state(process.lake, run.paths))[0] is RunState.PARTIAL]
        if partial:
            self.happened["redrive"] += 1
            # What a person said is finished holds, whatever becomes of the runs that it went by.
            edits = [each.after for each in await read_edits(process.lake, SOURCE)]
            counting = [each for each in partial if each.run_id > max(edits, default="")]
            # An old one was folded for good.
            run = counting[0] if counting and self.rng.random() < 0.5 else self.rng.choice(counting or partial)
            if self.rng.random() < 0.5:
                self.api.outages.clear()
            await process.redriver.redrive(run)
            if counting and self.rng.random() < 0.5:
                await process.closer.end(run, self.rng.choice(["cancelled", "superseded"]))
                self.happened["given up later"] += 1
            elif self.rng.random() < 0.7:
                await process.finish(run)


class NightProcess(Process):
    """One process: what `haulier run SOURCE incremental` does."""

    def __init__(self, story: Story, name: str, cuts: Cuts) -> None:
        super().__init__(story.place, name, cuts, None)
        self.story = story

    async def night(self) -> None:
        while True:
            run = await open_run(self.lake, SOURCE, "incremental")
            is_new = run is None
            if run is None:
                run = await self._claim()
            await self._plan(run)
            await self.finish(run)
            if is_new:
                return

    async def finish(self, run: Run) -> None:
        for _ in range(8):
            await self.work(run)
            verdict = await self.closer.close(run)
            if verdict is not None:
                self.story.happened[verdict.verdict] += 1
                self.story.happened["overlap"] += bool(verdict.overlaps)
                return
            self.story.pass_time(90)
            ledger = Ledger(self.lake, run.paths)
            if await is_stranded(self.queue, run, ledger):
                await mend_stranded(self.closer, run, ledger)
            ledger.close()
        raise AssertionError(f"{run.run_id} does not end")

    async def settle(self, run: Run, lease: Lease) -> None:
        """What was left of other runs is in the queue too."""
        envelope = decode(lease.body)
        other = await load_run(self.lake, SOURCE, envelope.run_id)
        assert other is not None
        await super().settle(other, lease)

    async def _claim(self) -> Run:
        machine, api = self.place.clock.now(), self.story.api.now
        told = ServerTime(machine, machine, api.replace(microsecond=0))
        moment = run_time(told, lambda text: None) if self.story.rules.asks_the_time else machine
        new = NewRun(SOURCE, "incremental", "as it was", ("things",), False, "0")
        before = [each.run_id for each in await list_runs(self.lake, SOURCE)]
        run = await claim_run(self.lake, self.place.clock, new, moment)
        self.story.happened["out of order"] += run.run_id < max(before, default="")
        self.story.pass_time(max(0.0, (run.file.snapshot_time - moment).total_seconds()))
        return run

    async def _plan(self, run: Run) -> None:
        finished = Finished()
        if await read_seal(self.lake, run.paths) is None:
            finished = (await fold_watermark(self.lake, self.place.clock, SOURCE, self.name)).finished
        await self.enqueuer.enqueue(run, lambda: self._items(run, finished), finished=finished)

    async def _items(self, run: Run, finished: Finished) -> AsyncIterator[WorkItem]:
        rules, spans = self.story.rules, finished.windows("things")
        self.story.happened["hole"] += len(spans) > 1
        until = run.file.snapshot_time - SETTLE
        for window in due_windows(spans, start=START, until=until, step=STEP, lookback=rules.lookback):
            yield NewOrders(window)

    async def _ask(self, run: Run, lease: Lease, envelope: Envelope) -> None:
        story, key = self.story, envelope.key
        window = msgspec.json.decode(envelope.payload, type=dict[str, TimeWindow])["window"]
        story.pass_time(story.rng.uniform(0, 5))
        if story.rng.random() < 0.05:
            story.move_clock()
        found = story.api.find(window)
        shortest = SHORTEST if len(found) <= CAP else timedelta(seconds=1)
        halves = window.halves(shortest) if story.api.fails(window) or len(found) > CAP else None
        if halves:
            await self._divide(run, key, map(NewOrders, halves))
        elif story.api.fails(window):
            await self.poison(run, envelope)
        elif not found:
            await self._note_empty(run, key)
        elif not await self._publish(run, key, [_record_of(version) for version in found]):
            await self.give_up(lease, envelope)
            return
        await self.queue.complete([lease])


def _record_of(version: Version) -> bytes:
    return json.dumps([version.id, version.number, version.updated_at.isoformat()]).encode()


@dataclass
class Bronze:
    """What is in the lake, read from its files alone."""

    folder: Path
    records: set[tuple[int, int]] = field(default_factory=set)
    newest: datetime = START
    """The latest snapshot time of a run that counts."""
    _read: dict[Path, set[tuple[int, int]]] = field(default_factory=dict)
    """By manifest."""

    def read(self) -> None:
        self.records, self.newest = set(), START
        for run in sorted((self.folder / f"_haulier/{SOURCE}/runs").iterdir()):
            verdicts = [json.loads(path.read_bytes()) for path in sorted(run.glob("closings/*/verdict"))]
            counting = [one for one in verdicts if one["verdict"] in ("complete", "partial")]
            if not counting or verdicts[-1]["verdict"] in ("cancelled", "superseded"):
                continue
            self.newest = max(self.newest, datetime.fromisoformat(counting[-1]["snapshot_time"]))
            manifest = run / f"closings/{counting[-1]['number']:04d}/manifest.ndjson.gz"
            if manifest not in self._read:
                lines = gzip.decompress(manifest.read_bytes()).splitlines()
                self._read[manifest] = {found for line in lines for found in self._records_of(json.loads(line))}
            self.records |= self._read[manifest]

    def _records_of(self, entry: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        if entry["state"] == "done":
            start, end = entry["key"].split("-")[1:3]
            for line in gzip.decompress((self.folder / entry["path"]).read_bytes()).splitlines():
                id, number, updated_at = json.loads(line)
                assert _compact(start) <= datetime.fromisoformat(updated_at) < _compact(end), entry["key"]
                yield id, number


def _compact(text: str) -> datetime:
    form = "%Y%m%dt%H%M%S_%fz" if "_" in text else "%Y%m%dt%H%M%Sz"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


async def lost(story: Story, bronze: Bronze) -> list[Version]:
    """Versions that stand in no object, although their windows are finished and they were to be seen in time."""
    bronze.read()
    lake = story.process().lake
    finished = (await read_watermark(lake, SOURCE)).finished.windows("things")
    await story.place.close()
    return [
        version
        for version in story.api.current(story.api.now)
        if version.seen_at <= bronze.newest
        and any(window.start <= version.updated_at < window.end for window in finished)
        and (version.id, version.number) not in bronze.records
    ]


def story_of(seed: int, folder: Path, rules: Rules, latest: timedelta) -> Story:
    rng, place = random.Random(seed), Place(folder)
    place.clock.set_wall(START)
    return Story(place, rng, OrdersApi(rng, START, latest), rules)


@pytest.mark.parametrize(
    ("lookback", "pace"),
    [(LOOKBACK, Pace()), (timedelta(), Pace()), (timedelta(hours=3), HOURLY)],
    ids=["late rows", "no lookback", "each hour"],
)
@pytest.mark.parametrize("seed", SEEDS)
async def test_g1_every_version_is_in_bronze_by_its_window(
    seed: int, lookback: timedelta, pace: Pace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1, W1 to W4: after each night, whatever is finished was read as it is shown; in the end there is no hole, and
    every row is there as it stands."""
    monkeypatch.setattr(watermark, "KEPT_RUNS", 4)
    story = story_of(seed, folder / "lake", Rules(lookback=lookback), lookback)
    story.pace = pace
    story.api.changes_an_hour = 18.0 / pace.most_hours if pace is HOURLY else 1.0
    bronze = Bronze(folder / "lake")
    for number in range(NIGHTS):
        await story.night(number)
        assert not await lost(story, bronze), f"night {number} of seed {seed}"
    await story.clean_nights()
    assert not await lost(story, bronze)
    lake = story.process().lake
    (whole,) = (await read_watermark(lake, SOURCE)).finished.windows("things")
    assert whole.start <= START
    assert whole.end == bronze.newest - SETTLE
    await story.place.close()
    often = {"cut off": 10, "partial": 8, "hole": 8, "redrive": 2, "edit": 1, "given up later": 1}
    if pace is HOURLY:
        often |= {"hole": 1, "edit": 0}  # Nights that overlap leave few of them, by the pace of the machine's threads.
    for what, least in often.items():
        assert story.happened[what] >= least, (what, story.happened)
    if lookback:
        assert story.api.late > 100
        assert story.happened["overlap"] > 40
    if pace is HOURLY:
        assert story.happened["out of order"] > 5


@pytest.mark.parametrize(
    ("rules", "latest", "hours_off"),
    [
        (Rules(lookback=timedelta()), LOOKBACK, None),
        (Rules(lookback=timedelta(), asks_the_time=False), timedelta(), 1.0),
    ],
    ids=["no lookback", "the machine's clock"],
)
async def test_without_a_rule_versions_are_lost(
    rules: Rules, latest: timedelta, hours_off: float | None, folder: Path
) -> None:
    """What the test above sees: late rows are found by looking back alone, and a clock that is ahead ends windows whose
    rows are still to come."""
    story, bronze = story_of(0, folder / "lake", rules, latest), Bronze(folder / "lake")
    story.hours_off = hours_off
    for number in range(NIGHTS):
        await story.night(number)
        if await lost(story, bronze):
            return
    pytest.fail("nothing was lost")
