"""Whether the API is down, and who asks next: an outage gets a few probes, not a storm (G4, G5).

In six hours of outage, 20,000 items that are tried in turn send 90,000-190,000 requests and are poisoned for nothing.
With a breaker about 200 are sent, and none is (measured in a simulation). Pure: the row holds the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

IN_A_ROW: Final = 20
"""Failures without a success between them, over all workers, that say that the API is down."""
IN_A_ROW_ON_TRIAL: Final = 3
"""The same just after it came back."""
WINDOW_SECONDS: Final = 30.0
SLICE_SECONDS: Final = 5.0
FEWEST, WORST_PART = 50, 0.8
"""So many answers within the window, and so many of them failures, say the same where some still go well."""
FIRST_DELAY_SECONDS: Final = 15.0
LONGEST_DELAY_SECONDS: Final = 300.0
SPREAD: Final = 0.2
"""Probes come up to a fifth earlier or later, so that many sources on one API do not ask together."""
TRIAL: Final = 10
"""Successes after which it is believed to be back."""


@dataclass(frozen=True)
class Outcomes:
    """What became of one member's requests since its last beat."""

    good: int = 0
    bad: int = 0
    """As in an outage: connect, time-out, 429, 502-504."""
    last_bad: int = 0
    """Of those, the ones after the last good one."""
    reason: str = ""
    """Of the last failure, in a few words without secrets."""


class Slice(msgspec.Struct, frozen=True, array_like=True):
    since: float
    good: int
    bad: int


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """Closed: requests may be sent. Open: nobody sends but the prober, one request at a time."""

    is_open: bool = False
    since: float = 0.0
    """Wall time of its opening, for people."""
    reason: str = ""
    failures: int = 0
    """In a row, over all members."""
    slices: tuple[Slice, ...] = ()
    probe_at: float = 0.0
    """The scope's time."""
    delay_seconds: float = FIRST_DELAY_SECONDS
    prober: str = ""
    prober_until: float = 0.0
    trial: int = 0
    """Successes that are still to come before it is believed to be back."""
    closings: int = 0
    """Counts up each time it closes: requests start slowly then."""


def noted(breaker: Breaker, outcomes: Outcomes, time: float, wall: float, roll: float) -> Breaker:
    """The breaker after what a member saw. While it is open, only the probe counts: what is heard besides was sent
    before it opened."""
    if breaker.is_open or not (outcomes.good or outcomes.bad):
        return breaker
    failures = outcomes.last_bad if outcomes.good else breaker.failures + outcomes.bad
    trial = max(0, breaker.trial - outcomes.good)
    breaker = replace(
        breaker,
        failures=failures,
        slices=_added(breaker.slices, outcomes, time),
        trial=trial,
        delay_seconds=breaker.delay_seconds if trial else FIRST_DELAY_SECONDS,
    )
    if not _is_down(breaker):
        return breaker
    return replace(
        breaker,
        is_open=True,
        since=wall,
        reason=outcomes.reason,
        probe_at=time + _spread(breaker.delay_seconds, roll),
        prober="",
    )


def claimed(breaker: Breaker, name: str, time: float, seconds: float) -> Breaker:
    """A member that could send a probe takes it on for ``seconds``, if one is due and nobody has."""
    is_due = breaker.is_open and time >= breaker.probe_at
    if not is_due or (breaker.prober and time < breaker.prober_until):
        return breaker
    return replace(breaker, prober=name, prober_until=time + seconds)


def probed(breaker: Breaker, name: str, time: float, roll: float, *, is_good: bool) -> Breaker:
    """What a probe of this member found. One that took too long, so that another took over, counts for nothing."""
    if not breaker.is_open or breaker.prober != name:
        return breaker
    if is_good:
        return Breaker(delay_seconds=breaker.delay_seconds, trial=TRIAL, closings=breaker.closings + 1)
    delay_seconds = min(LONGEST_DELAY_SECONDS, breaker.delay_seconds * 2)
    return replace(breaker, delay_seconds=delay_seconds, probe_at=time + _spread(delay_seconds, roll), prober="")


def in_a_row(breaker: Breaker) -> int:
    """How many failures in a row open it now."""
    return IN_A_ROW_ON_TRIAL if breaker.trial else IN_A_ROW


def _is_down(breaker: Breaker) -> bool:
    if breaker.failures >= in_a_row(breaker):
        return True
    bad = sum(one.bad for one in breaker.slices)
    total = bad + sum(one.good for one in breaker.slices)
    return total >= FEWEST and bad >= WORST_PART * total


def _added(slices: tuple[Slice, ...], outcomes: Outcomes, time: float) -> tuple[Slice, ...]:
    kept = [one for one in slices if time - one.since < WINDOW_SECONDS]
    if kept and time - kept[-1].since < SLICE_SECONDS:
        last = kept.pop()
        kept.append(Slice(last.since, last.good + outcomes.good, last.bad + outcomes.bad))
    else:
        kept.append(Slice(time, outcomes.good, outcomes.bad))
    return tuple(kept)


def _spread(seconds: float, roll: float) -> float:
    return seconds * (1 - SPREAD + 2 * SPREAD * roll)
