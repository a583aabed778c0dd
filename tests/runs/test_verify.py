"""Verify: a closed run against its manifest, long after; and P8 and P9, the receipts that manifests are made of."""

from __future__ import annotations

import os

import pytest

from haulier.errors import HaulierError
from haulier.runs.newest_runs import latest_complete
from haulier.runs.receipts import was_sign_seen, write_receipts
from haulier.runs.records import Receipt, VerdictRecord
from haulier.runs.run import Run, list_runs
from haulier.runs.verify import FORGOTTEN_SECONDS, Verification, verify_run
from tests.harness.cuts.calls import Cut, Cuts
from tests.runs.rig import Place, Process, Thing, finish, key_of, thing


async def closed(place: Place, process: Process) -> tuple[Run, VerdictRecord]:
    """A complete run of three objects."""
    run = await process.claim()
    place.api.empty = {9}
    await process.enqueue(run, [thing(1, 4), thing(5), thing(7), thing(9)])
    return run, await finish(place, run)


async def test_a_sound_run(place: Place, process: Process) -> None:
    """Every object is read to its end and is what the manifest says."""
    run, verdict = await closed(place, process)
    assert await verify_run(process.lake, run, verdict) == Verification(
        objects=3, records=5, bytes=verdict.totals.bytes
    )


@pytest.mark.parametrize("name", ["my file", "a\\b", "é", "²", b"\xff".decode(errors="surrogateescape")])
async def test_names_of_strangers_stop_no_run(place: Place, process: Process, name: str) -> None:
    """Someone made a folder or a file by hand where the records of a run are, with a name that no path can have."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 4), thing(5)])
    root = place.folder / run.paths.root
    for folder in ("..", "plan", "children", "outcomes", "receipts", "poison", "redrives", "discards", "closings"):
        (root / folder / name).mkdir(parents=True, exist_ok=True)
        (root / folder / name / name).write_bytes(b"theirs")
        (root / folder / name / "1.json").write_bytes(b"theirs")
    verdict = await finish(place, run)
    assert await list_runs(process.lake, run.file.source) == [run]
    assert await latest_complete(process.lake, run.file.source, Thing.stream) == (run, verdict)
    assert not await was_sign_seen(process.lake, run.paths, "nothing")
    seen = await verify_run(process.lake, run, verdict)
    assert (seen.is_sound, seen.objects) == (True, 2)


async def test_every_kind_of_damage_is_found(place: Place, process: Process) -> None:
    """An object that is gone, one that is cut off, one that is another: each is named, and the sound one is counted."""
    run, verdict = await closed(place, process)
    gone, cut, other = (place.folder / run.paths.object("things", key_of(item)) for item in _objects())
    other.write_bytes(cut.read_bytes())
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-3])
    seen = await verify_run(process.lake, run, verdict)
    assert (seen.is_sound, seen.damaged, seen.objects) == (False, 3, 0)
    said = "\n".join(sorted(seen.findings))
    assert f"{gone.name} is not in the lake; the manifest lists 3 records in it" in said
    assert f"{cut.name} cannot be read to its end" in said
    assert f"{other.name} holds 1 record in " in said
    assert not gone.exists()


async def test_damage_that_the_closing_found_is_told_again(place: Place, process: Process) -> None:
    """A partial run is verified too, and what its manifest lists as damaged is not sound."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 4)])
    await process.work(run)
    (place.folder / run.paths.object("things", key_of(thing(1, 4)))).unlink()
    verdict = await process.closer.close(run)
    assert verdict is not None
    seen = await verify_run(process.lake, run, verdict)
    assert (seen.is_sound, seen.damaged) == (False, 1)
    assert "was damaged when the run was closed: its receipt stands and its object is gone" in seen.findings[0]


