"""Incremental runs as a user types them: what each takes, where the first one begins, and how large a night may be."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.cli.test_python_source import GOOD

NEW_IDS = """
[streams.items.incremental.ids]
query = { from_id = "{start}", to_id = "{end}" }
last = { get = "/items/newest", at = "id" }
step = 200
lookback = 50
"""
EVENTS = """
[streams.events]
get = "/events"
records = "items"
pages = { offset = "offset", limit = 100 }
total = { at = "total", is = "exact" }
divide = { above = 100 }

[streams.events.incremental.windows]
query = { since = "{start}", until = "{end}" }
bounds = { granule = "1s" }
step = "1d"
"""


@pytest.fixture
def growing(place: Place) -> Iterator[SandboxProcess]:
    """An API of the shop's own, whose records may change."""
    with SandboxProcess(SandboxSettings(records=500)) as api:
        place.write(api.url)
        yield api


def ids_of(place: Place, stream: str = "items", run: str = "*") -> list[int]:
    """IDs in the increments of a stream, each as often as it is there."""
    paths = place.lake.glob(f"shop/{stream}/mode=incremental/snapshot_time={run}/*.ndjson.gz")
    lines = [line for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]
    return sorted(int(line.partition(b",")[0].partition(b":")[2]) for line in lines)


def test_g1_each_night_takes_what_is_new(place: Place, growing: SandboxProcess) -> None:
    """From the highest finished ID on, and the last fifty once more. `expect`, which counts all, is not asked."""
    place.toml.write_text(place.toml.read_text() + NEW_IDS)
    assert place.run("run", "incremental").code == 0
    assert ids_of(place) == [*range(1, 501)]
    growing.change(records=730)
    assert place.run("run", "full").code == 0
    assert place.lines() == 730
    assert place.run("run", "incremental").code == 0
    assert ids_of(place) == sorted([*range(1, 731), *range(451, 501)])
    found = place.run("run", "incremental", "--json").json
    assert (found["state"], found["mode"], found["totals"]["records"]) == ("complete", "incremental", 50)


def test_what_is_finished_beyond_the_end_is_said(place: Place, growing: SandboxProcess) -> None:
    """IDs that are given out again, as rowids are, and a clock that was ahead once: what comes until then counts as
    read, which no later run would notice."""
    place.toml.write_text(place.toml.read_text() + NEW_IDS + EVENTS + "start = 2024-01-01\n")
    assert place.run("run", "incremental", "--stream", "items").code == 0
    growing.change(records=400)
    said = place.run("run", "incremental", "--stream", "items")
    assert said.code == 0
    assert "the last ID is below what is finished, so new records with IDs in between count as read" in said.err
    assert '"last":400' in said.err
    assert '"finished_up_to":500' in said.err
    until = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    assert place.run("state set", "events", "--until", until.isoformat(), "--why", "all is there").code == 0
    assert "count as read" not in place.run("try", "incremental", "--stream", "events").err
    growing.change(clock_ahead_seconds=-3600.0)
    said = place.run("run", "incremental", "--stream", "events", "--json")
    assert (said.code, said.json["totals"]["planned"]) == (0, 0)
    assert "what is finished ends after the time of this run, so new records until then count as read" in said.err
    assert f'"finished_up_to":"{until:%Y-%m-%dT%H:%M:%SZ}"' in said.err
    said = place.run("latest", "events")
    assert (said.code, "Start one with" in said.err) == (4, False), "no full run would pull it"
    assert "it takes part in incremental ones alone.\nIt has increments: haulier latest" in said.err


def test_the_newest_run_is_the_one_that_was_started_last(place: Place, growing: SandboxProcess) -> None:
    """W5: an API whose clock is behind gives an incremental run a name that is older than that of the run before it."""
    place.toml.write_text(place.toml.read_text() + NEW_IDS)
    growing.change(clock_ahead_seconds=-3600.0, records=20)
    started = [place.run("run", mode, "--json").json["run_id"] for mode in ("full", "incremental")]
    assert started[1].rpartition("-")[2] < started[0].rpartition("-")[2]
    assert place.run("status", "--json").json["run_id"] == started[1]
    listed = place.run("runs", "--json").json["runs"]
    assert [run["run_id"] for run in listed] == started[::-1]
    assert place.run("runs", "--last", "1", "--json").json["runs"] == listed[:1]
    assert place.run("enqueue", "full").code == place.run("enqueue", "incremental").code == 0
    shown = place.run("status", "--json").json
    assert (shown["mode"], [other["mode"] for other in shown["others"]]) == ("incremental", ["full"])


