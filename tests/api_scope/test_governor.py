"""The governor: its steps one by one, and what it comes to at an API with a knee (facts/api.md 3.4)."""

import itertools

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from haulier.api.governor import (
    CEILING_SECONDS,
    FALLS,
    FIRST_PROBE_AFTER,
    Governor,
    Low,
    Phase,
    Report,
    fed,
    window_size,
)
from tests.api_scope.knee import Crowd

REACHABLE = 23.1
"""Requests a second that 12 in flight get, of 0.5 s each with stragglers (measured)."""


def feed(governor, seconds, *, kind="later", times=None, time=0.0, in_flight=50, roll=0.5, in_use=None):
    """A report with as many answers as the next step needs, of the present epoch."""
    count = times if times is not None else governor.skip + window_size(governor)
    report = Report(governor.epoch, {kind: [seconds] * count})
    return fed(governor, report, governor.cap(in_flight) if in_use is None else in_use, in_flight, time, roll)


def steady(limit, **changes):
    low: dict[str, tuple[Low, ...]] = {"later": (Low(1, 1.0),) * 150}
    return Governor(limit=limit, phase=Phase.STEADY, low=low, probe_after=30, **changes)


def test_start_doubles_then_grows_by_half():
    """Without a queue the limit goes 2, 4, 8, 12, 18."""
    governor = Governor()
    limits = [governor.limit]
    for _ in range(4):
        governor = feed(governor, 1.0)
        limits.append(governor.limit)
    assert limits == [2, 4, 8, 12, 18]


def test_start_ends_near_the_knee():
    """Once a third of the requests waits, the limit goes to where none would, and one above."""
    governor = Governor(limit=18.0, low={"later": (Low(8, 1.0),) * 20})
    governor = feed(governor, 1.5)
    assert governor.phase is Phase.STEADY
    assert governor.limit == pytest.approx(13.0)


def test_start_ends_at_the_users_cap():
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
def test_steady_step(seconds, expected):
    """No queue: one more. Some queue: as it is. More: one less. Most of it queue: a fifth less."""
    assert feed(steady(12.0), seconds).limit == pytest.approx(expected)


def test_grows_only_where_the_limit_was_reached():
    """A limit that nobody reached is not raised: nothing is known of what is above it."""
    assert feed(steady(12.0), 1.0, in_use=8).limit == 12.0


def test_first_and_later_pages_have_baselines_of_their_own():
    """First pages that take ten times as long are no sign of a queue."""
    low: dict[str, tuple[Low, ...]] = {"later": (Low(1, 1.0),) * 50, "first": (Low(1, 10.0),) * 50}
    governor = Governor(limit=12.0, phase=Phase.STEADY, low=low)
    report = Report(0, {"first": [10.0] * 20, "later": [1.0] * 20})
    assert fed(governor, report, 12, 50, 0.0, 0.5).limit == 13.0


def test_without_a_baseline_it_does_not_grow_but_measures():
    """Answers of a class that was never seen at low load say nothing: the limit is halved for one window to see."""
    governor = Governor(limit=12.0, phase=Phase.STEADY, low={"first": (Low(1, 1.0),)})
    governor = feed(governor, 1.0, kind="later")
    assert governor.phase is Phase.PROBING
    assert governor.limit == 6.0
    governor = feed(governor, 0.5, kind="later")
    assert (governor.phase, governor.limit) == (Phase.STEADY, 12.0)
    assert governor.low["later"][0] == Low(6, 0.5)


def test_a_few_known_answers_do_not_speak_for_the_others():
    """Three first pages without a queue say nothing of thirty later ones that were never seen at low load."""
    low: dict[str, tuple[Low, ...]] = {"first": (Low(1, 1.0),) * 50}
    governor = Governor(limit=12.0, phase=Phase.STEADY, low=low)
    report = Report(0, {"first": [1.0] * 6, "later": [9.0] * 30})
    assert fed(governor, report, 12, 50, 0.0, 0.5).phase is Phase.PROBING


def test_probes_after_some_windows_with_a_queue():
    """A queue that stays is measured again, at half the limit for one window; then the limit is as it was."""
    governor = steady(12.0, queued=29)
    governor = feed(governor, 1.15, roll=0.5)
    assert (governor.phase, governor.limit, governor.resume) == (Phase.PROBING, 6.0, 12.0)
    governor = feed(governor, 1.1, roll=0.5)
    assert (governor.phase, governor.limit, governor.queued) == (Phase.STEADY, 12.0, 0)
    assert governor.probe_after == 45


