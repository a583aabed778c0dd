"""A source for the chaos harness, in Python: items that are divided, twice over, down to single records that fail.

`haulier work tests.harness.chaos.source:app`; the environment says where its API is and what fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.api.settings import Api
from haulier.app.app import App
from haulier.errors import ItemError
from haulier.items.ranges import IdRange, id_ranges
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context

IN_FLIGHT = 12
STEP = 200
WIDE = 60
"""A range of every second step is divided until it is no wider than this."""
URL = "CHAOS_URL"
"""The variable that says where the API is."""
REFUSED, STUBBORN, CRASHING = "CHAOS_REFUSED", "CHAOS_STUBBORN", "CHAOS_CRASHING"
"""The variables that name the ID whose item the API refuses for good, the one whose item fails each time it is tried,
and the one whose item kills its process."""

app = App("chaos_divided", api=Api(os.environ.get(URL, "http://127.0.0.1:9"), in_flight=IN_FLIGHT))


@dataclass(frozen=True)
class ItemsById(WorkItem, stream="items", kind="items_by_id"):
    """A range of IDs."""

    ids: IdRange


@app.enumerate("full")
async def all_items(ctx: Context) -> AsyncIterator[ItemsById]:
    newest = await ctx.api.json("/items/newest", at="id")
    for ids in id_ranges(1, newest + 1, step=STEP):
        yield ItemsById(ids)


@app.processor(ItemsById)
async def items_by_id(item: ItemsById, ctx: Context) -> AsyncGenerator[Any, None]:
    ids = item.ids
    refused, stubborn, crashing = failing = [int(os.environ.get(name, "0")) for name in (REFUSED, STUBBORN, CRASHING)]
    if (halves := ids.halves()) and is_divided(ids, failing):
        for half in halves:
            yield ItemsById(half)
        return
    if ids.start == stubborn:
        raise ItemError(f"Record {stubborn} fails each time.")
    if ids.start == crashing:
        os.kill(os.getpid(), signal.SIGKILL)
    if ids.start == refused:
        await ctx.api.request("GET", "/no-such-path")  # A 404 of a list: it would be answered so each time.
    pages = ctx.api.pages(
        "/items_offset",
        ids.half_open("from_id", "to_id"),
        pages=Offset(limit=50),
        records="items",
        total=Total("total", True),
    )
    async for page in pages:
        yield page


def is_divided(ids: IdRange, failing: Sequence[int]) -> bool:
    """Whether the processor divides a range: a wide one of every second step, and any that holds what fails."""
    is_wide = ids.size > WIDE and (ids.start - 1) // STEP % 2 == 1
    return ids.size > 1 and (is_wide or any(ids.start <= id < ids.end for id in failing))
