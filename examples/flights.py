"""The twin of flights.toml in Python: the same items, the same pages, the same records. `make demo` serves its API."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from haulier import (
    Api,
    App,
    Bounds,
    Context,
    Cursor,
    IdRange,
    Page,
    TimeWindow,
    Total,
    WorkItem,
    due_windows,
    id_ranges,
)

URL = os.environ.get("FLIGHTS_URL", "http://127.0.0.1:8001")
OBJECTS = {"_shape": "objects"}
START, END = datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 2, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)

app = App(
    "flights",
    api=Api(
        f"{URL}/nycflights13",
        in_flight=12,  # cap of the whole fleet
        contact="data-team@example.com",
        first_byte_timeout_seconds=10.0,  # an answer that has not begun by then is asked for again
    ),
)


@dataclass(frozen=True)
class FlightsById(WorkItem, stream="flights", kind="flights_by_id"):
    """One item: the flights of a range of IDs."""

    ids: IdRange


@app.enumerate("full")
async def all_flights(ctx: Context) -> AsyncIterator[WorkItem]:
    """A full run: every range of 5,000 IDs up to the newest."""
    newest = await ctx.api.json("/flights.json", OBJECTS | {"_sort_desc": "id", "_size": 1}, at="rows.0.id")
    for ids in id_ranges(1, newest + 1, step=5_000):
        yield FlightsById(ids)


@app.processor(FlightsById)
async def flights_by_id(item: FlightsById, ctx: Context) -> AsyncIterator[Page]:
    """The pages of one item."""
    async for page in flights(item.ids.half_open("id__gte", "id__lt"), ctx):
        yield page


@dataclass(frozen=True)
class FlightsByHour(WorkItem, stream="flights", kind="flights_by_hour"):
    """One item of an incremental run: the flights that were to leave in some hours."""

    window: TimeWindow


@app.enumerate("incremental")
async def new_flights(ctx: Context) -> AsyncIterator[WorkItem]:
    """An incremental run: the hours that no run has finished, and the last two of the finished ones once more."""
    finished, until = ctx.finished.windows("flights"), min(END, ctx.snapshot_time - HOUR)
    for window in due_windows(finished, start=START, until=until, step=WEEK, lookback=2 * HOUR):
        yield FlightsByHour(window)


@app.processor(FlightsByHour)
async def flights_by_hour(item: FlightsByHour, ctx: Context) -> AsyncIterator[Page]:
    """The pages of one item. Hours are written as the API writes them."""
    start, end = Bounds(format="%Y-%m-%dT%H:%M:%SZ", granule=HOUR).of(item.window)
    async for page in flights({"time_hour__gte": start, "time_hour__lt": end}, ctx):
        yield page


@app.divider(FlightsByHour)
def fewer_hours(item: FlightsByHour) -> list[FlightsByHour]:
    """Where a window is too much for the API, or one of its pages cannot be read."""
    return [FlightsByHour(half) for half in item.window.halves(HOUR) or ()]


async def flights(query: dict[str, int] | dict[str, str], ctx: Context) -> AsyncIterator[Page]:
    """Datasette counts the rows that it filtered, and the count is held against the records."""
    pages = Cursor("next", query="_next")
    total = Total("filtered_table_rows_count")
    asked = OBJECTS | {"_size": 1000} | query
    async for page in ctx.api.pages("/flights.json", asked, pages=pages, records="rows", total=total):
        yield page
