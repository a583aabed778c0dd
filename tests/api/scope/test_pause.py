"""Pauses as one process keeps them, and the slow release."""

import random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from haulier.api.limits.breaker import TRIAL_SUCCESSES, Breaker, State
from haulier.api.scope.changes import Beat, after_beat, with_pause, with_pause_lifted
from haulier.api.scope.pause import BRIEF_DOUBLINGS, JITTER_PART, SHORT_PAUSE_SECONDS, Pause
from haulier.api.scope.row import ScopeRow

NOW = 50.0


def paused_for(seconds: float, seed: int = 0) -> Pause:
    pause = Pause(1.0, random.Random(seed))
    pause.extend(seconds, NOW)
    return pause


def test_never_paused_is_open() -> None:
    """Without a pause nothing is held back, however many are in flight."""
    assert Pause(1.0, random.Random(0)).opens_in(NOW, 500, 0, 1) == 0.0


@given(seconds=st.floats(0.1, 1e5), seed=st.integers())
def test_nobody_is_early_and_nobody_later_than_the_jitter(seconds: float, seed: int) -> None:
    """A pause lasts as long as was asked for, and up to a tenth longer."""
    waits = paused_for(seconds, seed).opens_in(NOW, 0, 0, 1)
    assert seconds <= waits <= seconds * (1 + JITTER_PART) + 1e-9


def test_processes_come_back_apart() -> None:
    """Of many processes hardly two wait for the same time."""
    assert len({paused_for(100.0, seed).opens_in(NOW, 0, 0, 1) for seed in range(50)}) > 45


@pytest.mark.parametrize(
    ("after", "sharers", "expected"),
    [
        (0.0, 1, [1]),
        (1.0, 1, [2]),
        (2.9, 1, [4]),
        (5.0, 1, [32]),
        (0.0, 3, [1, 0, 0]),
        (1.0, 3, [1, 1, 0]),
        (2.0, 3, [2, 1, 1]),
        (3.0, 3, [3, 3, 2]),
    ],
)
def test_release_is_slow_for_all_processes_together(after: float, sharers: int, expected: list[int]) -> None:
    """After a pause one request of the whole scope may be in flight, then two, then four."""
    pause = Pause(1.0, random.Random(0))
    pause.extend(0.001, NOW)
    now = NOW + 0.0011 + after
    allowed = []
    for place in range(sharers):
        in_use = 0
        while pause.opens_in(now, in_use, place, sharers) == 0.0:
            in_use += 1
        allowed.append(in_use)
    assert allowed == expected


def test_release_says_when_the_next_may_go() -> None:
    """Who is held back by the slow release knows for how long."""
    pause = Pause(1.0, random.Random(0))
    pause.extend(0.001, NOW)
    assert pause.opens_in(NOW + 0.5, 1, 0, 1) == pytest.approx(0.501)
    assert pause.opens_in(NOW + 0.5, 0, 2, 3) == pytest.approx(1.501)


class Together(random.Random):
    """Nobody waits longer than was asked for."""

    def uniform(self, a: float, b: float) -> float:
        return a


def busy(peak: int = 16, *, is_good: bool = True) -> Pause:
    """A pause that has not begun, of a process that had so many under way."""
    pause = Pause(1.0, Together())
    for in_use in range(1, peak + 1):
        pause.note_sent(in_use)
    if is_good:
        pause.note_good()
    return pause


def allowed_at(pause: Pause, now: float) -> int:
    """How many of this process may be in flight."""
    in_use = 0
    while pause.opens_in(now, in_use, 0, 1) == 0.0:
        in_use += 1
    return in_use


@pytest.mark.parametrize(
    ("seconds", "is_good", "expected"),
    [
        (1.0, True, [8, 16]),
        (SHORT_PAUSE_SECONDS, True, [8, 16]),
        (SHORT_PAUSE_SECONDS + 1.0, True, [1, 2]),
        (1.0, False, [1, 2]),
    ],
    ids=["short", "just short", "long", "no good answer"],
)
def test_release_after_a_short_pause_begins_at_half_of_what_was_under_way(
    seconds: float, is_good: bool, expected: list[int]
) -> None:
    """Where the API answered well before it; after a longer one, or none of that, one request shows how it is."""
    pause = busy(is_good=is_good)
    pause.extend(seconds, NOW)
    assert [allowed_at(pause, NOW + seconds + after) for after in (0.0, 1.0)] == expected


@pytest.mark.parametrize(("after", "expected"), [(BRIEF_DOUBLINGS - 0.1, 8), (BRIEF_DOUBLINGS + 0.1, 1)])
def test_who_is_paused_again_at_once_comes_back_with_as_much(after: float, expected: int) -> None:
    """Two requests went out between: they could not show what the API bears. Later on they have shown it."""
    pause = busy()
    pause.extend(0.001, NOW)
    for in_use in (1, 2):
        pause.note_sent(in_use)
    pause.note_good()
    again_at = NOW + 0.001 + after
    pause.extend(0.001, again_at)
    assert allowed_at(pause, again_at + 0.001) == expected


def test_good_answers_before_an_earlier_pause_say_nothing() -> None:
    """None since it began: the API may be down, and one request shows whether it is."""
    pause = busy()
    pause.extend(0.001, NOW)
    assert allowed_at(pause, NOW + 0.001) == 8
    pause.extend(0.001, NOW + 0.5)
    assert allowed_at(pause, NOW + 0.501) == 1
    pause.note_good()
    assert allowed_at(pause, NOW + 0.501) == 8, "one that came since shows it too"


