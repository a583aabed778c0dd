"""Links of APIs behind a proxy: an inner host, http, or a path without the proxy's prefix (G7: nothing leaves us)."""

from __future__ import annotations

import pytest

from haulier.api.errors import Action, ApiError
from haulier.api.http.urls import LinkError
from haulier.api.identity.auth import Bearer
from haulier.api.paging.link_address import address_of
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.api.paging.paginator import Paginator
from tests.api.paging.rig import Asked, Reply, collected, ids_of, rows, says, session_with, told

HOME = "https://gw.test/api"
PAGE = "https://gw.test/api/v1/items?p=1"


@pytest.mark.parametrize(
    ("link", "origin", "base", "address"),
    [
        ("http://inner:8080/v1/items?p=2#x", "own", "", "https://gw.test/v1/items?p=2"),
        ("http://gw.test/api/v1/items?p=2", "own", "", "https://gw.test/api/v1/items?p=2"),
        ("//inner/v1/items?p=2", "own", "", "https://gw.test/v1/items?p=2"),
        ("?p=2", "own", "", "https://gw.test/api/v1/items?p=2"),
        ("items?p=2", "own", "", "https://gw.test/api/v1/items?p=2"),
        ("http://inner", "own", "", "https://gw.test/"),
        ("http://inner//evil.test/a", "own", "", "https://gw.test//evil.test/a"),
        ("http://inner:8080/v1/items?p=2", "own", "api", "https://gw.test/api/v1/items?p=2"),
        ("https://gw.test/v1/items?p=2", "", "api", "https://gw.test/api/v1/items?p=2"),
        ("/v1/items?p=a%2Fb", "", "api", "https://gw.test/api/v1/items?p=a%2Fb"),
        ("?p=2", "", "api", "https://gw.test/api/v1/items?p=2"),
        ("?p=2", "own", "api", "https://gw.test/api/v1/items?p=2"),
        ("v1/items?p=2", "", "api", "https://gw.test/api/v1/items?p=2"),
        ("/v1/items?p=2", "", "", "https://gw.test/v1/items?p=2"),
    ],
)
def test_where_a_link_leads(link: str, origin: str, base: str, address: str) -> None:
    assert address_of(link, base=PAGE, home=HOME, link_origin=origin, link_base=base) == address


@pytest.mark.parametrize(
    ("link", "origin"),
    [
        ("ftp://inner/a", "own"),
        ("javascript:alert(1)", "own"),
        ("http://user@inner/a", "own"),
        ("https:///inner/a", "own"),
        ("http://inner\\@gw.test/a", "own"),
        ("http://inner/a\nb", "own"),
        ("http://inner:99999/a", "own"),
        ("http://inner/v1/items", ""),
        ("http://gw.test/v1/items", ""),
    ],
)
def test_what_is_never_followed(link: str, origin: str) -> None:
    """Other schemes, names of users and unreadable hosts; another origin, unless "own" is declared."""
    with pytest.raises(LinkError):
        address_of(link, base=PAGE, home=HOME, link_origin=origin, link_base="api")


KINDS: list[Paginator] = [
    NextUrl("next", link_origin="own", link_base="api"),
    NextUrl(from_header="X-Next", link_origin="own", link_base="api"),
    LinkHeader(link_origin="own", link_base="api"),
    LinkList("links", link_origin="own", link_base="api"),
    OData(link_origin="own", link_base="api"),
]


@pytest.mark.parametrize("kind", KINDS, ids=["body", "header", "Link", "list", "odata"])
async def test_each_kind_of_link_stays_here(kind: Paginator) -> None:
    """G7: links with an inner host and without the proxy's prefix are asked for here, with the credentials, and at no
    other server, which listens."""

    def stranger(asked: Asked) -> Reply:
        raise AssertionError("a request came to the inner host")

    async with session_with(stranger) as (_, inner):

        def answer(asked: Asked) -> Reply:
            assert asked.path == "/api/v1/items"
            assert asked.headers["Authorization"] == "Bearer a-secret"
            number = asked.number("p", 1)
            if number == 3:
                return Reply({"rows": rows(4, 5), "next": None})
            link = f"{inner.url}/v1/items?p={number + 1}"
            names = ("next", "@odata.nextLink")
            body = {"rows": rows(number * 2 - 2, number * 2), "links": [{"rel": "next", "href": link}]}
            headers = (("X-Next", link), ("Link", f'<{link}>; rel="next"'))
            return Reply({**body, **dict.fromkeys(names, link)}, headers=headers)

        async with session_with(answer, "/api", auth=Bearer("a-secret")) as (api, server):
            assert await ids_of(api.pages("/v1/items", pages=kind, records="rows")) == [0, 1, 2, 3, 4]
        assert len(server.requests) == 3
        assert inner.requests == []


async def test_undeclared_the_message_names_the_key() -> None:
    """Refused before anything is sent there; with the key, the same source goes on."""
    said = says({"rows": rows(0, 1), "next": "http://inner:8080/items?p=2"}), says({"rows": rows(1, 2)})
    async with told(*said) as (api, transport, clock, _):
        with pytest.raises(ApiError, match=r'write link_origin = "own" in `pages`') as caught:
            await collected(api, clock, pages=NextUrl("next"))
        assert caught.value.action is Action.POISON
        assert len(transport.requests) == 1
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=NextUrl("next", link_origin="own")) == [0, 1]
    assert transport.requests[-1].url == "http://api.test/items?p=2"


async def test_an_inner_link_that_comes_again() -> None:
    """A circle is an error, and the declared end where it is declared: the inner address is compared as it is asked."""
    said = says({"rows": rows(0, 1), "next": "http://inner/items"}), says({"rows": rows(0, 1)})
    async with told(*said) as (api, _, clock, _):
        with pytest.raises(PaginationLoopError):
            await collected(api, clock, pages=NextUrl("next", link_origin="own"))
    async with told(*said) as (api, _, clock, _):
        assert await collected(api, clock, pages=NextUrl("next", link_origin="own", end=("repeated",))) == [0]
