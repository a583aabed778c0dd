"""The sign of a next page that is not there: the end, misspelt, or there under another name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.client import ItemPlace, Total
from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.continuation import Continuation
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.paginator import Paginator
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, serving, session_with

Answer = Callable[[Asked], Reply]


async def found(answer: Answer, pages: Paginator, query: dict[str, Any] | None = None, **more: Any) -> list[int]:
    async with session_with(answer) as (api, _):
        return await ids_of(api.pages("/items", query, pages=pages, records="rows", **more))


# -- the names that OData's versions have ------------------------------------------------------------------------------


def odata(next_name: str, context_name: str = "", records: str = "value") -> Answer:
    """Two pages; the link is relative to the context, where there is one."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("$skiptoken")
        body: dict[str, Any] = {"value": rows(start, start + 2)}
        if not start:
            body[next_name] = "items?$skiptoken=2" if not context_name else "svc/items?$skiptoken=2"
            body |= {context_name: "../$metadata#items"} if context_name else {}
        else:
            assert asked.path == ("/svc/items" if context_name else "/items")
        return Reply(body)

    return answer


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("@odata.nextLink", ""),
        ("@odata.nextLink", "@odata.context"),
        ("@nextLink", ""),
        ("@nextLink", "@context"),
        ("odata.nextLink", ""),
        ("odata.nextLink", "odata.metadata"),
    ],
)
async def test_odata_of_every_version(name: str, context: str) -> None:
    """OData 4.0, 4.01 and 3: one paginator reads the link by any of its names, and what it is relative to."""
    async with session_with(odata(name, context)) as (api, _):
        assert await ids_of(api.pages("/items", pages=OData(), records="value")) == [0, 1, 2, 3]


