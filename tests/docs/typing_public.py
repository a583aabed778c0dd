"""Every public name, used as a user's typed code would use it. mypy checks it, nobody runs it; none is left out."""

# mypy: disallow-any-generics, disallow-untyped-calls, disallow-untyped-decorators, disallow-untyped-defs

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, assert_type

from haulier import (
    Action,
    Api,
    ApiError,
    ApiKey,
    App,
    Auth,
    AwsSignature,
    Basic,
    Bearer,
    BodyError,
    BodyFormat,
    Bounds,
    ClientCredentials,
    Context,
    Continuation,
    Cursor,
    Digest,
    Encoded,
    Fault,
    FeedStart,
    Finished,
    GraphQL,
    Guard,
    HaulierError,
    IdRange,
    ItemApi,
    ItemError,
    Job,
    JobRequest,
    Jwt,
    JwtBearer,
    Key,
    Link,
    LinkHeader,
    LinkList,
    Login,
    Lookup,
    NextUrl,
    OData,
    Offset,
    Page,
    PageAnswer,
    PageNumber,
    PageRequest,
    Paginator,
    PagingError,
    RefreshToken,
    Response,
    Rule,
    RunInfo,
    Search,
    Secret,
    Seek,
    Single,
    Skip,
    TimeWindow,
    Tls,
    Total,
    UsageError,
    WorkItem,
    day_windows,
    due_ids,
    due_windows,
    env,
    id_ranges,
    time_windows,
)
from haulier.testing import ItemResult, PoisonedItem, RequestMade, RunResult, run_app, run_item
from haulier.testing.sandbox import SandboxSettings

API = Api(
    "https://api.example.com",
    auth=Bearer(env("TOKEN")),
    in_flight=8,
    contact="team@example.com",
    headers=(("Accept-Language", "en"),),
    first_byte_timeout_seconds=10.0,
    tls=Tls(ca_file="authority.pem"),
)
KEYED = Api("https://api.example.com", auth=ApiKey(env("KEY", "default"), header="X-Api-Key"))
BASIC = Api("https://api.example.com", auth=Basic(env("USER"), env("PASSWORD")))
CREDENTIALS: tuple[Auth, ...] = (Bearer(env("TOKEN")), Basic("user"), ApiKey("key", query="key"))
SECRET = env("PROXY")
assert_type(SECRET, Secret)
PROXIED = Api("https://api.example.com", proxy=SECRET)
RULES = (Rule(Action.PAUSE, status=403, text="rate limit"), Rule(Action.ABSENT, status=410))
LOGGED_IN: tuple[Auth, ...] = (
    Login("/session", json={"user": "me", "password": env("PASSWORD")}, token_at="token"),
    Digest("me", env("PASSWORD")),
)
REFRESHED = RefreshToken("https://login.example.com", "app", env("REFRESH_TOKEN"), refresh_token_at="next")
JWT_SIGNED = JwtBearer(
    Jwt(key=env("KEY"), issuer="me", claims={"scope": "read"}), "https://login.example.com", use="client"
)
OAUTH = Api("https://api.example.com", auth=ClientCredentials("https://login.example.com", env("ID"), env("SECRET")))
SIGNED = Api("https://search.example.com", auth=AwsSignature("es", region="eu-west-1"))

app = App(
    "assets",
    api=API,
    lake="lake",
    queue="sqlite",
    rules=RULES,
    expect={"assets": Lookup("/assets/count", at="count"), "events": Lookup("/events", header="X-Total-Count")},
)


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
    days = day_windows(date(2024, 1, 1), date(2024, 2, 1), zone="Europe/London")
    assert_type(days, Iterator[TimeWindow])
    for window in (*windows, *days):
        yield EventsByTime(window, region=ctx.shared["region"])


@app.enumerate("incremental")
async def new_things(ctx: Context) -> AsyncIterator[WorkItem]:
    finished: Finished = ctx.finished
    since: FeedStart = finished.feed("users")
    ctx.api.end_feed("token", since)
    start, until = datetime(2013, 1, 1, tzinfo=UTC), ctx.snapshot_time - timedelta(minutes=2)
    known = finished.windows("events", region="eu")
    assert_type(known, tuple[TimeWindow, ...])
    for window in due_windows(known, start=start, until=until, step=timedelta(days=1), lookback=timedelta(hours=2)):
        yield EventsByTime(window, region="eu")
    for ids in due_ids(finished.ids("assets"), first=1, end=5_001, step=1_000):
        yield AssetsById(ids)


