"""A page that is too large for the API is asked for in halves (Failures, `413, "response too large", body >
max_body`): lower page size (halve, floor 1), then SPLIT."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.client import Total
from haulier.api.errors import Action, ApiError
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.links import NextUrl, OData
from haulier.api.paging.paginator import PageRequest, Paginator
from haulier.api.paging.positions import Offset, PageNumber
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, serving

COUNT = 60
TOO_LARGE = Reply({"error": "Content Too Large"}, 413)
Answerer = Callable[[Asked], Reply]


def server(most: int, start: Callable[[Asked], int], size: Callable[[Asked], int], count: int = COUNT) -> Answerer:
    """``count`` rows; a page of more than ``most`` that are there is refused."""

    def answer(asked: Asked) -> Reply:
        first, asked_for = start(asked), size(asked)
        page = rows(first, min(first + asked_for, count))
        if len(page) > most:
            return TOO_LARGE
        following = first + len(page) if first + len(page) < count else None
        return Reply({"rows": page, "value": page, "next": following, "total": count})

    return answer


def of_body(name: str, default: int = 0) -> Callable[[Asked], int]:
    return lambda asked: int(asked.json.get(name, default))


def of_query(name: str, default: int = 0) -> Callable[[Asked], int]:
    return lambda asked: asked.number(name, default)


def of_prefer(asked: Asked) -> int:
    return int(asked.headers["Prefer"].rpartition("=")[2])


POST: dict[str, Any] = {"method": "POST", "json": {"size": 40, "limit": 40}}
KINDS: dict[str, tuple[Paginator, dict[str, Any], Callable[[Asked], int], Callable[[Asked], int]]] = {
    "offset": (Offset(40), {}, of_query("offset"), of_query("limit")),
    "offset in a body": (Offset(40, place="body"), POST, of_body("offset"), of_body("limit")),
    "page": (
        PageNumber(size=40),
        {},
        lambda asked: (asked.number("page") - 1) * asked.number("per_page"),
        of_query("per_page"),
    ),
    "cursor": (
        Cursor("next", query="_next", size_name="_size"),
        {"query": {"_size": 40}},
        of_query("_next"),
        of_query("_size"),
    ),
    "cursor in a body": (Cursor("next", body="after", size_name="size"), POST, of_body("after"), of_body("size")),
    "seek": (
        Seek("id", query="since", size_name="limit"),
        {"query": {"limit": 40}},
        lambda asked: asked.number("since", -1) + 1,
        of_query("limit"),
    ),
    "seek that includes its key": (
        Seek("id", query="from", size_name="limit", is_inclusive=True),
        {"query": {"limit": 40}},
        of_query("from"),
        of_query("limit"),
    ),
}


async def asked_of(answer: Answerer, pages: Paginator, **options: Any) -> tuple[list[int], list[Asked]]:
    """What a list holds, and the requests that it took."""
    rules = options.pop("rules", ())
    settings = options.pop("settings", {})
    async with serving(answer) as api, client_of(api.url, rules, **settings) as client:
        walk = client.session().pages("/rows", pages=pages, **{"records": "rows", **options})
        return await ids_of(walk), api.requests


async def refused(answer: Answerer, pages: Paginator, **options: Any) -> tuple[ApiError, list[Asked]]:
    rules, settings = options.pop("rules", ()), options.pop("settings", {})
    async with serving(answer) as api, client_of(api.url, rules, **settings) as client:
        with pytest.raises(ApiError) as caught:
            await ids_of(client.session().pages("/rows", pages=pages, **{"records": "rows", **options}))
        return caught.value, api.requests


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("most", [20, 12, 3])
async def test_row_413_the_page_size_is_halved(name: str, most: int) -> None:
    """Failures, `413`: G1: each record comes once and in order, whatever the kind; the walk stays at the size that
    works."""
    pages, options, start, size = KINDS[name]
    found, requests = await asked_of(server(most, start, size), pages, **options)
    assert found == list(range(COUNT))
    sizes = [size(asked) for asked in requests]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= most < 2 * sizes[-1] + 2


async def test_row_413_in_the_middle_of_a_walk() -> None:
    """Failures, `413`: G1: a page further on that is too much is halved where the walk stands; nothing is read
    again."""

    def answer(asked: Asked) -> Reply:
        start, size = asked.number("offset"), asked.number("limit")
        return TOO_LARGE if start >= 20 and size > 5 else Reply({"rows": rows(start, min(start + size, 33))})

    found, requests = await asked_of(answer, Offset(10))
    assert found == list(range(33))
    asked_for = [(asked.number("offset"), asked.number("limit")) for asked in requests]
    assert asked_for == [(0, 10), (10, 10), (20, 10), (20, 5), (25, 5), (30, 5), (33, 5), (38, 5)]


def by_whole_pages(limits: dict[int, int]) -> Answerer:
    """1,000 rows of an API that reads an offset as a page's number times the limit. From each of these offsets on, a
    page of more than so many is too large."""

    def answer(asked: Asked) -> Reply:
        offset, size = asked.number("offset"), asked.number("limit")
        if any(offset >= start and size > most for start, most in limits.items()):
            return TOO_LARGE
        start = offset // size * size
        return Reply({"rows": rows(start, min(start + size, 1_000))})

    return answer


@pytest.mark.parametrize(("limit", "limits"), [(100, {200: 25, 400: 12}), (7, {14: 6}), (25, {25: 12}), (9, {0: 5})])
async def test_row_413_offsets_stay_multiples_of_the_limit(limit: int, limits: dict[int, int]) -> None:
    """Failures, `413`: G1, G3: half of 25 is 12, and record 400 does not begin a page of 12: such an API would answer
    from record 396 on."""
    found, requests = await asked_of(by_whole_pages(limits), Offset(limit))
    assert found == list(range(1_000))
    assert all(asked.number("offset") % asked.number("limit") == 0 for asked in requests)


def test_row_413_the_limit_is_lowered_as_little_as_the_offset_allows() -> None:
    """Failures, `413`: half where that divides the offset; at the first record any size does."""

    def lowered(limit: int, offset: int, start: int = 0) -> int | None:
        pages = Offset(limit, start=start)
        asked = pages.first(PageRequest("u")).with_query("offset", str(start + offset))
        assert asked.smaller is not None
        less = asked.smaller(asked)
        return None if less is None else int(less.query_value("limit") or 0)

    assert [lowered(100, 200), lowered(25, 0), lowered(25, 25), lowered(25, 400), lowered(7, 7)] == [50, 12, 5, 10, 1]
    assert [lowered(25, 25, start=1), lowered(1, 5), lowered(10**17, 3)] == [5, None, 3]


@pytest.mark.parametrize("status", [413, 500])
@pytest.mark.parametrize("is_in_header", [False, True])
async def test_row_413_tokens_behind_the_first_page_keep_their_size(status: int, is_in_header: bool) -> None:
    """Failures, `413`: G1, G3: a token may be a page's number (`"next": 3`, `X-Next-Page`), which means other records
    with every size. A later page that is too large divides the item; a 500 is what it is."""

    def answer(asked: Asked) -> Reply:
        page, size = asked.number("page", 1), asked.number("limit")
        if page == 3 and size > 20:
            return Reply({"error": "Content Too Large"}, status)
        found = rows((page - 1) * size, min(page * size, 200))
        return Reply({"rows": found, "next": page + 1}, headers=(("X-Next-Page", str(page + 1)),))

    pages = Cursor(
        "" if is_in_header else "next", "X-Next-Page" if is_in_header else "", query="page", size_name="limit"
    )
    error, requests = await refused(answer, pages, query={"limit": 40})
    assert error.action is (Action.SPLIT if status == 413 else Action.OUTAGE)
    assert {asked.number("limit") for asked in requests} == {40}


async def test_row_413_odata_links_behind_the_first_page_keep_their_size() -> None:
    """Failures, `413`: G1: what stands in a link may be a page's number, as in those of Dataverse."""

    def answer(asked: Asked) -> Reply:
        page, size = asked.number("$skiptoken", 1), of_prefer(asked)
        if page == 2:
            return TOO_LARGE
        return Reply({"value": rows(0, size), "@odata.nextLink": f"/rows?$skiptoken={page + 1}"})

    error, requests = await refused(answer, OData(40), records="value")
    assert error.action is Action.SPLIT
    assert [of_prefer(asked) for asked in requests] == [40, 40]


