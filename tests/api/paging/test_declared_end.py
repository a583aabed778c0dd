"""Lists with a token or link that goes on past the end: each way to end them is declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.api.paging.page_iterator import REPORTED_EMPTY_PAGES
from haulier.api.paging.paginator import PageAnswer, PageRequest
from haulier.api.paging.positions import Offset, PageNumber
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


class ByTwo:
    """A paginator of one's own, which knows no end."""

    def first(self, request: PageRequest) -> PageRequest:
        return request.with_query("c", "0")

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        return request.with_query("c", str(int(request.query_value("c") or 0) + 2))


# -- the token or link of the page before again ------------------------------------------------------------------------


def repeats(asked: Asked) -> Reply:
    """Three pages; the last one's token and link are those that it was asked for with."""
    start = asked.number("c")
    after = min(start + 2, 4)
    link = f"http://{asked.headers['Host']}/items?c={after}"
    page = rows(start, start + 2)
    body = {
        "rows": page,
        "next": after,
        "link": link,
        "rel": f"?c={after}",
        "@odata.nextLink": link,
        "at": {"a": after},
    }
    return Reply(body, headers=(("Link", f"<{link}>; rel=next"), ("X-Next", str(after))))


KINDS: list[tuple[type[Any], dict[str, Any]]] = [
    (Cursor, {"at": "next", "query": "c"}),
    (Cursor, {"from_header": "X-Next", "query": "c"}),
    (NextUrl, {"at": "link"}),
    (NextUrl, {"at": "rel"}),
    (LinkHeader, {}),
    (OData, {}),
]


@pytest.mark.parametrize(("make", "fields"), KINDS)
async def test_a_repeated_token_is_the_end_where_that_is_declared(make: Any, fields: dict[str, Any]) -> None:
    """The last page's own token or link comes with it again; its records are kept. Undeclared it is a loop."""
    async with session_with(repeats) as (api, server):
        pages = make(**fields, end=("repeated",))
        assert await ids_of(api.pages("/items", pages=pages, records="rows")) == [0, 1, 2, 3, 4, 5]
        assert len(server.requests) == 3
    async with session_with(repeats) as (api, _):
        with pytest.raises(PaginationLoopError):
            await ids_of(api.pages("/items", pages=make(**fields), records="rows"))


async def test_a_repeated_token_in_a_body_or_header() -> None:
    """The same for tokens that are sent in a body, be they objects, or in a header."""

    def answer(asked: Asked) -> Reply:
        token = asked.json.get("after") if asked.body else None
        start = token["n"] if token else int(asked.headers.get("X-After", 0))
        return Reply({"rows": rows(start, start + 2), "next": {"n": min(start + 2, 4)}, "n": min(start + 2, 4)})

    in_body = Cursor("next", body="after", end=("repeated",))
    async with session_with(answer) as (api, _):
        found = await ids_of(api.pages("/items", pages=in_body, records="rows", method="POST", json={}))
        assert found == [0, 1, 2, 3, 4, 5]
    in_header = Cursor("n", header="X-After", end=("repeated",))
    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=in_header, records="rows")) == [0, 1, 2, 3, 4, 5]


# -- an empty page -----------------------------------------------------------------------------------------------------


def for_ever(asked: Asked) -> Reply:
    """A new token and link with every page, also with those that are empty."""
    start = asked.number("c")
    link = f"http://{asked.headers['Host']}/items?c={start + 2}"
    page = rows(start, max(start, min(start + 2, 5)))
    return Reply(
        {"rows": page, "next": start + 2, "link": link, "rel": f"?c={start + 2}", "@odata.nextLink": link},
        headers=(("Link", f"<{link}>; rel=next"), ("X-Next", str(start + 2))),
    )


@pytest.mark.parametrize(("make", "fields"), KINDS)
async def test_an_empty_page_is_the_end_where_that_is_declared(make: Any, fields: dict[str, Any]) -> None:
    """Tokens go on for ever: the first page without records is the last."""
    async with session_with(for_ever) as (api, server):
        pages = make(**fields, end=("empty page",))
        assert await ids_of(api.pages("/items", pages=pages, records="rows")) == [0, 1, 2, 3, 4]
        assert len(server.requests) == 4


async def test_an_empty_page_is_no_end_where_nobody_says_so() -> None:
    """Microsoft Graph sends empty pages in the middle: what is not declared does not end a list."""
    parts = [rows(0, 2), [], rows(2, 3)]

    def answer(asked: Asked) -> Reply:
        number = asked.number("c")
        return Reply({"rows": parts[number], "next": number + 1 if number < 2 else None})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=Cursor("next", query="c"), records="rows")) == [0, 1, 2]


