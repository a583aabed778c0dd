"""The circuit breaker of a scope (G4, G5). Design and figures: docs/politeness.md#the-circuit-breaker"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

BREAKER_FAILURES: Final = 20
"""Consecutive failures, over all members."""
TRIAL_BREAKER_FAILURES: Final = 3
WINDOW_SECONDS: Final = 30.0
SLICE_SECONDS: Final = 5.0
MIN_WINDOW_ANSWERS, OPENING_BAD_PART = 50, 0.8
"""The breaker opens at this failed part of a window, though some answers are good."""
FIRST_PROBE_DELAY_SECONDS: Final = 15.0
MAX_PROBE_DELAY_SECONDS: Final = 300.0
WITNESS_HEAD_START_SECONDS: Final = 3.0
"""Three beats in which only a member with a witness may become the prober; one, where beats are rare."""
PROBE_SPREAD_PART: Final = 0.2
"""Keeps many sources on one API from asking together."""
TRIAL_SUCCESSES: Final = 10


@dataclass(frozen=True)
class Outcomes:
    good: int = 0
    bad: int = 0
    """Connect, time-out, 429, 5xx."""
    last_bad: int = 0
    """Failures after the last success."""
    reason: str = ""
    """Without secrets."""
    throttled: int = 0
    """Refusals with a short wait; neither good nor bad."""
    throttled_seconds: float = 0.0
    is_row: bool = False
    """Whether one refusal followed another, with no success between."""
    sent: int = 0


class Slice(msgspec.Struct, frozen=True, array_like=True):
    since: float
    good: int
    bad: int


class State(StrEnum):
    CLOSED = "closed"
    SUSPECT = "suspect"
    """Requests wait for one probe: a run's last items may all be poisonous, and the API well."""
    OPEN = "open"
    """Only the prober sends, one request at a time."""


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    state: State = State.CLOSED
    since: float = 0.0
    """Wall time."""
    reason: str = ""
    failures: int = 0
    slices: tuple[Slice, ...] = ()
    probe_at: float = 0.0
    """In the scope's time (`ScopeRow.time`)."""
    delay_seconds: float = FIRST_PROBE_DELAY_SECONDS
    prober: str = ""
    prober_until: float = 0.0
    trial: int = 0
    """Successes still missing."""
    closings: int = 0
    """Times that the API came back; requests start slowly after each."""

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN


def after_outcomes(breaker: Breaker, outcomes: Outcomes, time: float, wall: float, roll: float) -> Breaker:
    """Results count only while the breaker is closed: others were sent before."""
    if breaker.state is not State.CLOSED or not (outcomes.good or outcomes.bad):
        return breaker
    trial = max(0, breaker.trial - outcomes.good)
    breaker = replace(
        breaker,
        failures=outcomes.last_bad if outcomes.good else breaker.failures + outcomes.bad,
        slices=_add_slice(breaker.slices, outcomes, time),
        trial=trial,
        delay_seconds=breaker.delay_seconds if trial else FIRST_PROBE_DELAY_SECONDS,
    )
    doubted = replace(breaker, since=wall, reason=outcomes.reason or breaker.reason, prober="", probe_at=time)
    if _is_mostly_bad(breaker):
        return replace(doubted, state=State.OPEN, probe_at=time + _spread(breaker.delay_seconds, roll))
    return replace(doubted, state=State.SUSPECT) if breaker.failures >= failures_to_open(breaker) else breaker


def claim_probe(
    breaker: Breaker,
    name: str,
    time: float,
    seconds: float,
    *,
    has_witness: bool = True,
    head_start_seconds: float = WITNESS_HEAD_START_SECONDS,
) -> Breaker:
    """Make a member the prober, if a probe is due. A member without a witness comes later: its probe is an item's
    request, and a bad item may be the cause."""
    probe_at = breaker.probe_at + (0.0 if has_witness else head_start_seconds)
    is_due = breaker.state is not State.CLOSED and time >= probe_at
    if not is_due or (breaker.prober and time < breaker.prober_until):
        return breaker
    return replace(breaker, prober=name, prober_until=time + seconds)


def after_probe(breaker: Breaker, name: str, time: float, roll: float, *, is_good: bool) -> Breaker:
    """Apply a success from any member, a failure from the prober alone."""
    match breaker.state:
        case State.SUSPECT if is_good:
            return replace(breaker, state=State.CLOSED, failures=0, slices=(), prober="")
        case State.SUSPECT if breaker.prober == name:
            probe_at = time + _spread(breaker.delay_seconds, roll)
            return replace(breaker, state=State.OPEN, probe_at=probe_at, prober="")
        case State.OPEN if is_good:
            return close_on_trial(breaker)
        case State.OPEN if breaker.prober == name:
            delay_seconds = min(MAX_PROBE_DELAY_SECONDS, breaker.delay_seconds * 2)
            probe_at = time + _spread(delay_seconds, roll)
            return replace(breaker, delay_seconds=delay_seconds, probe_at=probe_at, prober="")
        case _:
            return breaker


def close_on_trial(breaker: Breaker) -> Breaker:
    return Breaker(delay_seconds=breaker.delay_seconds, trial=TRIAL_SUCCESSES, closings=breaker.closings + 1)


def failures_to_open(breaker: Breaker) -> int:
    return TRIAL_BREAKER_FAILURES if breaker.trial else BREAKER_FAILURES


def _is_mostly_bad(breaker: Breaker) -> bool:
    bad = sum(one.bad for one in breaker.slices)
    total = bad + sum(one.good for one in breaker.slices)
    return bad < total >= MIN_WINDOW_ANSWERS and bad >= OPENING_BAD_PART * total


def _add_slice(slices: tuple[Slice, ...], outcomes: Outcomes, time: float) -> tuple[Slice, ...]:
    kept = [one for one in slices if time - one.since < WINDOW_SECONDS]
    if kept and time - kept[-1].since < SLICE_SECONDS:
        last = kept.pop()
        kept.append(Slice(last.since, last.good + outcomes.good, last.bad + outcomes.bad))
    else:
        kept.append(Slice(time, outcomes.good, outcomes.bad))
    return tuple(kept)


def _spread(seconds: float, roll: float) -> float:
    return seconds * (1 - PROBE_SPREAD_PART + 2 * PROBE_SPREAD_PART * roll)