async def test_row_413_odata() -> None:
    """Failures, `413`: the preference that goes with each page is lowered on the first; links stay as they are."""

    def answer(asked: Asked) -> Reply:
        start, size = asked.number("$skiptoken"), of_prefer(asked)
        if size > 15:
            return TOO_LARGE
        body: dict[str, Any] = {"value": rows(start, min(start + size, COUNT))}
        return Reply(body if start + size >= COUNT else body | {"@odata.nextLink": f"/rows?$skiptoken={start + size}"})

    found, requests = await asked_of(
        answer, OData(40), records="value", headers={"Prefer": "odata.include-annotations=*"}
    )
    assert found == list(range(COUNT))
    assert [of_prefer(asked) for asked in requests] == [40, 20, 10, 10, 10, 10, 10, 10]
    assert all("odata.include-annotations=*, odata.maxpagesize=" in asked.headers["Prefer"] for asked in requests)


def sizes(requests: list[Asked], name: str = "limit") -> list[int]:
    return [asked.number(name) for asked in requests]


async def test_row_413_body_over_max_body() -> None:
    """Failures, `body > max_body`: our own limit is one like the API's (G9)."""
    answer = server(COUNT, of_query("offset"), of_query("limit"))
    found, requests = await asked_of(answer, Offset(40), settings={"max_body_bytes": 600})
    assert found == list(range(COUNT))
    assert sizes(requests)[:3] == [40, 20, 10]


