"""The crash guard with children that do as they are told: what the worker, as the witness, makes of each end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from haulier.api.errors import Action, ApiError, MovedError
from haulier.clock import SystemClock
from haulier.errors import ItemError, LakeUnavailableError, UnavailableError, UsageError
from haulier.runs.plan import plan_item
from haulier.runs.records import RequestNote
from haulier.runs.run import Run
from haulier.runs.send import send_again
from haulier.worker.crash_guard import _within_deadline
from haulier.worker.deadline import DeadlineError, GateWaitError
from haulier.worker.dispatch import spool_of
from haulier.worker.guard_pipe import (
    EndFrame,
    Frame,
    HeldFrame,
    PageFrame,
    StartFrame,
    error_frame,
    error_of,
    frame_bytes,
)
from haulier.worker.settings import SILENT_DELIVERIES, WorkerSettings
from tests.harness.things import things
from tests.worker.rig import Rig, key_of

ITEM = things(1, 4)
SCRIPT = (
    "import os, sys, signal, time; fd = int(sys.argv[-1]); os.write(fd, bytes.fromhex(sys.argv[1])); exec(sys.argv[2])"
)
END = EndFrame(records=2, encoded=True, children=[], requests=5, drift=None)
PAGE = PageFrame([b'{"id":1}', b'{"id":2}'])

KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
async def real(folder: Path) -> AsyncIterator[Rig]:
    """The rig on the machine's own clock."""
    settings = WorkerSettings(lease_seconds=1.0)
    async with Rig(folder, clock=SystemClock(), settings=settings) as real:
        yield real


async def suspect(rig: Rig) -> Run:
    """A run whose only item five workers died over, without a word."""
    run = await rig.run(ITEM)
    for _ in range(SILENT_DELIVERIES):
        await rig.queue.dequeue(1, 0)
    return run


async def work(rig: Rig, *frames: Frame | bytes, then: str = "") -> str:
    """Work the suspect in a child that writes these frames and then does so. Returns why the worker stops."""
    body = b"".join(frame if isinstance(frame, bytes) else frame_bytes(frame) for frame in frames)
    rig.isolate = (sys.executable, "-S", "-c", SCRIPT, body.hex(), then)
    async with rig.hand() as hand:
        await hand.work()
        return hand.stop.reason


def crashes(rig: Rig, run: Run) -> list[str]:
    return rig.files(run, "crashes/**/*")


async def test_what_a_child_yields_is_written_by_its_worker(real: Rig) -> None:
    """Records cross the pipe as they are; object, receipt and completion are the worker's alone."""
    run = await suspect(real)
    assert await work(real, StartFrame(), PAGE, END) == ""
    (receipt,) = await real.receipts(run)
    assert (receipt.records, receipt.requests, receipt.encoded) == (2, 5, True)
    assert real.objects() == [key_of(ITEM)]
    assert real.api.requests == [], "the worker itself asks nothing"
    assert real.messages == []


async def test_a_large_page_crosses_the_pipe(real: Rig) -> None:
    """Far above what a pipe holds."""
    run = await suspect(real)
    page = PageFrame([b"%d" % number * 1000 for number in range(10)])
    await work(
        real,
        StartFrame(),
        then=f"p = bytes.fromhex({frame_bytes(page).hex()!r}); [os.write(fd, p) for _ in range(9)]"
        f"; os.write(fd, bytes.fromhex({frame_bytes(replace_records(90)).hex()!r}))",
    )
    (receipt,) = await real.receipts(run)
    assert receipt.records == 90


def replace_records(records: int) -> EndFrame:
    return EndFrame(records=records, encoded=False, children=[], requests=1, drift=None)


@pytest.mark.parametrize(
    "ending", [KILLED, "os._exit(3)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGSEGV)", "os._exit(4)"]
)
@pytest.mark.parametrize("frames", [(StartFrame(),), (StartFrame(), PAGE), (StartFrame(), PAGE, b"\0\0\1\0half")])
async def test_a_death_that_was_seen_is_written_down(real: Rig, ending: str, frames: tuple[Frame, ...]) -> None:
    """By signal or exit code, in the middle of a frame or not. No failure is charged, nothing is published."""
    run = await suspect(real)
    assert await work(real, *frames, then=ending) == ""
    assert crashes(real, run) == [f"crashes/{key_of(ITEM)}/1.json"]
    assert (real.message.failures, real.message.releases) == (0, 1)
    assert real.objects() == []