async def test_odata_2() -> None:
    """OData 2 (SAP): records at `d.results`, the link at `d.__next`."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("$skiptoken")
        after = {} if start else {"__next": f"http://{asked.headers['Host']}/items?$skiptoken=2"}
        return Reply({"d": {"results": rows(start, start + 2), **after}})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=OData(), records="d.results")) == [0, 1, 2, 3]


async def test_odata_with_two_links() -> None:
    """Two names that lead to different pages are an error, and to the same page are one link."""
    body = {"value": rows(0, 2), "@odata.nextLink": "/items?a=1", "@nextLink": "/items?a=2"}
    async with session_with(lambda asked: Reply(body)) as (api, _):
        with pytest.raises(PagingError, match=r"'@odata\.nextLink' and '@nextLink' lead to different pages"):
            await ids_of(api.pages("/items", pages=OData(), records="value"))
    same = body | {"@nextLink": "/items?a=1"}
    async with session_with(lambda asked: Reply({"value": rows(2, 4)} if asked.query else same)) as (api, _):
        assert await ids_of(api.pages("/items", pages=OData(), records="value")) == [0, 1, 2, 3]


# -- paths that can never fit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paging", "at", "says"),
    [
        ([{"next": "x"}], "paging.next", "'paging' is a list of 1, which has nothing called 'next'"),
        ("x", "paging.next", "'paging' is text, which has nothing called 'next'"),
        (7, "paging.next.after", "'paging' is a number"),
        (True, "paging.next", "'paging' is true"),
        ({"next": [1]}, "paging.next.after", "'paging.next' is a list of 1, which has nothing called 'after'"),
    ],
)
async def test_a_path_that_can_never_fit(paging: Any, at: str, says: str) -> None:
    """A path that runs by name into a list, a text or a number is an error, and not the end."""
    for pages in (Cursor(at, query="c"), NextUrl(at)):
        with pytest.raises(PagingError, match=says) as caught:
            await found(lambda asked: Reply({"rows": rows(0, 2), "paging": paging}), pages)
        assert caught.value.action is Action.RESTART


async def test_a_path_into_an_answer_that_is_a_list() -> None:
    """The whole answer is the list of records: no name can stand in it."""
    async with session_with(lambda asked: Reply(rows(0, 2))) as (api, _):
        with pytest.raises(PagingError, match="the body is a list of 2, which has nothing called 'next'"):
            await ids_of(api.pages("/items", pages=Cursor("next", query="c"), records="."))


@pytest.mark.parametrize("paging", [[], {}, None, "", False, {"next": []}, {"next": None}, {"next": False}])
async def test_nothing_fits_any_path(paging: Any) -> None:
    """What PHP makes of an empty map, null, "" and false are the end, whatever the path goes on with."""
    answer = lambda asked: Reply({"rows": rows(0, 2), "paging": paging})  # noqa: E731
    assert await found(answer, Cursor("paging.next.after", query="c")) == [0, 1]


@pytest.mark.parametrize("nothing", [b"{ }", b"[ ]", b"{\n  }"])
async def test_nothing_with_blanks_in_it(nothing: bytes) -> None:
    """Jackson writes an empty object as `{ }`: no token."""
    body = b'{"rows":[{"id":0}],"next":' + nothing + b"}"
    assert await found(lambda asked: Reply(body), Cursor("next", query="c")) == [0]


# -- a full page without a sign ----------------------------------------------------------------------------------------


def full_page(asked: Asked) -> Reply:
    """As many as were asked for; more could only be had by `offset`, of which nothing is said."""
    return Reply({"rows": rows(0, 3), "page_info": {"page": 1}}, headers=(("X-Page", "1"),))


@pytest.mark.parametrize("asked", [{"limit": 3}, {"per_page": "3"}, {"page[size]": 3}, {"$top": 3}, {"maxResults": 3}])
@pytest.mark.parametrize(
    ("pages", "says"),
    [
        (
            Cursor("nextt", query="c"),
            r"there is nothing at 'nextt', .*\(the body is an object with the keys rows, page_",
        ),
        (NextUrl("links.next"), r"there is nothing at 'links.next', .*\(the body is an object"),
        (NextUrl(from_header="X-Next"), r"no header is called 'X-Next', .*\(there are .*X-Page"),
        (LinkHeader(), r"no link has the relation 'next', .*\(there is no Link header"),
        (OData(), r"there is nothing at '@odata.nextLink'"),
    ],
)
async def test_a_full_page_without_any_sign(asked: dict[str, Any], pages: Paginator, says: str) -> None:
    """A page as full as it was asked for, of a run in which the sign was never seen: an error that says what was looked
    for, what was there, and what to declare."""
    with pytest.raises(PagingError, match=says) as caught:
        await found(full_page, pages, asked)
    assert 'missing = "end"' in str(caught.value)
    assert caught.value.action is Action.RESTART


@pytest.mark.parametrize("query", [{}, {"limit": 4}, {"year": 3}, {"limit": "all"}])
async def test_a_page_that_is_not_full(query: dict[str, Any]) -> None:
    """A shorter page, or one of which no size is known, ends the list."""
    assert await found(full_page, Cursor("next", query="c"), query) == [0, 1, 2]


async def test_a_size_by_its_declared_name() -> None:
    """A size of a name that nobody could guess counts if it is declared; so do one in the body and OData's wish."""
    with pytest.raises(PagingError, match="the page is full, with the 3 records"):
        await found(full_page, Cursor("next", query="c", size_name="wieviele"), {"wieviele": 3})
    with pytest.raises(PagingError, match="the page is full, with the 3 records"):
        await found(full_page, OData(page_size=3))
    for json in ({"page_size": 3}, {"variables": {"first": 3}}):
        with pytest.raises(PagingError, match="the page is full, with the 3 records"):
            await found(full_page, Cursor("next", body="c"), method="POST", json=json)


@pytest.mark.parametrize(
    "pages",
    [
        Cursor("next", query="c", missing="end"),
        NextUrl("next", missing="end"),
        NextUrl(from_header="X-Next", missing="end"),
        LinkHeader(missing="end"),
        OData(missing="end"),
    ],
)
async def test_missing_end_is_declared(pages: Paginator) -> None:
    """`missing = "end"`: the sign is left out of the last page, full or not."""
    assert await found(full_page, pages, {"limit": 3}) == [0, 1, 2]


@pytest.mark.parametrize("sign", [{"next": None}, {"next": ""}, {"next": False}, {"more": False}])
async def test_a_sign_that_says_no_is_a_sign(sign: dict[str, Any]) -> None:
    """A key that is there with null, or a flag, says that this was all, also behind a full page."""
    pages = Cursor("next", query="c", more="more" if "more" in sign else "")
    assert await found(lambda asked: Reply({"rows": rows(0, 3), **sign}), pages, {"limit": 3}) == [0, 1, 2]


