"""The governor: its steps one by one, and what it comes to at an API with a knee.

For users: docs/running.md#how-hard-the-api-is-asked.
"""

import itertools
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from haulier.api.limits.delay import LowLoadAnswer
from haulier.api.limits.governor import (
    CEILING_SECONDS,
    CHANGED_API_FALLS,
    FIRST_PROBE_AFTER_WINDOWS,
    MAX_WINDOW_SAMPLES,
    REMEMBERED_SECONDS,
    START_LIMIT,
    Governor,
    Phase,
    Report,
    begin_run,
    feed_report,
    window_size,
)
from tests.api.limits.knee import Crowd

REACHABLE = 23.1
"""Requests a second that 12 in flight get, of 0.5 s each with stragglers (measured)."""


def feed(
    governor: Governor,
    seconds: float,
    *,
    kind: str = "later",
    times: int | None = None,
    time: float = 0.0,
    in_flight: int = 50,
    roll: float = 0.5,
    in_use: int | None = None,
) -> Governor:
    """A report with as many answers as the next step needs, of the present epoch."""
    skip = 0 if governor.phase is Phase.STARTING else governor.skip
    count = times if times is not None else skip + window_size(governor) - governor.seen
    report = Report(governor.epoch, {kind: [seconds] * count})
    return feed_report(governor, report, governor.cap(in_flight) if in_use is None else in_use, in_flight, time, roll)


def steady(limit: float, **changes: Any) -> Governor:
    low: dict[str, tuple[LowLoadAnswer, ...]] = {"later": (LowLoadAnswer(1, 1.0),) * 150}
    return Governor(limit=limit, phase=Phase.STEADY, low=low, probe_after=30, **changes)


def starting(limit: float, **changes: Any) -> Governor:
    low: dict[str, tuple[LowLoadAnswer, ...]] = {"later": (LowLoadAnswer(8, 1.0),) * 20}
    return Governor(limit=float(limit), low=low, **changes)


def answered(governor: Governor, seconds: list[float], in_use: int | None = None, each: int = 1) -> Governor:
    """A report of answers of the present epoch, as many as are given."""
    report = Report(governor.epoch, {"later": seconds}, each=each)
    return feed_report(governor, report, governor.cap(256) if in_use is None else in_use, 256, 0.0, 0.5)


def test_start_doubles() -> None:
    """Without a queue the limit doubles with each round trip, up to a large cap too."""
    governor = Governor()
    limits = [governor.limit]
    for _ in range(7):
        governor = feed(governor, 1.0, in_flight=300)
        limits.append(governor.limit)
    assert limits == [4, 8, 16, 32, 64, 128, 256, 300]
    assert governor.phase is Phase.STEADY


def test_start_ends_near_the_knee() -> None:
    """Once a third of the requests waits, the limit goes to where none would, and one above."""
    governor = feed(starting(18), 1.5)
    assert governor.phase is Phase.STEADY
    assert governor.limit == pytest.approx(13.2, abs=0.1)


def test_a_few_milliseconds_are_no_queue() -> None:
    """An API that answers within 2 ms, and a program that takes 10 ms more to read many answers at once: nobody waits
    there who would mind, neither while it starts nor later on. A tenth of a second more is a queue for any API."""
    low: dict[str, tuple[LowLoadAnswer, ...]] = {"later": (LowLoadAnswer(2, 0.002),) * 20}
    governor = Governor(limit=16.0, low=low)
    assert feed(governor, 0.01).limit == 32.0
    assert feed(governor, 0.1).limit < 16.0
    governor = Governor(limit=16.0, low=low, phase=Phase.STEADY)
    assert feed(governor, 0.01).limit >= 16.0
    assert feed(governor, 0.1).limit < 16.0


def test_start_ends_when_two_windows_speak_against_it() -> None:
    """One that scatters is not believed by itself, against the next step as little as for it."""
    scattered = [0.6, 0.9, 1.5, 2.0] * 4
    governor = answered(starting(16), scattered)
    assert (governor.phase, governor.limit, governor.doubts) == (Phase.STARTING, 16.0, 1)
    governor = answered(governor, scattered)
    assert governor.phase is Phase.STEADY
    assert governor.limit == pytest.approx(13.9, abs=0.1)