async def test_strays_are_reported_and_left(place: Place, process: Process) -> None:
    """An object that no manifest lists counts nowhere; verify says so and touches nothing."""
    run, verdict = await closed(place, process)
    stray = place.folder / run.paths.object("things", key_of(thing(9)))
    stray.write_bytes(b"late")
    seen = await verify_run(process.lake, run, verdict)
    assert (seen.is_sound, seen.strays, seen.objects) == (True, 1, 3)
    assert seen.findings == [
        f"{run.paths.object('things', stray.name[:-10])} is in the lake, but the manifest does not list it"
    ]
    assert stray.exists()


async def test_it_sweeps_what_the_dead_left(place: Place, process: Process) -> None:
    """Staging whole; temporary names once they are a day old, since a living writer may hold a younger one."""
    run, verdict = await closed(place, process)
    spool = await process.lake.open_spool(run.paths.staging, "left")
    await spool.finish()
    old, young = (place.folder / run.paths.root / f".tmp-{name}" for name in ("old", "young"))
    now = place.clock.now().timestamp()
    for path, age in ((old, FORGOTTEN_SECONDS + 10), (young, FORGOTTEN_SECONDS - 10)):
        path.write_bytes(b"half a rec")
        os.utime(path, (now - age, now - age))
    seen = await verify_run(process.lake, run, verdict)
    assert seen.swept == 2
    assert (old.exists(), young.exists()) == (False, True)
    assert place.files(f"{run.paths.staging}/*") == []
    await spool.discard()


async def test_c5_it_mends_the_signs(place: Place, process: Process) -> None:
    """Verify is one of those that find them missing."""
    run, verdict = await closed(place, process)
    signs = [place.folder / path for path in (run.paths.sign("_SUCCESS.json"), run.paths.stream_sign("things"))]
    for path in signs:
        path.unlink()
    await verify_run(process.lake, run, verdict)
    assert all(path.exists() for path in signs)


async def test_findings_are_capped_and_still_counted(place: Place, process: Process) -> None:
    """G9: a lake that lost everything does not fill memory with words."""
    run = await process.claim()
    await process.enqueue(run, [thing(n) for n in range(120)])
    verdict = await finish(place, run)
    for path in (place.folder / run.paths.bronze("things")).glob("*.gz"):
        path.unlink()
    seen = await verify_run(process.lake, run, verdict)
    assert (seen.damaged, len(seen.findings)) == (120, 100)


async def test_p8_receipts_stand_before_the_lease_is_completed(place: Place, process: Process) -> None:
    """A worker that dies in between leaves a message that is looked up: no request is made twice, no row is lost."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 4)])
    cuts = Cuts(Cut("MemoryQueue.complete"))
    await cuts.run(place.process(cuts).work(run))
    assert len(place.files(f"{run.paths.folder('receipts')}/*")) == 1
    assert len(place.messages) == 1
    assert (await finish(place, run)).verdict == "complete"
    assert place.api.requests.total() == 1
    assert place.judge(run).problems == []


async def test_p8_a_group_of_receipts_may_be_written_again(place: Place, process: Process) -> None:
    """After a failure the lake may have kept them; another group under the same name is a fault that shows."""
    run = await process.claim()
    group = [Receipt(key=key_of(thing(1)), records=1, bytes=2, sha256="s")]
    for _ in range(2):
        await write_receipts(process.lake, run.paths, "w", 1, group)
    with pytest.raises(HaulierError, match="already exists with other receipts"):
        await write_receipts(process.lake, run.paths, "w", 1, [*group, *group])


async def test_p9_an_adopted_object_counts_like_its_own_receipt(place: Place, process: Process) -> None:
    """Read to its end, counted and summed as it is stored: the manifest says of it what its worker would have said."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 4)])
    cuts = Cuts(Cut("LocalLake.publish", is_after=True))
    await cuts.run(place.process(cuts).work(run))
    verdict = await finish(place, run)
    assert (verdict.totals.records, verdict.totals.requests) == (3, 0)
    assert place.judge(run).problems == []
    assert (await verify_run(process.lake, run, verdict)).is_sound


def _objects() -> list[Thing]:
    return [thing(1, 4), thing(5), thing(7)]
