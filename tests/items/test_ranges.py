"""Ranges of IDs: they touch, leave no gap and never overlap."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.items.ranges import IdRange, id_ranges

ids = st.integers(-(2**70), 2**70)


@st.composite
def ranges(draw: st.DrawFn) -> IdRange:
    start = draw(ids)
    return IdRange(start, start + draw(st.integers(1, 2**66)))


@given(ids, st.integers(0, 400), st.integers(1, 500))
def test_ranges_cover_every_id_once(start: int, count: int, step: int) -> None:
    """id_ranges: each ID is in one range, in order; all are of the step, save the last, which may be shorter."""
    made = [*id_ranges(start, start + count, step=step)]
    assert [one for ids in made for one in range(ids.start, ids.end)] == [*range(start, start + count)]
    assert all(left.end == right.start for left, right in pairwise(made))
    assert all(ids.size == step for ids in made[:-1])


def test_ranges_are_lazy() -> None:
    """A range over all 64-bit IDs costs nothing before it is read."""
    made = id_ranges(0, 2**63, step=1)
    assert next(made) == IdRange(0, 1)
    assert next(made) == IdRange(1, 2)


@given(ranges())
def test_halves_touch_and_make_up_the_range(ids: IdRange) -> None:
    """Halves have no gap and no overlap, differ by at most one ID, and end at one ID."""
    halves = ids.halves()
    if ids.size == 1:
        assert halves is None
        return
    assert halves is not None
    left, right = halves
    assert (left.start, left.end, right.end) == (ids.start, right.start, ids.end)
    assert abs(left.size - right.size) <= 1


def test_halving_finds_the_one_bad_id() -> None:
    """G4: dividing a range again and again ends at the one ID that cannot be read, in 2 log2(n) steps."""
    ids, steps = IdRange(1, 5_001), 0
    while (halves := ids.halves()) is not None:
        ids = next(half for half in halves if half.start <= 4_711 < half.end)
        steps += 1
    assert ids == IdRange(4_711, 4_712)
    assert steps <= 13


def test_query_parameters_for_both_conventions() -> None:
    """The end is written as the API reads it, never computed by hand."""
    ids = IdRange(1, 5_001)
    assert ids.inclusive("from_id", "to_id") == {"from_id": 1, "to_id": 5_000}
    assert ids.half_open("id__gte", "id__lt") == {"id__gte": 1, "id__lt": 5_001}
    assert IdRange(7, 8).inclusive("a", "b") == {"a": 7, "b": 7}
    for write in (ids.inclusive, ids.half_open):
        with pytest.raises(ValueError, match="Both ends of an ID range would be sent as the parameter 'id': name two"):
            write("id", "id")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (5, 5, r"from 5 to 5 is empty: its end is the first ID after it, so at least 6"),
        (6, 5, r"from 6 to 5 is empty"),
        ("1", 5, r"The start of an ID range is '1': pass an integer"),
        (1, 5.0, r"The end of an ID range is 5.0"),
        (True, 5, r"The start of an ID range is True"),
    ],
)
def test_a_range_that_is_none_is_refused(start: Any, end: Any, words: str) -> None:
    """A range is never empty and holds integers."""
    with pytest.raises(ValueError, match=words):
        IdRange(start, end)


@pytest.mark.parametrize(
    ("start", "end", "step", "words"),
    [
        (1, 5, 0, r"The step of id_ranges is 0: write at least 1"),
        (1, 5, 2.0, r"The step of id_ranges is 2.0: pass an integer"),
        (5, 1, 1, r"The end of id_ranges, 1, is below its start, 5"),
        (1, None, 1, r"The end of id_ranges is None: pass an integer"),
    ],
)
def test_wrong_ranges_are_refused_at_once(start: Any, end: Any, step: Any, words: str) -> None:
    """The call fails, not the first step of a loop over it."""
    with pytest.raises(ValueError, match=words):
        id_ranges(start, end, step=step)


def test_no_ids_no_ranges() -> None:
    """An API without records gives no items."""
    assert [*id_ranges(1, 1, step=100)] == []
