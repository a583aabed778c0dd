"""Runs: their claims, their states, which one is gone on with or read, and how they are told of."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import msgspec
import pytest

from haulier.errors import LakeUnavailableError, NewerFormatError, UsageError
from haulier.lake.paths import runs_root
from haulier.queues.envelope import encode
from haulier.runs.newest_runs import latest_complete, newest_claimed, newest_unless_trial, open_run
from haulier.runs.plan import plan_item, write_plan
from haulier.runs.records import RunFile, encode_record
from haulier.runs.reopen import Decision
from haulier.runs.run import NewRun, Run, claim_run, list_runs, load_run, require_same_fingerprint
from haulier.runs.send import envelope_of
from haulier.runs.state import RunState, newest_closing, run_state
from haulier.runs.status import run_status
from tests.harness.cuts.calls import Cuts
from tests.runs.rig import SOURCE, Place, Process, finish, given, thing


async def test_a_run_is_claimed_once(place: Place) -> None:
    """Processes that start a run in the same second get runs of their own, a second apart, whose names say so."""
    runs = await asyncio.gather(*(place.process().claim() for _ in range(5)))
    assert sorted(run.run_id for run in runs) == [f"full-20261123T22250{second}Z" for second in range(5)]
    assert len({run.file.snapshot_time for run in runs}) == 5


async def test_a_run_is_found_again_as_it_was_claimed(process: Process) -> None:
    """`run.json` holds all that another process needs; a name that nobody claimed is none."""
    run = await process.claim(has_expect=True)
    assert await load_run(process.lake, SOURCE, run.run_id) == run
    assert await load_run(process.lake, SOURCE, "full-20200101T000000Z") is None


async def test_runs_are_listed_oldest_first(place: Place, process: Process) -> None:
    """Whatever their modes are called; a folder without `run.json` is nobody's."""
    first = await process.claim(mode="incremental")
    place.clock.advance(1)
    second = await process.claim(mode="full")
    await process.lake.create("_haulier/shop/runs/full-20990101T000000Z/note", b"x")
    assert await list_runs(process.lake, SOURCE) == [first, second]
    assert await list_runs(process.lake, SOURCE, skip=[first.run_id]) == [second]
    assert await list_runs(process.lake, "nobody") == []


async def test_another_fingerprint_is_refused(process: Process) -> None:
    """A run whose records would change shape in the middle is not gone on with; the text names both ways out."""
    run = await process.claim(fingerprint="as it was")
    require_same_fingerprint(run, "as it was")
    with pytest.raises(UsageError, match=f"Run {run.run_id} of 'shop' was planned with another source file") as refused:
        require_same_fingerprint(run, "as it is")
    assert "Put the file back" in str(refused.value)
    assert "`haulier run SOURCE --new`" in str(refused.value)


@pytest.mark.parametrize(
    ("mode", "plans", "max_items", "command"),
    [
        ("full", "", None, "haulier run SOURCE"),
        ("incremental", "", None, "haulier run SOURCE incremental"),
        ("trial", "full", 20, "haulier run SOURCE --max-items 20"),
        ("trial", "incremental", 20, "haulier run SOURCE incremental --max-items 20"),
    ],
)
async def test_the_command_of_a_run_is_about_no_other_one(
    place: Place, process: Process, mode: str, plans: str, max_items: int | None, command: str
) -> None:
    """`--new` behind it closes that run, and not a full one that has pulled for hours."""
    new = NewRun(
        SOURCE, mode, "as it was", ("things",), has_expect=False, version="0", plans=plans, max_items=max_items
    )
    run = await claim_run(process.lake, place.clock, new)
    with pytest.raises(UsageError, match=f"or start afresh with `{command} --new`, which closes it"):
        require_same_fingerprint(run, "as it is")


async def test_every_record_says_its_format(place: Place, process: Process) -> None:
    """Also the first one: a later haulier must be able to tell them apart."""
    place.api.failing, place.api.empty, place.api.split = {1}, {2}, {4}
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2), thing(4, 6)])
    await finish(place, run)
    await process.redriver.redrive(run)
    records = [
        path for path in place.files("_haulier/**/*") if not path.endswith((".ndjson", ".gz", ".sending", ".sent"))
    ]
    assert len(records) >= 9
    for path in records:
        assert json.loads((place.folder / path).read_bytes())["format"] == 1, path


async def test_a_newer_format_is_refused_in_words(place: Place, process: Process) -> None:
    """Even where none of its fields are known here, and nothing is changed."""
    run = await process.claim()
    path = place.folder / run.paths.run
    path.write_bytes(b'{"format":2,"what":"is this"}\n')
    with pytest.raises(NewerFormatError, match=r"has format 2; this haulier knows formats up to 1\. Upgrade"):
        await load_run(process.lake, SOURCE, run.run_id)


