"""How many requests an API bears at once, found out by asking: a limit below the user's cap, for all workers together.

It follows the median time to first byte against a baseline from times of low load, first and later pages apart, since
APIs cache the query. Limiters without such a baseline follow the queue that they build themselves: measured, they
settle at 41-43 in flight where 12 are as fast. Pure: the row holds the state, and whoever beats feeds it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

NONE: Final = 1e9
"""Far off. Infinity is no JSON."""
START: Final = 2.0
DOUBLE_UP_TO: Final = 8.0
"""Up to here the limit doubles, from here it grows by half; 11 in flight are reached within 10 s so."""
FIRST_WINDOW: Final = 6
WINDOW: Final = 30
LARGEST_WINDOW: Final = 120
"""Answers that are judged together: three for each request in flight, and no more than fit in the row. While it starts,
one for each request, since the limit is far off."""
KEPT: Final = 200
"""Samples of the baseline, for each class of pages."""
GROW_BELOW, SHRINK_ABOVE, CUT_ABOVE = 0.08, 0.20, 0.50
"""Parts of the requests in flight that only wait in the API's queue. Between the first two the limit stays."""
CUT: Final = 0.8
REFUSED_CUT: Final = 0.85
CEILING_SECONDS: Final = 300.0
"""How long the limit stays below the number at which the API refused."""
FALLS: Final = 4
"""So many falls in a row say that the API has changed, and the baseline with it."""
PROBE_AFTER: Final = 30
"""Windows with a queue after which the baseline is measured again, and up to twice as many, by chance."""
FIRST_PROBE_AFTER: Final = 4
"""The same as long as the baseline has fewer answers than `LARGEST_WINDOW`."""


class Phase(StrEnum):
    STARTING = "starting"
    STEADY = "steady"
    PROBING = "probing"
    """Half the limit for one window, to see what an answer takes without a queue."""


class Low(msgspec.Struct, frozen=True, array_like=True):
    """An answer under low load: how many requests were in flight, and its seconds to first byte."""

    load: int
    seconds: float


