"""C6 and C7: poison numbers, redrive and discard."""

from __future__ import annotations

import asyncio

import pytest

from haulier.errors import UsageError
from haulier.items.ranges import IdRange
from haulier.runs.poison.records import PoisonOfRun
from haulier.runs.poison.selection import PoisonSelection
from haulier.runs.poison.story import read_story
from haulier.runs.records import Ending, PoisonRecord
from haulier.runs.reopen import Decision
from haulier.runs.run import Run
from haulier.runs.state import RunState, newest_closing, run_state
from tests.harness.cuts.calls import Cut, Cuts, Halt
from tests.runs.rig import LEASE_SECONDS, Place, Process, Thing, finish, key_of, thing

KEY = key_of(thing(1))


async def poisoned_run(process: Process, *items: Thing) -> Run:
    """A run that is open, and whose items have all been tried once."""
    run = await process.claim()
    await process.enqueue(run, items or [thing(1)])
    await process.work(run)
    return run


async def poisoned(process: Process, run: Run) -> list[PoisonRecord]:
    return [record async for records in PoisonOfRun(process.lake, run).records() for record in records]


def fails(ids: IdRange) -> bool:
    return True


async def test_c6_the_poison_number_is_the_messages_plus_one(place: Place, process: Process) -> None:
    """1 for the first message of a key, 2 after its first redrive, and so on."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    for number in (1, 2, 3):
        story = await read_story(process.lake, run.paths, KEY)
        assert story is not None
        assert story.newest.number == number
        assert await process.redriver.redrive(run) == 1
        assert [sent.redrives for sent in place.messages] == [number]
        await process.work(run)


async def test_c6_a_zombie_from_before_a_redrive_poisons_nothing(place: Place, process: Process) -> None:
    """It writes a number that exists: the redriven item is not poisoned by what failed before the redrive."""
    place.api.failing = {1}
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    zombie = place.process(Cuts(on_call=(halt := Halt(Cut("LocalLake.create")))))
    (lease,) = await zombie.queue.dequeue(1, LEASE_SECONDS)
    working = asyncio.create_task(zombie.settle(run, lease))
    assert await halt.reached(working)
    place.forget_leases()
    await process.work(run)
    await process.redriver.redrive(run)
    halt.release()
    await working
    assert await poisoned(process, run) == []
    assert await process.closer.close(run) is None
    place.api.failing.clear()
    assert (await finish(place, run)).verdict == "complete"
    assert place.judge(run).problems == []


async def test_c7_a_redriven_message_is_marked_and_starts_anew(place: Place, process: Process) -> None:
    """With its number and no failures: it is looked up before it is worked, and has all its tries again."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    await process.redriver.redrive(run)
    (sent,) = place.messages
    assert (sent.key, sent.resent, sent.redrives, sent.failures, sent.releases) == (KEY, True, 1, 0, 0)


async def test_c7_partial_then_redrive_then_complete(place: Place, process: Process) -> None:
    """The partial closing is reopened, and the next one counts every record."""
    place.api.failing = {1}
    run = await poisoned_run(process, thing(1), thing(2))
    assert (await finish(place, run)).verdict == "partial"
    place.api.failing.clear()
    assert await process.redriver.redrive(run) == 1
    assert (await run_state(process.lake, run.paths))[0] is RunState.OPEN
    verdict = await finish(place, run)
    assert (verdict.number, verdict.verdict, verdict.totals.records) == (2, "complete", 2)
    assert place.judge(run).problems == []
    assert place.api.requests[key_of(thing(2))] == 1


async def test_c7_a_redrive_that_was_killed_before_it_sent_is_told_of(place: Place, process: Process) -> None:
    """Its items are no longer poisoned, and nobody works them: who lists or discards hears what to type."""
    place.api.failing = {1}
    run = await poisoned_run(process, thing(1))
    await finish(place, run)
    cuts = Cuts(Cut("MemoryQueue.enqueue"))
    await cuts.run(place.process(cuts).redriver.redrive(run))
    assert place.messages == []
    found = PoisonOfRun(process.lake, run)
    assert [record async for record in found.records()] == []
    assert found.redriven == 1
    typed = f"haulier poison redrive SOURCE {KEY} --run {run.run_id}"
    with pytest.raises(UsageError, match=typed):
        await process.discarder.discard(run, Decision(why="why not"), PoisonSelection.of_keys([KEY]))
    assert await process.redriver.redrive(run, PoisonSelection.of_keys([KEY])) == 1


