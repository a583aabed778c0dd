"""What incremental runs have finished, folded from their closings and from edits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier.errors import LakeUnavailableError, NewerFormatError
from haulier.items.ranges import IdRange
from haulier.items.span_group import ALL_GROUPS
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.lake.paths import versions_root
from haulier.queues.envelope import Envelope
from haulier.queues.seam import Lease
from haulier.runs.records import OutcomeRecord, encode_record
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from haulier.runs.watermark import fold as watermark
from haulier.runs.watermark.edits import read_edits, write_edit
from haulier.runs.watermark.fold import fold_watermark, read_watermark
from tests.harness.cuts.calls import Cuts, every_cut
from tests.runs.rig import SOURCE, Place, Process, Thing, finish, thing

VERSIONS = f"_haulier/{SOURCE}/state/versions/*.json"


async def finished(place: Place) -> tuple[tuple[int, int], ...]:
    """The finished IDs, folded and written."""
    process = place.process()
    state = await fold_watermark(process.lake, place.clock, SOURCE, process.name)
    again = await read_watermark(process.lake, SOURCE)
    assert again == state, "what was written is read alike"
    return tuple((ids.start, ids.end) for ids in state.finished.ids(Thing.stream))


async def start(place: Place, *items: Thing, mode: str = "incremental") -> Run:
    """A run of the next hour, with its items on the queue."""
    place.clock.advance(3600)
    process = place.process()
    run = await process.claim(mode=mode)
    await process.enqueue(run, items)
    return run


async def night(place: Place, *items: Thing) -> Run:
    """The same, worked and closed."""
    run = await start(place, *items)
    await finish(place, run)
    return run


async def edit(place: Place, *spans: tuple[int, int]) -> None:
    lake = place.process().lake
    await write_edit(lake, place.clock, SOURCE, Thing.stream, spans, who="ana@host", why="moved")


@dataclass(frozen=True)
class Dated(WorkItem, stream="things", kind="things_dated"):
    window: TimeWindow


@dataclass(frozen=True)
class Other(WorkItem, stream="others", kind="others"):
    window: TimeWindow


class DatedProcess(Process):
    """Windows that begin on the third day fail; others are empty."""

    async def _ask(self, run: Run, lease: Lease, envelope: Envelope) -> None:
        if f"-{day(3):%Y%m%d}t" in envelope.key:
            await self.poison(run, envelope)
        else:
            await self._note_empty(run, envelope.key)
        await self.queue.complete([lease])


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


async def dated_night(place: Place, *days: tuple[int, int]) -> None:
    place.clock.advance(3600)
    process = DatedProcess(place, f"dated-{place.clock.now():%H}", Cuts(), None)
    run = await process.claim(mode="incremental")
    items = [Dated(TimeWindow(day(start), day(end))) for start, end in days]

    async def given() -> AsyncIterator[Dated]:
        for item in items:
            yield item

    await process.enqueuer.enqueue(run, given)
    await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert verdict.verdict == "partial"


async def from_scratch(place: Place) -> tuple[tuple[int, int], ...]:
    """What a fold finds that has no version to begin with."""
    for path in place.folder.glob(VERSIONS):
        path.unlink()
    return await finished(place)


async def test_a_complete_run_has_finished_what_it_planned(place: Place) -> None:
    """W1: records, no records and divided items alike; neighbours become one span."""
    place.api.empty, place.api.split = {3}, {5}
    await night(place, thing(1, 3), thing(3, 5), thing(5, 9))
    assert await finished(place) == ((1, 9),)
    await night(place, thing(20, 22))
    assert await finished(place) == ((1, 9), (20, 22))


async def test_g1_a_window_with_a_poisoned_part_is_not_finished(place: Place) -> None:
    """W1: one part of a divided item failed. A redrive finishes it; until the run is closed anew it counts nothing."""
    place.api.split, place.api.failing = {5}, {7}
    run = await night(place, thing(1, 5), thing(5, 9), thing(9, 11))
    assert await finished(place) == ((1, 5), (9, 11))
    place.api.failing.clear()
    process = place.process()
    await process.redriver.redrive(run)
    assert await finished(place) == ()
    await finish(place, run)
    assert await finished(place) == ((1, 11),)


class _AbsentProcess(DatedProcess):
    """All that a thing is asked for is absent."""

    async def _note_empty(self, run: Run, key: str) -> None:
        absent = int(key.startswith("things_dated"))
        record = OutcomeRecord(key=key, absent=absent, worker=self.name, ended_at=self.place.clock.now())
        if absent:
            await self.lake.create(run.paths.numbered("absent", key, absent), encode_record(record))
        await self.lake.create(run.paths.outcome(key), encode_record(record))


async def test_g1_what_is_absent_leaves_other_streams_finished(place: Place) -> None:
    """A wrong path reads nothing: the windows of its stream are read once more, and no others."""
    process = _AbsentProcess(place, "absent", Cuts(), None)
    run = await process.claim(mode="incremental")

    async def given() -> AsyncIterator[WorkItem]:
        yield Dated(TimeWindow(day(1), day(2)))
        yield Other(TimeWindow(day(1), day(2)))

    await process.enqueuer.enqueue(run, given)
    await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert verdict.reasons == {"absent": 1}
    state = await fold_watermark(process.lake, place.clock, SOURCE, process.name)
    assert not state.finished.windows(Dated.stream)
    assert state.finished.windows(Other.stream)


async def test_g1_a_span_that_was_read_again_in_vain_is_a_hole(place: Place) -> None:
    """W2: what the lookback was to find may be in it, and the next run looks back from a later end."""
    await night(place, thing(1, 5), thing(5, 9))
    place.api.failing = {5}
    await night(place, thing(5, 9), thing(9, 12))
    assert await finished(place) == ((1, 5), (9, 12))
    place.api.failing.clear()
    await night(place, thing(5, 9))
    assert await finished(place) == ((1, 12),)


async def test_a_discarded_item_is_finished(place: Place) -> None:
    place.api.failing = {5}
    run = await night(place, thing(5, 9))
    await place.process().discarder.discard(run, Decision(why="gone"))
    await finish(place, run)
    assert await finished(place) == ((5, 9),)


async def test_runs_that_were_given_up_or_are_no_incremental_ones_count_nothing(place: Place) -> None:
    """Superseded, cancelled, open, full."""
    await night(place, thing(1, 3))
    for ending in ("superseded", "cancelled"):
        run = await start(place, thing(3, 5))
        await place.process().work(run)
        await place.process().closer.end(run, ending)
    await finish(place, await start(place, thing(5, 7), mode="full"))
    await start(place, thing(7, 9))
    assert await finished(place) == ((1, 3),)


@pytest.mark.parametrize("is_old", [False, True])
async def test_g1_a_run_that_counted_and_is_given_up_leaves_holes(
    place: Place, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    """W2, W3: newer runs looked back from the end that it had set. What it read is read again, its lookback too,
    however long ago it was folded for good."""
    monkeypatch.setattr(watermark, "KEPT_RUNS", 2)
    await night(place, thing(1, 10))
    place.api.failing = {12}
    run = await night(place, thing(8, 12), thing(12, 14))
    place.api.failing.clear()
    await night(place, thing(12, 16))
    assert await finished(place) == ((1, 16),)
    for start in (16, 18, 20) if is_old else ():
        await night(place, thing(start, start + 2))
        await finished(place)
    await place.process().redriver.redrive(run)
    await place.process().closer.end(run, "cancelled")
    if is_old:
        assert await finished(place) == ((1, 8), (14, 22)), "nobody knows any more who else had read 12 to 14"
        assert await from_scratch(place) == ((1, 8), (12, 22))
    else:
        assert await finished(place) == await from_scratch(place) == ((1, 8), (12, 16))


async def test_an_edit_replaces_what_was_known(place: Place) -> None:
    """W4: older runs and the open one no longer count; newer ones do; the newest edit counts."""
    await night(place, thing(1, 30))
    under_way = await start(place, thing(30, 32))
    await edit(place, (1, 10))
    await edit(place, (1, 20), (25, 27))
    await finish(place, under_way)
    assert await finished(place) == ((1, 20), (25, 27))
    assert await from_scratch(place) == ((1, 20), (25, 27))
    await night(place, thing(20, 25))
    assert await finished(place) == ((1, 27),)
    await edit(place)
    assert await finished(place) == await from_scratch(place) == ()
    assert [each.number for each in await read_edits(place.process().lake, SOURCE)] == [1, 2, 3]


async def test_g1_the_first_window_stays_the_first_though_it_was_read_in_vain(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream without a `start` begins there: with what a person said, or what any run read, finished or not."""
    monkeypatch.setattr(watermark, "KEPT_RUNS", 2)
    lake = place.process().lake

    async def first() -> datetime | None:
        state = await fold_watermark(lake, place.clock, SOURCE, "p")
        assert state == await read_watermark(lake, SOURCE)
        return state.finished.starts.get(Dated.stream)

    assert await first() is None
    await write_edit(lake, place.clock, SOURCE, Dated.stream, ((day(3), day(4)),), who="ana@host", why="loaded")
    assert await first() == day(3)
    for number in range(4, 8):
        await dated_night(place, (3, 4), (number, number + 1))
        assert await first() == day(3)
    state = await read_watermark(lake, SOURCE)
    assert state.finished.windows(Dated.stream) == (TimeWindow(day(4), day(8)),)
    await write_edit(lake, place.clock, SOURCE, Dated.stream, (), who="ana@host", why="again")
    assert await first() is None
    await dated_night(place, (3, 5), (5, 6))
    assert await first() == day(3)