async def test_an_exact_total_is_proof() -> None:
    """What an exact total promised came: no sign is needed."""
    body = {"rows": rows(0, 3), "n": 3}
    assert await found(lambda asked: Reply(body), Cursor("next", query="c"), {"limit": 3}, total=Total("n")) == [
        0,
        1,
        2,
    ]


async def test_a_total_that_says_otherwise_is_an_error() -> None:
    """Neither the size nor the sign is known, and the total promises more: never a success."""
    with pytest.raises(ApiError, match="promised 1050 records and sent 3"):
        await found(lambda asked: Reply({"rows": rows(0, 3), "n": 1050}), Cursor("next", query="c"), total=Total("n"))


def by_name(asked: Asked) -> Reply:
    """The list `short` is one full page, without a sign, as an API of this kind ends any; `long` has two pages."""
    start = asked.number("c")
    after = {"next": start + 3} if asked.path == "/long" and not start else {}
    return Reply({"rows": rows(start, start + 3), **after})


async def test_the_sign_of_another_item_is_enough() -> None:
    """The sign was seen in this run: a full last page without it is the end, as the API says it."""
    pages = Cursor("next", query="c")
    async with serving(by_name) as server, client_of(server.url) as client:

        async def read(path: str) -> list[int]:
            return await ids_of(client.session().pages(path, {"limit": 3}, pages=pages, records="rows"))

        with pytest.raises(PagingError):
            await read("/short")
        assert await read("/long") == [0, 1, 2, 3, 4, 5]
        assert await read("/short") == [0, 1, 2]


# -- another token beside the place ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pages", "body", "stranger"),
    [
        # MediaWiki's answers to a generator: one of several tokens, all to be sent back.
        (Cursor("continue.gapcontinue", query="gapcontinue"), {"continue": {"rvcontinue": "2|9"}}, "rvcontinue"),
        (Cursor("next_cursr", query="c"), {"next_cursor": "abc"}, "next_cursor"),
        (Cursor("pageToken", query="pageToken"), {"nextPageToken": "abc"}, "nextPageToken"),
        (NextUrl("links.nxt"), {"links": {"self": "/a", "next": "/b"}}, "next"),
        (OData(), {"nextLink": "https://management.azure.com/x?$skiptoken=1"}, "nextLink"),
        (Cursor("after", query="after"), {"has_more": True}, "has_more"),
        (Cursor("paging.next.token", query="t"), {"paging": {"next": {"page": 2}}}, "page"),
        (Cursor("nextt", query="c"), {"next": 2}, "next"),
    ],
)
async def test_a_token_of_another_name(pages: Paginator, body: dict[str, Any], stranger: str) -> None:
    """The declared token is missing, and what looks like one stands beside its place: an error that names it."""
    where = "value" if isinstance(pages, OData) else "rows"
    async with session_with(lambda asked: Reply({where: rows(0, 2), **body})) as (api, _):
        with pytest.raises(PagingError, match=f"In its place: .*'{stranger}'"):
            await ids_of(api.pages("/items", pages=pages, records=where))


def wiki(asked: Asked) -> Reply:
    """The second page goes on within its own pages, by another token."""
    if "gapcontinue" not in asked.query:
        return Reply({"rows": rows(0, 2), "continue": {"gapcontinue": "B", "continue": "gapcontinue||"}})
    return Reply({"rows": rows(2, 4), "continue": {"rvcontinue": "1|2", "continue": "||"}})


async def test_a_token_that_changes_its_name_in_mid_walk() -> None:
    """MediaWiki: `continue` is there and has no gapcontinue: 500 of 3,900 pages would be all."""
    with pytest.raises(PagingError, match="In its place: 'rvcontinue'"):
        await found(wiki, Cursor("continue.gapcontinue", query="gapcontinue"))
    assert await found(wiki, Cursor("continue.gapcontinue", query="gapcontinue", missing="end")) == [0, 1, 2, 3]