@pytest.mark.parametrize("ended", ["release", "lift"])
def test_after_an_outage_or_a_lift_one_request_shows_how_it_is(ended: str) -> None:
    """Whatever was under way before a short pause."""
    pause = busy()
    pause.extend(1.0, NOW)
    getattr(pause, ended)(NOW + 1.5)
    assert allowed_at(pause, NOW + 1.5) == 1


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-5, 100)), min_size=1))
def test_never_shortened(pauses: list[tuple[float, float]]) -> None:
    """G5: a shorter pause, or an earlier one, changes nothing."""
    pause = Pause(1.0, random.Random(0))
    ends_at = 0.0
    for now, seconds in pauses:
        pause.extend(seconds, now)
        if seconds > 0:
            ends_at = max(ends_at, now + seconds)
        assert pause.seconds_left(0.0) == pytest.approx(ends_at)


def test_row_is_taken_over_once() -> None:
    """The end of a pause is read from the wall clock when it is new, and kept by the monotonic clock from then on."""
    pause = Pause(1.0, random.Random(0))
    row = with_pause(ScopeRow(), 1_000.0, 60.0)
    pause.see(row, 1_010.0, NOW)
    assert pause.seconds_left(NOW) == pytest.approx(50.0)
    pause.see(row, 9_000.0, NOW + 1.0)
    assert pause.seconds_left(NOW + 1.0) == pytest.approx(49.0)
    pause.see(row, -9_000.0, NOW + 2.0)
    assert pause.seconds_left(NOW + 2.0) == pytest.approx(48.0)


def test_a_wall_clock_set_back_makes_no_pause_of_an_hour() -> None:
    """A pause lasts at most as long as it was written for, even for who reads it an hour before it began."""
    pause = Pause(1.0, random.Random(0))
    pause.see(with_pause(ScopeRow(), 10_000.0, 60.0), 10_000.0 - 3_600.0, NOW)
    assert pause.seconds_left(NOW) == pytest.approx(60.0)


def beat(name: str, number: int, wall: float, **said: Any) -> Beat:
    return Beat(name=name, number=number, offer=0, in_flight=4, wants=True, keep_seconds=9.0, wall=wall, **said)


def test_a_lifted_pause_is_over_at_once_and_starts_slowly() -> None:
    pause = paused_for(3_600.0)
    pause.lift(NOW + 5.0)
    assert pause.seconds_left(NOW + 5.0) == 0.0
    assert pause.opens_in(NOW + 5.0, 0, 0, 1) == 0.0
    assert pause.opens_in(NOW + 5.0, 1, 0, 1) == pytest.approx(1.0)
    pause.extend(60.0, NOW + 6.0)
    assert pause.seconds_left(NOW + 6.0) == pytest.approx(60.0)


def test_what_a_member_says_before_it_hears_of_a_lift_brings_no_pause_back() -> None:
    """It tells the others what it knows to be left; a person has ended that meanwhile. Who knows of the lift and was
    asked to wait again is believed."""
    row = after_beat(with_pause(ScopeRow(), 1_000.0, 3_600.0), beat("a", 1, 1_000.0))
    row = with_pause_lifted(row, 1_010.0)
    assert (row.pause_until, row.lifted_at) == (0.0, 1_010.0)
    late = after_beat(row, beat("a", 2, 1_010.5, pause_left=3_589.5))
    assert late.pause_until == 0.0
    told = after_beat(row, beat("a", 2, 1_010.5, pause_left=50.0, lifted_at=1_010.0))
    assert told.pause_until == pytest.approx(1_060.5)


def test_a_refusal_that_is_told_after_the_lift_was_asked_for_before_it() -> None:
    """Two requests are refused at once; a person lifts the pause of the first before that of the second is written."""
    row = with_pause_lifted(with_pause(ScopeRow(), 1_000.0, 3_600.0, lifted_at=0.0), 1_010.0)
    assert with_pause(row, 1_000.1, 3_600.0, lifted_at=0.0) == row
    assert with_pause(row, 1_011.0, 3_600.0, lifted_at=1_010.0).pause_until == pytest.approx(4_611.0)


def test_each_lift_is_a_new_one_though_the_wall_clock_is_set_back() -> None:
    row = with_pause_lifted(with_pause_lifted(ScopeRow(), 2_000.0), 1_000.0)
    assert row.lifted_at > 2_000.0
    assert after_beat(row, beat("a", 1, 1_000.0)).lifted_at == row.lifted_at, "the first member keeps it"


def test_a_lift_closes_the_breaker_on_trial() -> None:
    """As a good probe does: requests start slowly, and a few failures open it again."""
    row = with_pause_lifted(ScopeRow(breaker=Breaker(state=State.OPEN, since=5.0, closings=3)), 1_000.0)
    assert (row.breaker.state, row.breaker.trial, row.breaker.closings) == (State.CLOSED, TRIAL_SUCCESSES, 4)


@pytest.mark.parametrize(("seconds", "is_for_a_person"), [(86_000.0, False), (86_400.0, False), (86_401.0, True)])
def test_a_pause_with_more_than_a_day_left_is_for_a_person(seconds: float, is_for_a_person: bool) -> None:
    """Until a day is left of it; then it is waited for like any other."""
    pause = paused_for(seconds)
    assert pause.is_for_a_person(NOW) is is_for_a_person
    assert not pause.is_for_a_person(NOW + 2.0)
    pause.extend(1e8, NOW, "status 429")
    text = str(pause.error(NOW, 1_800_000_000.0))
    assert "until 2030-03-17T17:46:40Z (status 429), which is more than a day away" in text
    assert "haulier resume SOURCE" in text
    pause.see(ScopeRow(pause_until=1e18, pause_seconds=1e18), 1_800_000_000.0, NOW)
    assert "until 2027-" not in str(pause.error(NOW, 1_800_000_000.0)), "no calendar holds what an older version wrote"
