"""Recipes against a real API: items, pages, promises, and what an API says that they cannot use."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.body_format import BodyFormat
from haulier.api.http.urls import Encoded
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.api.records.empty_forms import EmptyForms
from haulier.api.records.page import Page
from haulier.api.records.skipped_rows import Skip
from haulier.api.settings import Api
from haulier.errors import UsageError
from haulier.items.bounds import Bounds
from haulier.items.keys import item_key
from haulier.items.ranges import IdRange
from haulier.items.registry import Registry
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.recipe import IdsRecipe, Lookup, OnceRecipe, Pairs, ParentRecipe, StreamRecipe, WindowsRecipe
from haulier.sources.rest import RestSource
from haulier.testing.sandbox import Sandbox, SandboxSettings, record_bytes, record_ids
from tests.api.paging.rig import Asked, Reply, session_with
from tests.sources.situation import context_of, situation

NEWEST = Lookup("/items/newest", "id")
FULL = IdsRecipe(last=NEWEST, step=100, query=(("from_id", "{start}"), ("to_id", "{end}")))
ITEMS = StreamRecipe(
    name="items",
    path="/items",
    query=(("limit", "40"),),
    records="items",
    pages=Cursor("next", query="cursor"),
    total=Total("total"),
    expect=Lookup("/count", "count"),
    full=FULL,
)
HOURS = WindowsRecipe(
    start=datetime(2024, 1, 1, tzinfo=UTC),
    end=datetime(2024, 1, 1, 6, tzinfo=UTC),
    step=timedelta(hours=1),
    query=(("since", "{start}"), ("until", "{end}")),
)
EVENTS = StreamRecipe(
    name="events",
    path="/events",
    records="items",
    pages=Offset(limit=40),
    total=Total("total"),
    full=HOURS,
)


async def planned(source: RestSource, streams: tuple[str, ...], context: Context) -> list[WorkItem]:
    return [item async for item in source.enumerate("full", streams, context)]


async def hauled(source: RestSource, item: WorkItem, context: Context) -> list[bytes]:
    records: list[bytes] = []
    async for page in source.processors[type(item)](item, context):
        assert isinstance(page, Page)
        records += map(bytes, page.records)
    return records


async def test_every_record_is_hauled_by_id() -> None:
    """Ranges of IDs from the first to the newest give each record once, as the API's own bytes."""
    settings = SandboxSettings(records=250, gap_after=30, gap_ids=7, is_awkward=True)
    source = RestSource("sandbox", [ITEMS])
    async with Sandbox(settings) as server, situation(Api(server.url)) as context:
        items = await planned(source, ("items",), context)
        records = [record for item in items for record in await hauled(source, item, context)]
    assert [item_key(item) for item in items] == [
        "items_ids-1-101",
        "items_ids-101-201",
        "items_ids-201-301",
        "items_ids-301-307",
    ]
    assert records == [record_bytes(settings, number) for number in record_ids(settings)]


async def test_every_record_is_hauled_by_time() -> None:
    """Windows of time give each record once."""
    settings = SandboxSettings(records=360, event_step_seconds=60)
    source = RestSource("sandbox", [EVENTS])
    async with Sandbox(settings) as server, situation(Api(server.url)) as context:
        items = await planned(source, ("events",), context)
        records = [record for item in items for record in await hauled(source, item, context)]
    assert len(items) == 6
    assert records == [record_bytes(settings, number) for number in record_ids(settings)]


async def test_the_streams_are_promised_one_by_one() -> None:
    """What the API promises is asked for each stream that declares it; one that does not is left out."""
    source = RestSource("sandbox", [ITEMS, EVENTS])
    ask = source.expect_of(("items", "events"))
    assert ask is not None
    async with Sandbox(SandboxSettings(records=7)) as server, situation(Api(server.url)) as context:
        assert await ask(context.api) == {"items": 7}
    assert source.expect_of(("events",)) is None