async def test_row_413_response_too_large() -> None:
    """Failures, `"response too large"`: told under another status, it is the same, where a rule says `split`."""

    def answer(asked: Asked) -> Reply:
        if asked.number("limit") > 15:
            return Reply({"error": {"errors": [{"reason": "responseTooLarge"}]}}, 403)
        return server(COUNT, of_query("offset"), of_query("limit"))(asked)

    rule = Rule(Action.SPLIT, 403, text="responseTooLarge")
    found, requests = await asked_of(answer, Offset(40), rules=(rule,))
    assert found == list(range(COUNT))
    assert sizes(requests)[:3] == [40, 20, 10]


async def test_row_413_then_split() -> None:
    """Failures, `413`: one record that is too much by itself divides the item; the floor is one record a page."""
    error, requests = await refused(server(0, of_query("offset"), of_query("limit")), Offset(40))
    assert error.action is Action.SPLIT
    assert sizes(requests) == [40, 20, 10, 5, 2, 1]


@pytest.mark.parametrize(
    ("pages", "least"),
    [
        (Offset(8, overlap=2), 3),
        (Seek("id", query="from", size_name="limit", is_inclusive=True), 2),
        (Seek("id", query="since", size_name="limit"), 1),
    ],
)
async def test_row_413_the_floor_leaves_something_new(pages: Paginator, least: int) -> None:
    """Failures, `413`: G1: a page that held nothing but what is asked for again would look like the end of the list."""
    error, requests = await refused(lambda asked: TOO_LARGE, pages, query={"limit": 8})
    assert error.action is Action.SPLIT
    assert sizes(requests)[-1] == least


async def test_row_413_a_cap_is_not_a_page_that_is_too_large() -> None:
    """Failures, `400: window too large / cap: SPLIT`: of a query that matches too much no page size is small enough."""
    answer = lambda asked: Reply({"error": "more than 10000 rows"}, 400)  # noqa: E731
    error, requests = await refused(answer, Offset(40), rules=(Rule(Action.SPLIT, 400, text="10000 rows"),))
    assert error.action is Action.SPLIT
    assert len(requests) == 1