def test_start_sees_what_the_last_of_a_burst_waited() -> None:
    """Of 16 requests at a knee of 12 only four wait. Their median says nothing of it; the limit does not double."""
    governor = answered(starting(16), [1.0] * 12 + [2.0] * 4)
    assert governor.limit == 16.0
    governor = answered(governor, [1.0] * 12 + [2.0] * 4)
    assert governor.phase is Phase.STEADY
    assert governor.limit < 16.0


def test_start_is_not_held_up_by_a_straggler() -> None:
    """One answer that takes five times as long is no queue."""
    assert answered(starting(16), [1.0] * 15 + [5.0]).limit == 32.0


def test_start_asks_once_more_where_noise_hides_what_there_is() -> None:
    """Answers that scatter do not allow a step by themselves; a second window like the first does."""
    scattered = [0.5, 0.7, 1.2, 1.7] * 4
    governor = answered(starting(16), scattered)
    assert (governor.phase, governor.limit, governor.doubts) == (Phase.STARTING, 16.0, 1)
    assert answered(governor, scattered).limit == 32.0


def test_second_window_is_of_requests_sent_after_the_first() -> None:
    """Those that were under way then are the slow ones of the first: beside a baseline of quick ones they look late."""
    governor = starting(16)
    asked_again = answered(governor, [1.5] * 16)
    assert asked_again.epoch == governor.epoch + 1


def test_start_passes_over_answers_that_met_a_lower_load() -> None:
    """As long as the members do not all know of the limit, fewer requests are in flight than it allows."""
    governor = starting(16, skip=16)
    governor = answered(governor, [1.0] * 10, in_use=10)
    assert (governor.skip, governor.seen) == (6, 0)
    governor = answered(governor, [1.0] * 4, in_use=16)
    assert (governor.skip, governor.seen) == (0, 4)


def test_many_answers_come_as_samples_of_them() -> None:
    """A window of 256 answers is full with 64 samples that stand for four each."""
    governor = starting(256)
    assert answered(governor, [1.0] * 63, each=4).seen == 252
    low: dict[str, tuple[LowLoadAnswer, ...]] = {"later": (LowLoadAnswer(64, 1.0),) * 20}
    governor = Governor(limit=128.0, low=low)
    assert answered(governor, [1.0] * 32, each=4).limit == 256.0


def test_start_that_ended_by_mistake_goes_on() -> None:
    """A few answers seemed to wait; many at the same limit do not: the limit doubles again."""
    assert feed(steady(16.0, stopped=16.0), 1.0).limit == 32.0
    assert feed(steady(15.0, stopped=16.0), 1.0).limit == 16.0
    assert feed(steady(16.0), 1.0).limit == 17.0


def test_start_measures_pages_that_it_has_not_seen_at_half_the_limit() -> None:
    """Later pages come when the limit is far up: they are measured at half of it, and the start goes on from there."""
    low: dict[str, tuple[LowLoadAnswer, ...]] = {"first": (LowLoadAnswer(4, 1.0),) * 50}
    governor = feed(Governor(limit=32.0, low=low), 0.5, in_flight=256)
    assert (governor.phase, governor.limit) == (Phase.PROBING, 16.0)
    governor = feed(governor, 0.5, in_flight=256)
    assert (governor.phase, governor.limit) == (Phase.STARTING, 32.0)
    assert feed(governor, 0.5, in_flight=256).limit == 64.0


def test_large_limits_move_by_a_sixteenth() -> None:
    """One more of a hundred would take minutes."""
    assert feed(steady(64.0), 1.0, in_flight=256).limit == 68.0


def remembering(limit: float, **changes: Any) -> Governor:
    return begin_run(Governor(limit=limit, phase=Phase.STEADY, **changes), 1_000.0, 2_000.0)


def test_next_run_begins_at_half_of_what_was_borne() -> None:
    """And takes the other half in one step, where nothing speaks against it."""
    governor = remembering(200.0)
    assert (governor.phase, governor.limit) == (Phase.STARTING, 100.0)
    assert feed(governor, 1.0, in_flight=256).limit == 200.0


def test_next_run_goes_no_further_at_once_where_the_api_showed_its_own_limit() -> None:
    """It goes on doubling only if the user's cap, or the end of the run, was all that held the one before."""
    governor = feed(remembering(12.0, is_found=True), 1.0)
    assert (governor.phase, governor.limit) == (Phase.STEADY, 12.0)
    governor = feed(remembering(12.0), 1.0)
    assert (governor.phase, governor.limit) == (Phase.STARTING, 12.0)
    assert feed(governor, 1.0).limit == 24.0