async def test_a_count_may_stand_in_a_header() -> None:
    """As a total may: many an API says it nowhere else. One that is not there is told."""
    count = Lookup("/items_link", query=(("limit", "1"),), header="X-Total-Count")
    async with Sandbox(SandboxSettings(records=7)) as server, situation(Api(server.url)) as context:
        ask = RestSource("sandbox", [replace(ITEMS, expect=count)]).expect_of(("items",))
        assert ask is not None
        assert await ask(context.api) == {"items": 7}
        for header, said in (
            ("X-Count", "the answer has no header 'X-Count'. Correct `header`"),
            ("Content-Type", "the value in the header 'Content-Type' is text, not a whole number. Correct `header`"),
        ):
            ask = RestSource("sandbox", [replace(ITEMS, expect=replace(count, header=header))]).expect_of(("items",))
            assert ask is not None
            with pytest.raises(UsageError, match=said):
                await ask(context.api)


async def test_items_are_those_of_the_streams_asked_for() -> None:
    """A run of one stream makes no item of another."""
    source = RestSource("sandbox", [ITEMS, EVENTS])
    async with Sandbox(SandboxSettings(records=7)) as server, situation(Api(server.url)) as context:
        assert {item.stream for item in await planned(source, ("events",), context)} == {"events"}
        assert server.counters.requests == 0
        assert {item.stream for item in await planned(source, ("events", "items"), context)} == {"events", "items"}


def test_the_classes_can_be_registered() -> None:
    """Each stream has a kind of its own, whose class a registry takes."""
    registry = Registry()
    for item in RestSource("sandbox", [ITEMS, EVENTS, replace(ITEMS, name="orders")]).items:
        registry.add(item)
    assert registry.names == "events_windows, items_ids, orders_ids"


LAST = "streams.items.full.ids.last"


@pytest.mark.parametrize(
    ("lookup", "message"),
    [
        (Lookup("/count", "count"), f"{LAST}: the last ID is 0, below the first, 1. "),
        (Lookup("/count", "total"), "there is nothing at 'total': the answer is an object with the keys count. "),
        (Lookup("/items", "next"), "the value at 'next' is null. "),
        (Lookup("/items", "items.0.id"), "there is nothing at 'items.0.id': 'items' is an empty list. "),
        (Lookup("/items", "items"), "the value at 'items' is an empty list, not a whole number. "),
    ],
)
async def test_an_api_without_a_last_id_is_an_error(lookup: Lookup, message: str) -> None:
    """An API that does not say its last ID stops the planning, in words: an empty run would look complete."""
    source = RestSource("sandbox", [replace(ITEMS, full=replace(FULL, last=lookup))])
    async with Sandbox(SandboxSettings(records=0)) as server, situation(Api(server.url)) as context:
        with pytest.raises(UsageError) as caught:
            await planned(source, ("items",), context)
    assert message in str(caught.value)
    assert str(caught.value).startswith(LAST)
    assert 'or write `empty = "no items"` there if the API may hold nothing.' in str(caught.value)


@pytest.mark.parametrize(
    "lookup", [Lookup("/count", "count"), Lookup("/items", "next"), Lookup("/items", "items.0.id")]
)
async def test_an_api_may_be_declared_empty(lookup: Lookup) -> None:
    """Where the source file says so, an API that holds nothing gives no items."""
    division = replace(FULL, last=lookup, may_be_empty=True)
    source = RestSource("sandbox", [replace(ITEMS, full=division)])
    async with Sandbox(SandboxSettings(records=0)) as server, situation(Api(server.url)) as context:
        assert await planned(source, ("items",), context) == []


async def test_a_misspelt_path_is_never_an_empty_api() -> None:
    """`empty` is about lists without elements and null: a path that is not there stays an error."""
    division = replace(FULL, last=Lookup("/items", "itms.0.id"), may_be_empty=True)
    source = RestSource("sandbox", [replace(ITEMS, full=division)])
    async with Sandbox(SandboxSettings(records=0)) as server, situation(Api(server.url)) as context:
        with pytest.raises(UsageError, match=r"there is nothing at 'itms\.0\.id'"):
            await planned(source, ("items",), context)


