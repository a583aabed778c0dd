"""What an incremental run reads: the holes in what is finished, what is new, and the end of it once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from haulier.items.ranges import IdRange, require_integer
from haulier.items.spans import gaps, merge
from haulier.items.windows import TimeWindow, require_positive, utc

S = TypeVar("S", IdRange, TimeWindow)


def due_windows(
    finished: Iterable[TimeWindow],
    *,
    start: datetime,
    until: datetime,
    step: timedelta,
    lookback: timedelta = timedelta(),
) -> Iterator[TimeWindow]:
    """Windows for an incremental run: what of ``start`` up to but not including ``until`` is not finished, and the last
    ``lookback`` of what is finished once more, for records that came late.

    They ascend, do not overlap, and end at ``start`` plus whole steps, at the edge of what is finished, or at
    ``until``. Lazy. None where nothing is due, which is no error. ``ctx.finished.windows("orders")`` says what is
    finished.
    """
    start, until = utc("The start of due_windows", start), utc("The end of due_windows", until)
    require_positive("The step of due_windows", step)
    if lookback < timedelta():
        raise ValueError(f"The lookback of due_windows is {lookback}: pass a timedelta of zero or more.")
    if until <= start:
        return iter(())
    return _cut(due_spans(finished, TimeWindow(start, until), lookback), start, step)


def due_ids(finished: Iterable[IdRange], *, first: int, end: int, step: int, lookback: int = 0) -> Iterator[IdRange]:
    """Ranges for an incremental run: the IDs from ``first`` up to but not including ``end`` that are not finished, and
    the last ``lookback`` of the finished ones once more.

    They ascend, do not overlap, and end at ``first`` plus whole steps, at the edge of what is finished, or at ``end``.
    Lazy. None where nothing is due. ``ctx.finished.ids("orders")`` says what is finished.
    """
    for name, value in (("first", first), ("end", end), ("step", step), ("lookback", lookback)):
        require_integer(f"The {name} of due_ids", value)
    if step < 1 or lookback < 0:
        raise ValueError(f"due_ids has a step of {step} and a lookback of {lookback}: write at least 1, and 0.")
    if end <= first:
        return iter(())
    return _cut(due_spans(finished, IdRange(first, end), lookback), first, step)


def due_spans(finished: Iterable[S], whole: S, lookback: Any) -> tuple[S, ...]:
    """The parts of ``whole`` that are due, uncut: sorted, and apart."""
    known = merge(finished)
    due = list(gaps(known, whole))
    if known and lookback:
        newest = known[-1].end
        # Compared by what lies between: newest - lookback may lie before the year 1.
        start = whole.start if newest - whole.start <= lookback else newest - lookback
        end = min(newest, whole.end)
        if start < end:
            due.append(type(whole)(start, end))
    return merge(due)


def _cut(spans: Iterable[S], origin: Any, step: Any) -> Iterator[S]:
    """Cut at ``origin`` plus whole steps: a window that is read again is then mostly the same item."""
    for span in spans:
        start, mark = span.start, origin + (span.start - origin) // step * step
        while start < span.end:
            # Compared by what is left: the next mark may lie beyond the year 9999.
            mark = span.end if span.end - mark <= step else mark + step
            yield type(span)(start, mark)
            start = mark
