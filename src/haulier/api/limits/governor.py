"""How many requests an API bears at once, found out by asking: a limit below the user's cap, for all workers together.

It follows the time to first byte against a baseline from times of low load, first and later pages apart, since APIs
cache the query. Limiters without such a baseline follow the queue that they build themselves: measured, they settle at
41-43 in flight where 12 are as fast. Pure: the row holds the state, and whoever beats feeds it.

It starts by doubling in each round trip: a limit is judged as soon as so many answers have come back to requests that
were sent under it. They are judged by their mean, for only the last of a burst wait in a queue, which a median does not
show; and by the error of the mean. Where one window does not tell, a second one decides. So what an API bears is passed
by no more than one doubling, for one round trip. Later on the limit moves slowly, by medians of many answers. A later
run begins at half of what the one before came to.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from haulier.api.limits.delay import NOISE_SECONDS, LowLoadAnswer, at_low_load, measure_delay

FAR_OFF: Final = 1e9
"""Far off. Infinity is no JSON."""
START_LIMIT: Final = 4.0
"""A run that knows nothing of the API begins with so many, and doubles them with each round trip."""
TRUSTED_LIMIT: Final = 8.0
"""Up to here a handful of answers has to speak against the next step; above, they have to speak for it."""
FREE_DELAY_LOG: Final = 0.16
"""How much longer answers may take than at low load, as a natural logarithm, for the limit to double: one request in
seven waits then."""
SURE_ERRORS: Final = 2.0
"""Standard errors that must lie between what is found and `FREE_DELAY_LOG`, on either side, for no second window."""
TRUSTED_ERRORS: Final = -0.5
"""The same of a limit that is trusted: it may be above, by so much."""
SECOND_WINDOW_DELAY_LOG: Final = 0.07
"""The same as `FREE_DELAY_LOG` for two windows together, where one did not tell, whatever the error: far enough below
what 16 in flight show at a knee of 12 (0.29) for 32 not to be tried there."""
WINDOW_ANSWERS: Final = 30
"""Answers that are judged together, or three for each request in flight. While it starts: one for each, since all but
the last quarter of a burst may have been served at once."""
MAX_WINDOW_SAMPLES: Final = 120
"""Samples of a class that are kept of a window, so that it fits in the row; they are spread over all its answers."""
REMEMBERED_SECONDS: Final = 86_400.0
"""How long it is remembered what an API bore."""
REMEMBERED_SAMPLES: Final = 30
"""Samples of the baseline that are remembered with it, for each class."""
NEW_BASELINE_SAMPLES: Final = 6
"""Samples of a class that are enough for a new baseline."""
MAX_BASELINE_SAMPLES: Final = 200
"""Samples of the baseline, for each class of pages."""
GROW_BELOW_PART, SHRINK_ABOVE_PART, CUT_ABOVE_PART = 0.08, 0.20, 0.50
"""Parts of the requests in flight that only wait in the API's queue. Between the first two the limit stays."""
CUT_FACTOR: Final = 0.8
REFUSED_CUT_FACTOR: Final = 0.85
CEILING_SECONDS: Final = 300.0
"""How long the limit stays below the number at which the API refused."""
CHANGED_API_FALLS: Final = 4
"""So many falls in a row say that the API has changed, and the baseline with it."""
PROBE_AFTER_WINDOWS: Final = 30
"""Windows with a queue after which the baseline is measured again, and up to twice as many, by chance."""
FIRST_PROBE_AFTER_WINDOWS: Final = 4
"""The same as long as the baseline has fewer answers than `MAX_WINDOW_SAMPLES`."""


Sample = TypeVar("Sample")


class Phase(StrEnum):
    STARTING = "starting"
    STEADY = "steady"
    PROBING = "probing"
    """Half the limit for one window, to see what an answer takes without a queue."""