async def test_a_new_text_where_the_token_was() -> None:
    """A key that was never there beside the token, and is no way back, may be the token's other name."""

    def answer(asked: Asked) -> Reply:
        paging = {"vor": "b", "size": 2} if not asked.query else {"vor_id": "c", "size": 2}
        return Reply({"rows": rows(0, 2) if not asked.query else rows(2, 4), "paging": paging})

    with pytest.raises(PagingError, match="In its place: 'vor_id'"):
        await found(answer, Cursor("paging.vor", query="c"))


@pytest.mark.parametrize(
    ("at", "first", "last"),
    [
        # Confluence: `next` alone is left out of the last page's links.
        (
            "_links.next",
            {"_links": {"self": "/a", "base": "https://x", "context": "/wiki", "next": "/items?p=2"}},
            {"_links": {"self": "/a", "base": "https://x", "context": "/wiki", "prev": "/items"}},
        ),
        # Facebook: the cursors stay.
        (
            "paging.next",
            {"paging": {"cursors": {"before": "a", "after": "b"}, "next": "/items?p=2"}},
            {"paging": {"cursors": {"before": "c", "after": "d"}, "previous": "/items"}},
        ),
        # Google Calendar, Microsoft's deltas, Contentful: a token for a later run.
        ("nextPage", {"nextPage": "/items?p=2"}, {"nextSyncToken": "abc", "newStartPageToken": "9"}),
        ("links.next", {"links": {"next": "/items?p=2", "first": "/i"}}, {"links": {"first": "/i", "last": "/i?p=2"}}),
        (
            "pages.next.url",
            {"pages": {"type": "pages", "page": 1, "total_pages": 2, "next": {"url": "/items?p=2"}}},
            {"pages": {"type": "pages", "page": 2, "total_pages": 2}},
        ),
        ("meta.next", {"meta": {"next": "/items?p=2", "cursor": "a"}}, {"meta": {"cursor": "b", "count": 2}}),
    ],
)
async def test_what_stands_on_last_pages_is_no_token(at: str, first: dict[str, Any], last: dict[str, Any]) -> None:
    """What stood beside the sign before, leads back, or serves a later run, does not speak against the end. Nor does it
    where the list has one page only."""

    def answer(asked: Asked) -> Reply:
        return Reply({"rows": rows(2, 4), **last} if asked.query else {"rows": rows(0, 2), **first})

    assert await found(answer, NextUrl(at)) == [0, 1, 2, 3]
    if "cursor" not in last.get("meta", {}):
        assert await found(lambda asked: Reply({"rows": rows(0, 2), **last}), NextUrl(at)) == [0, 1]


@pytest.mark.parametrize("pages", [LinkHeader("prev"), LinkList("links", rel="prev")])
async def test_a_list_that_is_read_backwards_ends_where_it_began(pages: Paginator) -> None:
    """Its last page has a next one: it was the first."""

    def answer(asked: Asked) -> Reply:
        link = ("next", "/items") if asked.query else ("prev", "/items?p=1")
        links = [{"rel": link[0], "href": link[1]}]
        body = {"rows": rows(0, 2) if asked.query else rows(2, 4), "links": links}
        return Reply(body, headers=(("Link", f"<{link[1]}>; rel={link[0]}"),))

    assert await found(answer, pages) == [2, 3, 0, 1]


