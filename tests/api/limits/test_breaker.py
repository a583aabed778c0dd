"""The breaker, step by step."""

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from haulier.api.limits.breaker import (
    BREAKER_FAILURES,
    FIRST_PROBE_DELAY_SECONDS,
    MAX_PROBE_DELAY_SECONDS,
    TRIAL_BREAKER_FAILURES,
    TRIAL_SUCCESSES,
    Breaker,
    Outcomes,
    State,
    after_outcomes,
    after_probe,
    claim_probe,
)

GOOD = Outcomes(good=1)


def bad(count: int = 1, reason: str = "status 503") -> Outcomes:
    return Outcomes(bad=count, last_bad=count, reason=reason)


def note(breaker: Breaker, outcomes: Outcomes, time: float = 0.0) -> Breaker:
    return after_outcomes(breaker, outcomes, time, 1_000.0 + time, 0.5)


def suspect() -> Breaker:
    return note(Breaker(), bad(BREAKER_FAILURES))


def opened() -> Breaker:
    return after_probe(claim_probe(suspect(), "x", 0.0, 60.0), "x", 0.0, 0.5, is_good=False)


def test_failures_in_a_row_of_all_workers_make_it_suspect() -> None:
    """Twenty failures in a row, whoever had them: the last good request is tried at once, before anybody goes on."""
    breaker = Breaker()
    for _ in range(BREAKER_FAILURES - 1):
        breaker = note(breaker, bad())
    assert breaker.state is State.CLOSED
    breaker = note(breaker, bad(reason="connection refused"), time=5.0)
    assert breaker.state is State.SUSPECT
    assert (breaker.since, breaker.reason) == (1_005.0, "connection refused")
    breaker = claim_probe(breaker, "a", 5.0, 60.0)
    assert breaker.prober == "a"
    assert after_probe(breaker, "a", 5.5, 0.5, is_good=False).is_open


def test_suspicion_that_was_wrong_changes_nothing() -> None:
    """The last good request works: what failed are the items, and nobody starts slowly."""
    breaker = after_probe(claim_probe(suspect(), "a", 0.0, 60.0), "a", 1.0, 0.5, is_good=True)
    assert (breaker.state, breaker.failures, breaker.trial, breaker.closings) == (State.CLOSED, 0, 0, 0)


def test_a_success_begins_the_row_anew() -> None:
    """A success between them says that the API is up."""
    breaker = note(note(Breaker(), bad(19)), Outcomes(good=1, bad=4, last_bad=3))
    assert breaker.failures == 3
    assert note(breaker, bad(16)).state is State.CLOSED
    assert note(breaker, bad(17)).state is State.SUSPECT


@pytest.mark.parametrize(("good", "failed", "opens"), [(10, 40, True), (11, 40, False), (9, 40, False), (12, 48, True)])
def test_opens_on_mostly_failures(good: int, failed: int, opens: bool) -> None:
    """Of fifty answers within 30 s, four fifths failures: down as well."""
    breaker = Breaker()
    for second in range(10):
        part = Outcomes(
            good=good // 10 + (second < good % 10), bad=failed // 10 + (second < failed % 10), last_bad=0, reason="x"
        )
        breaker = note(breaker, part, time=float(second))
    assert breaker.is_open == opens


def test_old_answers_are_forgotten() -> None:
    """What is older than half a minute says nothing of now."""
    breaker = Breaker()
    for second in range(0, 200, 10):
        breaker = note(breaker, Outcomes(good=1, bad=9, last_bad=9), time=float(second))
        assert not breaker.is_open


def test_first_probe_after_15_seconds() -> None:
    """Nobody probes before it is time, and then one alone."""
    breaker = opened()
    assert claim_probe(breaker, "a", FIRST_PROBE_DELAY_SECONDS - 0.1, 60.0).prober == ""
    breaker = claim_probe(breaker, "a", FIRST_PROBE_DELAY_SECONDS, 60.0)
    assert breaker.prober == "a"
    assert claim_probe(breaker, "b", FIRST_PROBE_DELAY_SECONDS + 59, 60.0).prober == "a"


