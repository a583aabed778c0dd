"""Sets of spans against a set of single IDs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from haulier.items.ranges import IdRange
from haulier.items.spans import gaps, merge, overlaps, without
from haulier.items.windows import TimeWindow

_START = datetime(2026, 3, 1, tzinfo=UTC)

ranges = st.builds(
    lambda start, size: IdRange(start, start + size), st.integers(0, 60), st.integers(min_value=1, max_value=20)
)


def ids(spans: tuple[IdRange, ...] | list[IdRange]) -> set[int]:
    return {one for span in spans for one in range(span.start, span.end)}


@given(st.lists(ranges))
def test_merged_spans_cover_the_same_and_stand_apart(spans: list[IdRange]) -> None:
    merged = merge(spans)
    assert ids(merged) == ids(spans)
    assert all(one.end < other.start for one, other in itertools.pairwise(merged))


@given(st.lists(ranges), ranges)
def test_gaps_and_overlaps_make_up_the_whole(covered: list[IdRange], whole: IdRange) -> None:
    assert ids(gaps(covered, whole)) == ids([whole]) - ids(covered)
    assert ids(overlaps([whole], covered)) == ids([whole]) & ids(covered)


@given(st.lists(ranges), st.lists(ranges))
def test_what_is_removed_and_what_is_left_make_up_all(spans: list[IdRange], removed: list[IdRange]) -> None:
    left, shared = without(spans, removed), overlaps(spans, removed)
    assert ids(left) == ids(spans) - ids(removed)
    assert ids(shared) == ids(spans) & ids(removed)
    assert merge(left) == left
    assert merge(shared) == shared


def test_windows_are_compared_as_times() -> None:
    """As text, `09:00+01:00` stands after `08:30Z`, which is later."""
    early = TimeWindow(_START, datetime.fromisoformat("2026-03-01T09:00:00+01:00"))
    late = TimeWindow(datetime.fromisoformat("2026-03-01T08:30:00Z"), _START + timedelta(hours=10))
    whole = TimeWindow(_START, _START + timedelta(hours=10))
    (hole,) = gaps([late, early], whole)
    assert (hole.start.hour, hole.start.minute, hole.end.hour, hole.end.minute) == (8, 0, 8, 30)


def test_windows_that_touch_become_one() -> None:
    hour = timedelta(hours=1)
    first, second = TimeWindow(_START, _START + hour), TimeWindow(_START + hour, _START + 2 * hour)
    assert merge([second, first]) == (TimeWindow(_START, _START + 2 * hour),)