async def test_windows_end_before_now() -> None:
    """The last window ends a while before the run's snapshot time, since APIs show their newest records late."""
    start = datetime(2026, 11, 23, 20, tzinfo=UTC)
    source = RestSource("sandbox", [replace(EVENTS, full=replace(HOURS, start=start, end=None))])
    async with situation(Api("http://127.0.0.1:1")) as context:
        keys = [item_key(item) for item in await planned(source, ("events",), context)]
    assert keys[0] == "events_windows-20261123t200000z-20261123t210000z"
    assert keys[-1] == "events_windows-20261123t220000z-20261123t222300z"
    assert len(keys) == 3


async def test_windows_of_dates_are_local_days() -> None:
    """An API that is asked by date is asked for each local day once, also for those of 23 and 25 hours."""
    recipe = WindowsRecipe(
        start=datetime(2026, 3, 28, 0, tzinfo=UTC),
        end=datetime(2026, 3, 31, 12, tzinfo=UTC),
        step=timedelta(days=1),
        bounds=Bounds(end="inclusive", format="date", zone="Europe/London"),
        query=(("from", "{start}"), ("to", "{end}")),
    )
    source = RestSource("sandbox", [replace(EVENTS, full=recipe)])
    async with situation(Api("http://127.0.0.1:1")) as context:
        items = await planned(source, ("events",), context)
    sent = [recipe.bounds.of(item.window) for item in items]  # type: ignore[attr-defined]
    assert sent == [(day, day) for day in ("2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31")]
    assert items[1].window.duration == timedelta(hours=23)  # type: ignore[attr-defined]


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_ids_are_halved_down_to_one(start: int, size: int) -> None:
    """A range is divided in two that touch, until it is one ID (G4)."""
    source = RestSource("sandbox", [ITEMS])
    item = source.items[0](IdRange(start, start + size))  # type: ignore[call-arg]
    halves = [half.ids for half in source.halves(item)]  # type: ignore[attr-defined]
    if size == 1:
        assert halves == []
    else:
        assert (halves[0].start, halves[0].end, halves[1].end) == (start, halves[1].start, start + size)


@pytest.mark.parametrize(
    ("bounds", "length", "leaves"),
    [
        (Bounds(), timedelta(seconds=5), 5 * [timedelta(seconds=1)]),
        (Bounds(granule=timedelta(hours=1)), timedelta(hours=7), 7 * [timedelta(hours=1)]),
        (
            Bounds(format="%Y-%m-%dT%H:%M", granule=timedelta(seconds=1)),
            timedelta(minutes=3),
            3 * [timedelta(minutes=1)],
        ),
        (
            Bounds(format="date", zone="Europe/London"),
            timedelta(days=3, hours=-1),
            [timedelta(hours=hours) for hours in (24, 23, 24)],
        ),
    ],
)
def test_windows_are_halved_down_to_a_granule(bounds: Bounds, length: timedelta, leaves: list[timedelta]) -> None:
    """A window is divided in two that touch, until the API could not tell them apart; dates stay whole days, and times
    written in minutes whole minutes, whatever the records differ by (G4)."""
    source = RestSource("sandbox", [replace(EVENTS, full=replace(HOURS, bounds=bounds))])
    start = datetime(2026, 3, 28, tzinfo=UTC)
    parts = [source.items[0](TimeWindow(start, start + length))]  # type: ignore[call-arg]
    while any(source.halves(part) for part in parts):
        parts = [half for part in parts for half in source.halves(part) or (part,)]
    windows = [part.window for part in parts]  # type: ignore[attr-defined]
    assert [window.duration for window in windows] == leaves
    assert [window.start for window in windows] == [start, *(window.end for window in windows[:-1])]


