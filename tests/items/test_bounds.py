"""How bounds are written for an API: whatever its convention, touching ranges and windows meet each record once."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulier.items.bounds import Bounds, Edge
from haulier.items.formats import check_format
from haulier.items.ranges import IdRange, id_ranges
from haulier.items.windows import TimeWindow

EDGES: tuple[Edge, Edge] = ("inclusive", "exclusive")
CONVENTIONS = tuple(itertools.product(EDGES, EDGES))
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
ISO = "%Y-%m-%dT%H:%M:%SZ"


def _finds(start: Any, end: Any, value: Any, bounds: Bounds) -> bool:
    """An API of this convention."""
    after: bool = start < value if bounds.start == "exclusive" else start <= value
    before: bool = value < end if bounds.end == "exclusive" else value <= end
    return after and before


@pytest.mark.parametrize(("start", "end"), CONVENTIONS)
@given(first=st.integers(-50, 50), count=st.integers(0, 60), step=st.integers(1, 70))
def test_each_id_is_met_once(start: Edge, end: Edge, first: int, count: int, step: int) -> None:
    """IDs, all four conventions: each record is found by one range, and no range finds another's."""
    bounds = Bounds(start, end)
    met = []
    for ids in id_ranges(first, first + count, step=step):
        sent = [int(text) for text in bounds.of(ids)]
        met += [record for record in range(first - 99, first + 199) if _finds(sent[0], sent[1], record, bounds)]
        assert not bounds.widens(ids)
    assert met == [*range(first, first + count)]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _epoch(unit: timedelta) -> Callable[[str], datetime]:
    return lambda text: datetime(1970, 1, 1, tzinfo=UTC) + int(text) * unit


EXACT: dict[str, tuple[timedelta, Callable[[str], datetime]]] = {
    "iso": (SECOND, datetime.fromisoformat),
    "epoch_seconds": (SECOND, _epoch(SECOND)),
    "epoch_milliseconds": (MILLISECOND, _epoch(MILLISECOND)),
    ISO: (SECOND, datetime.fromisoformat),
    "%d/%m/%y %I:%M %p": (MINUTE, lambda text: datetime.strptime(text, "%d/%m/%y %I:%M %p").replace(tzinfo=UTC)),
    "%G-W%V-%uT%H": (HOUR, lambda text: datetime.strptime(text, "%G-W%V-%uT%H").replace(tzinfo=UTC)),
    "%Y%j%H%M%S%f": (timedelta.resolution, lambda text: datetime.strptime(text, "%Y%j%H%M%S%f").replace(tzinfo=UTC)),
}


@pytest.mark.parametrize("text", EXACT)
@pytest.mark.parametrize(("start", "end"), CONVENTIONS)
@settings(max_examples=20)  # for each of 28 pairs of convention and format
@given(data=st.data())
def test_each_record_is_met_once(start: Edge, end: Edge, text: str, data: st.DataObject) -> None:
    """Times on the granule grid, all four conventions, all formats: each record is found by its own window alone."""
    step, read = EXACT[text]
    granule = data.draw(
        st.sampled_from([None, *(size for size in (MILLISECOND, SECOND, MINUTE, HOUR) if size >= step)])
    )
    bounds = Bounds(start, end, text, granule)
    unit = step if granule is None else granule
    origin = datetime(2013, 1, 1, tzinfo=UTC) + data.draw(st.integers(0, 10**4)) * unit
    edges = data.draw(st.lists(st.integers(0, 40), min_size=2, max_size=6, unique=True).map(sorted))
    met: list[datetime] = []
    for first, last in pairwise(edges):
        window = TimeWindow(origin + first * unit, origin + last * unit)
        low, high = map(read, bounds.of(window))
        found = [origin + place * unit for place in range(-5, 50) if _finds(low, high, origin + place * unit, bounds)]
        assert all(window.start <= record < window.end for record in found)
        assert not bounds.widens(window)
        met += found
    assert met == [origin + place * unit for place in range(edges[0], edges[-1])]
    assert not bounds.overlaps