async def test_a_record_that_nobody_wrote_is_refused_in_words(place: Place, process: Process) -> None:
    """Cut off by hand, or not ours: its path is named."""
    run = await process.claim()
    for body in (b"", b'{"format":1}', b"\xff", b"[]"):
        (place.folder / run.paths.run).write_bytes(body)
        with pytest.raises(LakeUnavailableError, match=r"run\.json in the lake is not a record that haulier wrote"):
            await load_run(process.lake, SOURCE, run.run_id)


async def states_of(process: Process, run: Run) -> str:
    return (await run_state(process.lake, run.paths))[0].value


async def test_the_states_of_a_run(place: Place, process: Process) -> None:
    """Planning until the seal, then open, closing from `opened` to the verdict, then what the verdict says; a partial
    run that is reopened is open again."""
    place.api.failing = {1}
    run = await process.claim()
    assert await states_of(process, run) == "planning"
    await process.enqueue(run, [thing(1)])
    assert await states_of(process, run) == "open"
    await process.work(run)
    assert await states_of(process, run) == "open"
    await process.closer._open(run)
    assert await states_of(process, run) == "closing"
    await process.closer.close(run)
    assert await states_of(process, run) == "partial"
    place.api.failing.clear()
    await process.redriver.redrive(run)
    assert await states_of(process, run) == "open"
    await finish(place, run)
    assert await states_of(process, run) == "complete"


async def test_p3_a_message_meets_its_run_at_each_state(place: Place, process: Process) -> None:
    """Of a run that is being closed it comes back marked, with a short delay; of a closed one it goes. Neither costs a
    request; once the closing is abandoned the item is worked."""
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await process.closer._open(run)
    (lease,) = await process.queue.dequeue(1, 60)
    await process.settle(run, lease)
    assert [(sent.resent, sent.releases, sent.failures) for sent in place.messages] == [(True, 1, 0)]
    assert (await process.queue.depth()).delayed == 1
    assert place.api.requests.total() == 0
    assert await process.closer.close(run) is None
    place.clock.advance(2)
    await process.work(run)
    assert place.api.requests.total() == 1
    assert await process.closer.close(run) is not None
    await process.queue.enqueue([encode(envelope_of(plan_item(thing(1)), run.paths))])
    await process.work(run)
    assert (place.messages, place.api.requests.total()) == ([], 1)


async def test_a_closing_without_opened_is_none(place: Place, process: Process) -> None:
    """Its creator died between the folder and the file in it: the closing before it still counts."""
    place.api.failing = {1}
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    await finish(place, run)
    (place.folder / run.paths.closing(2, "opened")).parent.mkdir()
    closing = await newest_closing(process.lake, run.paths)
    assert closing is not None
    assert closing.number == 1
    await process.redriver.redrive(run)
    place.api.failing.clear()
    assert (await finish(place, run)).number == 2


async def test_the_open_run_is_the_newest_of_its_mode_that_is_not_closed(place: Place, process: Process) -> None:
    """Still planned, open or closing; closed ones and those of another mode are passed over."""
    assert await open_run(process.lake, SOURCE, "full") is None
    planning = await process.claim()
    other = await process.claim(mode="incremental")
    assert await open_run(process.lake, SOURCE, "full") == planning
    assert await open_run(process.lake, SOURCE, "incremental") == other
    newer = await process.claim()
    await process.enqueue(newer, [])
    assert await open_run(process.lake, SOURCE, "full") == newer
    await process.closer._open(newer)
    assert await open_run(process.lake, SOURCE, "full") == newer
    await process.closer.close(newer)
    assert await open_run(process.lake, SOURCE, "full") == planning
    await process.closer.end(planning, "superseded")
    assert await open_run(process.lake, SOURCE, "full") is None


async def test_among_many_runs_the_newest_open_one_is_found_in_few_round_trips(place: Place) -> None:
    """The newest is read alone; only who goes on reads more and more at once, since an old one may still be open."""
    together = most = 0

    async def count(number: int, name: str, is_after: bool) -> None:
        nonlocal together, most
        together += -1 if is_after else 1
        most = max(most, together)
        await asyncio.sleep(0)

    process, watched = place.process(), place.process(cuts := Cuts(on_call=count))
    runs = [await process.claim() for _ in range(40)]
    assert await open_run(watched.lake, SOURCE, "full") == runs[-1]
    assert cuts.calls.count("LocalLake.read") == 1
    for run in (*runs[:7], *runs[8:]):
        await process.closer.end(run, "cancelled")
    assert await open_run(watched.lake, SOURCE, "full") == runs[7]
    assert most == 8, "as many as a local lake does side by side"
    assert await open_run(watched.lake, SOURCE, "full", before=runs[7]) is None