@pytest.mark.parametrize("only_start", [True, False])
def test_an_item_that_its_start_names_is_not_divided(only_start: bool) -> None:
    """G1: where the API is told the start alone, half of a range would ask for the whole of another."""
    ids = replace(FULL, only_start=only_start)
    hours = replace(HOURS, only_start=only_start)
    source = RestSource("sandbox", [replace(ITEMS, full=ids), replace(EVENTS, full=hours)])
    by_id, by_time = source.items
    assert HOURS.start is not None
    window = TimeWindow(HOURS.start, HOURS.start + HOURS.step)
    halves = [source.halves(by_id(IdRange(1, 101))), source.halves(by_time(window))]  # type: ignore[call-arg]
    assert [len(parts) for parts in halves] == ([0, 0] if only_start else [2, 2])


async def test_a_start_in_the_future_is_an_error() -> None:
    """A first window that begins after the run cannot hold anything: the start is wrong."""
    start = datetime(2027, 1, 1, tzinfo=UTC)
    source = RestSource("sandbox", [replace(EVENTS, full=replace(HOURS, start=start, end=None))])
    async with situation(Api("http://127.0.0.1:1")) as context:
        with pytest.raises(UsageError, match="the start, 2027-01-01T00:00:00Z, is not before the end, 2026"):
            await planned(source, ("events",), context)


CHANGES_OF_SHAPE: Mapping[str, StreamRecipe] = {
    "query": replace(ITEMS, query=(("limit", "50"),)),
    "path": replace(ITEMS, path="/items_offset"),
    "records": replace(ITEMS, records="rows"),
    "shape": replace(ITEMS, shape="values"),
    "skip": replace(ITEMS, skip=(Skip("missing"),)),
    "form": replace(ITEMS, form=(("a", "b"),)),
    "format": replace(ITEMS, format=BodyFormat("csv")),
    "empty": replace(ITEMS, empty=EmptyForms.of(["null"])),
    "pages": replace(ITEMS, pages=Offset()),
    "method": replace(ITEMS, method="POST"),
    "json": replace(ITEMS, json={"a": 1}),
    "headers": replace(ITEMS, headers=(("Accept", "text/json"),)),
    "item's query": replace(ITEMS, full=replace(FULL, query=(("from", "{start}"),))),
    "bounds": replace(ITEMS, full=replace(FULL, bounds=Bounds(end="inclusive"))),
    "division": replace(ITEMS, full=HOURS),
}


@pytest.mark.parametrize("what", CHANGES_OF_SHAPE)
def test_the_fingerprint_tells_what_shapes_records(what: str) -> None:
    """A change of anything that decides which records an item holds, or how, changes the fingerprint."""
    before = RestSource("sandbox", [ITEMS]).fingerprint("full", ("items",))
    after = RestSource("sandbox", [CHANGES_OF_SHAPE[what]]).fingerprint("full", ("items",))
    assert before != after


def test_the_fingerprint_tells_what_is_encoded_already() -> None:
    """A text that is sent as it stands asks for other records than the same text that is encoded."""
    marks = [
        RestSource("sandbox", [replace(ITEMS, query=(("tag", tag),))]).fingerprint("full", ("items",))
        for tag in ("a%2Cb", Encoded("a%2Cb"))
    ]
    assert marks[0] != marks[1]


def test_the_fingerprint_tells_nothing_else() -> None:
    """A run that is open goes on when its promises, its steps or other streams change: none of them shapes a record."""
    before = RestSource("sandbox", [ITEMS]).fingerprint("full", ("items",))
    changed = replace(ITEMS, total=None, expect=None, full=replace(FULL, last=9, first=2, step=7))
    assert RestSource("sandbox", [EVENTS, changed]).fingerprint("full", ("items",)) == before
    # What makes a page suspicious decides about no record, and an item that was stopped for it must be able to go on.
    marks = {
        RestSource("sandbox", [replace(ITEMS, pages=Cursor("next", query="c", missing=missing))]).fingerprint(
            "full", ("items",)
        )
        for missing in ("", "end")
    }
    assert len(marks) == 1


