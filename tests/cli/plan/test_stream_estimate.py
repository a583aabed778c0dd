"""A stream by the last run or by its pages: nothing looks more certain than it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from haulier.cli.plan.enumeration import PlannedStream
from haulier.cli.plan.lines import shown, size_text
from haulier.cli.plan.past import KindFigures, PastFigures
from haulier.cli.plan.sample import SampledItem, SampledPage
from haulier.cli.plan.span_sizes import growth
from haulier.cli.plan.stream_estimate import Known, StreamEstimate, estimate_stream
from haulier.cli.plan.uncertain import NOTHING, at_least, exactly
from haulier.runs.records import ManifestEntry, PlannedItem, Seal
from haulier.runs.watermark.span_table import Ends

START = datetime(2026, 1, 1, tzinfo=UTC)


def stream_of(items: int) -> PlannedStream:
    found = PlannedStream("events")
    for number in range(items):
        found.add(PlannedItem(key=f"event-{number}", stream="events", kind="event", payload=msgspec.Raw(b"{}")))
    return found


def run_of(*items: tuple[str, int]) -> PastFigures:
    """Items by their states and requests, each of which has 100 records and takes half a second."""
    figures = KindFigures(stream="events")
    for number, (state, requests) in enumerate(items):
        is_done = state == "done"
        figures.add(
            ManifestEntry(
                key=f"event-{number}",
                stream="events",
                state=state,  # type: ignore[arg-type]
                requests=requests if is_done else 0,
                records=100 * requests if is_done else 0,
                bytes=1_000 * requests if is_done else 0,
                seconds=requests / 2 if is_done else 0.0,
            )
        )
    return PastFigures(run_id="full-1", kinds={"event": figures})


def estimate(items: int, known: Known, *pages: SampledPage) -> StreamEstimate:
    return estimate_stream(stream_of(items), [SampledItem(page) for page in pages], known)


def increment(*hours: float, spanless: int = 0) -> Seal:
    ends: tuple[Ends, ...] = tuple((START, START + timedelta(hours=each)) for each in hours)
    spans = {"events": {"": ends}}
    told = {"events": spanless} if spanless else {}
    return Seal(attempt="a", items=1, shards=(), sha256="", spans=spans, spanless=told, sealed_at=START)


def test_an_increment_is_as_large_as_its_windows() -> None:
    """One item of an hour had 300 records. One of 28 hours has 28 times as many, and nothing bounds them from above."""
    past = run_of(("done", 3))
    found = estimate(1, Known(past, is_increment=True, growth=growth(increment(28), increment(1), "events")))
    assert found.records == at_least(0, 8_400)
    assert found.requests == at_least(1, 84)
    assert found.by.endswith("; an item reads 28 times as much now")
    by_pages = estimate(
        1, Known(past, is_increment=True, growth=28), SampledPage(item="e", records=500, size=500, has_more=True)
    )
    assert by_pages.requests == at_least(2, 17), "of pages of 500"
    assert by_pages.records == at_least(500, 8_400)
    many = run_of(*[("done", 3)] * 10)
    near = estimate(10, Known(many, is_increment=True, growth=1.5))
    assert (near.records.low, near.records.likely, near.records.high) == (4_275, 4_500, 4_725)
    unknown = estimate(10, Known(many, is_increment=True))
    assert unknown.records == at_least(0, 3_000)
    assert growth(increment(1, spanless=1), increment(1), "events") is None
    assert growth(increment(1), increment(1), "others") is None


def test_few_items_tell_no_range() -> None:
    """Of four items there is a mean, and no standard error. Of five there is one, and 3 that may be 4 are said so."""
    assert estimate(4, Known(run_of(*[("done", 1)] * 4))).requests == at_least(4)
    assert estimate(4, Known(run_of(*[("done", 1)] * 4))).records == at_least(0, 400)
    found = estimate(1, Known(run_of(*[("done", 3)] * 5))).requests
    assert shown(found) == "3 (2 to 4)"


def test_no_figure_is_below_what_is_certain() -> None:
    """One item of ten with nearly all requests: two standard errors are more than the mean."""
    found = estimate(50, Known(run_of(*[("done", 1)] * 9, ("done", 10_000))))
    assert found.requests.low == 50
    assert found.records.low == 0
    assert found.stored_bytes.low == 0
    page = SampledPage(item="e", records=100, size=100, total=700, has_more=True, is_total_least=True, body_bytes=9)
    assert estimate(50, Known(run_of(*[("done", 1)] * 9, ("done", 10_000))), page).records.low == 700


def test_items_without_records_have_no_time_and_take_none_from_the_others() -> None:
    found = estimate(20, Known(run_of(*[("empty", 0)] * 19, ("done", 2))))
    assert found.request_seconds == exactly(0.5)
    assert found.requests.likely == 21


def test_an_empty_page_says_nothing_of_other_pages() -> None:
    """What was read is certain; of the only item it is all."""
    page = SampledPage(item="e", records=0, requests=1, body_bytes=30, stored_bytes=0)
    found = estimate(20, Known(), page)
    assert found.read_bytes == at_least(30, 600)
    assert found.stored_bytes == at_least(0)
    promised = estimate(20, Known(promised=1_000), page)
    assert promised.records == exactly(1_000)
    assert promised.read_bytes.high is None
    assert promised.stored_bytes.high is None
    only = estimate(1, Known(), page)
    assert (only.records, only.read_bytes, only.stored_bytes) == (NOTHING, exactly(30), NOTHING)


def test_nothing_due_takes_nothing() -> None:
    found = estimate(0, Known(run_of(*[("done", 1)] * 9), is_increment=True))
    assert {found.items, found.requests, found.records, found.read_bytes, found.stored_bytes} == {NOTHING}
    assert estimate(0, Known(promised=1_000)).records == NOTHING
    assert estimate(3, Known()).requests == at_least(3)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999 bytes"),
        (999.6, "1 KB"),
        (1_234, "1.23 KB"),
        (999_400_000, "999 MB"),
        (999_600_000, "1 GB"),
        (1_230_000_000_000, "1.23 TB"),
        (1_230_000_000_000_000, "1,230 TB"),
    ],
)
def test_a_size_has_its_unit_after_rounding(number: float, text: str) -> None:
    assert size_text(number) == text