async def test_three_deaths_that_were_seen_poison_the_item_as_crashed(real: Rig) -> None:
    """G4: and not its neighbours; the record says how it ended."""
    run = await suspect(real)
    for number in (1, 2, 3):
        assert len(crashes(real, run)) == number - 1
        for stored in real.store.messages.items():
            real.store.schedule(*stored, real.clock.monotonic(), 0)  # Its delay is over.
        await work(real, StartFrame(), then=KILLED)
    found = await real.poison(run, ITEM)
    assert found is not None
    assert (found.reason, found.failures, found.error_class) == ("crashed", 0, "CrashedError")
    assert "signal 9" in found.error
    assert real.messages == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("frames", [(), (StartFrame(),), (StartFrame(), PAGE)])
async def test_a_child_that_was_asked_to_end_says_nothing_of_its_item(
    real: Rig, number: signal.Signals, frames: tuple[Frame, ...]
) -> None:
    """SIGTERM and SIGINT never count; the worker goes on."""
    run = await suspect(real)
    # Python would make an exception of SIGINT; so does haulier's own child not.
    ending = f"signal.signal({number.value}, signal.SIG_DFL); os.kill(os.getpid(), {number.value})"
    assert await work(real, *frames, then=ending) == ""
    assert crashes(real, run) == []
    assert (real.message.failures, real.message.releases) == (0, 1)


async def test_a_child_that_was_killed_before_it_began_says_nothing_of_its_item(real: Rig) -> None:
    """It had not turned to the item yet."""
    run = await suspect(real)
    assert await work(real, then=KILLED) == ""
    assert crashes(real, run) == []
    assert real.message.releases == 1


async def test_a_child_that_cannot_start_stops_the_worker(real: Rig) -> None:
    """The next one could not either: exit 4, said in words, and nothing charged."""
    run = await suspect(real)
    assert "No subprocess can be started" in await work(real, then="os._exit(2)")
    assert crashes(real, run) == []
    assert (real.message.failures, real.message.releases) == (0, 1)


async def test_a_command_that_is_not_there_stops_the_worker(real: Rig) -> None:
    """No processes left, no memory, no such file: faults of the machine are free (G4)."""
    await suspect(real)
    real.isolate = (str(real.folder / "no-such-program"),)
    async with real.hand() as hand:
        await hand.work()
        assert (hand.stop.code, "No subprocess can be started here" in hand.stop.reason) == (4, True)
    assert (real.message.failures, real.message.releases) == (0, 1)


FAILURES: list[tuple[Exception, int, int, str]] = [
    # What the child says, failures and releases that come of it, and whether the worker stops.
    (ValueError("bad record"), 1, 0, ""),
    (ItemError("too many"), 1, 0, ""),
    (ApiError("refused", action=Action.RETRY_LATER, status=500), 1, 0, ""),
    (ApiError("slow down", action=Action.PAUSE, status=429), 0, 1, ""),
    (ApiError("who?", action=Action.AUTH, status=401), 0, 1, "who?"),
    (GateWaitError("no turn"), 0, 1, ""),
    (UsageError("a person must act"), 0, 1, "a person must act"),
    (LakeUnavailableError("full"), 0, 1, "full"),
    (UnavailableError("away"), 0, 1, "away"),
]


@pytest.mark.parametrize(("error", "failures", "releases", "reason"), FAILURES, ids=range(len(FAILURES)))
async def test_failures_are_charged_as_elsewhere(
    real: Rig, error: Exception, failures: int, releases: int, reason: str
) -> None:
    """G4: a child that lives to tell is no crash, and what was not the item's own is not its own here either."""
    run = await suspect(real)
    assert await work(real, StartFrame(), error_frame(error)) == reason
    assert (real.message.failures, real.message.releases) == (failures, releases)
    assert crashes(real, run) == []


async def test_the_last_request_of_a_failure_alone_stands_in_its_poison(real: Rig) -> None:
    """It crosses the pipe: the worker that settles the item never saw it."""
    run = await suspect(real)
    request = RequestNote(method="GET", url="http://api/things/1", headers={"X-Trace": "7"})
    frame = error_frame(ApiError("too much", action=Action.SPLIT, status=413))
    await work(real, StartFrame(), msgspec.structs.replace(frame, request=request))
    found = await real.poison(run, ITEM)
    assert found is not None
    assert (found.request, found.attempts[-1].status) == (request, 413)


async def test_a_failure_alone_keeps_its_class_and_traceback(real: Rig) -> None:
    """For the poison record, the words are the processor's own."""
    try:
        raise KeyError("customer")
    except KeyError as error:
        again = error_of(error_frame(error))
    assert str(again) == "KeyError: 'customer'"
    assert 'raise KeyError("customer")' in again.__notes__[0]
    status = error_of(error_frame(ApiError("no", action=Action.RETRY_LATER, status=418, excerpt="tea")))
    assert isinstance(status, ApiError)
    assert (status.status, status.excerpt) == (418, "tea")


