"""What a search leaves out without a word, and what is made of it: no day is empty, or short, by mistake.

G1, G3: read by the client alone where a run would show nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.paginator import Single
from haulier.api.requester import Requester
from haulier.api.search.body import search_body, span_of
from haulier.api.search.hits import LostPointError, read_hits
from haulier.api.search.search import Search
from haulier.api.session import ItemApi
from haulier.api.settings import Api
from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.items.windows import TimeWindow
from haulier.sources.recipe import StreamRecipe
from haulier.sources.stream_pages import fetch_pages
from tests.harness.search_fake import Index, SearchFake, serving_search
from tests.harness.search_query import Document, RefusedError
from tests.sources.situation import situation

DAY = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = TimeWindow(DAY, DAY + timedelta(days=1))
CLICKS = Search("clicks-*", time="at", size=10)


class SetClock(SystemClock):
    """The machine's, some seconds later."""

    later = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.later


def index(name: str, state: str = "open", count: int = 25) -> Index:
    texts = {f"{name}{n}": b'{"at":"2026-01-01T00:00:00Z","n":%d}' % n for n in range(count)}
    return Index({"at": "date", "n": "long"}, texts, state=state)


def fake_of(version: str = "8.19.3", **states: str) -> SearchFake:
    return SearchFake(version=version, indices={f"clicks-{name}": index(name, state) for name, state in states.items()})


async def count_of(api: ItemApi, search: Search = CLICKS, window: TimeWindow | None = WINDOW) -> int:
    return sum([len(page) async for page in api.search(search, window)])


async def test_ids_are_no_times() -> None:
    """A recipe in Python may have both: IDs in full runs, windows in incremental ones."""
    clause = {"range": {"n": {"gte": "{start}", "lt": "{end}"}}}
    recipe = StreamRecipe(
        name="clicks", path="", records="", pages=Single(), search=Search("clicks-*", time="at", query=clause)
    )
    async with serving_search(fake_of(a="open")) as url, situation(Api(url)) as context:
        pages = [page async for page in fetch_pages(recipe, (), {"start": 5, "end": 15}, context)]
    assert sum(map(len, pages)) == 10


async def test_a_remote_cluster_that_is_away_is_waited_for() -> None:
    """`skip_unavailable` is true by default: 200, and the documents of the others."""
    answers = 0

    def skip(fake: SearchFake, body: Document, answer: Document) -> Document | web.Response | None:
        nonlocal answers
        answers += 1
        state = {"total": 2, "successful": 1, "skipped": 1, "running": 0, "partial": 0, "failed": 0}
        hits = {"total": {"value": 0, "relation": "eq"}, "hits": []}
        return {**answer, "_clusters": state, "hits": hits} if answers == 1 else None

    fake = fake_of(a="open")
    fake.effect = skip
    async with serving_search(fake) as url, situation(Api(url)) as context:
        assert await count_of(context.api) == 25


async def test_a_point_in_time_without_one_of_the_clusters_is_none() -> None:
    """Its making does not tell it, but the page before has found more."""

    def leave(fake: SearchFake, body: Document, answer: Document) -> Document | web.Response | None:
        fake.indices.pop("far:clicks", None)
        return None

    fake = SearchFake(indices={"near:clicks": index("a"), "far:clicks": index("b")}, effect=leave)
    async with serving_search(fake) as url, situation(Api(url)) as context:
        with pytest.raises(PagingError, match=r"found 50 documents here, and a point in time has 25.*clusters away"):
            await count_of(context.api, Search("*:clicks", time="at", size=10, slices=3))


@pytest.mark.parametrize("size", [10, 100], ids=["point in time", "one page"])
async def test_frozen_indices_are_read(size: int) -> None:
    """Elasticsearch 7 leaves them out unless it is told not to."""
    fake = fake_of("7.17.0", a="open", b="frozen")
    async with serving_search(fake) as url, situation(Api(url)) as context:
        search = Search("clicks-*", time="at", size=size)
        await context.api.check_search(search)
        assert await count_of(context.api, search) == 50


