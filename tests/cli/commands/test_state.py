"""`haulier state`: what incremental runs have finished, and what a person says of it."""

from __future__ import annotations

import json

import pytest

from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import RECORDS, Place

TOML = """
source = "shop"

[api]
url = "{url}"

[streams.items]
get = "/items"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.items.incremental.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = 400
lookback = 50

[streams.events]
get = "/events"
query = {{ limit = 100 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}

[streams.events.incremental.windows]
query = {{ since = "{{start}}", until = "{{end}}" }}
end = 2024-01-01T12:00:00Z
lookback = "1h"
"""


@pytest.fixture
def nightly(place: Place, api: SandboxProcess) -> Place:
    """A source with IDs, and with windows that end in the past."""
    place.toml.write_text(TOML.format(url=api.url))
    return place


def finished(place: Place, stream: str) -> list[list[object]]:
    """The spans of a stream, in any group, by `--json`."""
    shown = place.run("state show", stream, "--json").json["streams"][stream]
    return [[span["start"], span["end"]] for group in shown["groups"] for span in group["finished"]]


def test_the_state_is_shown_set_and_reset(nightly: Place) -> None:
    """W1, W4: a run finishes what it plans; an edit replaces that, says who and why, and an open run does not count."""
    said = nightly.run("state show")
    assert "next run  is refused: streams.events.incremental.windows: there is no `start`" in said.out
    assert "items\n  finished  nothing\n  next run  reads from its start on\n" in said.out

    said = nightly.run("state set", "events", "--until", "2024-01-01T10:00:00+02:00", "--why", "loaded by hand")
    assert said.code == 0, said.err
    assert "all before 2024-01-01T08:00:00Z is finished\n            because: loaded by hand" in said.err
    assert "next run  4 h since 2024-01-01T08:00:00Z, and the last 1 h once more" in said.err

    said = nightly.run("run", "incremental")
    assert said.code == 0, said.err
    assert "items: 1,000 IDs since 1" in said.err
    assert "events: 4 h since 2024-01-01T08:00:00Z, and the last 1 h once more" in said.err
    assert finished(nightly, "items") == [[1, RECORDS + 1]]
    assert [None, "2024-01-01T12:00:00Z"] in finished(nightly, "events")
    (sign,) = nightly.lake.glob("shop/items/*/*/_SUCCESS.json")
    again = [["2024-01-01T07:00:00Z", "2024-01-01T08:00:00Z"]]
    assert json.loads(sign.read_bytes())["overlaps"] == {"events": again}
    assert nightly.run("status", "--json").json["overlaps"] == {"events": again}
    assert "  again    events: 2024-01-01T07:00:00Z to 2024-01-01T08:00:00Z (1 h)" in nightly.run("status").out

    nightly.run("enqueue", "incremental", "--stream", "items")
    said = nightly.run("state set", "items", "--until", "500", "--from", "11", "--why", "the rest was lost", "--json")
    edit = said.json["edit"]
    assert (edit["number"], edit["why"], edit["spans"]) == (2, "the rest was lost", [[11, 500]])
    assert "@" in edit["who"]
    assert "is open: it keeps its plan, and does not count for items." in said.err
    assert nightly.run("run", "incremental", "--stream", "items").code == 0
    assert finished(nightly, "items") == [[11, 500]]
    assert "next run  from 500 on, and a hole of 10 IDs, and the last 50 IDs once more" in nightly.run("state show").out
    assert nightly.run("run", "incremental", "--stream", "items").code == 0
    assert [1, RECORDS + 1] in finished(nightly, "items")

    assert nightly.run("state reset", "items", "--why", "again").code == 0
    assert finished(nightly, "items") == []
    assert nightly.run("state show", "items", "--json").json["streams"]["items"]["runs"] == []


