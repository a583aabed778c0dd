"""An API that is down for hours, and whole workers that wait for it: by a virtual time, with nothing else made up.

The same with 20,000 items, which takes minutes, is `benchmarks/outage.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.api.limits.breaker import MAX_PROBE_DELAY_SECONDS, PROBE_SPREAD_PART
from haulier.worker.settings import WorkerSettings
from tests.harness.virtual_time import VirtualTime
from tests.outage.rig import ANSWER_SECONDS, FAILURES, Failure, Story, live_through, opened

MOST_REQUESTS = 300
"""Into six hours of outage (issue 6)."""
BEATS_SECONDS = 2.0
"""A probe that is due is taken on with a beat, and a beat comes each second."""


def story(folder: Path, failure: Failure, *, items: int, workers: int, hours: float) -> Story:
    time = VirtualTime()

    async def live() -> Story:
        async with opened(time, folder, items=items) as shop:
            return await live_through(shop, failure, workers=workers, after_seconds=20.0, hours=hours)

    return time.run(live())


def check(story: Story, failure: Failure, items: int, workers: int) -> None:
    print(
        f"{story.into_it} requests into it, {story.at_first} in its first minute; {story.charged} charged; none for "
        f"{story.longest_wait_seconds:.0f} s at the longest; good again after {story.back_after_seconds:.0f} s"
    )
    assert 0 < story.done_before < items
    assert story.poison == {}
    # Before twenty have failed nobody can know. It would be no poison even if all were charged to one item.
    assert story.charged < WorkerSettings().max_failures
    assert (story.verdict.verdict, story.objects, story.codes) == ("complete", items, [0] * workers)
    assert 0 < story.into_it <= MOST_REQUESTS
    # The probe before may have been sent just before the end, and be answered after it.
    longest_seconds = MAX_PROBE_DELAY_SECONDS * (1 + PROBE_SPREAD_PART) + BEATS_SECONDS
    assert story.back_after_seconds <= failure.seconds + longest_seconds + ANSWER_SECONDS
    assert story.longest_wait_seconds <= failure.seconds + longest_seconds


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_g4_g5_six_hours_of_503(tmp_path: Path) -> None:
    """G4, G5: not one item is poisoned for it, hardly a request is sent into it, and afterwards all is done."""
    failure = FAILURES["503"]
    check(story(tmp_path, failure, items=2_000, workers=1, hours=6), failure, 2_000, 1)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["500", "time-out", "refused connection"])
def test_g4_g5_a_quarter_of_an_hour_of_anything_like_an_outage(name: str, tmp_path: Path) -> None:
    """G4, G5, Failures, `500`, `connect`, `time-out`: however it fails, and with several workers to fail. A 500 for
    everybody is a database that is down, and no item's own."""
    failure = FAILURES[name]
    check(story(tmp_path, failure, items=1_000, workers=2, hours=0.25), failure, 1_000, 2)
