"""How much longer answers take than they did at low load: what a limit of requests in flight is judged by."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

NOISE_SECONDS: Final = 0.05
"""Seconds that are added to each time before two are compared. Some milliseconds are the program's own, which has many
answers to read at once, and no API is overloaded because it takes a few more: one that answers within 2 ms was asked
for one thing at a time otherwise, at a third of the pace."""
CLIPPED_ONE_IN: Final = 16
"""The slowest one in so many counts as the next slowest: stragglers are one in a hundred, and take five times as
long."""


class LowLoadAnswer(msgspec.Struct, frozen=True, array_like=True):
    """An answer under low load: how many requests were in flight, and its seconds to first byte."""

    load: int
    seconds: float


@dataclass(frozen=True)
class Delay:
    """The mean of some answers beside the mean at low load. Of requests that wait in a queue only the last of a burst
    wait at all, so a median would not show them."""

    found: float
    """Natural logarithm of the one over the other, each with `NOISE_SECONDS`: 0.0 is no delay, 0.69 twice the time."""
    error: float
    """The standard error of that."""


def measure_delay(
    window: Mapping[str, Sequence[float]], low: Mapping[str, Sequence[LowLoadAnswer]], limit: int
) -> Delay | None:
    """The delay of a window of answers under ``limit``, each class of pages beside its own baseline. None where most of
    them are of classes without one: that nothing is known of a queue does not say that there is none."""
    found = weights = squares = 0.0
    known = unknown = degrees = 0
    for kind, samples in window.items():
        base = at_low_load(low.get(kind, ()), limit)
        if not base or not samples:
            unknown += len(samples)
            continue
        known += len(samples)
        means = []
        for group in (_clip(samples), _clip(base)):
            mean = statistics.fmean(group)
            means.append(mean + NOISE_SECONDS)
            squares += sum(((one - mean) / means[-1]) ** 2 for one in group)
            degrees += len(group) - 1
        found += len(samples) * math.log(means[0] / means[1])
        weights += len(samples) ** 2 * (1 / len(samples) + 1 / len(base))
    if known <= unknown:
        return None
    return Delay(found / known, math.sqrt(squares / max(1, degrees) * weights) / known)


def at_low_load(low: Sequence[LowLoadAnswer], limit: int) -> list[float]:
    """What answers took at half the limit or below, or else not far above that."""
    for part in (0.5, 0.75):
        fitting = [one.seconds for one in low if one.load <= part * limit]
        if fitting:
            return fitting
    return []


def _clip(seconds: Sequence[float]) -> list[float]:
    ranked = sorted(seconds)
    kept = len(ranked) - (len(ranked) + CLIPPED_ONE_IN // 2) // CLIPPED_ONE_IN
    return ranked[:kept] + [ranked[kept - 1]] * (len(ranked) - kept)