@pytest.mark.parametrize(
    ("pages", "body", "instead"),
    [
        (NextUrl("next"), {"links": {"next": "/items?p=2", "self": "/items"}}, "'links.next'"),
        (NextUrl("pagination.next"), {"paging": {"next": "/items?p=2"}, "size": 2}, "'paging.next'"),
        (NextUrl("meta.next_url"), {"meta": {"size": 2}, "next_url": "/items?p=2"}, "'next_url'"),
        (NextUrl("links.next.href"), {"_links": {"next": {"href": "/items?p=2"}}}, "'_links.next'"),
        (NextUrl("_links.nxt.href"), {"_links": {"next": {"href": "/items?p=2"}}}, "'_links.next'"),
        (
            Cursor("next_cursor", query="c"),
            {"response_metadata": {"next_cursor": "a"}},
            "'response_metadata.next_cursor'",
        ),
        (Cursor("info.after", query="c"), {"pageInfo": {"hasNextPage": True}}, "'pageInfo.hasNextPage'"),
        (Continuation("continues"), {"continue": {"gapcontinue": "b", "continue": "-||"}}, "'continue'"),
        (Continuation("query.continue"), {"query": {"all": 1}, "continue": {"gapcontinue": "b"}}, "'continue'"),
        (LinkHeader("nxt"), {}, "'next'"),
        (LinkList("links", rel="nxt"), {"links": [{"rel": "next", "href": "/items?p=2"}]}, "'next'"),
        (LinkList("link"), {"links": [{"rel": "next", "href": "/items?p=2"}]}, "'links'"),
        (Cursor(from_header="X-Nxt", query="c"), {}, "'X-Next-Token'"),
        (NextUrl("next"), {}, "\"the relation 'next' of the Link header\""),
        (LinkList("links"), {"links": []}, "\"the relation 'next' of the Link header\""),
    ],
)
async def test_a_misspelt_sign_at_the_first_page(pages: Paginator, body: dict[str, Any], instead: str) -> None:
    """G1: no size was asked for, and no total is declared: 2 of some hundred records would be a success."""
    headers = (("Link", "</items?p=2>; rel=next"), ("X-Next-Token", "b"))
    with pytest.raises(PagingError, match=f"In its place: {instead}. Correct the path"):
        await found(lambda asked: Reply({"rows": rows(0, 2), **body}, headers=headers), pages)


@pytest.mark.parametrize(
    "body",
    [
        {"paging": {"cursors": {"before": "a", "after": "b"}}, "cursors": {"before": "a", "after": "b"}},
        {
            "links": {"self": "/items", "next": None},
            "meta": {"next_cursor": "", "page": 1},
            "filter": {"after": "2024"},
        },
        {"batchcomplete": True, "continue": {}, "request": {"cursor": "sent"}, "nextUpdate": {"at": "2026-01-01"}},
    ],
)
async def test_what_stands_on_an_only_page_is_no_token(body: dict[str, Any]) -> None:
    assert await found(lambda asked: Reply({"rows": rows(0, 2), **body}), NextUrl("next")) == [0, 1]


async def test_what_was_sent_is_no_token_behind_a_sign_that_was_seen() -> None:
    """The last page shows the parameters that it was asked with."""

    def answer(asked: Asked) -> Reply:
        token = asked.query.get("c")
        after = {"meta": {"cursor": token}} if token else {"next": "b", "meta": {"cursor": None}}
        return Reply({"rows": rows(2, 4) if token else rows(0, 2), **after})

    assert await found(answer, Cursor("next", query="c")) == [0, 1, 2, 3]


async def test_a_run_is_judged_by_what_it_saw_itself() -> None:
    """A process that lives for months does not take what an earlier run showed for the API as it is today."""
    pages = Cursor("next", query="c")
    async with serving(by_name) as server, client_of(server.url) as client:

        async def read(path: str, run_id: str) -> list[int]:
            api = client.session(ItemPlace("items", run_id))
            return await ids_of(api.pages(path, {"limit": 3}, pages=pages, records="rows"))

        assert await read("/long", "a") == [0, 1, 2, 3, 4, 5]
        assert await read("/short", "a") == [0, 1, 2]
        with pytest.raises(PagingError):
            await read("/short", "b")


async def test_keys_are_remembered_within_bounds() -> None:
    """G9: an object by records' ids, or with a key of a megabyte, is not kept, and does not look like a token."""
    many = {f"next_page_{number}_" + "x" * 200: "a" for number in range(500)}

    def answer(asked: Asked) -> Reply:
        after = {"next": "x"} if not asked.query else {}
        return Reply({"rows": rows(0, 2) if not asked.query else rows(2, 4), "paging": {**many, **after}})

    async with serving(answer) as server, client_of(server.url) as client:
        found = client.session().pages("/items", pages=Cursor("paging.next", query="c"), records="rows")
        assert await ids_of(found) == [0, 1, 2, 3]
        memory = client.findings.signs[""][1].of("'paging.next'")
        assert memory.companions == {("paging", "next"), ("", "rows"), ("", "paging")}
