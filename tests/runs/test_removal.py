"""Old snapshots: which they are, and their removal, killed between every two steps (R1)."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier.lake.seam import FolderSize
from haulier.runs.newest_runs import latest_complete
from haulier.runs.old_snapshots import SETTLED_AFTER, SeenRun, old_snapshots, unsettled
from haulier.runs.records import RunFile
from haulier.runs.removal import remove_objects
from haulier.runs.run import Run, run_id_of
from haulier.runs.signs import SUCCESS, mend_signs
from haulier.runs.state import RunState
from tests.harness.cuts.calls import Cut, Cuts, Halt, every_cut
from tests.runs.rig import SOURCE, Place, Process, finish, thing

NOW = datetime(2026, 11, 30, tzinfo=UTC)
STREAM = "things"


def seen(
    days_ago: int,
    state: RunState = RunState.COMPLETE,
    mode: str = "full",
    streams: tuple[str, ...] = ("a",),
    *,
    records: int = 5,
    discarded: int = 0,
    removed: tuple[str, ...] = (),
    closed_at: datetime | None = None,
) -> SeenRun:
    moment = NOW - timedelta(days=days_ago)
    file = RunFile(
        run_id=run_id_of(mode, moment),
        source=SOURCE,
        mode=mode,
        snapshot_time=moment,
        created_at=moment,
        fingerprint="",
        streams=streams,
    )
    closed_at = (closed_at or moment) if state.is_closed else None
    return SeenRun(Run.of(file), state, closed_at, dict.fromkeys(streams, records), removed, discarded)


def chosen(keep: int, *runs: SeenRun) -> list[tuple[int, str, str]]:
    return [
        ((NOW - each.run.file.snapshot_time).days, each.stream, each.why) for each in old_snapshots(runs, keep, NOW)
    ]


def test_the_newest_complete_snapshots_of_each_stream_stay() -> None:
    """A run of one stream alone pushes out none of another; one without records, or with discarded items, pushes
    out nothing."""
    runs = [seen(1, streams=("a",)), seen(2, streams=("a", "b")), seen(3, streams=("a", "b")), seen(4, streams=("b",))]
    assert chosen(1, *runs) == [(4, "b", "old"), (3, "b", "old"), (3, "a", "old"), (2, "a", "old")]
    assert chosen(2, *runs) == [(4, "b", "old"), (3, "a", "old")]
    assert chosen(3, *runs) == []
    assert chosen(1, seen(1, records=0), seen(2), seen(3)) == [(3, "a", "old")]
    assert chosen(1, seen(1, discarded=1), seen(2), seen(3, discarded=1)) == [(3, "a", "old")]


@pytest.mark.parametrize(
    ("state", "mode", "why"),
    [
        (RunState.PLANNING, "full", ""),
        (RunState.OPEN, "full", ""),
        (RunState.CLOSING, "full", ""),
        (RunState.PARTIAL, "full", ""),
        (RunState.SUPERSEDED, "full", "superseded"),
        (RunState.CANCELLED, "full", "cancelled"),
        (RunState.COMPLETE, "trial", "trial"),
        (RunState.CANCELLED, "trial", "cancelled"),
        (RunState.OPEN, "trial", ""),
        (RunState.PARTIAL, "trial", ""),
        *((state, "incremental", "") for state in RunState),
    ],
)
def test_g1_what_somebody_may_need_stays(state: RunState, mode: str, why: str) -> None:
    """Open and partial runs, and every increment, however old they are; neither counts as a snapshot that is kept."""
    rest = [seen(1), seen(3)]
    found = chosen(1, *rest, seen(2, state, mode))
    assert found == [(3, "a", "old"), *([(2, "a", why)] if why else [])]


def test_a_run_that_was_just_cancelled_is_left_to_its_workers() -> None:
    closed_at = NOW - SETTLED_AFTER
    for moment, found in ((closed_at, [(1, "a", "cancelled")]), (closed_at + timedelta(seconds=1), [])):
        run = seen(1, RunState.CANCELLED, closed_at=moment)
        assert chosen(1, run) == found
        assert unsettled([run, seen(2)], NOW) == ([] if found else [run.run.run_id])


def test_what_an_earlier_removal_left_is_removed_and_counts_as_no_snapshot() -> None:
    assert chosen(1, seen(1, removed=("a",)), seen(2), seen(3)) == [(3, "a", "old"), (1, "a", "left")]


class Shelf:
    """A lake with two complete runs, of which the older one is removed, and a copy of it for each trial."""

    def __init__(self, place: Place, old: Run, folder: Path) -> None:
        self._place = place
        self.old = old
        self._folder = folder
        self._trials = 0

    def trial(self) -> Place:
        self._trials += 1
        return self._place.clone(self._folder / f"trial-{self._trials}")

    async def remove(self, process: Process) -> None:
        clock = process.place.clock
        await remove_objects(process.lake, clock, self.old, STREAM, "old", FolderSize(3, 99), process.name)

    def require_no_lie(self, place: Place) -> None:
        """A sign stands only beside all that it speaks of."""
        objects = list((place.folder / self.old.paths.bronze(STREAM)).glob("*.gz"))
        for sign in (self.old.paths.stream_sign(STREAM), self.old.paths.sign(SUCCESS)):
            assert len(objects) == 3 or not (place.folder / sign).exists()

    def is_begun(self, place: Place) -> bool:
        return (place.folder / self.old.paths.removed(STREAM)).exists()


@pytest.fixture
async def shelf(place: Place, folder: Path) -> Shelf:
    runs = []
    for _ in range(2):
        process = place.process()
        run = await process.claim()
        await process.enqueue(run, [thing(1, 4), thing(5), thing(7)])
        await finish(place, run)
        runs.append(run)
    await place.close()
    return Shelf(place, runs[0], folder)


async def test_g1_a_removal_that_is_killed_anywhere_is_finished_by_the_next(shelf: Shelf) -> None:
    """At no step does a reader by folder take half of a snapshot for whole, nor `latest` name it once it was begun; the
    newer snapshot is untouched."""
    whole = Cuts()
    place = shelf.trial()
    await shelf.remove(place.process(whole))
    await place.close()
    for cut in every_cut(whole):
        place = shelf.trial()
        cuts = Cuts(cut)
        await cuts.run(shelf.remove(place.process(cuts)))
        shelf.require_no_lie(place)
        process = place.process()
        newest = await latest_complete(process.lake, SOURCE, STREAM)
        assert newest is not None
        await mend_signs(process.lake, shelf.old, newest[1])
        shelf.require_no_lie(place)
        await shelf.remove(process)
        await mend_signs(process.lake, shelf.old, newest[1])
        assert not (place.folder / shelf.old.paths.bronze(STREAM)).exists(), cut
        assert not (place.folder / shelf.old.paths.root / "_SUCCESS.json").exists()
        left = (place.folder / newest[0].paths.bronze(STREAM)).glob("*.gz")
        assert sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in left) == 5
        await place.close()


async def test_two_remove_at_once_and_a_third_mends_signs(shelf: Shelf) -> None:
    """Wherever one stands still while the others go on, nothing fails, and no sign comes back."""
    whole = Cuts()
    place = shelf.trial()
    await shelf.remove(place.process(whole))
    await place.close()
    for call in range(1, len(whole.calls) + 1):
        place = shelf.trial()
        halt = Halt(Cut(call))
        slow, other = place.process(Cuts(on_call=halt)), place.process()
        newest = await latest_complete(other.lake, SOURCE, STREAM)
        assert newest is not None
        task = asyncio.create_task(shelf.remove(slow))
        assert await halt.reached(task)
        await mend_signs(other.lake, shelf.old, newest[1])
        await shelf.remove(other)
        halt.release()
        await task
        await mend_signs(other.lake, shelf.old, newest[1])
        assert not (place.folder / shelf.old.paths.bronze(STREAM)).exists()
        await place.close()


@pytest.mark.parametrize("call", range(1, 9))
async def test_signs_that_are_mended_while_a_removal_begins_do_not_stay(shelf: Shelf, call: int) -> None:
    """Who found a sign missing, and no removal, takes back what it then wrote."""
    place = shelf.trial()
    (place.folder / shelf.old.paths.stream_sign(STREAM)).unlink()
    halt = Halt(Cut(call))
    slow, other = place.process(Cuts(on_call=halt)), place.process()
    newest = await latest_complete(other.lake, SOURCE, STREAM)
    assert newest is not None
    task = asyncio.create_task(mend_signs(slow.lake, shelf.old, newest[1]))
    if await halt.reached(task):
        await shelf.remove(other)
        halt.release()
    await task
    if shelf.is_begun(place):
        assert not (place.folder / shelf.old.paths.stream_sign(STREAM)).exists()
    await place.close()