@pytest.mark.parametrize(("borne", "begins"), [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (6.0, START_LIMIT), (9.0, 4.5)])
def test_little_that_was_borne(borne: float, begins: float) -> None:
    """A run begins no higher than what was borne, and no lower than any run but for that."""
    assert remembering(borne).limit == begins


def test_probe_is_not_what_was_borne() -> None:
    """A run that ends in a measurement at half the limit bore the whole."""
    probing = Governor(limit=50.0, resume=100.0, phase=Phase.PROBING)
    assert begin_run(probing, 0.0, 1.0).borne == 100.0


@pytest.mark.parametrize("wall", [1_000.0 + REMEMBERED_SECONDS + 1.0, 900.0])
def test_what_was_borne_is_forgotten_after_a_day(wall: float) -> None:
    """And where the clock says that it was in the future."""
    assert begin_run(Governor(limit=200.0), 1_000.0, wall) == Governor()


def test_short_run_neither_forgets_nor_renews_the_memory() -> None:
    """A run of a few requests reaches little; what is known stays, as old as it is."""
    governor = begin_run(remembering(200.0), 5_000.0, 6_000.0)
    assert (governor.limit, governor.borne, governor.borne_at) == (100.0, 200.0, 1_000.0)


def test_memory_that_is_refused_is_dropped() -> None:
    """Where the API refuses what it bore before, the run begins as with any API."""
    governor = remembering(200.0)
    governor = feed_report(governor, Report(governor.epoch, {}, refusals=1), 100, 256, 50.0, 0.5)
    assert (governor.limit, governor.borne, governor.phase) == (START_LIMIT, 0.0, Phase.STARTING)


def test_memory_of_a_faster_api_is_dropped() -> None:
    """Answers that take twice as long as then say that it bears less now: the run begins as with any API."""
    governor = remembering(200.0, low={"later": (LowLoadAnswer(20, 1.0),) * 150})
    governor = feed(governor, 2.0, in_flight=256)
    assert (governor.limit, governor.borne, governor.low) == (START_LIMIT, 0.0, {})


def test_lower_cap_applies_to_what_is_remembered() -> None:
    """The user's cap of today rules."""
    governor = remembering(200.0)
    assert governor.cap(10) == 10
    assert feed(governor, 1.0, in_flight=10).limit == 10


def test_start_ends_at_the_users_cap() -> None:
    """The user's cap is the end of the way, whatever the API would bear."""
    governor = Governor()
    for _ in range(6):
        governor = feed(governor, 1.0, in_flight=10)
    assert governor.limit == 10
    assert governor.phase is Phase.STEADY


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, 13.0),  # Faster than the baseline.
        (1.0, 13.0),
        (1.05, 13.0),
        (1.15, 12.0),  # 13 % wait: as it should be.
        (1.24, 12.0),
        (1.35, 11.0),  # 26 % wait.
        (2.5, 9.6),  # 60 % wait.
    ],
)
def test_steady_step(seconds: float, expected: float) -> None:
    """No queue: one more. Some queue: as it is. More: one less. Most of it queue: a fifth less."""
    assert feed(steady(12.0), seconds).limit == pytest.approx(expected)


def test_grows_only_where_the_limit_was_reached() -> None:
    """A limit that nobody reached is not raised: nothing is known of what is above it."""
    assert feed(steady(12.0), 1.0, in_use=8).limit == 12.0


def test_first_and_later_pages_have_baselines_of_their_own() -> None:
    """First pages that take ten times as long are no sign of a queue."""
    low: dict[str, tuple[LowLoadAnswer, ...]] = {
        "later": (LowLoadAnswer(1, 1.0),) * 50,
        "first": (LowLoadAnswer(1, 10.0),) * 50,
    }
    governor = Governor(limit=12.0, phase=Phase.STEADY, low=low)
    report = Report(0, {"first": [10.0] * 20, "later": [1.0] * 20})
    assert feed_report(governor, report, 12, 50, 0.0, 0.5).limit == 13.0