@pytest.mark.parametrize(("start", "end"), CONVENTIONS)
@given(
    cuts=st.lists(st.integers(0, 3 * 10**10), min_size=2, max_size=5, unique=True), unit=st.sampled_from([1, 2, 6, 24])
)
def test_windows_may_part_anywhere(start: Edge, end: Edge, cuts: list[int], unit: int) -> None:
    """A snapshot time is on nobody's grid: hourly records are still met once, where the format writes the moment."""
    granule = unit * HOUR
    bounds = Bounds(start, end, "%Y-%m-%d %H:%M:%S.%f", granule)
    origin = datetime(2013, 1, 1, tzinfo=UTC)
    edges = sorted(origin + cut * timedelta.resolution for cut in cuts)
    records = [origin + count * granule for count in range(-30, 60)]
    met = []
    for begin, until in pairwise(edges):
        low, high = map(_utc, bounds.of(TimeWindow(begin, until)))
        assert low <= high
        met += [record for record in records if _finds(low, high, record, bounds)]
    assert met == [record for record in records if edges[0] <= record < edges[-1]]


HOUR_WINDOW = TimeWindow(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 1, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("bounds", "sent"),
    [
        (Bounds(), ("2013-01-01T05:00:00Z", "2013-01-01T06:00:00Z")),
        (Bounds(end="inclusive"), ("2013-01-01T05:00:00Z", "2013-01-01T05:59:59Z")),
        (Bounds("exclusive"), ("2013-01-01T04:59:59Z", "2013-01-01T06:00:00Z")),
        (Bounds("exclusive", "inclusive"), ("2013-01-01T04:59:59Z", "2013-01-01T05:59:59Z")),
        (Bounds(end="inclusive", format=ISO, granule=HOUR), ("2013-01-01T05:00:00Z", "2013-01-01T05:00:00Z")),
        (Bounds(end="inclusive", granule=MILLISECOND), ("2013-01-01T05:00:00.000Z", "2013-01-01T05:59:59.999Z")),
        (
            Bounds(end="inclusive", granule=timedelta.resolution),
            ("2013-01-01T05:00:00.000000Z", "2013-01-01T05:59:59.999999Z"),
        ),
        (Bounds(end="inclusive", format="epoch_seconds"), ("1357016400", "1357019999")),
        (Bounds(end="inclusive", format="epoch_milliseconds"), ("1357016400000", "1357019999999")),
        (Bounds(format="epoch_milliseconds", granule=SECOND, end="inclusive"), ("1357016400000", "1357019999000")),
        (Bounds(zone="America/New_York"), ("2013-01-01T00:00:00-05:00", "2013-01-01T01:00:00-05:00")),
        (Bounds(format="%Y-%m-%d %H:%M", zone="America/New_York"), ("2013-01-01 00:00", "2013-01-01 01:00")),
        (Bounds(format="date"), ("2013-01-01", "2013-01-02")),
        (Bounds(end="inclusive", format="date"), ("2013-01-01", "2013-01-01")),
        (Bounds("exclusive", format="date"), ("2012-12-31", "2013-01-02")),
    ],
)  # fmt: skip
def test_how_an_hour_is_written(bounds: Bounds, sent: tuple[str, str]) -> None:
    """An inclusive end is sent a granule early, an exclusive start as well, in the format and zone declared."""
    assert bounds.of(HOUR_WINDOW) == sent


