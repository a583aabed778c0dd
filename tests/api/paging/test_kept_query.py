"""Links that drop parameters of the first request: put back where that is declared, refused where they have nothing but
a place in the list, and else told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.sources.fingerprint import canonical
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, serving, session_with


@pytest.fixture
def warnings() -> Iterator[list[logging.LogRecord]]:
    """What the client warns of, whether or not a command of this process has taken the logs over."""
    found: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Kept(logging.WARNING)
    logging.getLogger("haulier.api").addHandler(handler)
    yield found
    logging.getLogger("haulier.api").removeHandler(handler)


def dropping(asked: Asked) -> Reply:
    """300 rows, of which `state=open` has each even one; the links forget it."""
    page = asked.number("page", 1)
    mine = [row for row in rows(0, 12) if asked.query.get("state") != "open" or row["id"] % 2 == 0]
    found = mine[(page - 1) * 3 : page * 3]
    link = f"http://{asked.headers['Host']}/items?page={page + 1}&per_page=3" if page * 3 < len(mine) else ""
    body = {"value": found, "link": link or None, "rel": f"?page={page + 1}&per_page=3" if link else None}
    body |= {"@odata.nextLink": link} if link else {}
    return Reply(body, headers=(("Link", f"<{link}>; rel=next"), ("X-Next", link)) if link else ())


KINDS: list[tuple[type[Any], dict[str, Any]]] = [
    (NextUrl, {"at": "link"}),
    (NextUrl, {"at": "rel"}),
    (NextUrl, {"from_header": "X-Next"}),
    (LinkHeader, {}),
    (OData, {}),
]
ASKED = {"state": "open", "page": 1, "per_page": 3, "q": "a b&c=d"}


@pytest.mark.parametrize(("make", "fields"), KINDS)
async def test_the_query_is_kept_where_that_is_declared(make: Any, fields: dict[str, Any]) -> None:
    """`keep_query`: what a link lacks is put behind it; what it has, and the place of the page, is the link's."""
    async with session_with(dropping) as (api, server):
        pages = make(**fields, keep_query=True)
        assert await ids_of(api.pages("/items", ASKED, pages=pages, records="value")) == [0, 2, 4, 6, 8, 10]
        assert server.targets[1] == "/items?page=2&per_page=3&state=open&q=a%20b%26c=d".replace("c=d", "c%3Dd")


@pytest.mark.parametrize(("make", "fields"), KINDS)
async def test_a_link_with_nothing_but_a_place_is_refused(make: Any, fields: dict[str, Any]) -> None:
    """G1: no number of a page can stand for a filter. What is declared to be right is taken as it is."""
    async with session_with(dropping) as (api, _):
        with pytest.raises(PagingError) as caught:
            await ids_of(api.pages("/items", ASKED, pages=make(**fields), records="value"))
        assert str(caught.value).partition(": ")[2] == (
            "the link to the next page has a place in the list, 'page', and nothing that could stand for 'state', 'q' "
            "of the first request: it leads into another list. Write keep_query = true in `pages`, which adds them to "
            "each link; or keep_query = false, if the API knows them all the same."
        )
        found = api.pages("/items", ASKED, pages=make(**fields, keep_query=False), records="value")
        assert await ids_of(found) == [0, 2, 4, *range(3, 12)]


@pytest.mark.parametrize("place", ["offset=3", "$skip=3", "startIndex=4&count=3", "page[number]=1", "c=3&sort=id"])
async def test_places_as_apis_write_them(place: str) -> None:
    asked = {"state": "open", "q": "a", "limit": 3}
    async with session_with(lambda asked: Reply({"rows": rows(0, 3), "next": f"?{place}"})) as (api, _):
        with pytest.raises(PagingError, match=r"nothing that could stand for .*'q'"):
            await ids_of(api.pages("/items", asked, pages=NextUrl("next"), records="rows"))


def window(asked: Asked) -> Reply:
    """Rows from `from` on; links have a token for the place, and forget `from`."""
    start = int(asked.query.get("c", "t0")[1:])
    mine = rows(asked.number("from"), 12)
    link = f"/items?c=t{start + 3}" if start + 3 < len(mine) else None
    return Reply({"rows": mine[start : start + 3], "links": [{"rel": "next", "href": link}], "total": 6, "next": link})


@pytest.mark.parametrize("pages", [NextUrl("next"), LinkList("links")])
async def test_a_list_that_begins_again_behind_its_total_is_no_end_where_links_lack_the_filter(pages: Any) -> None:
    """G1: 6 rows came, as the total says; three of them belong to another item, and three are missing."""
    async with session_with(window) as (api, server):
        with pytest.raises(
            PagingError, match=r"records that came before, and the links lack 'from' of .*keep_query = t"
        ):
            await ids_of(api.pages("/items", {"from": 6}, pages=pages, records="rows", total=Total("total")))
        assert len(server.targets) == 3