def test_without_a_baseline_it_does_not_grow_but_measures() -> None:
    """Answers of a class that was never seen at low load say nothing: the limit is halved for one window to see."""
    governor = Governor(limit=12.0, phase=Phase.STEADY, low={"first": (LowLoadAnswer(1, 1.0),)})
    governor = feed(governor, 1.0, kind="later")
    assert governor.phase is Phase.PROBING
    assert governor.limit == 6.0
    governor = feed(governor, 0.5, kind="later")
    assert (governor.phase, governor.limit) == (Phase.STEADY, 12.0)
    assert governor.low["later"][0] == LowLoadAnswer(6, 0.5)


def test_a_few_known_answers_do_not_speak_for_the_others() -> None:
    """Three first pages without a queue say nothing of thirty later ones that were never seen at low load."""
    low: dict[str, tuple[LowLoadAnswer, ...]] = {"first": (LowLoadAnswer(1, 1.0),) * 50}
    governor = Governor(limit=12.0, phase=Phase.STEADY, low=low)
    report = Report(0, {"first": [1.0] * 6, "later": [9.0] * 30})
    assert feed_report(governor, report, 12, 50, 0.0, 0.5).phase is Phase.PROBING


def test_probes_after_some_windows_with_a_queue() -> None:
    """A queue that stays is measured again, at half the limit for one window; then the limit is as it was."""
    governor = steady(12.0, queued=29)
    governor = feed(governor, 1.15, roll=0.5)
    assert (governor.phase, governor.limit, governor.resume) == (Phase.PROBING, 6.0, 12.0)
    governor = feed(governor, 1.1, roll=0.5)
    assert (governor.phase, governor.limit, governor.queued) == (Phase.STEADY, 12.0, 0)
    assert governor.probe_after == 45


def test_rough_baseline_is_measured_soon() -> None:
    """The baseline of the first seconds rests on a dozen answers: the first probe comes early."""
    assert Governor().probe_after == FIRST_PROBE_AFTER_WINDOWS


def test_falls_in_a_row_renew_the_baseline() -> None:
    """An API that has become slow for good is not blamed on a queue for ever."""
    governor = steady(20.0)
    for _ in range(CHANGED_API_FALLS):
        governor = feed(governor, 1.6)
    assert governor.phase is Phase.PROBING
    governor = feed(governor, 1.6)
    assert {low.seconds for low in governor.low["later"]} == {1.6}
    before = governor.limit
    assert feed(governor, 1.6).limit == before + 1


def test_refusal_cuts_and_holds_below() -> None:
    """A refusal cuts by 15 % and keeps the limit below that number for five minutes."""
    governor = feed_report(steady(12.0), Report(0, {}, refusals=3), 12, 50, 100.0, 0.5)
    assert governor.limit == pytest.approx(10.2)
    for _ in range(5):
        governor = feed(governor, 1.0, time=200.0)
    assert governor.limit == 11.0
    for _ in range(2):
        governor = feed(governor, 1.0, time=100.0 + CEILING_SECONDS)
    assert governor.limit > 11.0


def test_one_cut_for_a_burst_of_refusals() -> None:
    """Refusals of one moment are one sign, not several."""
    governor = feed_report(steady(12.0, median=1.0), Report(0, {}, refusals=1), 12, 50, 100.0, 0.5)
    again = feed_report(governor, Report(governor.epoch, {}, refusals=5), 12, 50, 101.9, 0.5)
    assert again.limit == governor.limit
    assert feed_report(governor, Report(governor.epoch, {}, refusals=5), 12, 50, 102.0, 0.5).limit < governor.limit


def test_reports_of_an_earlier_limit_count_for_nothing() -> None:
    """What was sent under another limit met another load."""
    governor = steady(12.0, epoch=7)
    report = Report(6, {"later": [9.0] * 200}, refusals=9)
    assert feed_report(governor, report, 12, 50, 0.0, 0.5).limit == 12.0


def test_first_answers_after_a_change_are_passed_over() -> None:
    """They met the load of before."""
    governor = feed(steady(12.0), 1.0)
    assert (governor.limit, governor.skip) == (13.0, 13)
    governor = feed(governor, 9.0, times=13)
    assert governor.window == {"later": ()}


REPORTS = st.builds(
    Report,
    st.integers(0, 3),
    st.dictionaries(st.sampled_from(["first", "later"]), st.lists(st.floats(0, 400), max_size=64)),
    st.integers(0, 3),
)


