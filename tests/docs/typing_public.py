"""Every public name, used as a user's typed code would use it. mypy checks it, nobody runs it; none is left out."""

# mypy: disallow-any-generics, disallow-untyped-calls, disallow-untyped-decorators, disallow-untyped-defs

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from haulier import (
    Api,
    ApiKey,
    App,
    Basic,
    Bearer,
    Bounds,
    ClientCredentials,
    Context,
    Cursor,
    Encoded,
    HaulierError,
    IdRange,
    ItemError,
    Offset,
    Page,
    Paginator,
    Single,
    TimeWindow,
    Total,
    UsageError,
    WorkItem,
    env,
    id_ranges,
    time_windows,
)

API = Api(
    "https://api.example.com",
    auth=Bearer(env("TOKEN")),
    in_flight=8,
    contact="team@example.com",
    headers=(("Accept-Language", "en"),),
    first_byte_timeout_seconds=10.0,
)
KEYED = Api("https://api.example.com", auth=ApiKey(env("KEY", "default"), header="X-Api-Key"))
BASIC = Api("https://api.example.com", auth=Basic(env("USER"), env("PASSWORD")))
OAUTH = Api("https://api.example.com", auth=ClientCredentials("https://login.example.com", env("ID"), env("SECRET")))

app = App("assets", api=API, lake="lake", queue="sqlite")


@dataclass(frozen=True)
class AssetsById(WorkItem, stream="assets", kind="assets_by_id"):
    ids: IdRange


@dataclass(frozen=True)
class EventsByTime(WorkItem, stream="events", kind="events_by_time"):
    window: TimeWindow
    region: str = "all"


@app.lifespan
@asynccontextmanager
async def shared() -> AsyncIterator[dict[str, str]]:
    yield {"region": "north"}


@app.enumerate("full")
async def everything(ctx: Context) -> AsyncIterator[WorkItem]:
    newest = await ctx.api.json("/assets/newest", {"fields": "id"}, at="id")
    ids = id_ranges(1, int(newest) + 1, step=5_000)
    assert_type(ids, Iterator[IdRange])
    for each in ids:
        yield AssetsById(each)
    windows = time_windows(datetime(2024, 1, 1, tzinfo=UTC), ctx.snapshot_time, step=timedelta(days=1))
    assert_type(windows, Iterator[TimeWindow])
    for window in windows:
        yield EventsByTime(window, region=ctx.shared["region"])


@app.processor(AssetsById)
async def assets_by_id(item: AssetsById, ctx: Context) -> AsyncIterator[Page | WorkItem]:
    if item.ids.size > 10_000:
        for half in item.ids.halves() or ():
            yield AssetsById(half)
        return
    query = item.ids.inclusive("from_id", "to_id")
    assert_type(query, dict[str, int])
    total = Total("total", is_exact=True)
    async for page in ctx.api.pages("/assets", query, pages=paginator(), records="assets", total=total):
        assert_type(page, Page)
        ctx.log.info("a page", extra={"records": len(page)})
        yield page


@app.processor(EventsByTime)
async def events_by_time(item: EventsByTime, ctx: Context) -> AsyncIterator[list[dict[str, Any]] | Page]:
    start, end = Bounds(end="exclusive", format="iso", granule=timedelta(seconds=1)).of(item.window)
    assert_type(start, str)
    try:
        answer = await ctx.api.json("/events", {"since": start, "until": end, "tag": Encoded("a%2Cb")})
    except ItemError as error:
        raise HaulierError(f"{ctx.run.run_id}, attempt {ctx.attempt}") from error
    if not isinstance(answer, list):
        raise UsageError("The API sends something else.")
    yield answer
    yield Page.of([{"seen": len(answer)}])


@app.divider(EventsByTime)
def shorter(item: EventsByTime) -> list[EventsByTime]:
    return [EventsByTime(half, item.region) for half in item.window.halves(timedelta(seconds=1)) or ()]


def paginator() -> Paginator:
    known: list[Paginator] = [Cursor("next", query="cursor"), Offset(limit=100), Single()]
    return known[0]


# A decorated function keeps its own type, so that a test may iterate a processor.
assert_type(assets_by_id(AssetsById(IdRange(1, 2)), None), AsyncIterator[Page | WorkItem])  # type: ignore[arg-type]