def test_the_fingerprint_has_older_names() -> None:
    """Runs that were planned before a class was renamed go on."""
    source = RestSource("sandbox", [replace(ITEMS, empty=EmptyForms.of(["null", 404]))])
    shown = msgspec.json.decode(source.fingerprint("full", ("items",)))
    assert shown[1][0][0]["empty"] == ["Empty", {"words": ["null"], "statuses": [404]}]


def test_the_fingerprint_outlives_an_upgrade() -> None:
    """What stands at its default is left out, so that a setting that is added later refuses no open run."""
    shown = msgspec.json.decode(RestSource("sandbox", [ITEMS]).fingerprint("full", ("items",)))
    assert shown == [
        "full",
        [
            [
                {
                    "name": "items",
                    "method": "GET",
                    "path": "/items",
                    "query": [["limit", "40"]],
                    "json": None,
                    "headers": [],
                    "records": "items",
                    "pages": ["Cursor", {"at": "next", "query": "cursor"}],
                },
                "IdsRecipe",
                {"bounds": ["Bounds", {}], "query": [["from_id", "{start}"], ["to_id", "{end}"]]},
            ]
        ],
    ]


@pytest.mark.parametrize("add", [(), (("at", "{snapshot_time}"),)])
async def test_a_page_is_let_go_of_before_the_next_one_comes(add: Pairs) -> None:
    """G9: an item with many pages holds one answer, not two."""
    alive: list[int] = []

    def answer(asked: Asked) -> Reply:
        alive.append(sum(type(known) is Page for known in gc.get_objects()))
        number = int(asked.query.get("cursor", "0"))
        return Reply({"rows": [{"id": number}], "next": str(number + 1) if number < 3 else None})

    stream = StreamRecipe(
        name="rows", path="/rows", records="rows", pages=Cursor("next", query="cursor"), add=add, full=OnceRecipe()
    )
    source = RestSource("sandbox", [stream])
    async with session_with(answer) as (api, _):
        context = context_of(api)
        (item,) = await planned(source, ("rows",), context)
        processor = source.processors[type(item)](item, context)
        records = 0
        async for page in processor:
            records += len(page)  # type: ignore[arg-type]
            del page
    assert records == 4
    assert alive == [alive[0]] * 4


def test_a_stream_has_kinds_for_each_of_its_modes() -> None:
    """Items of full runs keep their kinds; a child takes part wherever its parent does, and so does nobody else."""
    new = replace(HOURS, start=None, lookback=timedelta(hours=1))
    events = replace(EVENTS, incremental=new)
    child = replace(ITEMS, name="notes", path="/events/{parent.id}/notes", full=None, parent=ParentRecipe("events"))
    source = RestSource("sandbox", [ITEMS, events, child])
    kinds = {item.kind for item in source.items}
    assert kinds == {
        "items_ids", "events_windows", "events_new_windows", "notes_parents", "notes_new_parents", "notes_batch"
    }  # fmt: skip
    assert source.streams_of("full") == ("events", "items", "notes")
    assert source.streams_of("incremental") == ("events", "notes")
    assert source.owner_of("notes") == "events"


async def test_streams_of_a_higher_priority_are_planned_first() -> None:
    """So they are enqueued first, and worked first; the others follow by their names."""
    names = {"a": 0, "b": 7, "c": 0, "d": 9}
    once = [replace(ITEMS, name=name, full=OnceRecipe(), priority=priority) for name, priority in names.items()]
    found = [item.stream async for item in RestSource("s", once).enumerate("full", names, context_of(None))]  # type: ignore[arg-type]
    assert found == ["d", "b", "a", "c"]
