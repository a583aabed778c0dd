"""Paging by addresses, as the APIs of the table Paging do it: each row of that kind has a test that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.errors import Action, ApiError, BodyError
from haulier.api.identity.auth import Bearer
from haulier.api.paging.link_header import links_of, relations_of
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


def page_at(asked: Asked, name: str = "page") -> tuple[int, list[dict[str, object]]]:
    number = asked.number(name, 1)
    return number, rows(number * 2 - 2, min(number * 2, 5))


async def test_row_link_header() -> None:
    """Link header (GitHub, GitLab, Shopify): the address of rel="next", among others; no such relation is the end."""

    def answer(asked: Asked) -> Reply:
        number, page = page_at(asked)
        host = f"http://{asked.headers['Host']}"
        links = f'<{host}/repos?page=1&x=a,b>; rel="first", <{host}/repos?page=3>; rel="last"'
        if number < 3:
            links = f'<{host}/repos?page={number + 1}&per_page=2>; title="a, \\"b\\" <c>"; rel="next", ' + links
        return Reply(page, headers=(("Link", links),))

    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/repos", {"per_page": 2}, pages=LinkHeader(), records=".")) == [0, 1, 2, 3, 4]
        assert server.targets == ["/repos?per_page=2", "/repos?page=2&per_page=2", "/repos?page=3&per_page=2"]


async def test_link_header_in_several_lines() -> None:
    """Link header (ServiceNow): the relations may stand in headers of their own."""

    def answer(asked: Asked) -> Reply:
        number, page = page_at(asked)
        links = [("Link", "</t?page=1>;rel=first")]
        if number < 3:
            links.append(("Link", f"</t?page={number + 1}>;rel=NEXT"))
        return Reply(page, headers=tuple(links))

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/t", pages=LinkHeader(), records=".")) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("header", "links"),
    [
        ('<a>; rel="next"', [("a", {"next"})]),
        ("<a>;rel=next", [("a", {"next"})]),
        ('<a>; rel="prev next"', [("a", {"prev", "next"})]),
        ('<a>; REL="Next"', [("a", {"next"})]),
        ("<a,b;c>; rel=next , <d>;rel=prev", [("a,b;c", {"next"}), ("d", {"prev"})]),
        ('<a>; title="x, <y>; rel=prev"; rel="next"', [("a", {"next"})]),
        (r'<a>; title="q\"; rel=prev, "; rel=next', [("a", {"next"})]),
        ('<a>; rel="next"; rel="prev"', [("a", {"next"})]),
        ('<a>; anchor="#x"; rel="next"', []),
        ("<a>", [("a", set())]),
        ("<a>; rel", [("a", set())]),
        ("< a >; rel = next", [("a", {"next"})]),
        ("<>; rel=next", [("", {"next"})]),
        ("", []),
        ("<a>; rel='next'", [("a", {"next"})]),
        ("<a>; rel='prev next', <b>;rel=last", [("a", {"prev", "next"}), ("b", {"last"})]),
        ("<a>; rel=prev next; x=y", [("a", {"prev", "next"})]),
        ("<a?x='1';y>; rel='next'", [("a?x='1';y", {"next"})]),
        ("<a>; title=O'Neil; rel=next", [("a", {"next"})]),
        ("<a>; rel*=UTF-8''next", [("a", {"next"})]),
        ("<a>; rel*=UTF-8'en'%6Eext; title*=UTF-8''x", [("a", {"next"})]),
        (", ,<a>;;rel=next ;, ,", [("a", {"next"})]),
        ('<a>; rel="next",', [("a", {"next"})]),
        ('<a>;title="x";rel=\t"next"\t, <b>; rel=last', [("a", {"next"}), ("b", {"last"})]),
    ],
)
def test_link_header_as_rfc_8288_has_it(header: str, links: list[tuple[str, set[str]]]) -> None:
    """A Link header is read as RFC 8288 writes it: quotes, commas, several relations, the first rel, no anchors."""
    assert [(target, relations_of(parameters)) for target, parameters in links_of(header)] == links


@pytest.mark.parametrize(
    "header",
    ["next", "https://api.test/a; rel=next", '<a; rel="next"', '<a>; rel="next', "<a>; rel='next", "<a> <b>"],
)
def test_link_header_that_cannot_be_read(header: str) -> None:
    """A Link header that cannot be read is an error, and not the end."""
    with pytest.raises(BodyError, match="Link header cannot be read"):
        list(links_of(header))


async def test_row_next_url_absolute() -> None:
    """next URL in body, absolute (JSON:API, Datasette): followed as it is; what was asked for at first is not added."""

    def answer(asked: Asked) -> Reply:
        number, page = page_at(asked, "page[number]")
        after = f"http://{asked.headers['Host']}/v1/articles?page[number]={number + 1}&x=%2B" if number < 3 else None
        return Reply({"data": page, "links": {"next": after}})

    async with session_with(answer, "/v1") as (api, server):
        found = await ids_of(api.pages("/articles", {"size": 2}, pages=NextUrl("links.next"), records="data"))
        assert found == [0, 1, 2, 3, 4]
        assert server.targets[0] == "/v1/articles?size=2"
        assert [asked.query for asked in server.requests[1:]] == [
            {"page[number]": "2", "x": "+"},
            {"page[number]": "3", "x": "+"},
        ]


async def test_row_next_url_with_empty_page() -> None:
    """next URL in body (Microsoft Graph): a link can come with an empty value array, and the walk goes on."""

    def answer(asked: Asked) -> Reply:
        number = asked.number("p", 1)
        host = f"http://{asked.headers['Host']}"
        after = {"@odata.nextLink": f"{host}/users?p={number + 1}"} if number < 3 else {}
        return Reply({"value": [] if number == 2 else rows(number, number + 1), **after})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/users", pages=OData(), records="value")) == [1, 3]


async def test_row_next_url_relative_with_done() -> None:
    """next URL in body, relative (Salesforce nextRecordsUrl + done): resolved against the page; done ends it."""

    def answer(asked: Asked) -> Reply:
        number = int(asked.path.rpartition("-")[2]) if "-" in asked.path else 1
        after = {} if number == 3 else {"nextRecordsUrl": f"/services/data/query/01g-{number + 1}"}
        return Reply(
            {"done": number == 3, "totalSize": 5, "records": rows(number * 2 - 2, min(number * 2, 5)), **after}
        )

    async with session_with(answer, "/services/data") as (api, server):
        pages = NextUrl("nextRecordsUrl", done="done")
        assert await ids_of(api.pages("/query", {"q": "SELECT Id"}, pages=pages, records="records")) == [0, 1, 2, 3, 4]
        assert server.targets[1:] == ["/services/data/query/01g-2", "/services/data/query/01g-3"]


async def test_not_done_without_a_link() -> None:
    """Salesforce says done=false and sends no address: an error, and not the end."""
    async with session_with(lambda asked: Reply({"done": False, "records": rows(0, 1)})) as (api, _):
        with pytest.raises(ApiError, match="says that there is more, but there is no token or link"):
            await ids_of(api.pages("/query", pages=NextUrl("nextRecordsUrl", done="done"), records="records"))


async def test_row_incremental_export() -> None:
    """incremental export (Zendesk cursor): after_url goes on for ever, end_of_stream ends it."""

    def answer(asked: Asked) -> Reply:
        number, page = page_at(asked, "cursor")
        after = f"http://{asked.headers['Host']}/export?cursor={number + 1}"
        return Reply({"tickets": page, "after_url": after, "end_of_stream": number == 3})

    async with session_with(answer) as (api, server):
        pages = NextUrl("after_url", done="end_of_stream", end=("flag",))
        assert await ids_of(api.pages("/export", {"start_time": 1}, pages=pages, records="tickets")) == [0, 1, 2, 3, 4]
        assert len(server.requests) == 3


@pytest.mark.parametrize("link", ["?cursor=2", "items?cursor=2", "/v1/items?cursor=2", "./items?cursor=2"])
async def test_relative_links_are_relative_to_the_page(link: str) -> None:
    """A relative link is resolved against the page that it stands in."""

    def answer(asked: Asked) -> Reply:
        assert asked.path == "/v1/items"
        return Reply({"rows": rows(1, 2)} if asked.query == {"cursor": "2"} else {"rows": rows(0, 1), "next": link})

    async with session_with(answer, "/v1") as (api, _):
        assert await ids_of(api.pages("/items", {"a": 1}, pages=NextUrl("next"), records="rows")) == [0, 1]


async def test_relative_links_after_a_redirect() -> None:
    """A relative link is relative to where the page came from, behind a redirect."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/items":
            return Reply({}, 307, (("Location", "/moved/items"),))
        return Reply({"rows": rows(1, 2)} if asked.query else {"rows": rows(0, 1), "next": "items?page=2"})

    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/items", pages=NextUrl("next"), records="rows")) == [0, 1]
        assert server.targets == ["/items", "/moved/items", "/moved/items?page=2"]