async def test_latest_is_the_newest_complete_run_of_the_stream(place: Place, process: Process) -> None:
    """Newer ones that are open, partial or cancelled are not read, nor increments, nor those of other streams."""
    assert await latest_complete(process.lake, SOURCE, "things") is None
    complete = []
    for start in (1, 2):
        run = await process.claim()
        await process.enqueue(run, [thing(start)])
        complete.append((run, await finish(place, run)))
    increment = await process.claim(mode="incremental")
    await process.enqueue(increment, [thing(3)])
    await finish(place, increment)
    place.api.failing = {9}
    partial = await process.claim()
    await process.enqueue(partial, [thing(9)])
    await finish(place, partial)
    await process.closer.end(await process.claim(), "cancelled")
    await process.claim()
    assert await latest_complete(process.lake, SOURCE, "things") == complete[1]
    assert await latest_complete(process.lake, SOURCE, "nothing") is None


async def test_several_open_runs_share_a_queue(place: Place, process: Process) -> None:
    """Each message names its run; one run closes while the other is under way, and neither counts the other's."""
    first, second = await process.claim(), await process.claim()
    await process.enqueue(first, [thing(1), thing(2)])
    await process.enqueue(second, [thing(1), thing(3)])
    leases = await process.queue.dequeue(2, 60)
    for lease in leases:
        await process.settle(first, lease)
    verdict = await process.closer.close(first)
    assert verdict is not None
    assert (verdict.verdict, verdict.totals.planned) == ("complete", 2)
    assert await process.closer.close(second) is None
    await process.work(second)
    assert await process.closer.close(second) is not None
    for run in (first, second):
        assert place.judge(run).problems == []


async def test_status_of_a_run_at_each_of_its_states(place: Place, process: Process) -> None:
    """Its numbers come from the lake alone; `state` has the words of `RunState`, as JSON too."""
    place.api.failing, place.api.empty, place.api.split = {1}, {2}, {4}
    run = await process.claim()

    async def status() -> dict[str, object]:
        found = json.loads(msgspec.json.encode(await run_status(process.lake, process.queue, run)))
        assert found["run_id"] == run.run_id
        return {name: value for name, value in found.items() if value and isinstance(value, int | str | dict)}

    assert (await status())["state"] == "planning"
    await process.enqueue(run, [thing(1), thing(2), thing(4, 6), thing(8, 11)])
    found = await status()
    assert (found["state"], found["planned"], found["missing"]) == ("open", 4, 4)
    await process.work(run)
    await process.closer._open(run)
    assert (await status())["state"] == "closing"
    await process.closer.close(run)
    found = await status()
    assert {
        name: found.get(name) for name in ("state", "planned", "done", "empty", "split", "poisoned", "records")
    } == {
        "state": "partial",
        "planned": 6,
        "done": 3,
        "empty": 1,
        "split": 1,
        "poisoned": 1,
        "records": 5,
    }
    assert found["reasons"] == {"poison": 1}
    assert "closed_at" in found
    await process.discarder.discard(run, Decision(why="gone"))
    found = await status()
    assert (found["state"], found.get("discarded"), found.get("poisoned")) == ("open", 1, None)


async def test_status_of_a_cancelled_run_tells_how_far_it_came(place: Place, process: Process) -> None:
    """It has no manifest; what its items came to is read from their records."""
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])
    (lease,) = await process.queue.dequeue(1, 60)
    await process.settle(run, lease)
    await process.closer.end(run, "cancelled")
    status = await run_status(process.lake, None, run)
    assert (status.state, status.done, status.missing, status.is_stranded) == (RunState.CANCELLED, 1, 1, False)


async def test_status_says_that_a_run_needs_its_api(process: Process) -> None:
    """Only for as long as the second count was not asked, and the run not closed without it."""
    run = await process.claim(has_expect=True)
    await write_plan(process.lake, run.paths, process.place.clock, given([thing(1)]))
    assert (await run_status(process.lake, process.queue, run)).needs_api
    await process.closer.end(run, "cancelled")
    assert not (await run_status(process.lake, process.queue, run)).needs_api


def test_the_format_stands_in_every_encoded_record() -> None:
    """A default that is left out would be read as the newest format by every haulier to come."""
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    file = RunFile(
        run_id="r", source="s", mode="full", snapshot_time=moment, created_at=moment, fingerprint="f", streams=("a",)
    )
    assert b'"format":1' in encode_record(file)


async def test_a_claim_that_was_cut_off_hides_no_older_run(place: Place, process: Process) -> None:
    """It left an empty folder, days after the runs that a person asks for."""
    runs = [await process.claim() for _ in range(3)]
    (place.folder / runs_root(SOURCE) / "full-20261201T000000Z").mkdir()
    assert await newest_unless_trial(process.lake, SOURCE) == runs[-1]
    assert await newest_claimed(process.lake, SOURCE, 2) == runs[:0:-1]
