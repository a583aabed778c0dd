"""A run over time: folded from its records while it is open, and kept by its closing."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.cli.main import main
from haulier.errors import LakeUnavailableError
from haulier.runs import ledger_schema as table
from haulier.runs.endings import SAMPLE_RECORDS, read_endings
from haulier.runs.ledger import Ledger
from haulier.runs.records import OutcomeRecord, PlannedItem, Receipt, encode_record
from haulier.runs.run import Run
from haulier.runs.time_axis import LEAST_BREAK_SECONDS, MAX_BREAKS, MAX_BUCKETS, Pause, time_axis
from haulier.runs.timeline import Timeline, read_timeline
from tests.runs.rig import LEASE_SECONDS, Place, Process, finish, key_of, thing

HOUR = 3_600
DAY = 24 * HOUR

SOURCE = """
from dataclasses import dataclass
from haulier import Api, App, WorkItem

app = App("letters", api=Api("http://127.0.0.1:9", in_flight=8))

@dataclass(frozen=True)
class Letter(WorkItem, stream="letters", kind="letter"):
    number: int

@app.enumerate("full")
async def letters(ctx):
    for number in range(12):
        yield Letter(number)

@app.processor(Letter)
async def letter(item, ctx):
    yield [{"id": item.number}] * (item.number % 4)