# -- an attribute of the link ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ['results="false"', "results=false", "Results = 'false'"])
async def test_a_link_that_is_always_there(written: str) -> None:
    """Sentry: the next link is always there, and says whether anything stands behind it."""

    def answer(asked: Asked) -> Reply:
        start = int(asked.query.get("cursor", "0:0:0").split(":")[1])
        has_more = str(start + 2 < 5).lower()
        link = f'<http://{asked.headers["Host"]}/items?cursor=0:{start + 2}:0>; rel="next"; results="{has_more}"'
        before = f'</items?cursor=0:0:1>; rel="previous"; results="false", {link}; cursor="0:{start + 2}:0"'
        return Reply(rows(start, min(start + 2, 5)), headers=(("Link", before),))

    async with session_with(answer) as (api, server):
        pages = LinkHeader(end_if=written)
        assert await ids_of(api.pages("/items", {"limit": 2}, pages=pages, records=".")) == [0, 1, 2, 3, 4]
        assert len(server.requests) == 3


def sentry(asked: Asked) -> Reply:
    """Five rows, and a link that goes on for ever."""
    start = asked.number("cursor")
    results = str(start + 2 < 5).lower()
    here = [{"rel": "self", "href": "/items"}, {"rel": "next", "href": f"?cursor={start + 2}", "results": results}]
    link = f'<?cursor={start + 2}>; rel="next"; results="{results}"'
    return Reply({"rows": rows(start, max(start, min(start + 2, 5))), "links": here}, headers=(("Link", link),))


@pytest.mark.parametrize(("make", "attributes"), [(LinkHeader, "rel, results"), (LinkList, "rel, href, results")])
async def test_a_misspelt_attribute_ends_at_the_first_page(make: Any, attributes: str) -> None:
    """G1: it would never say the end. Where the API leaves it out of links, an empty page is the end besides."""
    at = {"at": "links"} if make is LinkList else {}
    async with session_with(sentry) as (api, server):
        with pytest.raises(PagingError) as caught:
            await ids_of(api.pages("/items", pages=make(**at, end_if='result="false"'), records="rows"))
        assert f"has no 'result', which says the end, as `end_if` has it; it has {attributes}. " in str(caught.value)
        assert 'write end = ["empty page"] there' in str(caught.value)
        assert len(server.requests) == 1
        pages = make(**at, end_if='result="false"', end=("empty page",))
        assert await ids_of(api.pages("/items", pages=pages, records="rows")) == [0, 1, 2, 3, 4]


async def test_a_misspelt_value_of_an_attribute_does_not_go_on_for_ever() -> None:
    async with session_with(sentry) as (api, server):
        with pytest.raises(
            PagingError, match=r"100 pages in a row hold no record, and no link said .*'results=\"no\"'"
        ):
            await ids_of(api.pages("/items", pages=LinkHeader(end_if='results="no"'), records="rows"))
        assert len(server.requests) == 3 + REPORTED_EMPTY_PAGES


# -- a flag that the last page lacks -------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [True, False], ids=["but the last", "misspelt"])
@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Offset, {"offset_name": "c"}),
        (PageNumber, {"name": "p"}),
        (Seek, {"key": "id", "query": "after"}),
        (Cursor, {"at": "next", "query": "c"}),
        (Cursor, {"at": "next", "query": "c", "end": ("flag", "empty page")}),
    ],
)
async def test_a_flag_that_the_last_page_lacks(make: Any, fields: dict[str, Any], shown: bool) -> None:
    """G1: undeclared an error that says what to write. Declared, a misspelt one loses nothing either."""

    def answer(asked: Asked) -> Reply:
        start = asked.number(
            "c", (asked.number("p", 1) - 1) * 2 if "p" in asked.query else asked.number("after", -1) + 1
        )
        found = rows(start, max(start, min(start + 2, 5)))
        more = {"more": True} if start + 2 < 5 and shown else {}
        return Reply({"rows": found, "next": start + 2 if start < 5 else None, **more})

    async with session_with(answer) as (api, _):
        pages = make(**fields, more="more", missing="end")
        assert await ids_of(api.pages("/items", pages=pages, records="rows")) == [0, 1, 2, 3, 4]
        if not shown:
            return
        with pytest.raises(ApiError, match=r'no flag says whether there is more.*write missing = "end" in `pages`'):
            await ids_of(api.pages("/items", pages=make(**fields, more="more"), records="rows"))


# -- an exact total that is reached ------------------------------------------------------------------------------------

MORE: list[tuple[type[Any], dict[str, Any]]] = [
    *KINDS,
    (Seek, {"key": "id", "query": "after", "more": "more"}),
    (Offset, {"offset_name": "c", "more": "more"}),
    (ByTwo, {}),
]