@app.processor(AssetsById)
async def assets_by_id(item: AssetsById, ctx: Context) -> AsyncIterator[Page | WorkItem]:
    if item.ids.size > 10_000:
        for half in item.ids.halves() or ():
            yield AssetsById(half)
        return
    query = item.ids.inclusive("from_id", "to_id")
    assert_type(query, dict[str, int])
    total = Total("total", is_exact=True, only_if=Guard("relation", "eq"))
    job = Job(poll=JobRequest("/jobs/{job}"), id="id", files="urls", download_origin=("https://files.example.com",))
    form, skip = BodyFormat("json", charset="windows-1252"), [Skip("missing"), Skip("state", "deleted")]
    async for page in ctx.api.pages(
        "/assets", query, pages=paginator(), records="assets", total=total, format=form, skip=skip, job=job
    ):
        assert_type(page, Page)
        ctx.log.info("a page", extra={"records": len(page)})
        yield page


@app.processor(EventsByTime)
async def events_by_time(item: EventsByTime, ctx: Context) -> AsyncIterator[list[dict[str, Any]] | Page]:
    start, end = Bounds(end="exclusive", format="iso", granule=timedelta(seconds=1)).of(item.window)
    assert_type(start, str)
    try:
        whole = await ctx.api.json(Link("https://api.example.com/events/1?sig=a%2Fb", link_base="api"))
        assert whole is not None
        answer = await ctx.api.json("/events", {"since": start, "until": end, "tag": Encoded("a%2Cb")})
    except ApiError as error:
        if error.fault is Fault.TIMEOUT or error.action is Action.OUTAGE:
            raise
        raise ItemError(f"status {error.status}") from error
    except ItemError as error:
        raise HaulierError(f"{told(ctx.run)}, attempt {ctx.attempt}") from error
    if not isinstance(answer, list):
        raise UsageError("The API sends something else.")
    yield answer
    yield Page.of([{"seen": len(answer)}])


@app.divider(EventsByTime)
def shorter(item: EventsByTime) -> list[EventsByTime]:
    return [EventsByTime(half, item.region) for half in item.window.halves(timedelta(seconds=1)) or ()]


def told(run: RunInfo) -> str:
    return f"{run.run_id}, {run.mode}, up to {run.snapshot_time:%Y-%m-%d}"


async def newest(api: ItemApi) -> str:
    answer = await api.request("GET", "/events/newest")
    assert_type(answer, Response)
    return answer.headers.get("ETag", "")


class ByYear:
    """A kind of paging of one's own."""

    def first(self, request: PageRequest) -> PageRequest:
        return request.with_query("year", "2020")

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        year = request.query_value("year")
        if year is None:
            raise PagingError("The year is gone.")
        if answer.number("years") is None:
            raise BodyError("The API does not say how many years there are.")
        return None if answer.flag("is_last") else request.with_query("year", str(int(year) + 1))


async def pages_of_a_query(context: Context) -> AsyncIterator[Page]:
    query = GraphQL("query ($after: String) { a }", {}, operation="", allowed_errors=("GONE",))
    pages = Cursor("data.a.end", body="variables.after")
    async for page in context.api.pages("/g", pages=pages, records="data.a", method="POST", json=query):
        yield page


def paginator() -> Paginator:
    known: list[Paginator] = [
        ByYear(),
        Cursor("next", query="cursor", also=(Key("shard", query="shard"),)),
        Continuation("continue"),
        LinkHeader(),
        LinkList("links", rel_at="relation"),
        NextUrl("links.next"),
        OData(),
        Offset(limit=100),
        PageNumber(),
        Seek("id", query="after"),
        Single(),
    ]
    return known[0]


CLICKS = Search(
    "clicks-*",
    time="@timestamp",
    unit="",
    query={"term": {"country": "se"}},
    add=("_id",),
    size=1_000,
    tie="event_id",
    slices=2,
    keep_alive="30s",
)


async def clicks(window: TimeWindow, ctx: Context) -> AsyncIterator[Page]:
    await ctx.api.check_search(CLICKS)
    async for page in ctx.api.search(CLICKS, window, rules=(Rule(Action.OUTAGE, status=418),)):
        yield page


async def test_assets() -> None:
    result = await run_item(app, AssetsById(IdRange(1, 5)), api=SandboxSettings(records=10), now=datetime.now(UTC))
    assert_type(result, RunResult)
    assert_type(result.items, tuple[ItemResult, ...])
    assert_type(result.poison, list[PoisonedItem])
    whole = await run_app("assets.toml", "full", streams=["assets"], api="http://127.0.0.1:8002", allows_partial=True)
    made: tuple[RequestMade, ...] = whole.requests
    assert made[0].target == "/assets/newest"


# A decorated function keeps its own type, so that a test may iterate a processor.
assert_type(assets_by_id(AssetsById(IdRange(1, 2)), None), AsyncIterator[Page | WorkItem])  # type: ignore[arg-type]
