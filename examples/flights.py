"""The twin of flights.toml in Python: the same items, the same pages, the same records. `make demo` serves its API."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier import Api, App, Context, Cursor, IdRange, Page, Total, WorkItem, id_ranges

URL = os.environ.get("FLIGHTS_URL", "http://127.0.0.1:8001")
OBJECTS = {"_shape": "objects"}

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
    """The pages of one item. Datasette counts the rows that it filtered, and the count is held against the records."""
    query = OBJECTS | {"_size": 1000} | item.ids.half_open("id__gte", "id__lt")
    pages = Cursor("next", query="_next")
    total = Total("filtered_table_rows_count")
    async for page in ctx.api.pages("/flights.json", query, pages=pages, records="rows", total=total):
        yield page
