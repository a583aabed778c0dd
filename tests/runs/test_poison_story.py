"""The whole story of a poisoned item: attempts, crashes, poison, redrives and discards, in the order of time."""

from __future__ import annotations

import msgspec

from haulier.queues.envelope import AttemptNote
from haulier.runs.poison.selection import PoisonSelection
from haulier.runs.poison.story import read_story
from haulier.runs.records import CrashRecord, PoisonRecord, encode_record
from haulier.runs.reopen import Decision
from tests.runs.rig import Place, Process, key_of, thing

KEY = key_of(thing(1))
ONLY = PoisonSelection.of_keys([KEY])


async def test_every_record_of_an_item_is_told_with_its_time_and_whose_it_is(place: Place, process: Process) -> None:
    """Poisoned, redriven for a reason, crashed and failed in between, poisoned anew, given up."""
    place.api.failing = {1}
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])
    await process.work(run)
    place.clock.advance(60)
    await process.redriver.redrive(run, ONLY, Decision("ada@lab", "they mended it"))
    place.clock.advance(60)
    crash = CrashRecord(number=1, key=KEY, exit_code=-11, worker="w2", crashed_at=place.clock.now())
    await process.lake.create(run.paths.numbered("crashes", KEY, 1), encode_record(crash))
    place.clock.advance(60)
    charged, last = (
        AttemptNote(
            number=number, at=place.clock.now(), worker="w2", error_class="ApiError", status=500, settled=settled
        )
        for number, settled in ((1, "charged"), (2, "poisoned"))
    )
    place.clock.advance(60)
    record = PoisonRecord(
        number=2,
        key=KEY,
        kind="things",
        run_id=run.run_id,
        payload=msgspec.Raw(b"{}"),
        reason="failed",
        error_class="ApiError",
        error="it fails",
        status=500,
        worker="w2",
        poisoned_at=place.clock.now(),
        attempts=(charged, last),
    )
    await process.lake.create(run.paths.numbered("poison", KEY, 2), encode_record(record))
    place.clock.advance(60)
    await process.discarder.discard(run, Decision("bob@lab", "it is gone"), ONLY)

    story = await read_story(process.lake, run.paths, KEY)
    assert story is not None
    assert story.newest.number == 2
    told = [(event.event, event.number, event.by, event.reason) for event in story.events]
    assert told == [
        ("poison", 1, "", "failed"),
        ("redrive", 1, "ada@lab", "they mended it"),
        ("crash", 1, "w2", ""),
        ("attempt", 1, "w2", ""),
        ("poison", 2, "w2", "failed"),
        ("discard", 2, "bob@lab", "it is gone"),
    ]
    assert (story.events[2].exit_code, story.events[3].status, story.events[3].settled) == (-11, 500, "charged")
    assert await read_story(process.lake, run.paths, key_of(thing(2))) is None