@pytest.mark.parametrize(
    ("convention", "sent"),
    [
        (("inclusive", "exclusive"), ("1", "5001")), (("inclusive", "inclusive"), ("1", "5000")),
        (("exclusive", "exclusive"), ("0", "5001")), (("exclusive", "inclusive"), ("0", "5000")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("granule", [None, 1])
def test_how_ids_are_written(convention: tuple[Edge, Edge], sent: tuple[str, str], granule: int | None) -> None:
    """IDs have granule 1."""
    assert Bounds(*convention, granule=granule).of(IdRange(1, 5001)) == sent


def test_a_window_without_a_record_is_no_backward_one() -> None:
    """A window between two granules asks for what is not there, never from a later time to an earlier one."""
    window = TimeWindow(datetime(2013, 1, 1, 5, 30, tzinfo=UTC), datetime(2013, 1, 1, 5, 45, tzinfo=UTC))
    for start, end in CONVENTIONS:
        low, high = Bounds(start, end, ISO, HOUR).of(window)
        assert low <= high


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": "closed"}, r'The start of bounds is \'closed\': write "inclusive" or "exclusive"'),
        ({"end": "open"}, r"The end of bounds is 'open'"),
        ({"granule": 2}, r"The granule of bounds is 2: write a duration for times, or 1 for IDs"),
        ({"granule": True}, r"The granule of bounds is True"),
        ({"granule": "1s"}, r"The granule of bounds is '1s'"),
        ({"granule": timedelta(0)}, r"The granule of bounds is 0:00:00: write a duration that divides a day"),
        ({"granule": 7 * SECOND}, r"divides a day, such as 1s, 15m, 1h or 1d"),
        ({"granule": 2 * DAY}, r"divides a day"),
        ({"zone": "Europe/Lundon"}, r"Time zone 'Europe/Lundon' is not known:"),
        ({"format": "epoch"}, r"Format 'epoch' is not supported. Write one of iso, date, epoch_seconds, "),
        ({"format": ""}, r"Format '' is not supported"),
        ({"format": 7}, r"Format 7 is not supported"),
        ({"format": "%"}, r"has %, which does not mean the same on every platform"),
        ({"format": "%Y-%m-%dT%H:%M:%S.%3N"}, r"has %3, which does not mean the same on every platform"),
        ({"format": "%s"}, r"does not mean the same on every platform.*for seconds since 1970 write epoch_seconds"),
        ({"format": "%s"}, r"has %s, which does not mean the same on every platform"),
        ({"format": "%c"}, r"has %c, which"),
        ({"format": "%-d.%m.%Y"}, r"has %-, which"),
        ({"format": "%Y-%m"}, r"does not show the day, so one text would stand for many moments"),
        ({"format": "%Y-W%V"}, r"does not show the day"),
        ({"format": "%Y-%m-%A"}, r"does not show the day"),
        ({"format": "%m-%d"}, r"does not show the year"),
        ({"format": "%H:%M"}, r"does not show the year"),
        ({"format": "%Y-%d"}, r"does not show the month"),
        ({"format": "%Y-%m-%d %I:%M"}, r"does not show the half of the day \(%p, or %H for %I\)"),
        ({"format": "%Y-%m-%d %p"}, r"does not show the hour"),
        ({"format": "%Y-%m-%d %H:%S"}, r"does not show the minute"),
        ({"format": "%Y-%m-%d %H:%M.%f"}, r"does not show the second"),
        ({"format": ISO, "zone": "Europe/London"}, r"ends in Z, which means UTC, in another zone: write %z for Z"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_bounds_are_refused_in_words(settings: dict[str, Any], words: str) -> None:
    """Bounds that would lose or misread records are found when they are declared, with what to write instead."""
    with pytest.raises(ValueError, match=words):
        Bounds(**settings)


def test_a_granule_is_for_ids_or_for_times() -> None:
    """Bounds of one are no bounds of the other."""
    with pytest.raises(ValueError, match=r"are for time windows: IDs have granule 1"):
        Bounds(granule=SECOND).of(IdRange(1, 2))
    with pytest.raises(ValueError, match=r"are for IDs: write a duration for time windows"):
        Bounds(granule=1).of(HOUR_WINDOW)


def test_a_format_knows_its_step() -> None:
    """The step of strftime text is found by trying it, so that a granule need not be declared twice."""
    steps = {
        "%Y-%m-%d": DAY,
        "%Y-%m-%dT%H": HOUR,
        "%Y-%m-%d %I:%M%p": MINUTE,
        ISO: SECOND,
        "%Y%j%H%M%S%f": timedelta.resolution,
    }
    assert {text: check_format(text, None, is_utc=True).step for text in steps} == steps