def test_rough_baseline_is_measured_soon():
    """The baseline of the first seconds rests on a dozen answers: the first probe comes early."""
    assert Governor().probe_after == FIRST_PROBE_AFTER


def test_falls_in_a_row_renew_the_baseline():
    """An API that has become slow for good is not blamed on a queue for ever."""
    governor = steady(20.0)
    for _ in range(FALLS):
        governor = feed(governor, 1.6)
    assert governor.phase is Phase.PROBING
    governor = feed(governor, 1.6)
    assert {low.seconds for low in governor.low["later"]} == {1.6}
    before = governor.limit
    assert feed(governor, 1.6).limit == before + 1


def test_refusal_cuts_and_holds_below():
    """A refusal cuts by 15 % and keeps the limit below that number for five minutes."""
    governor = fed(steady(12.0), Report(0, {}, refusals=3), 12, 50, 100.0, 0.5)
    assert governor.limit == pytest.approx(10.2)
    for _ in range(5):
        governor = feed(governor, 1.0, time=200.0)
    assert governor.limit == 11.0
    for _ in range(2):
        governor = feed(governor, 1.0, time=100.0 + CEILING_SECONDS)
    assert governor.limit > 11.0


def test_one_cut_for_a_burst_of_refusals():
    """Refusals of one moment are one sign, not several."""
    governor = fed(steady(12.0, median=1.0), Report(0, {}, refusals=1), 12, 50, 100.0, 0.5)
    again = fed(governor, Report(governor.epoch, {}, refusals=5), 12, 50, 101.9, 0.5)
    assert again.limit == governor.limit
    assert fed(governor, Report(governor.epoch, {}, refusals=5), 12, 50, 102.0, 0.5).limit < governor.limit


def test_reports_of_an_earlier_limit_count_for_nothing():
    """What was sent under another limit met another load."""
    governor = steady(12.0, epoch=7)
    report = Report(6, {"later": [9.0] * 200}, refusals=9)
    assert fed(governor, report, 12, 50, 0.0, 0.5).limit == 12.0


def test_first_answers_after_a_change_are_passed_over():
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
def test_always_a_limit_and_always_a_row(steps, in_flight):
    """Whatever is reported: 1 to the cap may be in flight, and the row can be written and read."""
    governor = Governor()
    for time, (report, in_use, roll, is_now) in enumerate(steps):
        if is_now:
            report = Report(governor.epoch, report.samples, report.refusals)
        governor = fed(governor, report, in_use, in_flight, float(time), roll)
        assert 1 <= governor.cap(in_flight) <= in_flight
        body = msgspec.json.encode(governor)
        assert msgspec.json.decode(body, type=Governor) == governor
        assert len(body) < 16_000


@pytest.mark.parametrize(("shape", "workers"), [*itertools.product(["queue", "thrash", "429"], [1, 4]), ("queue", 16)])
async def test_knee_of_12(shape, workers):
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
async def test_knee_that_halves(shape, workers):
    """An API that bears half of what it did is given that much room within 30 s."""
    async with Crowd(shape, workers) as crowd:
        await crowd.clock.run_for(40)
        crowd.api.knee = 6
        await crowd.clock.run_for(25)
        now = crowd.clock.monotonic()
        await crowd.clock.run_for(15)
        assert crowd.api.mean_in_flight(now) <= 9


async def test_later_pages_that_are_cached():
    """Later pages that take a fifth of the time neither hide a queue nor look like one."""
    async with Crowd("queue", 4, later_pages=0.2) as crowd:
        await crowd.clock.run_for(30)
        good, now = crowd.api.good, crowd.clock.monotonic()
        await crowd.clock.run_for(30)
        rate = (crowd.api.good - good) / 30
    assert crowd.api.mean_in_flight(now) <= 18
    assert rate >= 0.85 * REACHABLE / 0.28


async def test_fixed_keeps_the_users_number():
    """`--fixed`: the user's number is used as it is."""
    async with Crowd("queue", 2, in_flight=30, is_fixed=True) as crowd:
        await crowd.clock.run_for(20)
        now = crowd.clock.monotonic()
        await crowd.clock.run_for(10)
        assert crowd.api.mean_in_flight(now) == pytest.approx(30, abs=0.5)