@pytest.mark.parametrize("pages", [NextUrl("next"), Cursor("next", query="after"), PageNumber()])
async def test_row_413_without_a_size_of_ours(pages: Paginator) -> None:
    """Failures, `413`: what was never declared is not guessed: the item is divided at once."""
    error, requests = await refused(lambda asked: TOO_LARGE, pages, query={"_size": 40, "limit": 40})
    assert error.action is Action.SPLIT
    assert len(requests) == 1


async def test_row_413_page_numbers_behind_the_first_keep_their_size() -> None:
    """Failures, `413`: G1: page 3 of another size holds other records, and a server with a least size of its own would
    hide some: the item is divided instead."""
    answer = lambda asked: TOO_LARGE if asked.number("page") == 2 else Reply({"rows": rows(0, 40)})  # noqa: E731
    error, requests = await refused(answer, PageNumber(size=40))
    assert error.action is Action.SPLIT
    assert sizes(requests, "per_page") == [40, 40]


async def test_row_413_a_size_that_the_api_does_not_take() -> None:
    """Failures, `413`: an API that allows certain sizes alone refuses the halves; its first word stands, and the item
    is divided instead of poisoned."""

    def answer(asked: Asked) -> Reply:
        return TOO_LARGE if asked.number("limit") == 40 else Reply({"error": "limit must be 40 or 80"}, 400)

    error, requests = await refused(answer, Offset(40))
    assert (error.action, error.status) == (Action.SPLIT, 413)
    assert sizes(requests) == [40, 20]


async def test_row_413_the_total_is_asked_for_again_in_the_size_that_works() -> None:
    """Failures, `413`, G3: the second look at an exact total does not ask for the page that the API cannot send."""
    answered: list[int] = []

    def answer(asked: Asked) -> Reply:
        start, size = asked.number("offset"), asked.number("limit")
        if size > 20:
            return TOO_LARGE
        answered.append(start)
        return Reply({"rows": rows(start, min(start + size, 31)), "total": 30 if len(answered) == 1 else 31})

    found, requests = await asked_of(answer, Cursorless(), total=Total("total", may_move=True))
    assert found == list(range(31))
    assert (requests[-1].number("offset"), requests[-1].number("limit")) == (0, 20)


class Cursorless(Offset):
    """Goes on to an empty page, whatever the total says."""

    def next(self, request: PageRequest, answer: Any) -> PageRequest | None:
        following = request.with_query("offset", str(int(request.query_value("offset") or 0) + len(answer.page)))
        return following if answer.page.records else None

    def __init__(self) -> None:
        super().__init__(40)


async def test_own_paginator_says_what_is_smaller() -> None:
    """The seam: one field of the request, which goes along with the walk."""

    class Own:
        def first(self, request: PageRequest) -> PageRequest:
            return replace(request.with_query("size", "40"), smaller=lambda asked: asked.with_query("size", "7"))

        def next(self, request: PageRequest, answer: Any) -> PageRequest | None:
            return request.with_query("start", str(answer.received)) if answer.page.records else None

    found, requests = await asked_of(server(7, of_query("start"), of_query("size")), Own())
    assert found == list(range(COUNT))
    assert sizes(requests, "size")[:2] == [40, 7]


def test_sizes_are_numbers_in_queries_and_bodies() -> None:
    """Text in a query, a number in a body; what is no size is left alone."""
    asked = Cursor("next", body="after", size_name="page.size").first(PageRequest("u", json={"page": {"size": 9}}))
    assert asked.smaller is not None
    half = asked.smaller(asked)
    assert half is not None
    assert json.dumps(half.json) == '{"page": {"size": 4}}'
    for size in ("all", "", "-3", "1", "9" * 30):
        asked = Cursor("next", query="after", size_name="size").first(PageRequest("u", (("size", size),)))
        assert asked.smaller is not None
        assert asked.smaller(asked) is None
