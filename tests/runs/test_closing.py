"""Closing (C1 to C5, C8): what is found, what is written, and what is left alone."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import pytest

from haulier.errors import LakeUnavailableError, RunEndedError
from haulier.queues.envelope import encode
from haulier.runs.manifest import read_manifest
from haulier.runs.plan import plan_item, read_seal
from haulier.runs.receipts import write_receipts
from haulier.runs.records import ManifestEntry, Receipt, VerdictRecord, decode_record
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from haulier.runs.send import envelope_of, send_plan
from haulier.runs.signs import PARTIAL, SUCCESS
from haulier.runs.state import RunState, closing_in_force, newest_closing, run_state
from tests.harness.cuts.calls import Cut, Cuts, Halt
from tests.runs.rig import Place, Process, Thing, finish, key_of, records_of, thing


async def entries_of(process: Process, run: Run, number: int = 1) -> dict[str, ManifestEntry]:
    return {entry.key: entry async for entries in read_manifest(process.lake, run.paths, number) for entry in entries}


async def started(process: Process, *items: Thing) -> Run:
    """A run whose items were planned and sent."""
    run = await process.claim()
    await process.enqueue(run, items)
    return run


async def worked(process: Process, *items: Thing) -> Run:
    """A run whose items have ended."""
    run = await started(process, *items)
    while process.place.store.messages:
        await process.work(run)
    return run


async def test_a_drained_run_closes_complete(place: Place, process: Process) -> None:
    """Manifest, totals, verdict and signs agree with what the independent check finds in the lake."""
    place.api.empty, place.api.split = {10}, {20}
    run = await worked(process, thing(1, 4), thing(10), thing(20, 24))
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons) == ("complete", {})
    totals = verdict.totals
    assert (totals.planned, totals.done, totals.empty, totals.split, totals.records) == (7, 4, 1, 2, 7)
    assert verdict.streams == {"things": 7}
    assert place.judge(run).problems == []
    states = {key: entry.state for key, entry in (await entries_of(process, run)).items()}
    assert states == {
        key_of(thing(1, 4)): "done",
        key_of(thing(10)): "empty",
        key_of(thing(20, 24)): "split",
        key_of(thing(20, 22)): "split",
        key_of(thing(20)): "done",
        key_of(thing(21)): "done",
        key_of(thing(22, 24)): "done",
    }


async def test_a_run_that_is_not_drained_is_left_alone(place: Place, process: Process) -> None:
    """Closing may be tried at any time: nothing is opened, and no spool is swept, while items are under way."""
    run = await process.claim()
    assert await process.closer.close(run) is None
    await process.enqueue(run, [thing(1), thing(2)])
    (lease,) = await process.queue.dequeue(1, 60)
    await process.settle(run, lease)
    assert await process.closer.close(run) is None
    assert await newest_closing(process.lake, run.paths) is None


async def test_c1_staging_is_swept_after_opened_and_before_the_lists(place: Place, process: Process) -> None:
    """`opened`, then the sweep, then everything that the verdict rests on is listed."""
    run = await worked(process, thing(1))
    closing = place.process()
    await closing.closer.close(run)
    calls = closing.cuts.calls
    opened, swept = calls.index("LocalLake.create"), calls.index("LocalLake.sweep")
    assert opened < swept
    assert calls[swept:].count("LocalLake.walk") == 10  # nine folders of records, one of bronze


@pytest.mark.parametrize("step", ["LocalSpool.write", "LocalSpool.finish", "LocalLake.publish"])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
async def test_c1_nothing_is_published_between_sweep_and_verdict(place: Place, step: str, is_after: bool) -> None:
    """A worker that halts anywhere on its way to `link()` while a whole closing goes by publishes nothing after it; one
    that had linked is in the manifest."""
    first = place.process()
    run = await started(first, thing(1))
    slow = place.process(Cuts(on_call=(halt := Halt(Cut(step, is_after)))))
    working = asyncio.create_task(slow.work(run))
    assert await halt.reached(working)
    place.forget_leases()
    place.api.empty = {1}  # the other attempt finds no records, and ends the item by an outcome
    await first.work(run)
    verdict = await first.closer.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"
    before = place.files("shop/**/*")
    halt.release()
    await working
    assert place.files("shop/**/*") == before
    assert place.files(f"{run.paths.staging}/*") == []
    is_published = any(path.endswith(".ndjson.gz") for path in before)
    assert is_published == (step == "LocalLake.publish" and is_after)
    assert verdict.totals.done == int(is_published)


async def test_c1_a_number_is_opened_only_where_the_one_before_is_lifted(place: Place, process: Process) -> None:
    """A complete run is not closed again; a partial one that was reopened gets the next number."""
    place.api.failing = {1}
    run = await worked(process, thing(1))
    for _ in range(2):
        verdict = await place.process().closer.close(run)
        assert verdict is not None
        assert (verdict.number, verdict.verdict) == (1, "partial")
    place.api.failing.clear()
    await process.redriver.redrive(run)
    verdict = await finish(place, run)
    assert (verdict.number, verdict.verdict) == (2, "complete")
    assert {path.split("/")[-2] for path in place.files(f"{run.paths.folder('closings')}/*/*")} == {"0001", "0002"}


async def test_c2_a_key_that_the_list_does_not_show_abandons_the_closing(place: Place, process: Process) -> None:
    """A closing that a dead process left is taken over; a key is missing, so it is abandoned and the key is sent again,
    marked, by the closer itself."""
    run = await started(process, thing(1), thing(2))
    (lease,) = await process.queue.dequeue(1, 60)
    await process.settle(run, lease)
    await process.queue.purge()
    await process.closer._open(run)
    assert (await run_state(process.lake, run.paths))[0] is RunState.CLOSING
    assert await place.process().closer.close(run) is None
    closing = await newest_closing(process.lake, run.paths)
    assert closing is not None
    assert closing.verdict is not None
    assert (closing.verdict.verdict, closing.is_in_force) == ("abandoned", False)
    assert [(sent.key, sent.resent) for sent in place.messages] == [(key_of(thing(2)), True)]
    verdict = await finish(place, run)
    assert (verdict.number, verdict.verdict) == (2, "complete")
    assert place.judge(run).problems == []


async def test_c3_an_object_without_a_receipt_is_adopted(place: Place, process: Process) -> None:
    """P9: a worker died between `link()` and its receipt, and its message is lost with the queue."""
    cuts = Cuts(Cut("LocalLake.publish", is_after=True))
    run = await started(process, thing(1, 4))
    await cuts.run(place.process(cuts).work(run))
    await process.queue.purge()
    await process.closer._open(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.records) == ("complete", 3)
    assert len(place.files(f"{run.paths.folder('receipts')}/*")) == 1
    assert place.judge(run).problems == []


OUTCOMES = ("children", "object", "empty", "discard", "poison")
FOUND = [
    found
    for size in range(1, len(OUTCOMES) + 1)
    for found in itertools.combinations(OUTCOMES, size)
    if "poison" in found or "discard" not in found  # a discard is of a poison number
]
STATES = {"children": "split", "object": "done", "empty": "empty", "discard": "discarded", "poison": "poisoned"}


@pytest.mark.parametrize("found", FOUND, ids="-".join)
async def test_c3_what_beats_what(place: Place, process: Process, found: tuple[str, ...]) -> None:
    """Child list beats object, object beats `empty`, `empty` beats discard, discard beats poison."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 3)])
    key = key_of(thing(1, 3))
    api, bodies = place.api, list(place.messages)
    for kind in reversed(OUTCOMES):
        if kind not in found:
            continue
        api.failing, api.empty, api.split = set(), set(), set()
        if kind == "discard":
            await process.discarder.discard(run, Decision(why="it is broken"))
            continue
        {"poison": api.failing, "empty": api.empty, "children": api.split}.get(kind, set()).add(1)
        await process.queue.purge()
        await process.enqueue(run, [])
        await process.queue.enqueue([_encoded(bodies[0])])
        (lease,) = await process.queue.dequeue(1, 60)
        await process.settle(run, lease)
    api.failing, api.split = set(), set()
    await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert verdict.verdict == ("partial" if found[0] == "poison" else "complete")
    entry = (await entries_of(process, run))[key]
    assert entry.state == STATES[found[0]]
    if entry.state == "discarded":
        assert (entry.poison, entry.reason) == (1, "it is broken")
    api.empty = {1} if found[0] == "empty" else set()
    assert place.judge(run, lambda ids: True).problems == []