async def test_next_url_in_a_header() -> None:
    """The address may stand alone in a header."""

    def answer(asked: Asked) -> Reply:
        return Reply(rows(1, 2)) if asked.query else Reply(rows(0, 1), headers=(("X-Next-Page", "/items?page=2"),))

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=NextUrl(from_header="x-next-page"), records=".")) == [0, 1]


async def test_next_url_keeps_method_body_and_headers() -> None:
    """The body of a POST and the declared headers go with every page."""

    def answer(asked: Asked) -> Reply:
        assert (asked.method, asked.json, asked.headers["X-Version"]) == ("POST", {"q": 1}, "2")
        return Reply({"rows": rows(1, 2)} if asked.query else {"rows": rows(0, 1), "next": "?page=2"})

    async with session_with(answer) as (api, _):
        pages = api.pages(
            "/s", pages=NextUrl("next"), records="rows", method="POST", json={"q": 1}, headers=(("X-Version", "2"),)
        )
        assert await ids_of(pages) == [0, 1]


async def test_g7_credentials_go_with_links_of_the_same_origin_only() -> None:
    """G7: the token goes with each page of the API, and never along a link to another origin."""

    def evil(asked: Asked) -> Reply:
        raise AssertionError("a request came to the other origin")

    async with session_with(evil) as (_, other):

        def answer(asked: Asked) -> Reply:
            assert asked.headers["Authorization"] == "Bearer sesame-sesame"
            links = {"": "?page=2", "2": other.url + "/items?page=3"}
            return Reply(
                {"rows": rows(len(asked.query), len(asked.query) + 1), "next": links[asked.query.get("page", "")]}
            )

        async with session_with(answer, auth=Bearer("sesame-sesame")) as (api, server):
            with pytest.raises(ApiError) as caught:
                await ids_of(api.pages("/items", pages=NextUrl("next"), records="rows"))
            assert caught.value.action is Action.POISON
            assert len(server.requests) == 2
            assert other.requests == []
            assert "sesame" not in str(caught.value)