def counted(asked: Asked, behind: Callable[[int], Reply] | None = None) -> Reply:
    """All signs say for ever that there is more; the total says how many there are: six."""
    start = asked.number("c") if "after" not in asked.query else asked.number("after") + 1
    if start >= 6 and behind is not None:
        return behind(start)
    after, page = start + 2, rows(start, max(start, min(start + 2, 6)))
    link = f"http://{asked.headers['Host']}/items?c={after}"
    body = {"rows": page, "next": after, "link": link, "rel": f"?c={after}", "@odata.nextLink": link, "more": True}
    return Reply(body | {"n": 6}, headers=(("Link", f"<{link}>; rel=next"), ("X-Next", str(after))))


@pytest.mark.parametrize(("make", "fields"), MORE)
async def test_an_exact_total_that_is_reached_ends_every_kind(make: Any, fields: dict[str, Any]) -> None:
    """Whatever the signs say: behind the total one page is looked at, and if it is empty, that is the end."""
    async with session_with(counted) as (api, server):
        found = await ids_of(api.pages("/items", pages=make(**fields), records="rows", total=Total("n")))
        assert found == [0, 1, 2, 3, 4, 5]
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    "behind",
    [
        lambda start: Reply({"error": "past the end"}, 400),
        lambda start: Reply({"error": "no such page"}, 404),
        lambda start: Reply({"rows": rows(4, 6), "next": start + 2, "n": 6}),
        lambda start: Reply({"rows": rows(0, 2), "next": 0, "n": 6}),
    ],
    ids=["400", "404", "last again", "first again"],
)
async def test_what_comes_behind_the_total_does_not_spoil_it(behind: Callable[[int], Reply]) -> None:
    """A refusal, the last page once more, and the first one again are the end, where the total is reached."""
    async with session_with(lambda asked: counted(asked, behind)) as (api, _):
        pages = Cursor("next", query="c")
        assert await ids_of(api.pages("/items", pages=pages, records="rows", total=Total("n"))) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("link", ["/items?c=4", "http://elsewhere.test/items?c=6"])
async def test_a_link_that_leads_nowhere_behind_the_total(link: str) -> None:
    """A link to a page that came, or to another host, is not followed where the total is reached."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("c")
        return Reply({"rows": rows(start, start + 2), "next": f"/items?c={start + 2}" if start < 4 else link, "n": 6})

    async with session_with(answer) as (api, server):
        found = await ids_of(api.pages("/items", pages=NextUrl("next"), records="rows", total=Total("n")))
        assert found == [0, 1, 2, 3, 4, 5]
        assert len(server.requests) == 3


async def test_records_behind_the_total_are_not_lost() -> None:
    """A total that is too low ends nothing in silence: the walk does not end well."""
    async with session_with(lambda asked: counted(asked, lambda start: Reply({"rows": rows(6, 8), "n": 6}))) as (
        api,
        _,
    ):
        with pytest.raises(ApiError, match="promised 6 records and sent 8"):
            await ids_of(api.pages("/items", pages=Cursor("next", query="c"), records="rows", total=Total("n")))


ODD_WORDS: Any = ("empty",)
ODD: Any = "begin"

# -- what cannot be meant ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Cursor("next", query="c", end=("flag",)), r'end = \["flag"\] needs a flag'),
        (lambda: NextUrl("next", end=("flag",)), "needs a flag"),
        (lambda: LinkHeader(end=("flag",)), "Name an attribute of the link"),
        (lambda: OData(end=("flag",)), "has no flag"),
        (
            lambda: Cursor("next", query="c", end=ODD_WORDS),
            "'empty' is not available in end. Available: 'flag', 'repeated', 'empty page'",
        ),
        (lambda: LinkHeader(end_if="results"), "write an attribute and its value"),
        (lambda: LinkHeader(missing=ODD), "missing is 'begin'"),
        (lambda: PageNumber(more="more", missing=ODD), "missing is 'begin'; write 'end'"),
        (lambda: Offset(missing="end"), "the last page lacks its flag: declare `more` or `done`"),
    ],
)
def test_ends_that_mean_nothing(make: Any, says: str) -> None:
    """Words that mean nothing are refused before the first request."""
    with pytest.raises(UsageError, match=says):
        make()


async def test_empty_pages_that_do_not_end_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """They may be a sparse search; or a token that goes on for ever behind the end, which nobody would hear of."""

    def sparse(asked: Asked) -> Reply:
        number = asked.number("c")
        more = {"next": number + 1} if number < REPORTED_EMPTY_PAGES + 20 else {"next": None}
        return Reply({"rows": [] if 0 < number < REPORTED_EMPTY_PAGES + 20 else rows(number, number + 1), **more})

    async with session_with(sparse) as (api, server):
        found = await ids_of(api.pages("/items", pages=Cursor("next", query="c"), records="rows"))
    assert found == [0, REPORTED_EMPTY_PAGES + 20]
    assert len(server.requests) == REPORTED_EMPTY_PAGES + 21
    (told,) = [record for record in caplog.records if "hold no record" in record.getMessage()]
    assert 'end = ["empty page"]' in told.getMessage()
