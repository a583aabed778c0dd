"""Links that drop parameters of the first request: put back where that is declared, and else told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from haulier.api.paging.links import LinkHeader, NextUrl, OData
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
async def test_a_link_that_drops_the_filter_is_told_once(
    make: Any, fields: dict[str, Any], warnings: list[logging.LogRecord]
) -> None:
    """G7: links are opaque, so that it may be right; it is said once for all items, with names and no values."""
    async with serving(dropping) as server, client_of(server.url) as client:
        for session in (client.session(), client.session()):
            await ids_of(session.pages("/items", ASKED, pages=make(**fields), records="value"))
    (told,) = warnings
    assert "lack parameters" in told.getMessage()
    assert vars(told)["parameters"] == "state, q"


@pytest.mark.parametrize(
    "link",
    [
        "/items?page=2&state=open&sort=id",
        "/items?sort=id&state=open&cursor=abc",
        "/query/01g-2",
        "/other?page=2",
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


async def test_links_below_the_api_are_looked_into_too(warnings: list[logging.LogRecord]) -> None:
    """They are compared as they are asked for."""

    def answer(asked: Asked) -> Reply:
        page = asked.number("page", 1)
        return Reply({"value": rows(page, page + 1), "link": "/items?page=2" if page == 1 else None})

    async with session_with(answer, "/api") as (api, _):
        pages = NextUrl("link", link_base="api")
        assert await ids_of(api.pages("/items", {"state": "open"}, pages=pages, records="value")) == [1, 2]
    assert [vars(each)["parameters"] for each in warnings] == ["state"]
