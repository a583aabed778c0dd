"""What an incremental run reads (W6): the holes in what is finished, what is new, and the end of it once more."""

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

    Let ``until`` be no later than ``ctx.snapshot_time``, and some minutes earlier where records are shown late. A
    window that ends after the time of the run is finished up to that time alone; the next run reads the rest.
    """
    start, until = utc("The start of due_windows", start), utc("The end of due_windows", until)
    require_positive("The step of due_windows", step)
    if lookback < timedelta():
        raise ValueError(f"The lookback of due_windows is {lookback}: pass a timedelta of zero or more.")
    if until <= start:
        return iter(())
    return due_parts(finished, TimeWindow(start, until), step=step, lookback=lookback)


def due_ids(finished: Iterable[IdRange], *, first: int, end: int, step: int, lookback: int = 0) -> Iterator[IdRange]:
    """Ranges for an incremental run: the IDs from ``first`` up to but not including ``end`` that are not finished, and
    the last ``lookback`` of the finished ones once more.

    They ascend, do not overlap, and end at ``first`` plus whole steps, at the edge of what is finished, or at ``end``.
    Lazy. None where nothing is due. ``ctx.finished.ids("orders")`` says what is finished.

    Let ``end`` be the newest ID that the API tells, plus one, and never round it up: haulier cannot know which IDs are
    still to come, and an ID below ``end`` is finished though its record came later.
    """
    for name, value in (("first", first), ("end", end), ("step", step), ("lookback", lookback)):
        require_integer(f"The {name} of due_ids", value)
    if step < 1 or lookback < 0:
        raise ValueError(f"due_ids has a step of {step} and a lookback of {lookback}: write at least 1, and 0.")
    if end <= first:
        return iter(())
    return due_parts(finished, IdRange(first, end), step=step, lookback=lookback)


def due_parts(finished: Iterable[S], whole: S, *, step: Any, lookback: Any) -> Iterator[S]:
    """What is due of ``whole``, cut at its start plus whole steps; not cut where ``step`` is None."""
    due = _due_spans(finished, whole, lookback)
    return iter(due) if step is None else _cut(due, whole.start, step)


def due_starts(finished: Iterable[S], whole: S, *, step: Any, lookback: Any) -> Iterator[S]:
    """The same for an API that is told the start alone: each part is a whole step, but for the last one. Where ``step``
    is None, the API sends all from the start on, and one part has all that is due."""
    due = _due_spans(finished, whole, lookback)
    if step is not None:
        return _whole_steps(due, whole, step)
    return iter([type(whole)(due[0].start, whole.end)] if due else [])


def _due_spans(finished: Iterable[S], whole: S, lookback: Any) -> tuple[S, ...]:
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


def _whole_steps(spans: Iterable[S], whole: S, step: Any) -> Iterator[S]:
    done: Any = whole.start
    for span in spans:
        start = max(done, whole.start + (span.start - whole.start) // step * step)
        while start < span.end:
            done = whole.end if whole.end - start <= step else start + step
            yield type(whole)(start, done)
            start = done
