"""P5: what a processor may yield, and how long it may take. What it may not is said in words, and charged."""

from __future__ import annotations

import asyncio
import gc
import gzip
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haulier.api.records.page import Page
from haulier.clock import SystemClock
from haulier.runs.records import PoisonRecord
from haulier.runs.run import Run
from haulier.sources.context import Context
from haulier.worker.deadline import Awake, DeadlineError, GateWaitError, within_deadline
from haulier.worker.deps import Processor
from haulier.worker.settings import WorkerSettings
from tests.harness.things import Things, things
from tests.worker.rig import Hand, Rig, key_of

ITEM = things(1, 4)


def lines(rig: Rig, run: Run) -> list[bytes]:
    path = rig.folder / "lake" / run.paths.object("things", key_of(ITEM))
    return gzip.decompress(path.read_bytes()).splitlines()


def yielding(*pieces: object) -> Processor:
    async def processor(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        for piece in pieces:
            yield piece

    return processor


async def test_pages_keep_the_apis_own_bytes(rig: Rig) -> None:
    """G6: and the receipt says that nothing was encoded by us."""
    run = await rig.run(ITEM)
    async with rig.hand() as hand:
        await hand.work()
    assert lines(rig, run) == [b'{"id":1}', b'{"id":2}', b'{"id":3}']
    (receipt,) = await rig.receipts(run)
    assert (receipt.encoded, receipt.requests) == (False, 1)


async def test_dicts_are_encoded_and_the_receipt_says_so(rig: Rig) -> None:
    """Bytes that are ours are told from the API's own; so does the manifest."""
    run = await rig.run(ITEM)
    async with rig.hand({Things: yielding([{"b": 1.10, "a": "é"}], [], [{"c": None}])}) as hand:
        await hand.work()
    assert lines(rig, run) == ['{"b":1.1,"a":"é"}'.encode(), b'{"c":null}']
    (receipt,) = await rig.receipts(run)
    assert (receipt.records, receipt.encoded, receipt.requests) == (2, True, 0)


async def test_a_page_is_let_go_of_once_it_is_written(rig: Rig) -> None:
    """G9: before the processor asks for the next one."""
    alive: list[int] = []

    async def processor(item: Things, ctx: Context) -> AsyncGenerator[Page, None]:
        for number in range(4):
            alive.append(sum(type(known) is Page for known in gc.get_objects()))
            yield Page([b'{"id":%d}' % number])

    run = await rig.run(ITEM)
    async with rig.hand({Things: processor}) as hand:
        await hand.work()
    assert len(lines(rig, run)) == 4
    assert alive == [alive[0]] * 4


@pytest.mark.parametrize("pieces", [(), ([],), ([], [])])
async def test_nothing_is_empty(rig: Rig, pieces: tuple[object, ...]) -> None:
    """P6: an item without records has an outcome, and never an object."""
    run = await rig.run(ITEM)
    async with rig.hand({Things: yielding(*pieces)}) as hand:
        await hand.work()
    assert await rig.outcome(run, ITEM) is not None
    assert rig.objects() == []


async def poison_of(rig: Rig, processor: Processor) -> PoisonRecord:
    run = await rig.run(ITEM)
    rig.settings = replace(rig.settings, max_failures=1)
    async with rig.hand({Things: processor}) as hand:
        await hand.work()
        assert not hand.stop.event.is_set()
    found = await rig.poison(run, ITEM)
    assert found is not None
    assert rig.objects() == []
    return found


WRONG: list[tuple[object, str]] = [
    ({"id": 1}, "yielded a dict"),
    ("text", "yielded a str"),
    (b"{}", "yielded a bytes"),
    (None, "yielded a NoneType"),
    ([1, 2], "yielded a list"),
    ([{"id": 1}, "text"], "yielded a list"),
    ((things(1),), "yielded a tuple"),
]


@pytest.mark.parametrize(("piece", "said"), WRONG)
async def test_wrong_things_are_an_error_in_words(rig: Rig, piece: object, said: str) -> None:
    """Which processor, what it yielded, and what it may yield."""
    found = await poison_of(rig, yielding([{"id": 0}], piece))
    assert "The processor of 'things'" in found.error
    assert said in found.error
    assert "Yield a page" in found.error


async def test_a_value_that_is_no_json_is_an_error_in_words(rig: Rig) -> None:
    found = await poison_of(rig, yielding([{"id": object()}]))
    assert found.reason == "failed"


async def test_a_processor_that_raises_leaves_its_traceback(rig: Rig) -> None:
    """The class, the words, and the line, for a person at three in the morning."""

    async def breaks(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        yield [{"id": 1}]
        raise KeyError("customer")

    found = await poison_of(rig, breaks)
    assert (found.error_class, found.error) == ("KeyError", "'customer'")
    assert 'raise KeyError("customer")' in found.traceback


async def test_a_processor_is_closed_before_its_item_is_settled(rig: Rig) -> None:
    """What it holds open is its own to let go of: not the garbage collector's, some time later."""
    said: list[str] = []

    async def holds(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        try:
            yield [{"id": 1}]
            yield "wrong"
        finally:
            said.append("closed")

    await rig.run(ITEM)
    async with rig.hand({Things: holds}) as hand:
        await hand.attempt(await hand.take())
        assert said == ["closed"]


async def test_what_the_context_tells(rig: Rig) -> None:
    """Run, snapshot time and attempt; equal for all items of a run."""
    seen: list[Context] = []

    async def tells(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        seen.append(ctx)
        raise ValueError
        yield

    run = await rig.run(ITEM)
    async with rig.hand({Things: tells}) as hand:
        for _ in range(2):
            await hand.work()
            rig.turn(3_600)
    assert [ctx.attempt for ctx in seen] == [1, 2]
    assert seen[0].run.run_id == run.run_id
    assert seen[0].snapshot_time == run.file.snapshot_time


# -- how long it may take ----------------------------------------------------------------------------------------------


async def work_quickly(rig: Rig, processor: Processor) -> None:
    """Work the only message with a lease of 0.2 s, so that a deadline of half of that is looked at in time."""
    rig.settings = WorkerSettings(lease_seconds=0.2, item_deadline_seconds=0.1)
    await rig.run(ITEM)
    async with rig.hand({Things: processor}) as hand:
        await hand.work()


@pytest.fixture
async def real(folder: Path) -> AsyncIterator[Rig]:
    """The rig on the machine's own clock."""
    async with Rig(folder, clock=SystemClock()) as real:
        yield real


async def test_an_item_has_a_deadline_from_its_first_request(real: Rig) -> None:
    """Charged: an item that takes so long should have been planned smaller. Its task is ended, its spool dropped."""
    ended: list[str] = []

    async def slow(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        await ctx.api.json("/things", {"start": 1, "end": 2})
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("ended")
        yield []

    await work_quickly(real, slow)
    assert (real.message.failures, real.message.releases) == (1, 0)
    assert ended == ["ended"]


async def test_an_item_that_asks_nothing_has_a_deadline_too(real: Rig) -> None:
    """A total one: nobody keeps a slot for ever."""

    async def idles(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        await asyncio.sleep(60)
        yield []

    await work_quickly(real, idles)
    assert (real.message.failures, real.message.releases) == (1, 0)


async def test_an_item_that_waits_a_lease_for_its_turn_is_handed_back_uncounted(real: Rig) -> None:
    """It has done nothing, and another worker may have a share: no failure, no silent delivery."""
    real.settings = WorkerSettings(lease_seconds=0.2)
    await real.run(ITEM)
    async with real.hand() as hand:
        await hand.deps.client.scope.pause(60)
        await hand.work()
        assert not hand.stop.event.is_set()
    assert real.api.requests == []
    assert (real.message.failures, real.message.releases, real.message.resent) == (0, 1, True)
    assert real.delay_of() <= 0


async def test_an_item_that_is_paused_in_the_middle_is_not_charged_for_it(real: Rig) -> None:
    """G4: its deadline passes while it waits for the scope's turn, which is not its own doing."""

    async def pauses(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        await ctx.api.json("/things", {"start": 1, "end": 2})
        await hands[0].deps.client.scope.pause(60)
        yield await ctx.api.json("/things", {"start": 2, "end": 3})

    hands: list[Hand] = []
    real.settings = WorkerSettings(lease_seconds=0.2, item_deadline_seconds=0.1)
    await real.run(ITEM)
    async with real.hand({Things: pauses}) as hand:
        hands.append(hand)
        await hand.work()
    assert real.api.requests == [1]
    assert (real.message.failures, real.message.releases) == (0, 1)


async def test_a_processor_that_cancels_itself_is_charged(rig: Rig) -> None:
    """Uncharged it would come again for ever: no run would end (G1)."""

    async def cancels(item: Things, ctx: Context) -> AsyncGenerator[Any, None]:
        raise asyncio.CancelledError
        yield

    found = await poison_of(rig, cancels)
    assert "was cancelled, and not by haulier" in found.error


class Stops:
    """A clock that stood still for an hour between two looks, as for a process that was stopped."""

    def __init__(self) -> None:
        self._seconds = iter((0.0, 3_600.0, 3_600.05, 3_600.1))

    def __getattr__(self, name: str) -> Any:
        return getattr(SystemClock(), name)

    def monotonic(self) -> float:
        return next(self._seconds)


async def test_a_stopped_process_costs_its_items_nothing() -> None:
    """G4: SIGSTOP for an hour counts as two looks, not as an hour of the item's time."""
    awake = Awake(Stops(), WorkerSettings(lease_seconds=0.2), lambda: False)
    for _ in range(3):
        await awake.wait(asyncio.get_running_loop().create_future())
    assert awake.seconds == pytest.approx(0.2)


class FakeApi:
    """What a deadline looks at."""

    def __init__(self, *, is_waiting: bool, has_sent: bool, is_held: bool = False) -> None:
        self.is_waiting, self.is_held = is_waiting, is_held
        self.usage = self
        self.first_sent_at = 0.0 if has_sent else None


@pytest.mark.parametrize(
    ("is_waiting", "has_sent", "error"),
    [
        (True, False, GateWaitError),
        (True, True, GateWaitError),
        (False, False, DeadlineError),
        (False, True, DeadlineError),
    ],
)
async def test_whose_time_it_is(is_waiting: bool, has_sent: bool, error: type[Exception]) -> None:
    """The table of deadlines: who waits at the gate pays nothing, whatever was sent before."""
    settings = WorkerSettings(lease_seconds=0.04, item_deadline_seconds=0.05)
    api: Any = FakeApi(is_waiting=is_waiting, has_sent=has_sent)
    with pytest.raises(error):
        await within_deadline(SystemClock(), settings, api, asyncio.sleep(60))


async def test_no_time_passes_for_an_item_that_a_person_holds_up() -> None:
    """Far beyond its deadline, and beyond a lease, it is still there, and ends as it would have."""
    settings = WorkerSettings(lease_seconds=0.04, item_deadline_seconds=0.05)
    api: Any = FakeApi(is_waiting=True, has_sent=True, is_held=True)
    assert await within_deadline(SystemClock(), settings, api, asyncio.sleep(0.4, "made")) == "made"


async def test_a_deadline_raises_what_the_work_raised() -> None:
    """And hands on what it made."""
    settings = WorkerSettings(lease_seconds=0.04)
    api: Any = FakeApi(is_waiting=False, has_sent=True)

    async def made() -> str:
        return "made"

    async def broken() -> str:
        raise KeyError("x")

    assert await within_deadline(SystemClock(), settings, api, made()) == "made"
    with pytest.raises(KeyError):
        await within_deadline(SystemClock(), settings, api, broken())
