"""How long requests take, of all members, for people: a histogram of few numbers that forgets within minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

BUCKETS: Final = 28
FIRST_SECONDS: Final = 0.004
"""End of the first bucket; each further one ends a step later, and the last, from 33 s on, has no end."""
STEPS_PER_DOUBLING: Final = 2
HALF_LIFE_SECONDS: Final = 30.0
LEAST_COUNT: Final = 0.05
"""Less is forgotten, so that the row of a source at rest stays small."""


def bucket_of(seconds: float) -> int:
    if seconds <= FIRST_SECONDS:
        return 0
    return min(BUCKETS - 1, math.ceil(STEPS_PER_DOUBLING * math.log2(seconds / FIRST_SECONDS)))


def with_latencies(known: Sequence[float], passed_seconds: float, news: Sequence[int]) -> tuple[float, ...]:
    """Let time pass, and add what one member saw. Buckets at the end without an answer are left out."""
    rest = 0.5 ** (passed_seconds / HALF_LIFE_SECONDS)
    counts = [round(old * rest, 2) + new for old, new in zip_longest(known, news, fillvalue=0)]
    counts = [count if count >= LEAST_COUNT else 0 for count in counts]
    while counts and not counts[-1]:
        counts.pop()
    return tuple(counts)


def quantile(counts: Sequence[float], part: float) -> float | None:
    """Seconds that ``part`` of the answers took at most; at worst 1.4 times as much or as little, as the buckets are
    wide. None without an answer.
    """
    rank, before = part * sum(counts), 0.0
    for bucket, count in enumerate(counts):
        if count and before + count >= rank:
            place = bucket - 1.0 + (rank - before) / count
            return FIRST_SECONDS * math.pow(2.0, place / STEPS_PER_DOUBLING)
        before += count
    return None