def test_g1_without_the_apis_clock_no_run_is_claimed(place: Place, growing: SandboxProcess) -> None:
    """W5: our own, if it were ahead, would finish the time to come. Exit code 4: later the same command goes on."""
    place.toml.write_text(place.toml.read_text() + NEW_IDS)
    growing.change(is_down=True, outage_status=0)
    said = place.run("run", "incremental")
    assert (said.code, f"{growing.url} was asked for its time, and does not answer" in said.err) == (4, True), said.err
    assert not [*place.lake.glob("_haulier/shop/runs/incremental-*")]
    growing.change(is_down=False)
    assert place.run("run", "incremental").code == 0


CHILD = """
[streams.notes]
get = "/comments"
query = { post_id = "{parent.id}" }
records = "comments"
pages = { cursor = "next", query = "cursor" }
parent = "items"
"""


def test_a_child_is_asked_about_the_parents_that_are_new(place: Place, growing: SandboxProcess) -> None:
    """Its windows are its own: it begins with all parents, then has those that are new. That another request is made
    now is said, and what is finished stays so."""
    place.toml.write_text(place.toml.read_text() + NEW_IDS.replace("lookback = 50", "lookback = 0") + CHILD)
    growing.change(records=20)
    assert "asks for other records" not in place.run("run", "incremental").err
    known = ids_of(place, "notes")
    growing.change(records=30)
    place.toml.write_text(place.toml.read_text().replace("limit = 100", "limit = 99"))
    said = place.run("run", "incremental").err
    assert re.search(r"The source asks for other records than in run incremental-\S+, or writes times", said)
    assert f"haulier state reset {place.toml} STREAM --why TEXT" in said
    both = ids_of(place, "notes")
    assert len(known) < len(both) == len(set(both)) == comments(growing, range(1, 31))


def comments(api: SandboxProcess, posts: range) -> int:
    return sum(json.loads(api.get(f"/comments?post_id={post}"))["total"] for post in posts)


def test_a_first_run_says_what_to_write(place: Place, growing: SandboxProcess) -> None:
    """Nothing is claimed. After a full run it names the line to type, and with it the next night begins there."""
    full = EVENTS[EVENTS.index("[streams.events.incremental") :].replace("incremental", "full")
    place.toml.write_text(place.toml.read_text() + EVENTS + full + "start = 2024-01-01\n")
    refused = place.run("run", "incremental")
    assert refused.code == 2
    assert "streams.events.incremental.windows: there is no `start`" in refused.err
    assert f"haulier state set {place.toml} events --until TIME --why TEXT" in refused.err
    assert not [*place.lake.glob("_haulier/shop/runs/incremental-*")]

    assert place.run("run", "full").code == 0
    refused = place.run("run", "incremental")
    (advice,) = [line for line in refused.err.splitlines() if "haulier state set" in line]
    words = advice.partition("haulier state set ")[2].split(maxsplit=5)
    assert words[:3] == [str(place.toml), "events", "--until"]
    until = datetime.fromisoformat(words[3])
    assert timedelta(minutes=61) <= datetime.now(UTC) - until <= timedelta(minutes=65)
    assert words[4:] == ["--why", words[5]]
    assert words[5].startswith("'after run full-")
    assert place.run("state set", "events", *words[2:5], words[5].strip("'")).code == 0
    tried = place.run("try", "incremental")
    assert (tried.code, f"events_new_windows-{until:%Y%m%dt%H%M%Sz}-" in tried.err) == (0, True)
    assert place.run("run", "incremental", "--json").json["totals"]["records"] == 0
    # Nothing is due, or the second that has passed meanwhile.
    assert place.run("try", "incremental").code in (0, 4)


