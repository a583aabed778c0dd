"""Delay of answers against those at low load, by which the governor judges a limit."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

NOISE_SECONDS: Final = 0.05
"""The program's own part, added to both times: without it, an API that answers within 2 ms was sent one request at a
time, at a third of the pace."""
CLIPPED_ONE_IN: Final = 16
"""One answer in so many is clipped to the next slower: one in a hundred is a straggler of five times the time."""


class LowLoadAnswer(msgspec.Struct, frozen=True, array_like=True):
    load: int
    seconds: float


@dataclass(frozen=True)
class Delay:
    """Mean time against that at low load: a median misses a queue, in which only the last of a burst wait."""

    found: float
    """Natural logarithm of the ratio: 0.0 is no delay, 0.69 twice the time."""
    error: float


def measure_delay(
    window: Mapping[str, Sequence[float]], low: Mapping[str, Sequence[LowLoadAnswer]], limit: int
) -> Delay | None:
    """Compare each class of pages with its baseline. None where most lack one: an unknown queue is not an empty one."""
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
    """Seconds at half the limit or below, or else at three quarters."""
    for part in (0.5, 0.75):
        fitting = [one.seconds for one in low if one.load <= part * limit]
        if fitting:
            return fitting
    return []


def _clip(seconds: Sequence[float]) -> list[float]:
    ranked = sorted(seconds)
    kept = len(ranked) - (len(ranked) + CLIPPED_ONE_IN // 2) // CLIPPED_ONE_IN
    return ranked[:kept] + [ranked[kept - 1]] * (len(ranked) - kept)