async def test_c3_an_unreadable_object_makes_the_run_partial(place: Place, process: Process) -> None:
    """Reason `damaged`; nothing is removed, and the manifest says what is wrong."""
    run = await worked(process, thing(1, 4), thing(9))
    object = place.folder / run.paths.object("things", key_of(thing(1, 4)))
    object.write_bytes(object.read_bytes()[:-4])
    for path in (place.folder / run.paths.folder("receipts")).iterdir():
        path.unlink()
    await process.closer._open(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons, verdict.totals.damaged) == ("partial", {"damaged": 1}, 1)
    entry = (await entries_of(process, run))[key_of(thing(1, 4))]
    assert entry.state == "damaged"
    assert "cannot be read to its end" in entry.reason
    assert object.exists()


@pytest.mark.parametrize("beside", ["empty", "poison", "discard"])
async def test_c3_an_unreadable_object_beats_what_an_object_beats(place: Place, process: Process, beside: str) -> None:
    """Records may have been read of it: that another attempt found none, or failed, mends nothing."""
    place.api.empty, place.api.failing = ({1}, set()) if beside == "empty" else (set(), {1})
    run = await worked(process, thing(1, 4))
    if beside == "discard":
        await process.discarder.discard(run, Decision(why="gone"))
    object = place.folder / run.paths.object("things", key_of(thing(1, 4)))
    object.parent.mkdir(parents=True)
    object.write_bytes(b"half")
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons) == ("partial", {"damaged": 1})