async def test_closed_indices_are_told_before_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """A pattern passes over them. Who does not want them says so."""
    fake = fake_of(a="open", b="closed")
    async with serving_search(fake) as url, situation(Api(url)) as context:
        with pytest.raises(UsageError, match=r"Closed indices match 'clicks-\*'.*'clicks-b'.*\"clicks-\*,-clicks-b\""):
            await context.api.check_search(CLICKS)
        await context.api.check_search(Search("clicks-*,-clicks-b", time="at"))
        fake.resolves = False
        with caplog.at_level(logging.WARNING):
            await context.api.check_search(CLICKS)
    assert "the server does not tell which indices are closed" in caplog.text


@pytest.mark.parametrize("size", [10, 100], ids=["point in time", "one page"])
async def test_an_index_that_is_closed_in_mid_run_is_told(size: int) -> None:
    """G1: the other one still has documents of the day, as many as the total says. A deleted one has none."""
    fake, search = fake_of(a="open", b="open", c="open"), Search("clicks-*", time="at", size=size)
    async with serving_search(fake) as url, situation(Api(url)) as context:
        await context.api.check_search(search)
        assert await count_of(context.api, search) == 75
        del fake.indices["clicks-c"]
        assert await count_of(context.api, search) == 50
        assert sum("_resolve" in path for _, path, _ in fake.asked) == 2
        fake.indices["clicks-b"].state = "closed"
        with pytest.raises(ApiError, match=r"Closed indices match 'clicks-\*'.*'clicks-b'") as caught:
            await count_of(context.api, search)
        assert caught.value.action is Action.CONFIG
    async with serving_search(fake) as url, situation(Api(url)) as context:
        with pytest.raises(ApiError, match="'clicks-b'"):
            await count_of(context.api, search)


async def test_closed_indices_are_looked_at_once_for_each_point_in_time() -> None:
    """Each knows its indices: pages of an older one, between those of a newer one, are about others."""
    fake = fake_of(a="open", b="open")
    async with serving_search(fake) as url, situation(Api(url)) as context:
        older = context.api.search(CLICKS, WINDOW)
        counts = [len(await anext(older))]
        del fake.indices["clicks-b"]
        newer = context.api.search(CLICKS, WINDOW)
        counts += [len(await anext(pages)) for pages in (newer, older, newer, older)]
        counts += [len(page) for pages in (older, newer) async for page in pages]
    assert sum(counts) == 50 + 25
    assert sum("_resolve" in path for _, path, _ in fake.asked) == 2


class ForbiddingFake(SearchFake):
    forbidden = ""

    def _answer(self, request: web.Request, body: Document) -> web.StreamResponse:
        if request.path.startswith("/_resolve") or request.path == self.forbidden:
            raise RefusedError(403, "security_exception", f"action [{request.path}] is unauthorized")
        return super()._answer(request, body)


@pytest.mark.parametrize("forbidden", ["", "/"])
async def test_a_rule_for_refusals_is_not_about_a_look_that_is_not_allowed(forbidden: str) -> None:
    """Credentials that may read indices and nothing else are good: the source does not pause."""
    fake = ForbiddingFake(indices={"clicks-a": index("a")})
    fake.forbidden = forbidden
    for action in (Action.AUTH, Action.CONFIG, Action.ABSENT):
        async with serving_search(fake) as url, situation(Api(url)) as context, asyncio.timeout(5):
            pages = context.api.search(Search("clicks-*", time="at"), WINDOW, rules=(Rule(action, status=403),))
            assert sum([len(page) async for page in pages]) == 25


async def test_an_empty_day_is_proven_anew_after_a_minute() -> None:
    """And for each query, since its documents may lack the field where those of another one have it."""
    clock, fake = SetClock(), fake_of(a="open")
    later = TimeWindow(WINDOW.end, WINDOW.end + timedelta(days=1))
    async with serving_search(fake) as url, situation(Api(url), clock=clock) as context:
        for search in (CLICKS, CLICKS, Search("clicks-*", time="at", query={"term": {"n": 3}})):
            assert await count_of(context.api, search, later) == 0
        assert sum("_field_caps" in path for _, path, _ in fake.asked) == 2
        fake.indices["clicks-a"].mapping.pop("at")
        assert await count_of(context.api, CLICKS, later) == 0
        clock.later = 61.0
        with pytest.raises(ApiError, match="has a field 'at', so that every window would be empty") as caught:
            await count_of(context.api, CLICKS, later)
    assert caught.value.action is Action.CONFIG


