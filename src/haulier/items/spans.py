"""Sets of spans: ranges of IDs or windows of time, kept sorted and apart."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow

LOWEST_TIME = datetime(2, 1, 1, tzinfo=UTC)
"""Before all data. The year 1 has moments that no local time can express."""
LOWEST_ID = -(1 << 63)

Span = IdRange | TimeWindow
S = TypeVar("S", IdRange, TimeWindow)


def merge(spans: Iterable[S]) -> tuple[S, ...]:
    """The fewest spans that cover the same, sorted. Spans that touch or overlap become one."""
    merged: list[S] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if merged and span.start <= merged[-1].end:
            merged[-1] = _between(span, merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def gaps(covered: Iterable[S], whole: S) -> tuple[S, ...]:
    """The parts of ``whole`` that no span of ``covered`` covers, sorted."""
    found: list[S] = []
    start = whole.start
    for span in merge(covered):
        if span.end <= start:
            continue
        if span.start >= whole.end:
            break
        if span.start > start:
            found.append(_between(whole, start, span.start))
        start = span.end
    if start < whole.end:
        found.append(_between(whole, start, whole.end))
    return tuple(found)


def without(spans: Iterable[S], removed: Iterable[S]) -> tuple[S, ...]:
    """The parts of ``spans`` that ``removed`` does not cover, sorted and apart."""
    kept: list[S] = []
    others = merge(removed)
    place = 0
    for span in merge(spans):
        start = span.start
        while place < len(others) and others[place].start < span.end:
            if others[place].start > start:
                kept.append(_between(span, start, others[place].start))
            start = max(start, others[place].end)
            if start > span.end:
                break  # It reaches into the next span too.
            place += 1
        if start < span.end:
            kept.append(_between(span, start, span.end))
    return tuple(kept)


def overlaps(spans: Iterable[S], others: Iterable[S]) -> tuple[S, ...]:
    """The parts that both cover, sorted and apart."""
    merged = merge(spans)
    return without(merged, without(merged, others))


def _between(like: S, start: Any, end: Any) -> S:
    return type(like)(start, end)
