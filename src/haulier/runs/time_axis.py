"""The axis of a plot over time: equal steps, and long pauses cut out. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_BUCKETS: Final = 240
"""Points of a plot: as many as a phone can show."""
MAX_BREAKS: Final = 16
LEAST_BREAK_SECONDS: Final = 60
"""Shorter pauses are part of the work."""
STEPS_SECONDS: Final = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    10_800,
    21_600,
    43_200,
    86_400,
)
"""Steps that people read easily; longer ones are twice the one before."""

Pause = tuple[int, int]
"""From one second to another, between which nothing was under way."""


@dataclass(frozen=True)
class TimeAxis:
    step_seconds: int
    buckets: tuple[int, ...]
    """Numbers of the steps that are shown, from the run's start. Where one is missing, a pause was cut out."""


def time_axis(last: int, pauses: Iterable[Pause]) -> TimeAxis:
    """Show the seconds from 0 to ``last``, in at most `MAX_BUCKETS` buckets.

    A pause is cut out if it is longer than all that is shown: a redrive three days later would else squeeze the run
    into one bucket.
    """
    shown = _shown(last, heapq.nlargest(MAX_BREAKS, (pause for pause in pauses if _is_break(pause)), key=_seconds))
    for step in _steps():
        if len(buckets := _buckets(shown, step)) <= MAX_BUCKETS:
            return TimeAxis(step, buckets)
    raise AssertionError("some step is long enough")


def _shown(last: int, pauses: list[Pause]) -> list[Pause]:
    """Spans that are shown, in order."""
    seconds = last - sum(map(_seconds, pauses))
    cuts = []
    for pause in sorted(pauses, key=_seconds):
        if _seconds(pause) <= seconds:
            seconds += _seconds(pause)
        else:
            cuts.append(pause)
    cuts.sort()
    starts = [0, *(end for _, end in cuts)]
    return list(zip(starts, [*(start for start, _ in cuts), last], strict=True))


def _buckets(shown: Iterable[Pause], step: int) -> tuple[int, ...]:
    found: list[int] = []
    for start, end in shown:
        first = max(start // step, found[-1] + 1 if found else 0)
        # More are never asked for, however long the span.
        found.extend(range(first, min(end // step, first + MAX_BUCKETS) + 1))
    return tuple(found)


def _steps() -> Iterator[int]:
    yield from STEPS_SECONDS
    step = STEPS_SECONDS[-1]
    while True:
        step *= 2
        yield step


def _is_break(pause: Pause) -> bool:
    return _seconds(pause) >= LEAST_BREAK_SECONDS


def _seconds(pause: Pause) -> int:
    return pause[1] - pause[0]