async def test_c3_receipts_that_disagree_make_the_run_partial(place: Place, process: Process) -> None:
    """Two attempts that tell of different bytes under one name: nobody can say which of them readers saw."""
    run = await worked(process, thing(1, 4))
    other = Receipt(key=key_of(thing(1, 4)), records=3, bytes=99, sha256="f" * 64)
    await write_receipts(process.lake, run.paths, "zombie", 1, [other])
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons, verdict.totals.records) == ("partial", {"damaged": 1}, 0)
    assert (await entries_of(process, run))[key_of(thing(1, 4))].reason == "its receipts disagree"


async def test_g3_a_receipt_whose_object_is_gone_is_no_success(place: Place, process: Process) -> None:
    """Somebody removed a file: the records that the receipt counts are not in the lake."""
    run = await worked(process, thing(1, 4))
    (place.folder / run.paths.object("things", key_of(thing(1, 4)))).unlink()
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons) == ("partial", {"damaged": 1})


async def test_c4_only_the_object_of_a_split_key_is_removed(place: Place) -> None:
    """A zombie's object of a divided item goes, between manifest and verdict; all others stay, strays too."""
    process = place.process()
    run = await started(process, thing(1, 3), thing(7))
    zombie = place.process(Cuts(on_call=(halt := Halt(Cut("LocalLake.publish")))))
    working = asyncio.create_task(zombie.work(run))
    assert await halt.reached(working)
    place.forget_leases()
    place.api.split = {1}
    await place.process().work(run)
    halt.release()
    await working
    stray = place.folder / run.paths.object("things", "things-77-78")
    stray.write_bytes(b"whose is it")
    parent = run.paths.object("things", key_of(thing(1, 3)))
    assert parent in place.files("shop/**/*")
    closing = place.process(Cuts(on_call=(removing := Halt(Cut("LocalLake.remove")))))
    task = asyncio.create_task(closing.closer.close(run))
    assert await removing.reached(task)
    assert place.files(f"{run.paths.folder('closings')}/0001/*") == [
        run.paths.closing(1, "manifest.ndjson.gz"),
        run.paths.closing(1, "opened"),
    ]
    removing.release()
    verdict = await task
    assert verdict is not None
    assert verdict.verdict == "complete"
    assert place.files("shop/**/*.ndjson.gz") == sorted(
        run.paths.object("things", key)
        for key in (key_of(thing(1)), key_of(thing(2)), key_of(thing(7)), "things-77-78")
    )
    assert closing.cuts.calls.count("LocalLake.remove") == 1  # the parent's object


async def test_c5_signs_come_after_the_verdict_the_runs_first(place: Place, process: Process) -> None:
    """`_SUCCESS.json` of the run, then the stream's in bronze: both are copies of the verdict."""
    run = await worked(process, thing(1))
    verdict = await process.closer.close(run)
    for path in (run.paths.sign(SUCCESS), run.paths.stream_sign("things")):
        assert decode_record(VerdictRecord, (place.folder / path).read_bytes(), path) == verdict
    assert not (place.folder / run.paths.sign(PARTIAL)).exists()


