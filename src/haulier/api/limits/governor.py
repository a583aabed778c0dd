"""The governor: how many requests an API bears at once. Design and figures: docs/politeness.md#requests-in-flight"""

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
"""Stands for infinity, which JSON cannot hold."""
START_LIMIT: Final = 4.0
TRUSTED_LIMIT: Final = 8.0
"""Up to here answers must speak against the next step; above, for it."""
FREE_DELAY_LOG: Final = 0.16
"""Largest `Delay.found` at which the limit doubles: one request in seven waits."""
SURE_ERRORS: Final = 2.0
"""Standard errors from `FREE_DELAY_LOG` that make a second window needless."""
TRUSTED_ERRORS: Final = -0.5
"""Tolerance up to `TRUSTED_LIMIT`, in standard errors."""
SECOND_WINDOW_DELAY_LOG: Final = 0.07
"""Limit for two undecided windows: far below what 16 in flight show at a knee of 12 (0.29), so that 32 are not tried
there."""
WINDOW_ANSWERS: Final = 30
"""Fewest judged, or three for each request in flight. Slow start takes one for each: all but the last quarter of a
burst may have been served at once."""
MAX_WINDOW_SAMPLES: Final = 120
"""Samples of a class, so that a window fits in the row."""
REMEMBERED_SECONDS: Final = 86_400.0
REMEMBERED_SAMPLES: Final = 30
"""Baseline samples of a class that the next run keeps."""
NEW_BASELINE_SAMPLES: Final = 6
MAX_BASELINE_SAMPLES: Final = 200
GROW_BELOW_PART, SHRINK_ABOVE_PART, CUT_ABOVE_PART = 0.08, 0.20, 0.50
"""Parts of the requests that wait in the API's queue."""
CUT_FACTOR: Final = 0.8
REFUSED_CUT_FACTOR: Final = 0.85
CEILING_SECONDS: Final = 300.0
"""How long the limit stays below a refused one."""
CHANGED_API_FALLS: Final = 4
"""Consecutive falls that show that the API, and so the baseline, has changed."""
PROBE_AFTER_WINDOWS: Final = 30
"""Windows with a queue before a probe; up to twice as many, by chance."""
FIRST_PROBE_AFTER_WINDOWS: Final = 4
"""Holds while the baseline has fewer than `MAX_WINDOW_SAMPLES` answers."""


Sample = TypeVar("Sample")


class Phase(StrEnum):
    STARTING = "starting"
    STEADY = "steady"
    PROBING = "probing"
    """Half the limit for one window, to measure without a queue."""


class Governor(msgspec.Struct, frozen=True, kw_only=True):
    """A sample belongs to one ``epoch``, the number of changes of the limit."""

    limit: float = START_LIMIT
    epoch: int = 0
    phase: Phase = Phase.STARTING
    skip: int = 0
    """Answers that met the load before a change. Slow start skips none once it is full."""
    window: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)
    seen: int = 0
    doubts: int = 0
    peak: int = 0
    low: dict[str, tuple[LowLoadAnswer, ...]] = msgspec.field(default_factory=dict)
    resume: float = START_LIMIT
    """Limit after the probe."""
    queued: int = 0
    """Windows with a queue since the last probe."""
    falls: int = 0
    probe_after: int = FIRST_PROBE_AFTER_WINDOWS
    median: float = 0.0
    """Seconds to first byte."""
    cut_at: float = -FAR_OFF
    stopped: float = FAR_OFF
    """Limit at which a queue ended slow start."""
    ceiling: float = FAR_OFF
    ceiling_until: float = -FAR_OFF
    is_found: bool = False
    """Whether the API set the limit, and not the user's cap."""
    borne: float = 0.0
    """Limit of an earlier run; 0.0 if none, or proven wrong."""
    borne_at: float = -FAR_OFF
    """Wall time."""

    def cap(self, in_flight: int) -> int:
        return max(1, min(in_flight, math.floor(self.limit)))


@dataclass(frozen=True)
class Report:
    """Answers seen by one member to requests sent in ``epoch``."""

    epoch: int = 0
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Seconds to first byte by class of page."""
    refusals: int = 0
    """Answers that mean too many at once, without a wait."""
    each: int = 1
    """Answers for each sample."""


def feed_report(governor: Governor, report: Report, in_use: int, in_flight: int, time: float, roll: float) -> Governor:
    """``in_use`` is the sum of all members' peaks, ``roll`` a chance from 0 to 1."""
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
    """Begin at half of the last run's limit, if that ended within `REMEMBERED_SECONDS`."""
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
    """Begin slow start after an outage, with the baseline kept."""
    limit = min(START_LIMIT, governor.limit)
    return replace(
        governor, limit=limit, epoch=governor.epoch + 1, phase=Phase.STARTING, skip=0, window={}, seen=0, peak=0
    )


def window_size(governor: Governor) -> int:
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
    limit = max(1.0, limit)
    if math.floor(limit) == math.floor(governor.limit):
        return replace(governor, limit=limit)
    # The members do not all know of the limit at once, and the first of their answers met a lower load than it allows.
    skip = math.floor(limit)
    return replace(governor, limit=limit, epoch=governor.epoch + 1, skip=skip, window={}, seen=0, peak=0)


def _is_full(governor: Governor, in_flight: int) -> bool:
    return governor.peak >= 0.9 * governor.cap(in_flight)


def _unqueued_ratio(governor: Governor) -> float | None:
    """Baseline over present time: 0.5 is half of the requests waiting. None where most have no baseline."""
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