async def test_row_odata_v4() -> None:
    """OData v4 (@odata.nextLink): the query is in the link, page size is a preference, the link is opaque."""

    def answer(asked: Asked) -> Reply:
        assert asked.headers["Prefer"] == "return=minimal, odata.maxpagesize=2"
        number = asked.number("$skiptoken", 1)
        host = f"http://{asked.headers['Host']}"
        after = {"@odata.nextLink": f"{host}/svc/People?$skiptoken={number + 1}"} if number < 3 else {}
        return Reply({"@odata.context": f"{host}/svc/$metadata#People", "value": rows(number, number + 1), **after})

    async with session_with(answer, "/svc") as (api, server):
        found = await ids_of(
            api.pages(
                "/People",
                {"$filter": "a eq 'b'"},
                pages=OData(2),
                records="value",
                headers=(("Prefer", "return=minimal"),),
            )
        )
        assert found == [1, 2, 3]
        assert server.targets == [
            "/svc/People?$filter=a%20eq%20'b'",
            "/svc/People?$skiptoken=2",
            "/svc/People?$skiptoken=3",
        ]


async def test_odata_relative_link_is_relative_to_the_context() -> None:
    """OData v4: a relative link is relative to the service's metadata, not to the page."""

    def answer(asked: Asked) -> Reply:
        assert asked.path in {"/svc/Customers(1)/Orders", "/svc/Orders"}
        if asked.query:
            return Reply({"value": rows(1, 2)})
        host = f"http://{asked.headers['Host']}"
        return Reply(
            {
                "@odata.context": f"{host}/svc/$metadata#Orders",
                "value": rows(0, 1),
                "@odata.nextLink": "Orders?$skiptoken=2",
            }
        )

    async with session_with(answer, "/svc") as (api, server):
        assert await ids_of(api.pages("/Customers(1)/Orders", pages=OData(), records="value")) == [0, 1]
        assert server.targets[1] == "/svc/Orders?$skiptoken=2"


async def test_row_company_scoped_odata() -> None:
    """company-scoped OData (Dynamics 365 F&O): cross-company=true goes with the first page; the link carries it on."""

    def answer(asked: Asked) -> Reply:
        assert asked.query["cross-company"] == "true"
        if "$skiptoken" in asked.query:
            return Reply({"value": rows(1, 2)})
        return Reply({"value": rows(0, 1), "@odata.nextLink": "/data/Sales?cross-company=true&$skiptoken=x"})

    async with session_with(answer, "/data") as (api, server):
        query = {"cross-company": True, "$filter": "dataAreaId eq 'usmf'"}
        assert await ids_of(api.pages("/Sales", query, pages=OData(), records="value")) == [0, 1]
        assert server.targets[1] == "/data/Sales?cross-company=true&$skiptoken=x"


@pytest.mark.parametrize(
    ("make", "fields"), [(NextUrl, {}), (NextUrl, {"at": "a", "from_header": "b"}), (OData, {"page_size": 0})]
)
def test_kinds_that_cannot_work_are_refused_when_made(make: Callable[..., object], fields: dict[str, Any]) -> None:
    """What cannot work is refused before the first request."""
    with pytest.raises(UsageError):
        make(**fields)
