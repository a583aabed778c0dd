"""`expect`: the API's own count stands against the records of a run (G3).

See docs/protocol.md#verdicts-and-expected-counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from haulier.errors import RunSpentError, UsageError
from haulier.runs.expect import is_expect_missing, records_off
from haulier.runs.records import Totals, VerdictRecord
from haulier.runs.run import Run
from haulier.worker.watch import SPENT_SECONDS, Watch
from tests.harness.cuts.calls import Cut, Cuts
from tests.runs.rig import SOURCE, Place, Process, given, thing


class Counter:
    """An API that is asked how many records it has, and how often it was."""

    def __init__(self, *counts: int | None) -> None:
        self._counts = list(counts)
        self.asked = 0

    async def __call__(self, run: Run) -> Mapping[str, int]:
        assert run.file.streams == ("things",)
        self.asked += 1
        count = self._counts.pop(0)
        return {} if count is None else {"things": count}


async def closed(place: Place, process: Process) -> tuple[Run, VerdictRecord | None]:
    """A run of three records, with the counts that its process is told."""
    run = await process.claim(has_expect=True)
    await process.enqueue(run, [thing(1, 3), thing(7)])
    await process.work(run)
    return run, await process.closer.close(run)


@pytest.mark.parametrize(
    ("before", "after", "off"), [(3, 3, 0), (1, 5, 0), (5, 1, 0), (4, 9, 1), (5, 5, 2), (0, 1, 2), (2, 3, 0)]
)
async def test_the_records_lie_between_both_counts(
    place: Place, process: Process, before: int, after: int, off: int
) -> None:
    """A live API grows or shrinks meanwhile. Outside of them the run is partial, reason `count`, with how many."""
    run, verdict = await closed(place, place.process(expect=Counter(before, after)))
    assert verdict is not None
    assert verdict.verdict == ("partial" if off else "complete")
    assert verdict.reasons == ({"count": off} if off else {})
    assert verdict.expected == {"things": (min(before, after), max(before, after))}
    assert place.files(f"{run.paths.root}/expect/*") == [run.paths.expect("after"), run.paths.expect("before")]


async def test_a_stream_that_promises_nothing_is_held_to_nothing(place: Place) -> None:
    """A count is judged stream by stream."""
    _, verdict = await closed(place, place.process(expect=Counter(None, None)))
    assert verdict is not None
    assert (verdict.verdict, verdict.expected) == ("complete", {})


@pytest.mark.parametrize(
    ("records", "totals", "off"),
    [
        (90, Totals(), 10),
        (90, Totals(discarded=1), 0),
        (90, Totals(poisoned=1), 0),
        (90, Totals(damaged=1), 0),
        (110, Totals(), 5),
        (110, Totals(discarded=1, poisoned=1), 5),
        (105, Totals(), 0),
    ],
)
def test_what_is_short_for_a_reason_is_not_counted_twice(records: int, totals: Totals, off: int) -> None:
    """A discard does not hold back `complete` by way of the count; too many records are too many all the same."""
    assert records_off({"things": (100, 105)}, {"things": records}, totals) == off


@pytest.mark.parametrize(("records", "off"), [(100, 0), (97, 0), (98, 1), (96, 1), (101, 1)])
def test_rows_that_are_skipped_are_counted_or_not(records: int, off: int) -> None:
    """One of both counts must fit exactly; what lies between is a record lost."""
    assert records_off({"things": (100, 100)}, {"things": records}, Totals(), {"things": 3}) == off


async def test_the_first_count_comes_before_the_first_message(place: Place) -> None:
    """An API that grows from the first message on grows between the two counts."""
    asked: list[int] = []

    async def expect(run: Run) -> Mapping[str, int]:
        asked.append(len(place.messages))
        return {"things": 2}

    process = place.process(expect=expect)
    run = await process.claim(has_expect=True)
    await process.enqueue(run, [thing(1), thing(2)])
    await process.enqueue(run, [])
    assert asked == [0]


async def test_the_second_count_waits_until_nothing_is_missing(place: Place) -> None:
    """A closing that was left, of a run that is not drained, asks nothing: the count would be too old."""
    counter = Counter(2, 2)
    process = place.process(expect=counter)
    run = await process.claim(has_expect=True)
    await process.enqueue(run, [thing(1), thing(2)])
    await process.closer._open(run)
    assert await process.closer.close(run) is None
    assert counter.asked == 1
    await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, counter.asked) == ("complete", 2)


async def test_what_another_process_was_told_will_do(place: Place) -> None:
    """Of two that close a run, one sent the last request that `max_requests` allows. The other may ask no more, and
    takes the answer of the first."""
    first = place.process(expect=Counter(1, 1))
    run = await first.claim(has_expect=True)
    await first.enqueue(run, [thing(1)])
    await first.work(run)

    async def spent(run: Run) -> Mapping[str, int]:
        assert await first.closer.close(run) is not None
        raise UsageError("The run has sent all of its requests.")

    verdict = await place.process(expect=spent).closer.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"


async def test_a_count_that_nobody_was_told_is_missing(place: Place) -> None:
    """The closing stays without a verdict, and says why."""

    async def spent(run: Run) -> Mapping[str, int]:
        raise UsageError("The run has sent all of its requests.")

    able = place.process(expect=Counter(1, 1))
    run = await able.claim(has_expect=True)
    await able.enqueue(run, [thing(1)])
    await able.work(run)
    with pytest.raises(UsageError, match="sent all"):
        await place.process(expect=spent).closer.close(run)
    assert await is_expect_missing(able.lake, run)
    verdict = await able.closer.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"


async def test_a_busy_worker_asks_seldom_for_a_count_that_its_run_may_not_ask(place: Place) -> None:
    """Other runs keep it at work, and it looks at this one twice a second: each try would list the run again. The count
    may come from elsewhere meanwhile."""
    asked = 0

    async def spent(run: Run) -> Mapping[str, int]:
        nonlocal asked
        asked += 1
        raise RunSpentError(run.run_id, 20)

    able = place.process(expect=Counter(1, 1))
    run = await able.claim(has_expect=True)
    await able.enqueue(run, [thing(1)])
    await able.work(run)
    cuts = Cuts()
    worker = place.process(cuts, expect=spent)
    watch = Watch(worker.lake, worker.queue, worker.closer, SOURCE)
    assert not await watch.look_at(run.run_id)
    assert (asked, list(watch.spent)) == (1, [run.run_id])
    calls = len(cuts.calls)
    for _ in range(10):
        assert not await watch.look_at(run.run_id)
    assert (asked, list(watch.spent), "LocalLake.sweep" in cuts.calls[calls:]) == (1, [run.run_id], False)
    place.clock.advance(SPENT_SECONDS)
    assert not await watch.look_at(run.run_id)
    assert asked == 2
    assert await able.closer.close(run) is not None
    assert await watch.look_at(run.run_id)
    watch.close()


async def test_a_process_without_the_api_leaves_such_a_run(place: Place, process: Process) -> None:
    """It opens no closing and says why; a process that has the API closes the run."""
    able = place.process(expect=Counter(1, 1))
    run = await able.claim(has_expect=True)
    with pytest.raises(UsageError, match="promises a count"):
        await process.enqueuer.enqueue(run, lambda: given([thing(1)]))
    await able.enqueue(run, [thing(1)])
    await process.work(run)
    assert await process.closer.close(run) is None
    assert await is_expect_missing(process.lake, run)
    assert place.files("**/closings/*/*") == []
    assert await able.closer.close(run) is not None
    assert await process.closer.close(run) is not None


async def test_a_redrive_in_the_middle_of_such_a_closing_says_what_to_do(place: Place, process: Process) -> None:
    """Only a process with the API can finish the closing that stands in the way."""
    place.api.failing = {1}
    able = place.process(expect=Counter(1))
    run = await able.claim(has_expect=True)
    await able.enqueue(run, [thing(1)])
    await able.work(run)
    cuts = Cuts(Cut("LocalLake.sweep"))
    await cuts.run(place.process(cuts, expect=Counter()).closer.close(run))
    with pytest.raises(UsageError, match="haulier work SOURCE"):
        await process.redriver.redrive(run)


async def test_each_count_is_asked_once(place: Place) -> None:
    """A partial run that is redriven and closed again is held to the counts that stand."""
    place.api.failing = {7}
    counter = Counter(3, 3)
    run, verdict = await closed(place, place.process(expect=counter))
    assert verdict is not None
    assert verdict.reasons == {"poison": 1}
    place.api.failing.clear()
    process = place.process()
    await process.redriver.redrive(run)
    await process.work(run)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert (verdict.verdict, verdict.expected, counter.asked) == ("complete", {"things": (3, 3)}, 2)