async def test_c5_whoever_finds_signs_missing_mends_them(place: Place, process: Process) -> None:
    """A closer that died after the verdict; signs that somebody removed; a slow closer's `_PARTIAL.json`."""
    run = await worked(process, thing(1))
    await process.closer.close(run)
    success, stream = (place.folder / path for path in (run.paths.sign(SUCCESS), run.paths.stream_sign("things")))
    for gone in ([success], [stream], [success, stream]):
        bodies = [path.read_bytes() for path in gone]
        for path in gone:
            path.unlink()
        await process.lake.create(run.paths.sign(PARTIAL), b"{}\n")
        assert await place.process().closer.close(run) is not None
        assert [path.read_bytes() for path in gone] == bodies
        assert not (place.folder / run.paths.sign(PARTIAL)).exists()


async def test_c5_signs_that_stand_are_looked_at_and_not_written(place: Place, process: Process) -> None:
    """Each worker that starts does so for every run that its source ever had."""
    run = await worked(process, thing(1))
    await process.closer.close(run)
    later = place.process(Cuts())
    assert await later.closer.close(run) is not None
    assert not {"LocalLake.create", "LocalLake.remove"} & {*later.cuts.calls}


async def test_c5_partial_is_not_written_where_success_stands(place: Place, process: Process) -> None:
    """A closer of an earlier, partial closing that comes to its signs late changes nothing."""
    place.api.failing = {1}
    run = await worked(process, thing(1))
    slow = place.process(Cuts(on_call=(halt := Halt(Cut("LocalLake.exists")))))
    assert (await process.closer.close(run)) is not None
    partial = place.folder / run.paths.sign(PARTIAL)
    assert b'"verdict":"partial"' in partial.read_bytes()
    partial.unlink()
    closing = asyncio.create_task(slow.closer.close(run))
    assert await halt.reached(closing)
    place.api.failing.clear()
    await process.redriver.redrive(run)
    assert (await finish(place, run)).verdict == "complete"
    halt.release()
    await closing
    assert not partial.exists()


async def test_c5_a_partial_sign_is_renewed(place: Place, process: Process) -> None:
    """After a second partial closing the sign tells of that one."""
    place.api.failing = {1, 2}
    run = await worked(process, thing(1), thing(2))
    await process.closer.close(run)
    place.api.failing = {1}
    await process.redriver.redrive(run)
    verdict = await finish(place, run)
    assert (verdict.verdict, verdict.reasons) == ("partial", {"poison": 1})
    body = (place.folder / run.paths.sign(PARTIAL)).read_bytes()
    assert decode_record(VerdictRecord, body, "sign") == verdict


@pytest.mark.parametrize("ending", ["superseded", "cancelled"])
async def test_c8_ending_a_run(place: Place, process: Process, ending: str) -> None:
    """Without sweep or manifest, at any state of an open run; its messages go unworked, and it stays so."""
    run = await started(process, thing(1), thing(2))
    (lease,) = await process.queue.dequeue(1, 60)
    await process.settle(run, lease)
    verdict = await process.closer.end(run, ending)  # type: ignore[arg-type]
    assert verdict.verdict == ending
    assert (await run_state(process.lake, run.paths))[0].value == ending
    requests = place.api.requests.total()
    await process.work(run)
    assert (place.api.requests.total(), place.messages) == (requests, [])
    assert await place.process().closer.close(run) == verdict
    assert await place.process().closer.end(run, "cancelled") == verdict
    assert place.files("**/_SUCCESS.json") == []


async def test_c8_a_run_that_is_still_planned_can_be_cancelled(place: Place, process: Process) -> None:
    """Its planner sends nothing more; what it was just sending is completed unworked."""
    run = await process.claim()
    assert (await process.closer.end(run, "cancelled")).verdict == "cancelled"
    with pytest.raises(RunEndedError, match="it is cancelled"):
        await process.enqueue(run, [thing(1)])
    assert place.messages == []
    seal = await read_seal(process.lake, run.paths)
    assert seal is not None
    assert await send_plan(process.lake, process.queue, run.paths, seal) == 1
    await process.work(run)
    assert (place.messages, place.api.requests.total()) == ([], 0)


async def test_c8_a_verdict_that_stands_is_reported_and_stays(place: Place, process: Process) -> None:
    """A complete run is not superseded, and a partial one neither."""
    place.api.failing = {2}
    complete, partial = await worked(process, thing(1)), await worked(process, thing(2))
    for run, verdict in ((complete, "complete"), (partial, "partial")):
        await process.closer.close(run)
        assert (await process.closer.end(run, "superseded")).verdict == verdict
        assert (await run_state(process.lake, run.paths))[0].value == verdict