def test_a_list_that_moved_alone_begins_again_as_often() -> None:
    """Its class says how often, and that it divides."""
    moved = MovedError("the total moved")
    again = error_of(error_frame(moved))
    assert isinstance(again, MovedError)
    assert (str(again), again.action, again.restarts) == (str(moved), moved.action, moved.restarts)


async def test_a_child_that_hangs_is_ended_and_charged(real: Rig) -> None:
    """Its event loop is blocked, so it cannot keep the deadline itself."""
    run = await suspect(real)
    real.settings = replace(real.settings, lease_seconds=0.4, item_deadline_seconds=0.2)
    assert await work(real, StartFrame(), PAGE, then="time.sleep(60)") == ""
    assert (real.message.failures, real.message.releases) == (1, 0)
    assert crashes(real, run) == []
    assert real.files(run, "staging/*") == []


async def test_a_child_that_lives_on_in_a_grandchild_has_ended(real: Rig) -> None:
    """The pipe stays open in a process that the processor forked; the death of the child itself is what counts."""
    run = await suspect(real)
    async with asyncio.timeout(60):
        await work(real, StartFrame(), then="os.fork() or time.sleep(5) or os._exit(0); os._exit(3)")
    assert crashes(real, run) == [f"crashes/{key_of(ITEM)}/1.json"]


async def test_a_cancelled_attempt_ends_its_child(real: Rig) -> None:
    """A drain: the item goes back uncounted, nobody is a witness to what the worker did itself."""
    run = await suspect(real)
    mark = real.folder / "pid"
    then = f"open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    real.isolate = (sys.executable, "-S", "-c", SCRIPT, frame_bytes(StartFrame()).hex(), then)
    async with real.hand() as hand:
        attempt = asyncio.create_task(hand.attempt(await hand.take()))
        while not (mark.exists() and mark.read_text()):
            await asyncio.sleep(0.01)
        attempt.cancel()
        await asyncio.wait([attempt])
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert crashes(real, run) == []
    assert (real.message.failures, real.message.releases) == (0, 1)


@pytest.mark.parametrize("deliveries", [1, SILENT_DELIVERIES])
async def test_until_the_fifth_death_an_item_runs_in_its_worker(real: Rig, deliveries: int) -> None:
    """A subprocess for each item would cost half a second each."""
    await real.run(ITEM)
    for _ in range(deliveries - 1):
        await real.queue.dequeue(1, 0)
    await work(real, then="os._exit(2)")
    assert real.api.requests == [1]


async def test_a_copy_of_an_item_that_was_seen_to_crash_runs_alone_at_once(real: Rig) -> None:
    """Sent again it has no deaths of its own. Five more workers for each copy would keep a fleet busy dying."""
    run = await suspect(real)
    await work(real, StartFrame(), then=KILLED)
    await real.queue.purge()
    await send_again(real.queue, run.paths, [(plan_item(ITEM), 0)])
    await work(real, StartFrame(), PAGE, END)
    assert real.api.requests == []
    assert [receipt.records for receipt in await real.receipts(run)] == [2]


@pytest.mark.parametrize("returned", ["failures", "releases"])
async def test_voluntary_returns_are_no_deaths(real: Rig, returned: str) -> None:
    """Delays, drains, give-ups, grace: however many, the item does not run alone for them."""
    from msgspec.structs import replace as replaced

    from haulier.queues.envelope import encode

    await real.run(ITEM)
    (stored,) = real.store.messages.values()
    stored.body = encode(replaced(real.message, **{returned: 4}))
    stored.deliveries = 4 + SILENT_DELIVERIES - 1
    await work(real, then="os._exit(2)")
    assert real.api.requests == [1]


async def test_the_wait_of_a_child_for_a_job_is_not_the_items(folder: Path) -> None:
    """Its worker hears of it, and counts no deadline meanwhile; without that word it does."""
    settings = WorkerSettings(lease_seconds=0.2, item_deadline_seconds=0.1)
    async with Rig(folder, clock=SystemClock(), settings=settings) as real:
        run = await real.run(ITEM)
        async with real.deps() as deps:
            spool = await spool_of(deps, run, key_of(ITEM))
            for is_told in (True, False):
                reader = asyncio.StreamReader()
                reading = asyncio.create_task(_within_deadline(deps, reader, spool))
                for _ in range(30):
                    await asyncio.sleep(0.02)
                    if is_told:
                        reader.feed_data(frame_bytes(HeldFrame()))
                if is_told:
                    reader.feed_data(frame_bytes(END))
                    assert await reading == END
                else:
                    with pytest.raises(DeadlineError):
                        await reading