def test_a_huge_window_is_divided(place: Place, growing: SandboxProcess) -> None:
    """A day with five times what the API hands out at once, all of it changed within half an hour: it is halved until
    each part can be read, and is finished with the last of them."""
    growing.change(event_step_seconds=4, cap_rows=100, is_cap_silent=True)
    start, end = "start = 2024-01-01T00:00:00Z", "end = 2024-01-02T00:00:00Z"
    place.toml.write_text(place.toml.read_text() + EVENTS + f"{start}\n{end}\n")
    ended = place.run("run", "incremental", "--json").json
    split = ended["totals"]["split"]
    assert (ended["state"], ended["totals"]["planned"]) == ("complete", 1 + 2 * split)
    assert split >= 5
    assert ids_of(place, "events") == [*range(1, 501)]
    assert place.run("run", "incremental", "--json").json["totals"]["planned"] == 0


def test_a_stream_without_incremental_runs_is_left_out(place: Place, growing: SandboxProcess) -> None:
    """Without `--stream` each run takes the streams of its mode; one that is named and has no table is told so."""
    place.toml.write_text(place.toml.read_text() + EVENTS + "start = 2024-01-01\nend = 2024-01-02\n")
    for mode, stream in (("incremental", "events"), ("full", "items")):
        streams = place.run("run", mode, "--json").json["streams"]
        assert {name: found["records"] for name, found in streams.items()} == {stream: 500}
    refused = place.run("run", "incremental", "--stream", "items")
    assert refused.code == 2
    assert (
        "Stream 'items' of source 'shop' takes no part in an incremental run. Write a table "
        "[streams.items.incremental.windows], [streams.items.incremental.ids] or [streams.items.incremental.feed]. "
        "Streams that do: events."
    ) in refused.err


NEW_IN_PYTHON = """

@dataclass(frozen=True)
class NewItems(WorkItem, stream="items", kind="new_items"):
    ids: IdRange


@app.enumerate("incremental")
async def new_items(ctx: Context) -> AsyncIterator[WorkItem]:
    newest = await ctx.api.json("/items/newest", at="id")
    for ids in due_ids(ctx.finished.ids("items"), first=1, end=newest + 1, step=250, lookback=20):
        yield NewItems(ids)


@app.processor(NewItems)
async def work_new_items(item: NewItems, ctx: Context) -> AsyncIterator[Page]:
    async for page in items_by_id(ItemsById(item.ids), ctx):
        yield page
"""


def test_a_python_source_is_given_what_is_finished(place: Place, growing: SandboxProcess) -> None:
    """`@app.enumerate("incremental")`, `ctx.finished` and `due_ids` do what the tables do; `enqueue` and `work` too."""
    place.name = "shop_nights.py"
    text = GOOD.format(url=growing.url).replace("id_ranges\n", "due_ids, id_ranges\n", 1)
    place.toml.write_text(text + NEW_IN_PYTHON)
    assert place.run("run", "incremental").code == 0
    growing.change(records=600)
    assert place.run("enqueue", "incremental").code == 0
    assert place.run("work").code == 0
    assert ids_of(place) == sorted([*range(1, 601), *range(481, 501)])


UNTIL_TONIGHT = """
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from haulier import Api, App, Context, TimeWindow, WorkItem

app = App("mine", api=Api("{url}"))


@dataclass(frozen=True)
class Hours(WorkItem, stream="rows", kind="hours"):
    window: TimeWindow


@app.enumerate("incremental")
async def hours(ctx: Context) -> AsyncIterator[WorkItem]:
    for start in (-1, 6):
        yield Hours(TimeWindow(ctx.snapshot_time + timedelta(hours=start), ctx.snapshot_time + timedelta(hours=7)))


@app.processor(Hours)
async def work(item: Hours, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    yield [dict(n=1)]
"""


def test_g1_an_enumerator_does_not_finish_the_time_to_come(place: Place, growing: SandboxProcess) -> None:
    """W1: an enumerator rounds its end up, as to midnight. The records of the rest of the day are still to come."""
    place.name = "shop_tonight.py"
    place.toml.write_text(UNTIL_TONIGHT.format(url=growing.url))
    said = place.run("run", "incremental", "--json")
    assert said.code == 0, said.err
    until = said.json["run_id"].rpartition("-")[2]
    time = f"{datetime.fromisoformat(until):%Y-%m-%dT%H:%M:%SZ}"
    assert f"  rows: 2 windows end after the time of this run; they count as finished up to {time}, and" in said.err
    (group,) = place.run("state show", "--json").json["streams"]["rows"]["groups"]
    assert [span["end"] for span in group["finished"]] == [time]