async def test_c7_an_item_that_fails_again_is_poisoned_again(place: Place, process: Process) -> None:
    """A redrive of hopeless items ends: they are partial once more, with the next number, and no message is left."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    assert (await finish(place, run)).number == 1
    await process.redriver.redrive(run)
    verdict = await finish(place, run)
    assert (verdict.number, verdict.verdict, verdict.reasons) == (2, "partial", {"poison": 1})
    assert place.judge(run, fails).problems == []


async def test_c7_a_redrive_that_was_heard_is_not_sent_again(place: Place, process: Process) -> None:
    """Workers and closers that are quicker than a redrive of hopeless items do not make it go round for ever."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    await finish(place, run)

    async def hurry(number: int, name: str, is_after: bool) -> None:
        if name == "MemoryQueue.enqueue" and is_after:
            other = place.process()
            await other.work(run)
            await other.closer.close(run)

    requests = place.api.requests[KEY]
    assert await place.process(Cuts(on_call=hurry)).redriver.redrive(run) == 1
    assert place.api.requests[KEY] == requests + 1
    assert (await run_state(process.lake, run.paths))[0] is RunState.PARTIAL


async def test_c7_only_the_keys_that_are_asked_for(place: Place, process: Process) -> None:
    """The others stay poisoned."""
    place.api.failing = {1, 2}
    run = await poisoned_run(process, thing(1), thing(2))
    place.api.failing.clear()
    assert await process.redriver.redrive(run, PoisonSelection.of_keys([KEY])) == 1
    assert [sent.key for sent in place.messages] == [KEY]
    assert [record.key for record in await poisoned(process, run)] == [key_of(thing(2))]


async def test_c7_keys_that_are_not_poisoned_are_refused_before_anything_is_done(
    place: Place, process: Process
) -> None:
    """A misspelt key redrives nothing, the ones beside it neither."""
    place.api.failing = {1}
    run = await poisoned_run(process, thing(1), thing(2))
    files = place.files()
    for keys in ([KEY, "things-9-10"], [key_of(thing(2))]):
        with pytest.raises(UsageError, match=f"Not poisoned in run {run.run_id}: {keys[-1]}"):
            await process.redriver.redrive(run, PoisonSelection.of_keys(keys))
        with pytest.raises(UsageError, match=f"Not poisoned in run {run.run_id}: {keys[-1]}"):
            await process.discarder.discard(run, Decision(why="why not"), PoisonSelection.of_keys(keys))
    assert (place.files(), place.messages) == (files, [])


@pytest.mark.parametrize("ending", ["complete", "superseded", "cancelled"])
async def test_c7_refused_after_a_final_verdict(place: Place, process: Process, ending: str) -> None:
    """In words, and nothing is written."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    if ending == "complete":
        place.api.failing.clear()
        await process.redriver.redrive(run)
        await finish(place, run)
    else:
        endings: dict[str, Ending] = {"superseded": "superseded", "cancelled": "cancelled"}
        await process.closer.end(run, endings[ending])
    files = place.files()
    with pytest.raises(UsageError, match=f"{run.run_id} is {ending}, which is final"):
        await process.redriver.redrive(run)
    with pytest.raises(UsageError, match=f"{run.run_id} is {ending}, which is final"):
        await process.discarder.discard(run, Decision(why="why not"))
    assert place.files() == files


async def test_c7_a_closing_without_a_verdict_is_finished_first(place: Place, process: Process) -> None:
    """A closer died in the middle: its closing gets its verdict, then that is reopened."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    cuts = Cuts(Cut("LocalLake.create_from"))
    await cuts.run(place.process(cuts).closer.close(run))
    place.api.failing.clear()
    await process.redriver.redrive(run)
    closing = await newest_closing(process.lake, run.paths)
    assert closing is not None
    assert closing.verdict is not None
    assert (closing.number, closing.verdict.verdict, closing.is_reopened) == (1, "partial", True)
    assert (await finish(place, run)).verdict == "complete"


async def test_c9_a_poisoned_key_that_has_an_object_since_is_settled_without_a_request(
    place: Place, process: Process
) -> None:
    """In an object store a put may land after the whole closing: redrive finds it there."""
    place.api.failing = {1}
    run = await process.claim()
    await process.enqueue(run, [thing(1)])
    (lease,) = await process.queue.dequeue(1, LEASE_SECONDS)
    await process.settle(run, lease)
    assert (await finish(place, run)).verdict == "partial"
    await _put_late(place, process, run)
    await process.redriver.redrive(run)
    requests = place.api.requests.total()
    assert (await finish(place, run)).verdict == "complete"
    assert place.api.requests.total() == requests
    assert place.judge(run).problems == []