async def test_c8_a_closing_without_a_verdict_gets_it(place: Place, process: Process) -> None:
    """`--new` and a closer at once: one verdict, and both report it. Never both complete and superseded."""
    run = await worked(process, thing(1))
    slow = place.process(Cuts(on_call=(halt := Halt(Cut("LocalLake.create_from", is_after=True)))))
    closing = asyncio.create_task(slow.closer.close(run))
    assert await halt.reached(closing)
    verdict = await process.closer.end(run, "superseded")
    halt.release()
    assert (await closing) == verdict
    assert (verdict.number, verdict.verdict) == (1, "superseded")
    assert place.files("**/_SUCCESS.json") == []


async def test_c8_a_cancel_that_died_before_its_verdict_is_no_verdict(place: Place, process: Process) -> None:
    """The closing it opened on a run that is still planned is abandoned by whoever finds it, and cancel works again."""
    run = await process.claim()
    cuts = Cuts(Cut("LocalLake.create", is_after=True))
    await cuts.run(place.process(cuts).closer.end(run, "cancelled"))
    assert (await run_state(process.lake, run.paths))[0] is RunState.CLOSING
    assert await process.closer.close(run) is None
    assert (await run_state(process.lake, run.paths))[0] is RunState.PLANNING
    assert (await process.closer.end(run, "cancelled")).number == 2


async def test_c8_a_run_without_records_is_superseded(place: Place, process: Process) -> None:
    """Items that ended empty, divided or poisoned are no records; its messages go unworked."""
    place.api.empty, place.api.failing = {1}, {2}
    run = await worked(process, thing(1), thing(2))
    await process.queue.enqueue([encode(envelope_of(plan_item(thing(3)), run.paths))])
    assert await process.closer.end_without_records(run)
    assert (await run_state(process.lake, run.paths))[0] is RunState.SUPERSEDED
    await process.work(run)
    assert place.messages == []
    assert not await process.closer.end_without_records(run), "it has ended"


@pytest.mark.parametrize("call", ["LocalLake.create", "LocalLake.sweep"])
async def test_c8_a_run_with_records_is_left_as_it_was(place: Place, process: Process, call: str) -> None:
    """Also where the first of them is published between the look and the verdict: the closing is abandoned."""
    run = await started(process, thing(1), thing(2))
    slow = place.process(Cuts(on_call=(halt := Halt(Cut(call)))))
    ending = asyncio.create_task(slow.closer.end_without_records(run))
    assert await halt.reached(ending)
    (lease,) = await process.queue.dequeue(1, 60)
    # What is published after the closing is opened is published by one that looked before.
    await process.settle(run, lease) if call == "LocalLake.create" else await place_object(process, run, thing(1))
    halt.release()
    assert not await ending
    assert (await run_state(process.lake, run.paths))[0] is RunState.OPEN
    assert not await process.closer.end_without_records(run)
    place.clock.advance(60.0)
    while place.store.messages:
        await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.records) == ("complete", 2)


async def place_object(process: Process, run: Run, item: Thing) -> None:
    spool = await process.lake.open_spool(run.paths.staging, "late")
    await spool.write(records_of(item.ids))
    await spool.finish()
    await process.lake.publish(spool, run.paths.object("things", key_of(item)))


async def test_a_manifest_that_is_cut_off_judges_nothing(place: Place, process: Process) -> None:
    """A part of an account is no account: reading it is an error, never a smaller run."""
    run = await worked(process, *[thing(n) for n in range(50)])
    await process.closer.close(run)
    path = place.folder / run.paths.closing(1, "manifest.ndjson.gz")
    whole = path.read_bytes()
    for body in (whole[:-9], whole[: len(whole) // 2], b"", b"no gzip", whole + b"more"):
        path.write_bytes(body)
        with pytest.raises(LakeUnavailableError):
            await entries_of(process, run)
    path.unlink()
    with pytest.raises(LakeUnavailableError, match="missing"):
        await entries_of(process, run)


async def test_two_closings_at_once_give_one_verdict(place: Place, process: Process) -> None:
    """Ten processes close one run."""
    run = await worked(process, thing(1), thing(2))
    verdicts = await asyncio.gather(*(place.process().closer.close(run) for _ in range(10)))
    assert len({msgspec.json.encode(verdict) for verdict in verdicts}) == 1
    assert await closing_in_force(process.lake, run.paths) is not None
    assert place.judge(run).problems == []


def _encoded(envelope: object) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(envelope, resent=False))  # type: ignore[type-var]