class Governor(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the API so far. ``epoch`` counts the changes of the limit: a sample belongs to one of them."""

    limit: float = START
    epoch: int = 0
    phase: Phase = Phase.STARTING
    skip: int = 0
    """Answers that are still to be passed over since the limit changed: they met the load of before."""
    window: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)
    peak: int = 0
    """Most requests in flight since the window began."""
    low: dict[str, tuple[Low, ...]] = msgspec.field(default_factory=dict)
    resume: float = START
    """The limit to go back to after a probe."""
    queued: int = 0
    """Windows with a queue in them since the last probe."""
    falls: int = 0
    probe_after: int = FIRST_PROBE_AFTER
    median: float = 0.0
    """Of the last window: what an answer takes."""
    cut_at: float = -NONE
    ceiling: float = NONE
    ceiling_until: float = -NONE

    def cap(self, in_flight: int) -> int:
        """How many may be in flight, below the user's own cap."""
        return max(1, min(in_flight, math.floor(self.limit)))


@dataclass(frozen=True)
class Report:
    """What one member saw since its last beat. ``samples`` are of requests sent under the limit of ``epoch``."""

    epoch: int = 0
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Seconds to first byte of good answers, by class of page."""
    refusals: int = 0
    """Answers that say "too many at once", without saying for how long, to requests of this epoch."""


def fed(governor: Governor, report: Report, in_use: int, in_flight: int, time: float, roll: float) -> Governor:
    """The governor after a report. ``in_use``: requests of all members at their last beats' peaks; ``time`` never goes
    back; ``roll``: chance, 0 to 1."""
    governor = replace(governor, peak=max(governor.peak, min(in_use, governor.cap(in_flight))))
    if report.epoch != governor.epoch:
        return governor
    if report.refusals:
        return _refused(governor, time)
    governor = _collect(governor, report.samples)
    found = sum(len(samples) for samples in governor.window.values())
    return governor if found < window_size(governor) else _judged(governor, in_flight, time, roll)


def restarted(governor: Governor) -> Governor:
    """After an outage: slowly again, with what is known of the API."""
    limit = min(START, governor.limit)
    return replace(governor, limit=limit, epoch=governor.epoch + 1, phase=Phase.STARTING, skip=0, window={}, peak=0)


def window_size(governor: Governor) -> int:
    """How many answers are judged together now."""
    limit = math.floor(governor.limit)
    if governor.phase is Phase.STARTING:
        return max(FIRST_WINDOW, limit)
    return min(LARGEST_WINDOW, max(WINDOW, 3 * limit))


def _collect(governor: Governor, samples: Mapping[str, Sequence[float]]) -> Governor:
    window, skip = dict(governor.window), governor.skip
    for kind, seconds in samples.items():
        passed = min(skip, len(seconds))
        skip -= passed
        taken = (*window.get(kind, ()), *(round(one, 4) for one in seconds[passed:]))
        window[kind] = taken[:LARGEST_WINDOW]
    return replace(governor, window=window, skip=skip)


def _refused(governor: Governor, time: float) -> Governor:
    if time - governor.cut_at < max(1.0, 2 * governor.median):
        return governor
    limit = math.floor(governor.limit)
    governor = replace(
        governor,
        phase=Phase.STEADY,
        cut_at=time,
        ceiling=max(1.0, limit - 1.0),
        ceiling_until=time + CEILING_SECONDS,
        falls=0,
    )
    return _moved(governor, min(limit - 1, REFUSED_CUT * limit))


def _judged(governor: Governor, in_flight: int, time: float, roll: float) -> Governor:
    """The window is full: what it says, and the next one."""
    ratio = _ratio(governor)
    limit = math.floor(governor.limit)
    is_full = governor.peak >= 0.9 * governor.cap(in_flight)
    load = min(governor.peak, limit)
    if governor.phase is not Phase.STEADY or load <= limit / 2:
        governor = _remembered(governor, load)
    median = statistics.median([one for samples in governor.window.values() for one in samples])
    governor = replace(governor, median=round(median, 4), window={}, peak=0)
    if time >= governor.ceiling_until:
        governor = replace(governor, ceiling=NONE)
    top = min(governor.ceiling, float(in_flight))
    match governor.phase:
        case Phase.STARTING:
            return _started(governor, ratio, top, is_full=is_full)
        case Phase.STEADY:
            return _steadied(governor, ratio, top, is_full=is_full, roll=roll)
        case Phase.PROBING:
            is_rough = max(len(low) for low in governor.low.values()) < LARGEST_WINDOW
            probe_after = FIRST_PROBE_AFTER if is_rough else PROBE_AFTER + math.floor(roll * PROBE_AFTER)
            governor = replace(governor, phase=Phase.STEADY, queued=0, falls=0, probe_after=probe_after)
            return _moved(governor, min(governor.resume, top))


def _started(governor: Governor, ratio: float | None, top: float, *, is_full: bool) -> Governor:
    is_rough = governor.limit <= DOUBLE_UP_TO  # A handful of answers: a median of them shows only the worst.
    if ratio is None and not is_rough:
        return replace(governor, phase=Phase.STEADY)
    ratio = 1.0 if ratio is None else ratio
    waits = 1 - ratio
    if waits > (CUT_ABOVE if is_rough else SHRINK_ABOVE):
        return _moved(replace(governor, phase=Phase.STEADY), governor.limit * ratio + 1)
    if waits > GROW_BELOW and not is_rough:
        return replace(governor, phase=Phase.STEADY)
    if not is_full:
        return governor
    grown = governor.limit * (2.0 if governor.limit < DOUBLE_UP_TO else 1.5)
    phase = Phase.STEADY if grown >= top else Phase.STARTING
    return _moved(replace(governor, phase=phase), min(grown, top))


def _steadied(governor: Governor, ratio: float | None, top: float, *, is_full: bool, roll: float) -> Governor:
    if ratio is None:
        return _moved(replace(governor, phase=Phase.PROBING, resume=governor.limit), governor.limit / 2)
    waits = 1 - ratio
    governor = replace(
        governor,
        queued=governor.queued + (waits >= GROW_BELOW),
        falls=governor.falls + 1 if waits > SHRINK_ABOVE else 0,
    )
    limit = governor.limit
    if waits > CUT_ABOVE:
        limit *= CUT
    elif waits > SHRINK_ABOVE:
        limit -= 1
    elif waits < GROW_BELOW and is_full:
        limit += 1
    limit = max(1.0, min(limit, top))
    if limit > 2.0 and (governor.queued >= governor.probe_after or governor.falls >= FALLS):
        return _moved(replace(governor, phase=Phase.PROBING, resume=limit), limit / 2)
    return _moved(governor, limit)


def _moved(governor: Governor, limit: float) -> Governor:
    """With another limit, and what was seen under the old one passed over."""
    limit = max(1.0, limit)
    if math.floor(limit) == math.floor(governor.limit):
        return replace(governor, limit=limit)
    # The first steps are judged by the worst alone. Later on, the members do not all know of the limit at once, and the
    # first of their answers met a lower load than it allows.
    is_first = governor.phase is Phase.STARTING and limit <= DOUBLE_UP_TO
    skip = 0 if is_first else math.floor(limit)
    return replace(governor, limit=limit, epoch=governor.epoch + 1, skip=skip, window={}, peak=0)


def _ratio(governor: Governor) -> float | None:
    """Time without a queue over time now: 1.0 is no queue, 0.5 is half of the requests waiting in one. None where most
    of the answers are of classes without a baseline: that nothing is known of a queue does not say that there is none.
    """
    total = 0.0
    known = unknown = 0
    for kind, samples in governor.window.items():
        base = _base(governor.low.get(kind, ()), math.floor(governor.limit))
        if base is None:
            unknown += len(samples)
        elif samples:
            total += len(samples) * base / max(1e-6, statistics.median(samples))
            known += len(samples)
    return total / known if known > unknown else None


def _base(low: Sequence[Low], limit: int) -> float | None:
    """Median of what was seen at half the limit or below, or else not far above that."""
    for part in (0.5, 0.75):
        fitting = [one.seconds for one in low if one.load <= part * limit]
        if fitting:
            return statistics.median(fitting)
    return None


def _remembered(governor: Governor, load: int) -> Governor:
    low = dict(governor.low)
    is_another = governor.phase is Phase.PROBING and governor.falls >= FALLS
    for kind, samples in governor.window.items():
        before = () if is_another and len(samples) >= FIRST_WINDOW else low.get(kind, ())
        low[kind] = (*before, *(Low(load, seconds) for seconds in samples))[-KEPT:]
    return replace(governor, low=low)