async def test_poison_is_listed_by_its_newest_record(place: Place, process: Process) -> None:
    """`poison list` shows each poisoned item once, in the order of the keys, none that was redriven or discarded."""
    place.api.failing = {1, 2, 3, 4}
    run = await poisoned_run(process, *[thing(n) for n in (4, 3, 2, 1)])
    await process.redriver.redrive(run, PoisonSelection.of_keys([KEY]))
    await process.work(run)
    await process.redriver.redrive(run, PoisonSelection.of_keys([key_of(thing(2))]))
    await process.discarder.discard(run, Decision(why="gone"), PoisonSelection.of_keys([key_of(thing(3))]))
    assert [(record.key, record.number) for record in await poisoned(process, run)] == [
        (KEY, 2),
        (key_of(thing(4)), 1),
    ]


async def test_c7_discards_alone_do_not_hold_back_complete(place: Place, process: Process) -> None:
    """Verdict, manifest and sign count them, with the reason; the run is complete."""
    place.api.failing = {1, 2}
    run = await poisoned_run(process, thing(1), thing(2), thing(3))
    assert await process.discarder.discard(run, Decision(why=" its page is broken ")) == 2
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.reasons, verdict.totals.discarded) == ("complete", {}, 2)
    assert place.judge(run).problems == []
    sign = (place.folder / run.paths.sign("_SUCCESS.json")).read_text()
    assert '"discarded":2' in sign


async def test_c7_a_discard_reopens_a_partial_run_and_sends_nothing(place: Place, process: Process) -> None:
    """One of two poisoned items is discarded: partial for the other one alone. Then the other: complete."""
    place.api.failing = {1, 2}
    run = await poisoned_run(process, thing(1), thing(2))
    assert (await finish(place, run)).reasons == {"poison": 2}
    for key, verdict, reasons in ((KEY, "partial", {"poison": 1}), (key_of(thing(2)), "complete", {})):
        assert await process.discarder.discard(run, Decision(why="gone"), PoisonSelection.of_keys([key])) == 1
        assert place.messages == []
        found = await process.closer.close(run)
        assert found is not None
        assert (found.verdict, found.reasons) == (verdict, reasons)
    assert place.judge(run).problems == []


async def test_c7_a_discard_may_be_repeated(place: Place, process: Process) -> None:
    """What was discarded is discarded: nothing is written, and a partial run that counts it is not opened again."""
    place.api.failing = {1, 2}
    run = await poisoned_run(process, thing(1), thing(2))
    await finish(place, run)
    assert await process.discarder.discard(run, Decision(why="gone"), PoisonSelection.of_keys([KEY])) == 1
    await process.closer.close(run)
    files = place.files()
    assert await process.discarder.discard(run, Decision(why="really gone"), PoisonSelection.of_keys([KEY])) == 0
    assert place.files() == files
    assert (await run_state(process.lake, run.paths))[0] is RunState.PARTIAL


async def test_c7_a_discard_is_of_one_poison_number(place: Place, process: Process) -> None:
    """Poison that comes after it, from a redrive that was under way, is live: a person decided about the other."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    halt = Halt(Cut("LocalLake.create"))
    discarding = asyncio.create_task(place.process(Cuts(on_call=halt)).discarder.discard(run, Decision(why="gone")))
    assert await halt.reached(discarding)
    await process.redriver.redrive(run)
    halt.release()
    await discarding
    await process.work(run)
    assert [record.number for record in await poisoned(process, run)] == [2]
    assert (await finish(place, run)).verdict == "partial"


async def test_a_discard_wants_a_reason(place: Place, process: Process) -> None:
    """It stands in the manifest for good."""
    place.api.failing = {1}
    run = await poisoned_run(process)
    with pytest.raises(UsageError, match="needs a reason"):
        await process.discarder.discard(run, Decision(why="  "))
    assert place.files("**/discards/**/*") == []


async def _put_late(place: Place, process: Process, run: Run) -> None:
    spool = await process.lake.open_spool(run.paths.staging, "late")
    await spool.write([b'{"id":1}'])
    await spool.finish()
    await process.lake.publish(spool, run.paths.object("things", KEY))
