"""What a run will cost is said in requests, which pages make, as soon as anything tells how many there are."""

from __future__ import annotations

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.terminal import terminal

SLOW = SandboxSettings(records=RECORDS, latency_seconds=0.4)
REQUESTS = RECORDS // 100


def test_the_last_complete_run_tells_how_many_pages_an_item_has(shop: Place) -> None:
    """Of the same streams; before there is one, an item is one request at least."""
    said = shop.run("run")
    assert "  at least 5 requests: " in said.err
    said = shop.run("run")
    assert (
        f"  about {REQUESTS} requests, judging by the last complete run, with 2 per item: 0 s, 8 in flight, "
        in said.err
    )


@pytest.mark.parametrize(
    ("line", "by"),
    [
        ('total = { at = "total", is = "exact" }', "the first page, which has 100 of 200 records"),
        ("", "the first page, which has 100 records"),
    ],
)
def test_the_first_page_tells_how_many_there_are(place: Place, line: str, by: str) -> None:
    """By the item's own total, else by what the API promises of the stream; said while the run is worked, and once."""
    with SandboxProcess(SLOW) as api:
        place.write(api.url, in_flight="in_flight = 2", total=line)
        with terminal(place.folder, "run", str(place.toml)) as seen:
            seen.until(
                rf"  about {REQUESTS} requests, judging by {by}: [0-9]+ s, 2 in flight, 0\.[45]\d* s each \(measured\)"
            )
            api.change(latency_seconds=0.0)
            assert seen.end() == 0
    assert seen.drawn.count("about ") == 1


def test_the_first_items_tell_where_no_page_does(place: Place) -> None:
    """Children have the pages, and their receipts stand in the lake."""
    with SandboxProcess(SandboxSettings(records=10 * RECORDS, latency_seconds=0.2)) as api:
        place.write(api.url, expect="", total="", in_flight="in_flight = 4")
        with terminal(place.folder, "run", str(place.toml), "--workers", "2") as seen:
            seen.until(r"  about [0-9]+ more requests, judging by the first [0-9]+ items: [0-9]+ s, 4 in flight, ")
            api.change(latency_seconds=0.0)
            assert seen.end() == 0
