"""What an API is sent for windows that were divided to their end: written bounds touch, and none is asked for twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulier.items.bounds import Bounds, Edge
from haulier.items.codec import decode_payload
from haulier.items.keys import item_key
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.sources.recipe import WindowsRecipe
from haulier.sources.windows import WindowsDivision
from tests.items.payloads import written

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND, MILLISECOND, SECOND = timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(seconds=1)
EDGES: tuple[Edge, Edge] = ("inclusive", "exclusive")
Read = Callable[[str], datetime]


def of_text(form: str) -> Read:
    return lambda text: datetime.strptime(text, form).replace(tzinfo=UTC)


# What each format can tell at most; iso writes as many digits as the granule needs.
FORMATS: dict[str, tuple[timedelta, Read]] = {
    "iso": (MICROSECOND, datetime.fromisoformat),
    "epoch_seconds": (SECOND, lambda text: EPOCH + int(text) * SECOND),
    "epoch_milliseconds": (MILLISECOND, lambda text: EPOCH + int(text) * MILLISECOND),
    "%Y-%m-%dT%H:%M:%S.%fZ": (MICROSECOND, of_text("%Y-%m-%dT%H:%M:%S.%fZ")),
    "%d.%m.%Y %H:%M:%S": (SECOND, of_text("%d.%m.%Y %H:%M:%S")),
    "%Y-%m-%dT%H:%M": (timedelta(minutes=1), of_text("%Y-%m-%dT%H:%M")),
}
GRANULES = (MICROSECOND, 100 * MICROSECOND, MILLISECOND, 250 * MILLISECOND, SECOND, timedelta(minutes=1))


def divided(bounds: Bounds, window: TimeWindow) -> list[WorkItem]:
    division = WindowsDivision("items", "items_windows", "here", WindowsRecipe(window.start, SECOND, bounds=bounds))
    parts: list[WorkItem] = [division._make(window)]
    while any(halves := [division.halves(part) for part in parts]):
        parts = [half for part, found in zip(parts, halves, strict=True) for half in found or (part,)]
    return parts


@pytest.mark.parametrize("text", FORMATS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_written_bounds_neither_overlap_nor_leave_a_hole(text: str, data: st.DataObject) -> None:
    """Down to one granule each, in every convention; each part has a key of its own and survives its message."""
    finest, read = FORMATS[text]
    granule = data.draw(st.sampled_from([each for each in GRANULES if each >= finest]))
    start_edge, end_edge = data.draw(st.sampled_from(list(itertools.product(EDGES, EDGES))))
    bounds = Bounds(start_edge, end_edge, text, granule)
    start = datetime(2024, 1, 1, tzinfo=UTC) + data.draw(st.integers(0, 10**4)) * granule
    count = data.draw(st.integers(1, 40))
    parts = divided(bounds, TimeWindow(start, start + count * granule))
    assert [part.window.duration for part in parts] == count * [granule]  # type: ignore[attr-defined]
    sent = [tuple(map(read, bounds.of(part.window))) for part in parts]  # type: ignore[attr-defined]
    # How far the next start stands behind an end, so that each record is met by one of both.
    apart = {("inclusive", "exclusive"): 0, ("exclusive", "inclusive"): 0, ("inclusive", "inclusive"): 1}
    gap = apart.get((start_edge, end_edge), -1) * granule
    for (_, end), (following, _) in pairwise(sent):
        assert following - end == gap
    for place, (low, high) in enumerate(sent):
        record = start + place * granule
        assert low <= record if start_edge == "inclusive" else low < record
        assert record <= high if end_edge == "inclusive" else record < high
        assert (low < high) is ((start_edge, end_edge) != ("inclusive", "inclusive"))
    assert len({item_key(part) for part in parts}) == count
    for part in parts:
        assert decode_payload(type(part), written(part)) == part


@pytest.mark.parametrize(
    ("bounds", "shortest"),
    [
        (Bounds(), SECOND),
        (Bounds(granule=MILLISECOND), MILLISECOND),
        (Bounds(granule=500 * MICROSECOND), 500 * MICROSECOND),
        (Bounds(granule=500 * MILLISECOND), 500 * MILLISECOND),
        (Bounds(granule=60 * SECOND), 60 * SECOND),
        (Bounds(format="epoch_seconds", granule=MILLISECOND), SECOND),
        (Bounds(format="epoch_seconds", granule=1_500 * MILLISECOND), 3 * SECOND),
        (Bounds(format="epoch_milliseconds"), MILLISECOND),
        (Bounds(format="epoch_milliseconds", granule=MICROSECOND), MILLISECOND),
        (Bounds(format="%Y-%m-%d %H:%M:%S.%f"), MICROSECOND),
        (Bounds(format="%Y-%m-%d %H:%M:%S.%f", granule=MILLISECOND), MILLISECOND),
        (Bounds(format="date", granule=MILLISECOND), timedelta(days=1)),
    ],
)
def test_the_shortest_window_is_whole_granules_that_the_text_can_tell(bounds: Bounds, shortest: timedelta) -> None:
    assert bounds.shortest == shortest


@pytest.mark.parametrize(("start", "end"), list(itertools.product(EDGES, EDGES)))
def test_a_granule_that_is_no_whole_number_of_steps_loses_nothing(start: Edge, end: Edge) -> None:
    """Records every 1.5 s, asked for in whole seconds: more is asked for, never less, and it is said."""
    bounds = Bounds(start, end, "epoch_seconds", 1_500 * MILLISECOND)
    assert bounds.overlaps
    origin = datetime(2024, 1, 1, tzinfo=UTC)
    records = [origin + count * bounds.granule for count in range(40)]  # type: ignore[operator]
    for part in divided(bounds, TimeWindow(origin, origin + timedelta(minutes=1))):
        window: TimeWindow = part.window  # type: ignore[attr-defined]
        low, high = (EPOCH + int(text) * SECOND for text in bounds.of(window))
        for record in records:
            is_met = (low < record if start == "exclusive" else low <= record) and (
                record < high if end == "exclusive" else record <= high
            )
            assert is_met or not window.start <= record < window.end