async def test_more_records_than_the_total_are_told_of_the_links() -> None:
    """Smaller items would fail alike: it is no reason to divide."""
    async with session_with(window) as (api, _):
        with pytest.raises(
            PagingError, match=r"promised 6 records and sent .* The links lack 'from' of .*keep_query = true"
        ):
            await ids_of(api.pages("/items", {"from": 4}, pages=NextUrl("next"), records="rows", total=Total("total")))


async def test_a_circle_says_what_the_links_lack() -> None:
    async with session_with(window) as (api, _):
        with pytest.raises(ApiError, match=r"goes in a circle|byte for byte.*The links lack 'from'.*keep_query = true"):
            await ids_of(api.pages("/items", {"from": 6}, pages=NextUrl("next"), records="rows"))


async def test_a_token_without_the_filter_is_told_once(warnings: list[logging.LogRecord]) -> None:
    """G7: it may hold the filter; it is said once for all items, with names and no values."""

    def answer(asked: Asked) -> Reply:
        link = None if "cursor" in asked.query else "/items?cursor=abc&per_page=3"
        return Reply({"value": rows(0, 3) if link else rows(3, 5), "link": link})

    async with serving(answer) as server, client_of(server.url) as client:
        for session in (client.session(), client.session()):
            assert await ids_of(session.pages("/items", ASKED, pages=NextUrl("link"), records="value")) == [*range(5)]
        kept = client.session().pages("/items", ASKED, pages=NextUrl("link", keep_query=False), records="value")
        assert await ids_of(kept) == [*range(5)]
    (told,) = warnings
    assert "lack parameters" in told.getMessage()
    assert vars(told)["parameters"] == "state, q"


async def test_options_of_odata_are_in_the_token_of_its_link(warnings: list[logging.LogRecord]) -> None:
    """By the protocol. Parameters of the API's own are not, and a filter that is not would bring other records."""

    def answer(asked: Asked) -> Reply:
        is_first = "$skiptoken" not in asked.query
        link = {"@odata.nextLink": "/items?$skiptoken=abc"} if is_first else {}
        return Reply({"value": rows(0, 3) if is_first else rows(3, 5), **link})

    async with serving(answer) as server:
        for query in ({"$select": "id"}, {"$filter": "a eq 1", "$select": "id"}, {"$expand": "a", "company": "x"}):
            async with client_of(server.url) as client:
                found = client.session().pages("/items", query, pages=OData(), records="value")
                assert await ids_of(found) == [*range(5)]
    assert [vars(told)["parameters"] for told in warnings] == ["$filter", "company"]


@pytest.mark.parametrize(
    "link",
    [
        "/items?page=2&state=open&sort=id",
        "/items?sort=id&state=open&cursor=abc",
        "/query/01g-2",
        "/other?page=2",
        "/items?page=2&State=open&sort[]=id",
    ],
)
async def test_links_that_need_no_word(link: str, warnings: list[logging.LogRecord]) -> None:
    """A link with all that was asked for, or to a path of its own, drops nothing; sizes and places are the link's."""

    def answer(asked: Asked) -> Reply:
        is_first = asked.path == "/items" and "per_page" in asked.query
        return Reply({"rows": rows(0, 2), "next": link} if is_first else {"rows": rows(2, 3), "next": None})

    asked = {"state": "open", "sort": "id", "per_page": 2, "page": 1}
    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/items", asked, pages=NextUrl("next"), records="rows")) == [0, 1, 2]
        assert server.targets[1] == link
    assert not warnings


@pytest.mark.parametrize(("lacks", "link"), [("format", "/items?page=2"), ("state", "/items?query_id=2")])
async def test_what_brings_no_other_records_is_told_alone(
    lacks: str, link: str, warnings: list[logging.LogRecord]
) -> None:
    """The form of the answer, and what may be a query that the server keeps."""

    def answer(asked: Asked) -> Reply:
        is_first = lacks in asked.query
        return Reply({"rows": rows(0, 2), "next": link} if is_first else {"rows": rows(2, 3), "next": None})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", {lacks: "x"}, pages=NextUrl("next"), records="rows")) == [0, 1, 2]
    assert [vars(told)["parameters"] for told in warnings] == [lacks]


async def test_links_below_the_api_are_looked_into_too() -> None:
    """They are compared as they are asked for."""

    def answer(asked: Asked) -> Reply:
        page = asked.number("page", 1)
        return Reply({"value": rows(page, page + 1), "link": "/items?page=2" if page == 1 else None})

    pages = NextUrl("link", link_base="api")
    async with session_with(answer, "/api") as (api, _):
        with pytest.raises(PagingError, match="'state'"):
            await ids_of(api.pages("/items", {"state": "open"}, pages=pages, records="value"))


def test_links_that_are_declared_to_be_right_make_the_records_that_they_made() -> None:
    """An open run goes on where an error made somebody write it."""
    assert canonical(NextUrl("link", keep_query=False)) == canonical(NextUrl("link"))
    assert canonical(NextUrl("link", keep_query=True)) != canonical(NextUrl("link"))
