"""A few items of a stream, as its plan would have them, and items that can hold nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from haulier.app.app import App
from haulier.app.open_source import LiveSource
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context

MAX_SAMPLED_ITEMS = 10_000
"""Of a source file."""
MAX_CODE_ITEMS = 2
"""Python code may ask for something before each item."""
FAR_DAYS = 366
"""Windows that begin so long after today hold nothing yet; few records have a date that is further ahead."""
FAR_ID, NEAR_IDS = 2_000_000_000, 1_000_000_000
"""An ID that fits 32 bits and is far beyond those that are below the second number."""
BEYOND = 1_000
"""Where there are more, so many times the last one."""
EARLY = datetime(1950, 1, 1, tzinfo=UTC)
"""Before the records of any API, and after the dates that stand for none."""
MAX_HALVES = 64


@dataclass(frozen=True)
class Sample:
    """Three of the items, which may be the same one."""

    first: WorkItem
    second: WorkItem | None
    last: WorkItem
    highest_id: int | None
    """The end of the highest range of IDs; None without one."""


async def sample_of(
    source: LiveSource, mode: str, stream: str, context: Context, requests: Callable[[], int]
) -> Sample | None:
    """None where the plan would have no items. It ends where ``requests``, the number sent so far, grows for more of
    them: a list of values may have many pages."""
    most = MAX_SAMPLED_ITEMS if source.app.is_of_file else MAX_CODE_ITEMS
    first: WorkItem | None = None
    second: WorkItem | None = None
    last: WorkItem | None = None
    highest: int | None = None
    items: AsyncIterator[WorkItem] = source.items(mode, (stream,), context)
    count = asked = 0
    async for item in items:
        count += 1
        first, last = first or item, item
        second = item if count == 2 else second
        span = span_in(item)
        if span is not None and isinstance(span[1], IdRange):
            highest = max(highest or 0, span[1].end)
        if count == 1:
            asked = requests()
        if count == most or requests() > asked:
            break
    return None if first is None or last is None else Sample(first, second, last, highest)


def span_in(item: WorkItem) -> tuple[str, IdRange | TimeWindow] | None:
    """The one range or window of an item, with the name of its field."""
    found = [
        (field.name, value)
        for field in dataclasses.fields(type(item))  # type: ignore[arg-type]
        if isinstance(value := getattr(item, field.name), IdRange | TimeWindow)
    ]
    return found[0] if len(found) == 1 else None


def beyond(item: WorkItem, now: datetime, highest_id: int | None) -> WorkItem | None:
    """An item like this one, far beyond all IDs, or a year from now. None where it has no range or window."""
    named = span_in(item)
    if named is None:
        return None
    name, span = named
    if isinstance(span, TimeWindow):
        days = timedelta(days=max(0, (now - span.start).days) + FAR_DAYS)
        return _with_span(item, name, TimeWindow(span.start + days, span.end + days))
    top = max(highest_id or 0, span.end)
    start = FAR_ID if top < NEAR_IDS else top * BEYOND
    return _with_span(item, name, IdRange(start, start + span.size))


def before(first: WorkItem) -> WorkItem:
    """An item that ends where the first one begins, or in the year 1950."""
    named = span_in(first)
    assert named is not None
    name, span = named
    if isinstance(span, TimeWindow):
        days = timedelta(days=(span.start - EARLY).days)
        return _with_span(first, name, TimeWindow(span.start - days, span.end - days))
    return _with_span(first, name, IdRange(span.start - 1, span.start))


def _with_span(item: WorkItem, name: str, span: IdRange | TimeWindow) -> WorkItem:
    return dataclasses.replace(item, **{name: span})  # type: ignore[type-var]


def smallest(app: App, item: WorkItem) -> WorkItem | None:
    """The first of the smallest parts of an item; None where it cannot be divided."""
    part = item
    for _ in range(MAX_HALVES):
        parts = app.divide(part)
        if not parts:
            break
        part = parts[0]
    return None if part == item else part