async def test_g1_many_groups_are_folded_as_few_are(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """W3: fewer runs are kept apart then."""
    monkeypatch.setattr(watermark, "KEPT_SPANS", 8)
    for number in range(7):
        place.api.failing = {number * 10} if number == 1 else set()
        await night(place, thing(number * 10, number * 10 + 5), thing(number * 10 + 5, number * 10 + 10))
        await finished(place)
    assert await finished(place) == await from_scratch(place) == ((0, 10), (15, 70))
    record = json.loads((place.folder / max(place.files(VERSIONS))).read_bytes())
    assert len(record["recent"]) == 7, "each has one span"
    await night(place, *(thing(number, number + 1) for number in range(100, 120, 2)))
    assert await finished(place) == ((0, 10), (15, 70), *((number, number + 1) for number in range(100, 120, 2)))
    record = json.loads((place.folder / max(place.files(VERSIONS))).read_bytes())
    assert len(record["recent"]) == watermark.MIN_KEPT_RUNS


async def test_an_edit_holds_for_every_group_until_a_run_reads_it(place: Place) -> None:
    """A person names a stream; the groups of its items are the code's matter."""
    await edit(place, (1, 20))
    lake = place.process().lake
    state = await read_watermark(lake, SOURCE)
    assert state.finished.ids(Thing.stream, region="eu") == (IdRange(1, 20),)
    place.api.failing = {5}
    await night(place, thing(5, 9), thing(20, 25))
    assert await finished(place) == await from_scratch(place) == ((1, 5), (9, 25))
    state = await read_watermark(lake, SOURCE)
    assert state.finished.ids(Thing.stream, region="eu") == (IdRange(1, 20),)
    assert state.finished.spans[Thing.stream][ALL_GROUPS] == (IdRange(1, 20),)


async def test_versions_are_a_cache(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """W3: whatever of them is gone or cannot be read, and however many runs were folded for good, all is known."""
    monkeypatch.setattr(watermark, "KEPT_RUNS", 3)
    for number in range(8):
        place.api.failing = {number * 10} if number in (2, 6) else set()
        await night(place, thing(number * 10, number * 10 + 5), thing(number * 10 + 5, number * 10 + 10))
        await finished(place)
    wanted = ((0, 20), (25, 60), (65, 80))
    assert await finished(place) == wanted
    assert len(place.files(VERSIONS)) == watermark.KEPT_VERSIONS
    newest = max(place.files(VERSIONS), key=lambda path: int(Path(path).stem))
    (place.folder / newest).write_bytes(b'{"format":1,"base":')
    assert await finished(place) == wanted
    assert await from_scratch(place) == wanted
    assert await finished(place) == wanted
    assert len(place.files(VERSIONS)) == 1, "nothing has changed, so nothing is written"


async def test_a_version_of_a_newer_haulier_is_refused(place: Place) -> None:
    """It may know edits and runs that this one does not."""
    await night(place, thing(1, 5))
    lake = place.process().lake
    await lake.create(f"{versions_root(SOURCE)}/7.json", b'{"format":99}')
    with pytest.raises(NewerFormatError):
        await fold_watermark(lake, place.clock, SOURCE, "p")


async def test_a_clock_that_goes_back_loses_no_run(place: Place) -> None:
    """A run whose name stands before those of older runs counts all the same."""
    await night(place, thing(1, 5))
    assert await finished(place) == ((1, 5),)
    place.clock.set_wall(place.clock.now() - timedelta(hours=5))
    await night(place, thing(5, 9))
    assert await finished(place) == await from_scratch(place) == ((1, 9),)


async def test_a_closed_run_that_is_damaged_is_said_in_words(place: Place) -> None:
    """Nothing is guessed of what it had left; a person moves it away, and says what is finished."""
    await night(place, thing(1, 5))
    place.api.failing = {7}
    run = await night(place, thing(5, 7), thing(7, 9))
    (shard,) = (place.folder / run.paths.plans).glob("*/*.ndjson")
    shard.unlink()
    with pytest.raises(LakeUnavailableError, match=rf"{run.run_id} has finished.*{shard.name} is missing.*state set"):
        await finished(place)
    (place.folder / run.paths.root).rename(place.folder / "away")
    assert await finished(place) == ((1, 5),)


async def test_two_processes_fold_at_once(place: Place) -> None:
    """One writes the next version, and both know the same."""
    await night(place, thing(1, 5))
    await edit(place, (1, 3))
    await night(place, thing(3, 9))
    lakes = [place.process().lake for _ in range(4)]
    states = await asyncio.gather(*(fold_watermark(lake, place.clock, SOURCE, "p") for lake in lakes))
    assert all(state == states[0] for state in states)
    assert len(place.files(VERSIONS)) == 1


async def test_a_fold_that_is_cut_off_does_no_harm(place: Place, folder: Path) -> None:
    """Between every two steps: the next fold knows all."""
    place.api.failing = {6}
    for number in range(6):
        await night(place, thing(number * 2, number * 2 + 2))
        await finished(place)
    await night(place, thing(20, 22))
    whole = Cuts()
    trial = place.clone(folder / "whole")
    await fold_watermark(trial.process(whole).lake, trial.clock, SOURCE, "p")
    wanted = ((0, 6), (8, 12), (20, 22))
    for number, cut in enumerate(every_cut(whole)):
        trial = place.clone(folder / str(number))
        cuts = Cuts(cut)
        await cuts.run(fold_watermark(trial.process(cuts).lake, trial.clock, SOURCE, "p"))
        assert await finished(trial) == wanted, cut
        await trial.close()