def test_what_is_finished_of_another_kind_counts_nothing(nightly: Place) -> None:
    """IDs were changed to windows in the source file: the state shows what counts now, and what the next run reads."""
    assert nightly.run("run", "incremental", "--stream", "items").code == 0
    text = nightly.toml.read_text()
    ids = text[text.index("[streams.items.incremental.ids]") : text.index("[streams.events]")]
    windows = text[text.index("[streams.events.incremental.windows]") :].replace("events", "items")
    nightly.toml.write_text(text.replace(ids, windows.replace("end =", "start = 2024-01-01T00:00:00Z\nend =")))
    assert nightly.run("state show", "items").out.startswith(
        "items\n  finished  nothing\n  next run  reads from 2024-01-01T00:00:00Z on\n"
    )
    assert nightly.run("run", "incremental", "--stream", "items").code == 0
    assert finished(nightly, "items") == [["2024-01-01T00:00:00Z", "2024-01-01T12:00:00Z"]]
    said = nightly.run("state show", "items")
    assert (said.code, "next run  the last 1 h once more" in said.out) == (0, True), said.err
    nightly.toml.write_text(text)
    assert "next run  from 1001 on, and the last 50 IDs once more" in nightly.run("state show", "items").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "orders", "--until", "5", "--why", "x"), "has no stream 'orders'. It has: events, items."),
        (("set", "items", "--until", "5", "--why", " "), "--why is empty."),
        (("set", "items", "--until", "5"), "Missing option '--why'"),
        (("set", "items", "--why", "x"), "Say up to when or up to which ID all is there: --until TIME, or --until ID."),
        (("set", "items", "--until", "2024-01-01T00:00:00Z", "--why", "x"), "the items of 'items' are ranges of IDs"),
        (("set", "events", "--until", "5", "--why", "x"), "the items of 'events' are windows of time"),
        (("set", "events", "--until", "2024-01-01", "--why", "x"), "Write, for UTC: --until 2024-01-01T00:00:00Z"),
        (("set", "events", "--until", "2999-01-01T00:00:00Z", "--why", "x"), "is in the future"),
        (("set", "events", "--until", "yesterday", "--why", "x"), "is neither a time nor an ID"),
        (("set", "items", "--until", "5", "--from", "5", "--why", "x"), "--from, 5, is not before --until, 5."),
        (("reset", "items"), "Missing option '--why'"),
    ],
)
def test_a_slip_is_refused_in_words(nightly: Place, words: tuple[str, ...], says: str) -> None:
    """Exit code 2, and nothing is written."""
    said = nightly.run(f"state {words[0]}", *words[1:])
    assert (said.code, says in said.err) == (2, True), said.err
    assert not [*nightly.lake.rglob("edits/*")]


REGIONS = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from haulier import Api, App, Context, TimeWindow, WorkItem, due_windows

app = App("shop", api=Api("{url}"))
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sales(WorkItem, stream="sales", kind="new_sales"):
    region: str
    window: TimeWindow


@app.enumerate("incremental")
async def new_sales(ctx: Context) -> AsyncIterator[WorkItem]:
    for region, days in (("eu", 3), ("us", 5)):
        known = ctx.finished.windows("sales", region=region)
        until = FIRST + timedelta(days=days)
        for window in due_windows(known, start=FIRST, until=until, step=timedelta(days=1)):
            yield Sales(region, window)


@app.processor(Sales)
async def sales(item: Sales, ctx: Context) -> AsyncIterator[list[dict[str, str]]]:
    yield [{{"region": item.region}}]
"""


def test_items_with_other_parameters_are_shown_in_groups(place: Place, api: SandboxProcess) -> None:
    """Each region has its own watermark; what a person says holds for all of them."""
    place.name = "regions.py"
    place.toml.write_text(REGIONS.format(url=api.url))
    assert place.run("state set", "sales", "--until", "2026-01-02T00:00:00Z", "--why", "loaded by hand").code == 0
    said = place.run("run", "incremental")
    assert "6 items" in said.err, said.err
    assert "sales: 4 d since 2026-01-02T00:00:00Z" in said.err
    shown = place.run("state show").out
    assert (
        """sales
  in every group of items that no run has read since the edit:
  finished  all before 2026-01-02T00:00:00Z
  of the items with {"region":"eu"}:
  finished  all before 2026-01-04T00:00:00Z
  of the items with {"region":"us"}:
  finished  all before 2026-01-06T00:00:00Z
"""
        in shown
    )
    assert "  next run  from 2026-01-04T00:00:00Z on (2026-01-06T00:00:00Z in the group that is furthest)\n" in shown