def test_who_knows_no_good_request_comes_last() -> None:
    """It would ask with an item; of an API that is well and items that are not, that tells nothing."""
    breaker = opened()
    assert claim_probe(breaker, "a", FIRST_PROBE_DELAY_SECONDS + 2.9, 60.0, has_witness=False).prober == ""
    assert claim_probe(breaker, "a", FIRST_PROBE_DELAY_SECONDS + 3.1, 60.0, has_witness=False).prober == "a"


def test_prober_that_died_is_replaced() -> None:
    """A probe without a result goes to another member after its time."""
    breaker = claim_probe(opened(), "a", 15.0, 60.0)
    breaker = claim_probe(breaker, "b", 75.0, 60.0)
    assert breaker.prober == "b"
    assert after_probe(breaker, "a", 76.0, 0.5, is_good=False).prober == "b"
    assert not after_probe(breaker, "b", 76.0, 0.5, is_good=True).is_open


def test_probes_come_ever_more_rarely() -> None:
    """After each probe that fails the next one waits twice as long, up to five minutes."""
    breaker, time, waits = opened(), 0.0, []
    for _ in range(7):
        waits.append(breaker.probe_at - time)
        time = breaker.probe_at
        breaker = after_probe(claim_probe(breaker, "a", time, 60.0), "a", time, 0.5, is_good=False)
    assert waits == [15, 30, 60, 120, 240, 300, 300]


@given(st.floats(0, 1))
def test_probes_are_spread(roll: float) -> None:
    """A probe comes up to a fifth earlier or later."""
    breaker = after_probe(claim_probe(suspect(), "x", 0.0, 60.0), "x", 0.0, roll, is_good=False)
    assert 12.0 <= breaker.probe_at <= 18.001


def test_success_closes_on_trial() -> None:
    """A probe that works closes it; until ten successes came, three failures are enough, and it waits longer."""
    breaker = after_probe(claim_probe(opened(), "a", 15.0, 60.0), "a", 15.0, 0.5, is_good=False)
    breaker = after_probe(claim_probe(breaker, "a", 99.0, 60.0), "a", 99.0, 0.5, is_good=True)
    assert (breaker.is_open, breaker.closings, breaker.trial) == (False, 1, TRIAL_SUCCESSES)
    again = note(breaker, bad(TRIAL_BREAKER_FAILURES), time=100.0)
    assert again.state is State.SUSPECT
    again = after_probe(claim_probe(again, "a", 100.0, 60.0), "a", 100.0, 0.5, is_good=False)
    assert again.probe_at == 130.0
    trusted = note(breaker, Outcomes(good=TRIAL_SUCCESSES), time=100.0)
    assert note(trusted, bad(BREAKER_FAILURES - 1), time=101.0).state is State.CLOSED
    assert trusted.delay_seconds == FIRST_PROBE_DELAY_SECONDS


def test_what_was_sent_before_it_opened_counts_for_nothing() -> None:
    """While it is not closed only the probe counts."""
    for breaker in (suspect(), opened()):
        assert note(breaker, GOOD) == breaker
        assert note(breaker, bad(50)) == breaker


@given(
    st.lists(
        st.tuples(
            st.builds(Outcomes, st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.just("x")),
            st.floats(0, 400),
            st.floats(0, 1),
            st.sampled_from("ab"),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_never_stuck_and_never_a_storm(steps: list[Any]) -> None:
    """Whatever happens: while it is open the next probe is due within six minutes, and the row can be written."""
    breaker, time = Breaker(), 0.0
    for outcomes, seconds, roll, name, is_good in steps:
        time += seconds
        breaker = after_outcomes(breaker, outcomes, time, time, roll)
        breaker = claim_probe(breaker, name, time, 60.0)
        if roll < 0.8:
            breaker = after_probe(breaker, name, time, roll, is_good=is_good)
        if breaker.state is not State.CLOSED:
            assert breaker.probe_at <= time + 1.2 * MAX_PROBE_DELAY_SECONDS
        assert msgspec.json.decode(msgspec.json.encode(breaker), type=Breaker) == breaker
        assert len(breaker.slices) <= 8