@given(
    st.lists(st.tuples(REPORTS, st.integers(0, 60), st.floats(0, 1), st.booleans()), max_size=60),
    st.integers(1, 60),
)
def test_always_a_limit_and_always_a_row(steps: list[Any], in_flight: int) -> None:
    """Whatever is reported: 1 to the cap may be in flight, and the row can be written and read."""
    governor = Governor()
    for time, (report, in_use, roll, is_now) in enumerate(steps):
        if is_now:
            report = Report(governor.epoch, report.samples, report.refusals)
        governor = feed_report(governor, report, in_use, in_flight, float(time), roll)
        assert 1 <= governor.cap(in_flight) <= in_flight
        body = msgspec.json.encode(governor)
        assert msgspec.json.decode(body, type=Governor) == governor
        assert len(body) < 16_000
        assert max((len(samples) for samples in governor.window.values()), default=0) <= MAX_WINDOW_SAMPLES


@pytest.mark.parametrize(("shape", "workers"), [*itertools.product(["queue", "thrash", "429"], [1, 4]), ("queue", 16)])
async def test_knee_of_12(shape: str, workers: int) -> None:
    """G5: at most 18 in flight, 85 % of what the API gives, 1 % refused, and 11 in flight within 10 s."""
    async with Crowd(shape, workers) as crowd:
        await crowd.clock.run_for(40)
        good, now = crowd.api.good, crowd.clock.monotonic()
        await crowd.clock.run_for(80)
        rate = (crowd.api.good - good) / 80
    assert crowd.api.first_at(11) - crowd.began_at <= 10.0
    assert crowd.api.mean_in_flight(now) <= 18
    assert max(count for _, count in crowd.api.history) <= 18
    assert rate >= 0.85 * REACHABLE
    assert crowd.api.refused <= 0.01 * crowd.api.good


@pytest.mark.parametrize(("shape", "workers"), [("queue", 1), ("thrash", 4), ("429", 4)])
async def test_knee_that_halves(shape: str, workers: int) -> None:
    """An API that bears half of what it did is given that much room within 30 s."""
    async with Crowd(shape, workers) as crowd:
        await crowd.clock.run_for(40)
        crowd.api.knee = 6
        await crowd.clock.run_for(25)
        now = crowd.clock.monotonic()
        await crowd.clock.run_for(15)
        assert crowd.api.mean_in_flight(now) <= 9


async def test_later_pages_that_are_cached() -> None:
    """Later pages that take a fifth of the time neither hide a queue nor look like one."""
    async with Crowd("queue", 4, later_pages=0.2) as crowd:
        await crowd.clock.run_for(30)
        good, now = crowd.api.good, crowd.clock.monotonic()
        await crowd.clock.run_for(30)
        rate = (crowd.api.good - good) / 30
    assert crowd.api.mean_in_flight(now) <= 18
    assert rate >= 0.85 * REACHABLE / 0.28


async def test_fixed_keeps_the_users_number() -> None:
    """`--fixed`: the user's number is used as it is."""
    async with Crowd("queue", 2, in_flight=30, is_fixed=True) as crowd:
        await crowd.clock.run_for(20)
        now = crowd.clock.monotonic()
        await crowd.clock.run_for(10)
        assert crowd.api.mean_in_flight(now) == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize(("workers", "reached", "seconds"), [(1, 64, 5.0), (4, 32, 7.0)])
async def test_the_way_up_is_a_few_round_trips(workers: int, reached: int, seconds: float) -> None:
    """The limit doubles without waiting for the next beat, in every worker."""
    async with Crowd("queue", workers, in_flight=100, knee=1_000, work=120 // workers) as crowd:
        await crowd.clock.run_for(seconds)
    assert crowd.api.first_at(reached) - crowd.began_at <= seconds


async def test_the_next_run_begins_near_what_was_borne() -> None:
    """What the members of a scope found out, those of the next run begin with."""
    async with Crowd("queue", 1) as before:
        await before.clock.run_for(20)
    async with Crowd("queue", 1, before=before, seed=2) as crowd:
        await crowd.clock.run_for(0.1)
        assert 5 <= crowd.api.in_flight <= 9
        await crowd.clock.run_for(40)
    assert max(count for _, count in crowd.api.history) <= 18
