"""Lists of links in the body: FHIR bundles, OGC API, STAC."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, collected, ids_of, refused, rows, says, session_with, told

FHIR = LinkList("link", rel_at="relation", url_at="url")


def links(**found: str) -> list[dict[str, Any]]:
    return [{"rel": rel, "href": url, "type": "application/geo+json"} for rel, url in found.items()]


async def test_fhir_bundle_is_read_to_its_end() -> None:
    """A bundle's links have `relation` and `url`; the last one has no next. The address is followed as it is."""

    def answer(asked: Asked) -> Reply:
        number = asked.number("_page", 1)
        home = f"http://{asked.headers['Host']}"
        link = [{"relation": "self", "url": f"{home}{asked.target}"}]
        if number < 3:
            link.append({"relation": "next", "url": f"{home}/fhir?_getpages=a%7Cb&_page={number + 1}"})
        return Reply({"resourceType": "Bundle", "link": link, "entry": rows(number * 2 - 2, min(number * 2, 5))})

    async with session_with(answer, "/fhir") as (api, server):
        assert await ids_of(api.pages("/Patient", {"_count": 2}, pages=FHIR, records="entry")) == [0, 1, 2, 3, 4]
    assert server.targets == ["/fhir/Patient?_count=2", *(f"/fhir?_getpages=a%7Cb&_page={page}" for page in (2, 3))]


async def test_stac_search_by_post_sends_the_body_of_the_link() -> None:
    """STAC: a link of a search by POST has a body, which replaces ours or, with `merge`, is put into it."""
    for merge in (False, True):

        def answer(asked: Asked, merge: bool = merge) -> Reply:
            place = asked.json.get("token", 0)
            assert asked.json.get("limit", 2) == 2
            if merge or not place:
                assert asked.json["collections"] == ["c"]
            link = {"rel": "next", "method": "POST", "href": "/search", "merge": merge, "body": {"token": place + 2}}
            return Reply({"features": rows(place, min(place + 2, 5)), "links": [link] if place < 4 else []})

        async with session_with(answer) as (api, _):
            found = api.pages(
                "/search",
                pages=LinkList("links", body_at="body", merge_at="merge"),
                records="features",
                method="POST",
                json={"collections": ["c"], "limit": 2},
            )
            assert await ids_of(found) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("pages", "last"),
    [
        (LinkList("links"), links(self="/items", prev="/items?p=1")),
        (LinkList("links", rel="NEXT"), links(next_page="/items?p=3")),
        (LinkList("links"), None),
        (LinkList("links"), [{"rel": "next", "href": None}]),
        (LinkList("links"), [{"rel": "next", "href": ""}]),
        (LinkList("links"), []),
        (LinkList("links", end=("repeated",)), links(next="?p=2")),
        (LinkList("links", end_if="results=false"), [{**links(next="/items?p=3")[0], "results": False}]),
        (LinkList("links", end_if='results="false"'), [{**links(next="/items?p=3")[0], "results": "FALSE"}]),
    ],
)
async def test_ends(pages: LinkList, last: Any) -> None:
    """No such relation, no list, the link of the page before, a value in the link: each declared, each the end."""
    first = [{"rel": ["related", "next"], "href": "?p=2", "results": "true"}]
    said = says({"rows": rows(0, 2), "links": first}), says({"rows": rows(2, 3), "links": last})
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=pages) == [0, 1, 2]
    assert [request.url.partition("/items")[2] for request in transport.requests] == ["", "?p=2"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (links(next="/a") * 2, "2 links at 'links' have the relation 'next', and only one can be right"),
        (
            [{"relation": "next", "url": "/a"}],
            "no link at 'links' has a relation at 'rel': the first is an object",
        ),
        ([{"rel": "next", "url": "/a"}], "has nothing at 'href', where its address should be"),
        ([{"rel": "next", "href": {"a": 1}}], "has an object with the keys a at 'href'"),
        ({"next": {"href": "/a"}}, 'expected a list of links .* pages = { next_url = "links.next" }'),
        (["/a"], "expected links at 'links' that are objects, found text"),
    ],
)
async def test_what_is_no_link_ends_no_list(found: Any, words: str) -> None:
    """G3: a list that cannot be followed is an error that says what to correct, and never the end."""
    async with told(says({"rows": rows(0, 2), "links": found})) as (api, _, clock, _):
        with pytest.raises(PagingError, match=words):
            await collected(api, clock, pages=LinkList("links"))


async def test_a_full_page_without_the_relation_is_an_error_where_no_page_had_it() -> None:
    """G3: the path may be misspelt. A total, or `missing`, settles it."""
    page = says({"rows": rows(0, 2), "refs": links(next="/items?p=2")})
    async with told(page) as (api, _, clock, _):
        error = await refused(api, clock, query={"limit": 2}, pages=LinkList("links"))
    assert "no link at 'links' has the relation 'next'" in str(error)
    assert "there is nothing at 'links': the body is an object with the keys rows, refs" in str(error)
    async with told(page) as (api, _, clock, _):
        assert await collected(api, clock, query={"limit": 2}, pages=LinkList("links", missing="end")) == [0, 1]


async def test_links_that_go_in_a_circle_are_an_error() -> None:
    """G3: two pages that lead to each other."""
    said = [says({"rows": rows(n, n + 1), "links": links(next=f"/items?p={1 - n}")}) for n in (0, 1, 0)]
    async with told(*said) as (api, _, clock, _):
        with pytest.raises(PaginationLoopError):
            await collected(api, clock, query={"p": 0}, pages=LinkList("links"))


async def test_a_link_to_another_origin_is_refused() -> None:
    """G7: nothing is sent there."""
    async with told(says({"rows": rows(0, 1), "links": links(next="http://evil.test/items?p=2")})) as parts:
        api, transport, clock, _ = parts
        with pytest.raises(ApiError, match=r"it leads to http://evil\.test") as caught:
            await collected(api, clock, pages=LinkList("links"))
    assert caught.value.action is Action.POISON
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"at": "links", "end": ("flag",)}, "A list of links has no flag"),
        ({"at": "links", "end_if": "results"}, "write an attribute and its value"),
        ({"at": "links", "merge_at": "merge"}, 'Name its path: body_at = "body"'),
        ({"at": "a..b"}, "is no path into JSON"),
        ({"at": "links", "link_origin": "any"}, "link_origin is 'any'; write 'own', or leave it out"),
        ({"at": "links", "link_base": "/api"}, "link_base is '/api'; write 'api', or leave it out"),
    ],
)
def test_refusals(made: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        LinkList(**made)
