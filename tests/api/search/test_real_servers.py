"""A search is read whole, each document once, from servers that somebody else wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from haulier.api.errors import Action, ApiError
from haulier.api.paging.cursors import Seek
from haulier.api.paging.totals import Guard, Total
from haulier.api.search.search import Search
from haulier.api.session import ItemApi
from haulier.api.settings import Api
from haulier.errors import UsageError
from haulier.items.windows import TimeWindow
from tests.harness.search_servers import SearchStore
from tests.sources.situation import situation

DAY = datetime(2024, 1, 1, tzinfo=UTC)
DOCUMENTS = 1_234
FIELDS: dict[str, Any] = {
    "at": {"type": "date"},
    "exact": {"type": "date_nanos"},
    "seconds": {"type": "date", "format": "epoch_second"},
    "number": {"type": "long"},
    "id": {"type": "keyword"},
}


def document(number: int) -> bytes:
    """A third of all is in each of three days; within a day many times are equal. The last ones of a day are a
    nanosecond before its end."""
    day = DAY + timedelta(days=number % 3)
    moment = day + timedelta(milliseconds=number % 10)
    exact = moment.isoformat()[:19] + f".{number % 10:03}000001Z"
    if number < 6:
        moment = day + timedelta(days=1, milliseconds=-1)
        exact = moment.isoformat()[:19] + ".999999999Z"
    seconds = int(moment.timestamp())
    text = {"at": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z", "exact": exact}
    return json.dumps({**text, "seconds": seconds, "number": seconds, "id": f"k{number}", "n": number}).encode()


def documents() -> list[tuple[str, bytes]]:
    return [(f"k{number}", document(number)) for number in range(DOCUMENTS)]


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    return {}


@pytest.fixture
def index(search_store: SearchStore, names: dict[str, str]) -> str:
    """One for a module and server."""
    if search_store.url not in names:
        names[search_store.url] = search_store.index(documents(), FIELDS)
    return names[search_store.url]


async def read(api: ItemApi, search: Search, days: Iterable[int] = range(3)) -> list[list[int]]:
    """The numbers of the documents, by day."""
    found = []
    for day in days:
        window = TimeWindow(DAY + timedelta(days=day), DAY + timedelta(days=day + 1))
        pages = [page async for page in api.search(search, window)]
        found.append(sorted(json.loads(record)["n"] for page in pages for record in page.records))
    return found


WHOLE = [[number for number in range(DOCUMENTS) if number % 3 == day] for day in range(3)]


@pytest.mark.parametrize("size", [1_000, 100, 206], ids=["one page", "pages", "two full pages"])
async def test_each_document_comes_once(search_store: SearchStore, index: str, size: int) -> None:
    """G1, G3: whether a day is one page, several, or ends with a full one. A point in time is given back."""
    search = Search(index, time="at", size=size)
    async with situation(Api(search_store.url)) as context:
        assert await read(context.api, search) == WHOLE
    if search_store.is_opensearch:
        assert search_store.open_points() == 0


@pytest.mark.parametrize(("field", "unit"), [("exact", ""), ("seconds", ""), ("number", "s")])
async def test_a_field_of_time_may_have_any_type(search_store: SearchStore, index: str, field: str, unit: str) -> None:
    """G1: nanoseconds, seconds, and plain numbers. What is a nanosecond before midnight is in the day before."""
    if field == "seconds" and not search_store.is_opensearch:
        pytest.skip("noida compares milliseconds with the seconds that it keeps: Elasticsearch does not")
    search = Search(index, time=field, unit=unit, size=150)
    async with situation(Api(search_store.url)) as context:
        await context.api.check_search(search)
        assert await read(context.api, search) == WHOLE


async def test_slices_have_each_document_once(search_store: SearchStore, index: str) -> None:
    """G1, G3: one point in time, read by several at once. So is an index without a field of time."""
    search = Search(index, size=40, slices=3, tie="id")
    async with situation(Api(search_store.url)) as context:
        pages = [page async for page in context.api.search(search)]
        assert sorted(json.loads(record)["n"] for page in pages for record in page.records) == [*range(DOCUMENTS)]
        assert max(len(page) for page in pages) == 40
        timed = replace(search, time="at", size=30, tie="")
        assert await read(context.api, timed) == WHOLE


@pytest.mark.parametrize("size", [100, 206], ids=["pages", "a full last page"])
async def test_a_plain_post_reads_each_document_once(search_store: SearchStore, index: str, size: int) -> None:
    """G1, G3: without `search` and without a point in time, by the sort values of the last hit as they came. Many times
    are equal (docs/apis/queries.md#elasticsearch-by-post)."""
    total = Total("hits.total.value", only_if=Guard("hits.total.relation", "eq"))
    async with situation(Api(search_store.url)) as context:
        found = []
        for day in range(3):
            bounds = [f"{DAY + timedelta(days=each):%Y-%m-%dT%H:%M:%SZ}" for each in (day, day + 1)]
            window = {"gte": bounds[0], "lt": bounds[1], "format": "strict_date_optional_time"}
            pages = context.api.pages(
                f"/{index}/_search",
                pages=Seek("sort", body="search_after", size_name="size"),
                records="hits.hits",
                total=total,
                method="POST",
                json={
                    "size": size,
                    "track_total_hits": True,
                    "sort": [{"at": "asc"}, {"id": "asc"}],
                    "query": {"range": {"at": window}},
                },
            )
            hits = [json.loads(record) async for page in pages for record in page.records]
            found.append(sorted(hit["_source"]["n"] for hit in hits))
    assert found == WHOLE


async def test_what_is_left_early_is_given_back(opensearch: SearchStore, names: dict[str, str]) -> None:
    """A point in time does not stay where an item ends in the middle of it."""
    name = names.get(opensearch.url) or opensearch.index(documents(), FIELDS)
    async with situation(Api(opensearch.url)) as context:
        context.api.most_pages = 2
        for slices in (1, 3):
            pages = [page async for page in context.api.search(Search(name, size=40, slices=slices))]
            assert [len(page) for page in pages] == [40, 40]
    assert opensearch.open_points() == 0


async def test_a_lost_point_in_time_begins_the_item_again(opensearch: SearchStore) -> None:
    """G2: what another one has is not added to what came. The item starts over, as its own text says."""
    name = opensearch.index([(f"k{number}", document(number)) for number in range(50)], FIELDS)
    async with situation(Api(opensearch.url)) as context:

        async def drop_between_pages() -> None:
            async for _ in context.api.search(Search(name, size=10)):
                opensearch.drop_points()

        with pytest.raises(ApiError, match="the point in time is gone") as caught:
            await drop_between_pages()
    assert caught.value.action is Action.RESTART


async def test_a_document_is_the_bytes_that_were_sent(opensearch: SearchStore) -> None:
    """G6: digits, order of keys and escapes stay, lone halves of surrogate pairs too; what is added stands in front."""
    sent = {
        "a b": rb'{"n":1.10,"e":1e2,"big":123456789012345678901234567890,"z":"\u00e9","a":{"_id":null}}',
        "c": rb'{"cut":"\ud83d","more":"\ud83d\ude00 \\ud83d"}',
        "d": b"{}",
    }
    name = opensearch.index(sent.items(), {"n": {"type": "double"}, "big": {"type": "keyword"}})
    async with situation(Api(opensearch.url)) as context:
        pages = [page async for page in context.api.search(Search(name))]
        assert sorted(map(bytes, pages[0].records)) == sorted(sent.values())
        pages = [page async for page in context.api.search(Search(name, add=("_id", "_index"), size=2))]
    added = {
        key: b'{"_id":"%b","_index":"%b"%b' % (key.encode(), name.encode(), b"," * (text != b"{}") + text[1:])
        for key, text in sent.items()
    }
    assert sorted(bytes(record) for page in pages for record in page.records) == sorted(added.values())
    assert {page.added for page in pages} == {("_id", "_index")}


async def test_a_key_without_a_value_is_no_end(opensearch: SearchStore) -> None:
    """G1: `.keyword` has no value beyond 256 characters, and paging by it ended with 800 of 1,000 records."""
    texts = ["x" * (300 if number % 5 == 0 else 10) + str(number) for number in range(100)]
    made = [(f"k{number}", json.dumps({"url": text}).encode()) for number, text in enumerate(texts)]
    keyword = {"keyword": {"type": "keyword", "ignore_above": 256}}
    name = opensearch.index(made, {"url": {"type": "text", "fields": keyword}})
    async with situation(Api(opensearch.url)) as context:
        with pytest.raises(ApiError, match=r"A document has no 'url.keyword' \(`tie`\)"):
            async for _ in context.api.search(Search(name, size=15, tie="url.keyword")):
                pass


async def test_equal_keys_are_found(opensearch: SearchStore) -> None:
    """G3: a key that is not unique loses what is equal over the edge of a page."""
    made = [(f"k{number}", json.dumps({"group": f"g{number // 7}"}).encode()) for number in range(100)]
    name = opensearch.index(made, {"group": {"type": "keyword"}})
    async with situation(Api(opensearch.url)) as context:
        with pytest.raises(ApiError, match=r"has 100 documents here, and \d\d came.* Is 'group' \(`tie`\) different"):
            async for _ in context.api.search(Search(name, size=10, tie="group")):
                pass


async def test_a_wrong_search_is_refused_before_a_run(search_store: SearchStore, index: str) -> None:
    """G1: what a server answers as an empty day is told, before a run and in an item."""
    store = search_store
    store.index([("a", b'{"id": "a"}')], {"id": {"type": "keyword"}}, name=f"{index}-lacking")
    store.index([("a", b'{"at": "2024-01-01", "who": "x"}'), ("b", b'{"who": "y"}')], FIELDS, name=f"{index}-none")
    user = {"user": {"properties": {"name": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}}}
    store.index([("a", b'{"user": {"name": "a"}}')], user, name=f"known-{index}")
    known: list[Any] = [{"exists": {"field": name}} for name in ("user", "user.name", "user.name.raw", "_id", "us*")]
    mistakes = {
        "No index is called 'nothing-\\*'": Search("nothing-*", time="at"),
        "No index is called 'nothing'": Search("nothing", time="at"),
        f"No index of '{index}' has a field 'when', so that every window would be empty": Search(index, time="when"),
        f"The field 'at' is missing in '{index}-lacking', so that no window": Search(f"{index}*", time="at"),
        f"1 document of '{index}-none' would be in no window: they have no 'at'": Search(f"{index}-none", time="at"),
        "The field 'id' is mapped as keyword, which is not a date": Search(index, time="id"),
        "The field 'at' is mapped as date, which is not a number. Leave out `unit`": Search(index, time="at", unit="s"),
        f"No index of '{index}' has a field 'nope', which the `query` of the search names, so that its clause would": (
            Search(index, time="at", query={"bool": {"must": [{"term": {"id": "k1"}}, {"exists": {"field": "nope"}}]}})
        ),
        "has a field 'id.keyword', which.* Is 'id' meant": Search(index, query={"terms": {"id.keyword": ["k1"]}}),
        "The field 'who' \\(`tie`\\) is mapped as text": Search(f"{index}-none", tie="who"),
        "The field 'nope' \\(`tie`\\) is missing in every index": Search(index, tie="nope"),
    }
    async with situation(Api(store.url)) as context:
        for message, search in mistakes.items():
            with pytest.raises(UsageError, match=message):
                await context.api.check_search(search)
        there = Search(f"{index}-none", time="at", query={"exists": {"field": "at"}})
        await context.api.check_search(there)
        for clause in known:
            await context.api.check_search(Search(f"{index},known-{index}", query=clause))
        gone = Search("nothing", time="at")
        for search in (Search(index, time="when"), Search(index, time="when", slices=2), gone, replace(gone, slices=2)):
            with pytest.raises(ApiError) as caught:
                await read(context.api, search)
            assert caught.value.action is Action.CONFIG