async def test_a_point_in_time_that_a_wait_has_ended_is_not_charged() -> None:
    """The next one is kept for longer than the wait, so that it is not lost again. One that is lost at once is the
    server's doing, and the item is not divided for it."""
    clock, fake = SetClock(), fake_of(a="open")

    async def read(wait_seconds: float) -> None:
        async for _ in context.api.search(CLICKS, WINDOW):
            clock.later += wait_seconds
            fake.snapshots.clear()

    async with serving_search(fake) as url, situation(Api(url), clock=clock) as context:
        with pytest.raises(LostPointError) as lost:
            await read(1.0)
        assert (lost.value.action, lost.value.shape.may_be_of_data) == (Action.RESTART, False)
        with pytest.raises(ApiError, match=r"kept for 60 s, and 30\d s went by.*next one is kept for 60\d s") as waited:
            await read(300.0)
        assert waited.value.action is Action.PAUSE
        with pytest.raises(LostPointError):
            await read(300.0)


async def test_without_points_in_time_a_page_of_a_sample_is_shown() -> None:
    """And the plan knows that more than one page is divided."""
    fake = fake_of("7.10.2", a="open")
    fake.flavor = "oss"
    async with serving_search(fake) as url, situation(Api(url)) as context:
        with pytest.raises(ApiError) as caught:
            await count_of(context.api)
        assert caught.value.action is Action.SPLIT
        context.api.most_pages = 1
        assert await count_of(context.api) == 10
        first_page = context.api._parts.findings.first_page
    assert first_page is not None
    assert (first_page.total, first_page.divide_above) == (25, 10)


async def test_a_sample_gives_its_point_in_time_back_before_it_is_shown() -> None:
    """Whoever looks at it ends the client next."""
    fake = fake_of(a="open")
    async with serving_search(fake) as url, situation(Api(url)) as context:
        context.api.most_pages = 1
        page = await anext(aiter(context.api.search(CLICKS, WINDOW)))
        assert len(page) == 10
        assert [method for method, *_ in fake.asked].count("DELETE") == 1


def hits_of(*hits: Document) -> bytes:
    shards = {"total": 1, "failed": 0}
    total = {"value": len(hits), "relation": "eq"}
    return json.dumps({"timed_out": False, "_shards": shards, "hits": {"total": total, "hits": hits}}).encode()


def test_equal_ids_of_other_routing_are_other_documents() -> None:
    """An ID is unique in a shard, and the routing chooses the shard."""
    hit: Document = {"_index": "a", "_id": "1", "_source": {}}
    found = read_hits(hits_of(hit, {**hit, "_routing": "x"}, {**hit, "_routing": "y"}, {**hit, "_routing": "y"}))
    assert len(set(found.places)) == 3


def test_sort_values_do_not_keep_the_answer_in_memory() -> None:
    """G9: they are sent back when its documents are written."""
    body = hits_of({"_index": "a", "_id": "1", "_source": {}, "sort": [1 << 60, "é"]})
    before = sys.getrefcount(body)
    after = read_hits(body).after
    assert [bytes(value) for value in after] == [b"1152921504606846976", rb'"\u00e9"']
    assert sys.getrefcount(body) == before


def test_years_have_four_digits() -> None:
    """Negative milliseconds are no time for Elasticsearch 7."""
    early = TimeWindow(datetime(5, 1, 1, tzinfo=UTC), datetime(950, 1, 1, tzinfo=UTC))
    asked = search_body(CLICKS, span_of(CLICKS, early), 1)["query"]["bool"]["filter"][0]["range"]["at"]
    assert (asked["gte"], asked["lt"]) == ("0005-01-01T00:00:00.000Z", "0950-01-01T00:00:00.000Z")


async def test_who_waits_for_what_another_item_asks_is_waiting() -> None:
    """Its deadline stands still meanwhile."""
    async with situation(Api("http://127.0.0.1:1")) as context:
        requester: Requester = context.api._requester
        lock = asyncio.Lock()

        async def wait() -> bool:
            await requester.take(lock)
            lock.release()
            return requester.is_waiting

        async with lock:
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            assert requester.is_waiting
        assert not await waiting
        assert not requester.is_waiting
