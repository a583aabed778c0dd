"""Whether the API is down, and who asks next: an outage gets a few probes, not a storm (G4, G5).

In six hours of outage, 20,000 items that are tried in turn send 90,000-190,000 requests and are poisoned for nothing.
With a breaker about 200 are sent, and none is (measured in a simulation). Pure: the row holds the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

BREAKER_FAILURES: Final = 20
"""Failures without a success between them, over all workers, that are a reason to ask whether the API is down."""
TRIAL_BREAKER_FAILURES: Final = 3
"""The same just after it came back."""
WINDOW_SECONDS: Final = 30.0
SLICE_SECONDS: Final = 5.0
MIN_WINDOW_ANSWERS, OPENING_BAD_PART = 50, 0.8
"""So many answers within the window, and so many of them failures, say that it is down though some still go well."""
FIRST_PROBE_DELAY_SECONDS: Final = 15.0
MAX_PROBE_DELAY_SECONDS: Final = 300.0
WITNESS_HEAD_START_SECONDS: Final = 3.0
"""Three beats: so long is a member waited for that knows a good request."""
PROBE_SPREAD_PART: Final = 0.2
"""Probes come up to a fifth earlier or later, so that many sources on one API do not ask together."""
TRIAL_SUCCESSES: Final = 10
"""Successes after which it is believed to be back."""


@dataclass(frozen=True)
class Outcomes:
    """What became of one member's requests since its last beat."""

    good: int = 0
    bad: int = 0
    """As in an outage: connect, time-out, 429, 5xx."""
    last_bad: int = 0
    """Of those, the ones after the last good one."""
    reason: str = ""
    """Of the last failure, in a few words without secrets."""
    throttled: int = 0
    """Requests that were refused with a short wait; neither good nor bad."""
    throttled_seconds: float = 0.0
    """The longest of those waits."""
    is_row: bool = False
    """Whether one of them came after another, with no good answer between."""
    sent: int = 0


class Slice(msgspec.Struct, frozen=True, array_like=True):
    since: float
    good: int
    bad: int


class State(StrEnum):
    CLOSED = "closed"
    SUSPECT = "suspect"
    """So many failed in a row that requests wait until the last good one was tried again. Perhaps the last items of a
    run are all poisonous, and nothing is wrong with the API."""
    OPEN = "open"
    """The API is down: nobody sends but the prober, one request at a time."""


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """Whether requests may be sent."""

    state: State = State.CLOSED
    since: float = 0.0
    """Wall time since which it is not closed, for people."""
    reason: str = ""
    failures: int = 0
    """In a row, over all members."""
    slices: tuple[Slice, ...] = ()
    probe_at: float = 0.0
    """The scope's time."""
    delay_seconds: float = FIRST_PROBE_DELAY_SECONDS
    prober: str = ""
    prober_until: float = 0.0
    trial: int = 0
    """Successes that are still to come before it is believed to be back."""
    closings: int = 0
    """Counts up each time the API comes back: requests start slowly then."""

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN


def after_outcomes(breaker: Breaker, outcomes: Outcomes, time: float, wall: float, roll: float) -> Breaker:
    """The breaker after what a member saw. While it is not closed, only the probe counts: what is heard besides was
    sent before."""
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


def claim_probe(breaker: Breaker, name: str, time: float, seconds: float, *, has_witness: bool = True) -> Breaker:
    """A member that could send a probe takes it on for ``seconds``, if one is due and nobody has.

    Who has no witness lets the others come first: it would have to ask for an item, which may be why all this is.
    """
    probe_at = breaker.probe_at + (0.0 if has_witness else WITNESS_HEAD_START_SECONDS)
    is_due = breaker.state is not State.CLOSED and time >= probe_at
    if not is_due or (breaker.prober and time < breaker.prober_until):
        return breaker
    return replace(breaker, prober=name, prober_until=time + seconds)


def after_probe(breaker: Breaker, name: str, time: float, roll: float, *, is_good: bool) -> Breaker:
    """What a member found when it asked. That the API is up counts from everybody; that it is down, from the prober."""
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
    """The API is taken to be back: on trial, so that a few failures are enough to open it again."""
    return Breaker(delay_seconds=breaker.delay_seconds, trial=TRIAL_SUCCESSES, closings=breaker.closings + 1)


def failures_to_open(breaker: Breaker) -> int:
    """How many failures in a row open it now."""
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