class Governor(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the API so far. ``epoch`` counts the changes of the limit: a sample belongs to one of them."""

    limit: float = START_LIMIT
    epoch: int = 0
    phase: Phase = Phase.STARTING
    skip: int = 0
    """Answers that are still to be passed over since the limit changed: they met the load of before. While it starts,
    no more of them once as many are in flight as may be."""
    window: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)
    seen: int = 0
    """Answers that the window stands for; where they were many, each sample is one of several."""
    doubts: int = 0
    """Windows of this limit that did not say, while it starts, whether requests wait."""
    peak: int = 0
    """Most requests in flight since the window began."""
    low: dict[str, tuple[LowLoadAnswer, ...]] = msgspec.field(default_factory=dict)
    resume: float = START_LIMIT
    """The limit to go back to after a probe."""
    queued: int = 0
    """Windows with a queue in them since the last probe."""
    falls: int = 0
    probe_after: int = FIRST_PROBE_AFTER_WINDOWS
    median: float = 0.0
    """Of the last window: what an answer takes."""
    cut_at: float = -FAR_OFF
    stopped: float = FAR_OFF
    """The limit at which the start ended because requests seemed to wait."""
    ceiling: float = FAR_OFF
    ceiling_until: float = -FAR_OFF
    is_found: bool = False
    """Whether the limit stands where the API showed its own, and not only at the user's cap."""
    borne: float = 0.0
    """The limit of an earlier run that this one relies on while it starts; 0.0: none, or it turned out wrong."""
    borne_at: float = -FAR_OFF
    """Wall time at which that run ended."""

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
    each: int = 1
    """Answers that a sample stands for."""


def feed_report(governor: Governor, report: Report, in_use: int, in_flight: int, time: float, roll: float) -> Governor:
    """The governor after a report. ``in_use``: requests of all members at their last beats' peaks; ``time`` never goes
    back; ``roll``: chance, 0 to 1."""
    governor = replace(governor, peak=max(governor.peak, min(in_use, governor.cap(in_flight))))
    if report.epoch != governor.epoch:
        return governor
    if report.refusals:
        return _after_refusal(governor, time)
    if governor.phase is Phase.STARTING and _is_full(governor, in_flight):
        governor = replace(governor, skip=0)
    governor = _collect(governor, report)
    return governor if governor.seen < window_size(governor) else _judge(governor, in_flight, time, roll)


def begin_run(before: Governor, ended_at: float, wall: float) -> Governor:
    """A new run begins: at half of what an earlier one came to, if that one ended (at ``ended_at``) not long ago."""
    borne, at = before.resume if before.phase is Phase.PROBING else before.limit, ended_at
    if before.borne > borne:  # The run between was too short to tell.
        borne, at = before.borne, before.borne_at
    if not 0.0 <= wall - at <= REMEMBERED_SECONDS:
        return Governor()
    limit = max(min(START_LIMIT, borne), borne / 2)
    low = {
        kind: _thin([one for one in samples if one.load <= limit / 2], REMEMBERED_SAMPLES)
        for kind, samples in before.low.items()
    }
    return Governor(limit=limit, low=low, is_found=before.is_found, borne=borne, borne_at=at)


def restart(governor: Governor) -> Governor:
    """After an outage: slowly again, with what is known of the API."""
    limit = min(START_LIMIT, governor.limit)
    return replace(
        governor, limit=limit, epoch=governor.epoch + 1, phase=Phase.STARTING, skip=0, window={}, seen=0, peak=0
    )


def window_size(governor: Governor) -> int:
    """How many answers are judged together now."""
    limit = math.floor(governor.limit)
    return limit * (1 + governor.doubts) if governor.phase is Phase.STARTING else max(WINDOW_ANSWERS, 3 * limit)


def _collect(governor: Governor, report: Report) -> Governor:
    window, skip, seen = dict(governor.window), governor.skip, governor.seen
    for kind, seconds in report.samples.items():
        passed = min(len(seconds), math.ceil(skip / report.each))
        skip = max(0, skip - passed * report.each)
        seen += (len(seconds) - passed) * report.each
        taken = (*window.get(kind, ()), *(round(one, 4) for one in seconds[passed:]))
        window[kind] = _thin(taken, MAX_WINDOW_SAMPLES)
    return replace(governor, window=window, skip=skip, seen=seen)


def _thin(samples: Sequence[Sample], most: int) -> tuple[Sample, ...]:
    return tuple(samples[:: max(1, math.ceil(len(samples) / most))])


def _after_refusal(governor: Governor, time: float) -> Governor:
    if time - governor.cut_at < max(1.0, 2 * governor.median):
        return governor
    limit = math.floor(governor.limit)
    if governor.phase is Phase.STARTING and limit <= governor.borne:
        return Governor(epoch=governor.epoch + 1, cut_at=time)
    governor = replace(
        governor,
        phase=Phase.STEADY,
        is_found=True,
        borne=0.0,
        doubts=0,
        cut_at=time,
        ceiling=max(1.0, limit - 1.0),
        ceiling_until=time + CEILING_SECONDS,
        falls=0,
    )
    return _move(governor, min(limit - 1, REFUSED_CUT_FACTOR * limit))


def _judge(governor: Governor, in_flight: int, time: float, roll: float) -> Governor:
    """The window is full: what it says, and the next one."""
    limit = math.floor(governor.limit)
    is_full = _is_full(governor, in_flight)
    load = min(governor.peak, limit)
    if time >= governor.ceiling_until:
        governor = replace(governor, ceiling=FAR_OFF)
    top = min(governor.ceiling, float(in_flight))
    seconds = [one for samples in governor.window.values() for one in samples]
    governor = replace(governor, median=round(statistics.median(seconds), 4))
    if governor.phase is Phase.STARTING:
        return _step_start(governor, load, top, is_full=is_full)
    if governor.phase is Phase.STEADY and is_full and limit >= governor.stopped and _is_surely_free(governor):
        # Few answers had said that some wait here, which ended the start; many say that none do: it goes on.
        governor = replace(governor, phase=Phase.STARTING, stopped=FAR_OFF, is_found=False)
        return _move(governor, min(2 * governor.limit, top))
    ratio = _unqueued_ratio(governor)
    if governor.phase is Phase.PROBING or load <= limit / 2:
        governor = _remember(governor, load)
    governor = replace(governor, window={}, seen=0, peak=0)
    if governor.phase is Phase.STEADY:
        return _step_steady(governor, ratio, top, is_full=is_full, roll=roll)
    is_rough = max(len(low) for low in governor.low.values()) < MAX_WINDOW_SAMPLES
    probe_after = (
        FIRST_PROBE_AFTER_WINDOWS if is_rough else PROBE_AFTER_WINDOWS + math.floor(roll * PROBE_AFTER_WINDOWS)
    )
    governor = replace(governor, queued=0, falls=0, probe_after=probe_after)
    goes_on = governor.resume >= governor.stopped
    phase, stopped = (Phase.STARTING, FAR_OFF) if goes_on else (Phase.STEADY, governor.stopped)
    return _move(replace(governor, phase=phase, stopped=stopped), min(governor.resume, top))


def _step_start(governor: Governor, load: int, top: float, *, is_full: bool) -> Governor:
    """Twice the limit; or another window at the same one; or the end of the start, at what the API seems to bear."""
    limit = governor.limit
    if governor.is_found and governor.borne:
        top = min(top, governor.borne)
    is_trusted = limit <= TRUSTED_LIMIT or limit < governor.borne
    answers = measure_delay(governor.window, governor.low, math.floor(limit))
    if answers is None and not is_trusted:
        # Most of them are of pages not seen before: it measures those at half the limit, and goes on from here.
        changes = {"phase": Phase.PROBING, "resume": limit, "stopped": limit, "borne": 0.0, "doubts": 0}
        return _move(replace(governor, **changes), limit / 2)
    is_free, borne = True, limit
    if answers is not None:
        is_free = answers.found + (TRUSTED_ERRORS if is_trusted else SURE_ERRORS) * answers.error <= FREE_DELAY_LOG
        is_in_doubt = not is_free and answers.found - SURE_ERRORS * answers.error <= FREE_DELAY_LOG
        if is_in_doubt and not governor.doubts:
            return replace(governor, epoch=governor.epoch + 1, doubts=governor.doubts + 1)
        is_free = is_free or answers.found <= SECOND_WINDOW_DELAY_LOG
        borne = min(limit, limit * math.exp(-answers.found) + 1)
    if not is_free and limit <= governor.borne:
        return Governor(epoch=governor.epoch + 1)
    governor = replace(_remember(governor, load), window={}, seen=0, peak=0, doubts=0)
    if is_free and not is_full:
        return governor
    grown = min(2 * limit if is_free else borne, top)
    if not is_free:
        governor = replace(governor, is_found=True, stopped=limit)
    if not is_free or grown >= top:
        governor = replace(governor, phase=Phase.STEADY, borne=0.0)
    return _move(governor, grown)


def _is_surely_free(governor: Governor) -> bool:
    answers = measure_delay(governor.window, governor.low, math.floor(governor.limit))
    return answers is not None and answers.found + SURE_ERRORS * answers.error <= FREE_DELAY_LOG


def _step_steady(governor: Governor, ratio: float | None, top: float, *, is_full: bool, roll: float) -> Governor:
    if ratio is None:
        return _move(replace(governor, phase=Phase.PROBING, resume=governor.limit), governor.limit / 2)
    waits = 1 - ratio
    governor = replace(
        governor,
        queued=governor.queued + (waits >= GROW_BELOW_PART),
        falls=governor.falls + 1 if waits > SHRINK_ABOVE_PART else 0,
        is_found=governor.is_found or waits > SHRINK_ABOVE_PART,
    )
    limit = governor.limit
    if waits > CUT_ABOVE_PART:
        limit *= CUT_FACTOR
    elif waits > SHRINK_ABOVE_PART:
        limit -= 1
    elif waits < GROW_BELOW_PART and is_full:
        limit += max(1, limit // 16)
    limit = max(1.0, min(limit, top))
    if limit > 2.0 and (governor.queued >= governor.probe_after or governor.falls >= CHANGED_API_FALLS):
        return _move(replace(governor, phase=Phase.PROBING, resume=limit), limit / 2)
    return _move(governor, limit)


def _move(governor: Governor, limit: float) -> Governor:
    """With another limit, and what was seen under the old one passed over."""
    limit = max(1.0, limit)
    if math.floor(limit) == math.floor(governor.limit):
        return replace(governor, limit=limit)
    # The members do not all know of the limit at once, and the first of their answers met a lower load than it allows.
    skip = math.floor(limit)
    return replace(governor, limit=limit, epoch=governor.epoch + 1, skip=skip, window={}, seen=0, peak=0)


def _is_full(governor: Governor, in_flight: int) -> bool:
    return governor.peak >= 0.9 * governor.cap(in_flight)


def _unqueued_ratio(governor: Governor) -> float | None:
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
            total += len(samples) * (base + NOISE_SECONDS) / (statistics.median(samples) + NOISE_SECONDS)
            known += len(samples)
    return total / known if known > unknown else None


def _base(low: Sequence[LowLoadAnswer], limit: int) -> float | None:
    fitting = at_low_load(low, limit)
    return statistics.median(fitting) if fitting else None


def _remember(governor: Governor, load: int) -> Governor:
    low = dict(governor.low)
    is_another = governor.phase is Phase.PROBING and governor.falls >= CHANGED_API_FALLS
    for kind, samples in governor.window.items():
        before = () if is_another and len(samples) >= NEW_BASELINE_SAMPLES else low.get(kind, ())
        low[kind] = (*before, *(LowLoadAnswer(load, seconds) for seconds in samples))[-MAX_BASELINE_SAMPLES:]
    return replace(governor, low=low)
