"""What an incremental run is to read, against sets of single IDs and minutes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.items.due import due_ids, due_windows
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.sources.finished import Finished
from tests.items.test_spans import ids, ranges

_START = datetime(2026, 3, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_edges = st.integers(0, 80)


def window(span: IdRange) -> TimeWindow:
    return TimeWindow(_START + span.start * _MINUTE, _START + span.end * _MINUTE)


@given(st.lists(ranges, max_size=6), _edges, _edges, st.integers(1, 25), st.integers(0, 40))
def test_what_is_due_is_all_that_is_not_finished_and_the_end_of_it_once_more(
    finished: list[IdRange], first: int, end: int, step: int, lookback: int
) -> None:
    """Exactly that, ascending, none twice, and cut at the same marks in every run."""
    due = list(due_ids(finished, first=first, end=end, step=step, lookback=lookback))
    newest = max((span.end for span in finished), default=0)
    known = {one for one in ids(finished) if one < newest - lookback}
    again = set(range(newest - lookback, newest)) if finished else set()
    assert ids(due) == (set(range(first, end)) - ids(finished)) | (again & set(range(first, end)))
    assert not ids(due) & known
    assert all(one.end <= other.start for one, other in itertools.pairwise(due))
    assert all((one.start - first) // step == (one.end - 1 - first) // step for one in due)
    for one, other in itertools.pairwise(due):
        assert one.end < other.start or not (one.end - first) % step


@given(st.lists(ranges, max_size=6), _edges, _edges, st.integers(1, 25), st.integers(0, 40))
def test_windows_are_due_as_ids_are(finished: list[IdRange], first: int, end: int, step: int, lookback: int) -> None:
    due = due_windows(
        map(window, finished),
        start=_START + first * _MINUTE,
        until=_START + end * _MINUTE,
        step=step * _MINUTE,
        lookback=lookback * _MINUTE,
    )
    assert list(due) == list(map(window, due_ids(finished, first=first, end=end, step=step, lookback=lookback)))


def test_what_is_due_is_made_one_by_one() -> None:
    """Nine thousand years of milliseconds are no list, and neither end of the calendar is overstepped."""
    start, until = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    known = [TimeWindow(start, start + _MINUTE)]
    due = due_windows(known, start=start, until=until, step=timedelta(milliseconds=1), lookback=timedelta(days=3))
    assert next(due) == TimeWindow(start, start + timedelta(milliseconds=1))
    assert list(due_windows(known, start=start, until=until, step=timedelta.max)) == [
        TimeWindow(start + _MINUTE, until)
    ]


def test_finished_spans_are_told_by_the_other_fields_of_their_items() -> None:
    hour = TimeWindow(_START, _START + timedelta(hours=1))
    finished = Finished({"orders": {'{"region":"eu"}': (hour,), "": (IdRange(1, 5),)}})
    assert finished.windows("orders", region="eu") == (hour,)
    assert finished.windows("orders", region="us") == finished.windows("orders") == finished.windows("others") == ()
    assert finished.ids("orders") == (IdRange(1, 5),)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"start": _START.replace(tzinfo=None)}, "has no time zone"),
        ({"step": timedelta()}, "pass a timedelta above zero"),
        ({"lookback": timedelta(hours=-1)}, "pass a timedelta of zero or more"),
    ],
)
def test_a_wrong_call_is_refused_at_once(changed: dict[str, object], said: str) -> None:
    right = {"start": _START, "until": _START + _MINUTE, "step": _MINUTE}
    with pytest.raises(ValueError, match=said):
        due_windows([], **(right | changed))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="write at least 1, and 0"):
        due_ids([], first=1, end=2, step=0)
