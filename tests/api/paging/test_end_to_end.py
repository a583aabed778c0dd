"""The client against the sandbox and its faults, over the real transport: every record, once, in order, unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.client import ItemApi, Total
from haulier.api.errors import Action, ApiError
from haulier.api.http.transport import Request, Response
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, OData
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset
from haulier.api.settings import Api
from haulier.testing.clock import FakeClock
from haulier.testing.sandbox import Sandbox, SandboxSettings, record_bytes
from tests.api.paging.rig import client_of, client_over, says

CURSOR = Cursor("next", query="cursor")


async def collected(api: ItemApi, path: str, query: dict[str, Any] | None, **options: Any) -> list[bytes]:
    pages = api.pages(path, query, **{"records": "items", "total": Total("total"), **options})
    return [bytes(record) async for page in pages for record in page.records]


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        ("/items", CURSOR),
        ("/items_offset", Offset(500)),
        ("/items_offset", Offset(70, overlap=1)),
        ("/items_offset", Offset(30, overlap=1, is_parallel=True)),
    ],
    ids=["cursor", "offset", "overlap", "parallel"],
)
async def test_g1_g6_every_record_through_faults(path: str, pages: Paginator) -> None:
    """G1, G6: cut bodies, errors 500 and errors under 200 cost requests and no record; each comes as it was served."""
    settings = SandboxSettings(
        records=1_050,
        gap_after=300,
        gap_ids=17,
        is_awkward=True,
        gzip=True,
        error_rate_500=0.05,
        error_rate_200=0.05,
        cut_rate=0.1,
    )
    async with Sandbox(settings) as sandbox, client_of(sandbox.url) as client:
        api = client.session()
        found = await collected(api, path, {"from_id": 5, "to_id": 900, "limit": 500}, pages=pages)
        gone = {number for start in (301, 618) for number in range(start, start + 17)}
        assert found == [record_bytes(settings, number) for number in range(5, 900) if number not in gone]
        assert api.usage.requests == sandbox.counters.requests


async def test_seek_and_one_value() -> None:
    """A list by key and one value from the same session, with one account."""
    async with Sandbox(SandboxSettings(records=250)) as sandbox, client_of(sandbox.url) as client:
        api = client.session()
        newest = await api.json("/items/newest", at="id")
        seek = Seek("id", query="from_id", is_inclusive=True)
        assert len(await collected(api, "/items", {"to_id": newest + 1}, pages=seek, total=None)) == 250
        assert api.usage.requests == sandbox.counters.requests


async def test_stuck_cursor_of_the_sandbox() -> None:
    """Rule 4: an API whose cursor leads back to the first page is stopped at its second page."""
    async with Sandbox(SandboxSettings(is_cursor_stuck=True)) as sandbox, client_of(sandbox.url) as client:
        with pytest.raises(PaginationLoopError):
            await collected(client.session(), "/items", None, pages=CURSOR)


@pytest.mark.parametrize(
    ("settings", "path", "pages", "records"),
    [
        ({"is_token_repeated": True}, "/items", Cursor("next", query="cursor", end=("repeated",)), "items"),
        (
            {"is_token_repeated": True},
            "/items_token",
            Cursor("nextPageToken", query="pageToken", end=("repeated",)),
            "items",
        ),
        ({"link_quotes": "single"}, "/items_link", LinkHeader(), "."),
        ({"link_quotes": "none"}, "/items_link", LinkHeader(), "."),
        ({"is_link_endless": True}, "/items_link", LinkHeader(end_if='results="false"'), "."),
        ({"is_filter_dropped": True}, "/items_link", LinkHeader(keep_query=True), "."),
        ({"link_host": "http://inner:8080"}, "/items_links", LinkList("links", link_origin="own"), "items"),
        ({"odata_version": "4.01"}, "/odata/items", OData(), "value"),
        ({"odata_version": "3.0"}, "/odata/items", OData(page_size=50), "value"),
        ({"odata_version": "3.0"}, "/odata/items", OData(version="v3"), "value"),
        ({"odata_version": "2.0"}, "/odata/items", OData(version="v2"), "d.results"),
    ],
)
async def test_signs_of_the_sandbox(settings: dict[str, Any], path: str, pages: Paginator, records: str) -> None:
    """The sandbox plays APIs whose signs are odd, and each can be read, with nothing but what the query asks for."""
    served = SandboxSettings(records=500, page_size=100, **settings)
    async with Sandbox(served) as sandbox, client_of(sandbox.url) as client:
        query = {"from_id": 50, "to_id": 350}
        found = await collected(client.session(), path, query, pages=pages, records=records, total=None)
        assert found == [record_bytes(served, number) for number in range(50, 350)]


async def test_promise_that_is_not_kept() -> None:
    """G3: a total that is one too high each time begins the item again; it is not done."""
    async with Sandbox(SandboxSettings(records=250, total_extra=1)) as sandbox, client_of(sandbox.url) as client:
        api = client.session()
        with pytest.raises(ApiError, match="promised 251 records and sent 250") as caught:
            await collected(api, "/items", None, pages=CURSOR)
        assert caught.value.action is Action.RESTART
        assert api.usage.requests == 4


class HugePages:
    """Makes pages of a megabyte, and knows how many of their bodies are alive while one is asked for."""

    def __init__(self) -> None:
        self.alive = self.most = self.requests = 0

    async def send(self, request: Request) -> Response:
        self.most = max(self.most, self.alive)
        self.requests += 1
        owner = self

        class Body(bytes):
            def __del__(self) -> None:
                owner.alive -= 1

        records = b",".join(b'{"id":%d,"x":"%s"}' % (self.requests * 10 + n, b"x" * 100_000) for n in range(10))
        self.alive += 1
        token = b'{"after":%d}' % self.requests if self.requests < 5 else b"null"
        body = Body(b'{"rows":[%s],"next":%s}' % (records, token))
        answer = says({})
        return Response(200, answer.headers, body, url=request.url)


async def test_g9_a_page_is_let_go_before_the_next() -> None:
    """G9: once the caller has let go of a page, its body is gone before the next one is asked for."""
    transport = HugePages()
    async with client_over(transport, Api("http://api.test"), FakeClock()) as client:
        pages = client.session().pages(
            "/rows", pages=Cursor("next", body="from"), records="rows", method="POST", json={"a": 1}
        )
        count = 0
        async for page in pages:
            count += len(page)
            del page
        assert count == 50
    assert transport.most == 0
    assert transport.alive == 0