"""


async def timeline_of(process: Process, run: Run, ledger: Ledger | None = None) -> Timeline:
    return await read_timeline(process.lake, process.place.clock, run, ledger)


async def work_slowly(process: Process, run: Run, step_seconds: float) -> None:
    """One item, then time passes, until nothing is left."""
    while leases := await process.queue.dequeue(1, LEASE_SECONDS):
        process.place.clock.advance(step_seconds)
        await process.settle(run, leases[0])


def at_seconds(timeline: Timeline, column: str) -> dict[int, Any]:
    """What is not 0, by the second at which its step begins."""
    return {at: value for at, value in zip(timeline.at, getattr(timeline, column), strict=True) if value}


# -- the axis ----------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 21 * DAY), min_size=1, max_size=60, unique=True).map(sorted),
    st.sampled_from([1, 7, HOUR, 9 * DAY]),
)
def test_the_axis_is_short_and_leaves_out_nothing_that_happened(moments: list[int], scale: int) -> None:
    """However long a run is, and whatever pauses it made: each moment has its bucket, and there are at most 240."""
    moments = [moment * scale for moment in moments]
    pauses = list(zip([0, *moments], moments, strict=False))
    axis = time_axis(moments[-1], pauses)
    assert len(axis.buckets) <= MAX_BUCKETS
    assert list(axis.buckets) == sorted(set(axis.buckets))
    assert {0, *(moment // axis.step_seconds for moment in moments)} <= set(axis.buckets)


@pytest.mark.parametrize(
    ("last", "pauses", "step", "buckets", "breaks"),
    [
        (0, [], 1, 1, 0),
        (59, [], 1, 60, 0),
        (HOUR - 1, [], 15, 240, 0),
        (HOUR, [], 30, 121, 0),
        (21 * DAY, [], 10_800, 169, 0),
        # A pause that is no longer than the rest is part of the run; one that is goes.
        (HOUR, [(600, 2_000)], 30, 121, 0),
        (HOUR, [(600, 2_600)], 10, 162, 1),
        # Redriven after three days, and after four more.
        (7 * DAY, [(HOUR, 3 * DAY), (3 * DAY + 60, 7 * DAY - 60)], 30, 127, 2),
        # Enumerated for two hours before the first item of a minute.
        (2 * HOUR + 60, [(0, 2 * HOUR)], 1, 62, 1),
    ],
)
def test_steps_and_breaks(last: int, pauses: list[Pause], step: int, buckets: int, breaks: int) -> None:
    """The step is one that people read easily; a long pause costs no points."""
    axis = time_axis(last, pauses)
    found = sum(b - a > 1 for a, b in zip(axis.buckets, axis.buckets[1:], strict=False))
    assert (axis.step_seconds, len(axis.buckets), found) == (step, buckets, breaks)


def test_a_source_with_an_hourly_quota_keeps_its_pauses() -> None:
    """Ten minutes of work each hour for three weeks: only the longest pauses could be cut out, and none of them is."""
    pauses = [(start + 600, start + HOUR) for start in range(0, 21 * DAY, HOUR)]
    assert len(pauses) > MAX_BREAKS
    axis = time_axis(21 * DAY, pauses)
    assert axis == time_axis(21 * DAY, [])
    assert time_axis(LEAST_BREAK_SECONDS, [(1, LEAST_BREAK_SECONDS)]).step_seconds == 1


# -- a run -------------------------------------------------------------------------------------------------------------


async def test_an_open_run_and_what_its_closing_keeps(place: Place, process: Process) -> None:
    """Items with records, without, divided and poisoned, at 10 s each: the same while it is open and once it is closed,
    when nothing but the kept file is read."""
    place.api.empty, place.api.failing, place.api.split, place.api.seconds = {2}, {3}, {10}, 5.0
    run = await process.claim()
    await process.enqueue(run, [thing(1, 4), thing(2), thing(3), thing(10, 12)])
    ledger = Ledger(process.lake, run.paths)
    assert (await timeline_of(process, run, ledger)).at == ()
    await work_slowly(process, run, 10.0)
    opened = await timeline_of(process, run, ledger)
    ledger.close()
    assert opened.step_seconds == 1
    assert opened.at == tuple(range(61))
    assert at_seconds(opened, "items") == {10: 1, 20: 1, 30: 1, 50: 1, 60: 1}
    assert at_seconds(opened, "poison") == {30: 1}
    assert at_seconds(opened, "records") == {10: 3, 50: 1, 60: 1}
    assert at_seconds(opened, "requests") == {10: 1, 20: 1, 50: 1, 60: 1}
    assert at_seconds(opened, "item_seconds") == {10: 5.0, 20: 5.0, 50: 5.0, 60: 5.0}
    assert at_seconds(opened, "measured") == {10: 1, 20: 1, 50: 1, 60: 1}, "what is poisoned has no time"
    busy = [*range(5, 10), *range(15, 20), *range(45, 50), *range(55, 60)]
    assert at_seconds(opened, "under_way") == dict.fromkeys(busy, 1.0)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (sum(opened.records), sum(opened.bytes)) == (verdict.totals.records, verdict.totals.bytes)
    for receipts in place.folder.glob(f"{run.paths.folder('receipts')}/*"):
        receipts.unlink()
    assert await timeline_of(process, run) == opened


async def test_a_redrive_days_later_squeezes_nothing(place: Place, process: Process) -> None:
    """The days between are cut out; the poison of the first day is kept, and so is what became of it."""
    place.api.failing = {3}
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2), thing(3)])
    await work_slowly(process, run, 10.0)
    first = await process.closer.close(run)
    assert first is not None
    before = await timeline_of(process, run)
    place.api.failing = set()
    place.clock.advance(3 * DAY)
    await process.redriver.redrive(run)
    verdict = await finish(place, run)
    assert (verdict.number, verdict.verdict) == (2, "complete")
    after = await timeline_of(process, run)
    assert after.step_seconds == before.step_seconds
    assert after.at[:31] == before.at
    assert at_seconds(after, "items") == {10: 1, 20: 1, 30: 1, after.at[-1]: 1}
    assert at_seconds(after, "poison") == {30: 1}
    assert len(after.at) < 40
    assert after.at[-1] > 3 * DAY


async def test_a_run_that_waits_goes_on_to_this_moment(place: Place, process: Process) -> None:
    """That nothing ends any more is seen while the run is open, and is no part of it later."""
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])
    (lease,) = await process.queue.dequeue(1, LEASE_SECONDS)
    place.clock.advance(100)
    await process.settle(run, lease)
    place.clock.advance(50)
    assert (await timeline_of(process, run)).at[-1] == 150
    await process.closer.end(run, "cancelled")
    place.clock.advance(50)
    assert (await timeline_of(process, run)).at[-1] == 100


async def test_clocks_that_differ_and_records_without_a_time(place: Place, process: Process) -> None:
    """What ended before the run began ended at its start, and what ends in years ends now. Receipts of older versions
    and outcomes that cannot be read are counted, and stop no closing; a lake that is away does."""
    place.api.empty = {3, 4}
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2), thing(3), thing(4), thing(5)])
    place.clock.advance(20)
    await process.work(run)
    for path in place.folder.glob(f"{run.paths.folder('receipts')}/*"):
        receipt = msgspec.json.decode(path.read_bytes(), type=Receipt)
        ended = {key_of(thing(1)): -30.0, key_of(thing(2)): 1e9}.get(receipt.key)
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(receipt, ended=ended)) + b"\n")
    early = OutcomeRecord(key=key_of(thing(3)), ended_at=run.file.created_at - timedelta(hours=1))
    (place.folder / run.paths.outcome(early.key)).write_bytes(encode_record(early))
    spoilt = place.folder / run.paths.outcome(key_of(thing(4)))
    spoilt.unlink()
    spoilt.symlink_to(spoilt)
    ledger = Ledger(process.lake, run.paths)
    await ledger.refresh()
    place.folder.rename(place.folder.with_name("away"))
    with pytest.raises(LakeUnavailableError):
        await read_endings(process.lake, run, ledger, 20.0, is_open=False)
    place.folder.with_name("away").rename(place.folder)
    ledger.close()
    verdict = await process.closer.close(run)
    assert verdict is not None
    kept = await timeline_of(process, run)
    assert at_seconds(kept, "items") == {0: 2, 20: 1}
    assert kept.untimed == 2


async def test_an_older_run_has_no_times(place: Place, process: Process) -> None:
    """Nothing is shown of it, rather than something wrong."""
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await process.work(run)
    await process.closer.close(run)
    (place.folder / run.paths.closing(1, "timeline.json")).unlink()
    assert (await timeline_of(process, run)).items == (1,)
    for path in place.folder.glob(f"{run.paths.folder('receipts')}/*"):
        receipt = msgspec.json.decode(path.read_bytes(), type=Receipt)
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(receipt, ended=None)) + b"\n")
    old = await timeline_of(process, run)
    assert (old.at, old.items, old.untimed) == ((), (), 1)


async def test_g9_many_items_without_records_are_sampled(place: Place, process: Process) -> None:
    """Of three times as many as are read, a quarter is: each counts for its share, and the sum is right."""
    count = 3 * SAMPLE_RECORDS
    run = await process.claim()
    ledger = Ledger(process.lake, run.paths)
    keys = [f"things-{n}" for n in range(count)]
    outcomes = place.folder / run.paths.folder("outcomes")
    outcomes.mkdir(parents=True)
    for n, key in enumerate(keys):
        ended_at = run.file.created_at + timedelta(seconds=n % 100)
        (outcomes / f"{key}.json").write_bytes(encode_record(OutcomeRecord(key=key, ended_at=ended_at, requests=2)))
    items = [PlannedItem(key=key, stream="things", kind="things", payload=msgspec.Raw(b"{}")) for key in keys]
    await ledger.scratch.do(table.put_planned, items)
    await ledger.scratch.do(table.put_empty, keys)
    endings = await read_endings(process.lake, run, ledger, 100.0, is_open=False)
    read = await ledger.scratch.do(lambda scratch: scratch.execute("SELECT count(*) FROM ending WHERE is_read").get)
    assert isinstance(read, int)
    assert count / 5 < read <= SAMPLE_RECORDS
    assert endings.sampled == count / read
    assert sum(bucket.items for bucket in endings.buckets) == pytest.approx(count)
    assert sum(bucket.requests for bucket in endings.buckets) == pytest.approx(2 * count)
    assert all(0.4 < bucket.items / (count / 100) < 1.8 for bucket in endings.buckets)
    ledger.close()


async def test_a_hundred_thousand_items_are_folded_in_a_moment(process: Process) -> None:
    """After the ledger was read. The limit is for a machine with other work; a quiet one takes 0.2 s."""
    run = await process.claim()
    ledger = Ledger(process.lake, run.paths)
    count = 100_000
    for start in range(0, count, 10_000):
        keys = [f"things-{n}" for n in range(start, start + 10_000)]
        items = [PlannedItem(key=key, stream="s", kind="k", payload=msgspec.Raw(b"{}")) for key in keys]
        receipts = [
            Receipt(key=key, records=1, bytes=10, sha256=f"{n:064x}", seconds=n % 37 / 10, ended=n * 7919 % 36_000 / 10)
            for n, key in enumerate(keys, start)
        ]
        await ledger.scratch.do(table.put_planned, items)
        await ledger.scratch.do(table.put_receipts, receipts)
    began = time.perf_counter()
    endings = await read_endings(process.lake, run, ledger, 3_600.0, is_open=False)
    seconds = time.perf_counter() - began
    ledger.close()
    assert (endings.axis.step_seconds, len(endings.buckets)) == (15, 240)
    assert sum(bucket.items for bucket in endings.buckets) == count
    busy = sum(bucket.busy_seconds for bucket in endings.buckets)
    assert busy == pytest.approx(sum(bucket.item_seconds for bucket in endings.buckets), rel=0.001)
    assert seconds < 2.0


def test_workers_say_when_items_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real run: what its closing keeps of time adds up to its verdict, and the manifest names the second."""
    (tmp_path / "app.py").write_text(SOURCE)
    assert main(["run", str(tmp_path / "app.py"), "--lake", str(tmp_path / "lake")]) == 0
    (kept,) = tmp_path.glob("lake/_haulier/letters/runs/*/closings/0001/timeline.json")
    timeline = json.loads(kept.read_bytes())
    verdict = json.loads(kept.with_name("verdict").read_bytes())
    assert sum(timeline["items"]) == 12
    assert sum(timeline["records"]) == verdict["totals"]["records"] == 18
    assert sum(timeline["bytes"]) == verdict["totals"]["bytes"]
    assert timeline["untimed"] == 0
    assert sum(timeline["item_seconds"]) >= 0.0
