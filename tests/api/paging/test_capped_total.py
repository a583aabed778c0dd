"""A total that ends a walk behind a full page may be capped: the page behind it says so, or a declared guard does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from haulier.api.errors import Action, ApiError, PagingError
from haulier.api.paging.cursors import Seek
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator, Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.paging.totals import Guard, Total
from haulier.api.records.page import Page
from haulier.errors import UsageError
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, session_with

EXACT = Total("total")
Server = Callable[[Asked], Reply]


def list_of(count: int, *, cap: int | None = None, behind: Reply | None = None, **more: Any) -> Server:
    """``count`` records by offset, page or key, of which it counts no more than ``cap``. ``behind`` is what it answers
    where a page would begin behind that."""

    def answer(asked: Asked) -> Reply:
        limit = asked.number("limit", 10)
        start = asked.number("offset") if "offset" in asked.query else (asked.number("page", 1) - 1) * limit
        if "after" in asked.query:
            start = asked.number("after") + 1
        total = count if cap is None else min(cap, count)
        if behind is not None and start >= total:
            return behind
        return Reply({"items": rows(start, min(start + limit, count)), "total": total, **more})

    return answer


async def hauled(
    server: Server, pages: Paginator, total: Total = EXACT, query: Mapping[str, str] | None = None
) -> tuple[list[int], int]:
    """The ids that came, and how many requests it took."""
    async with session_with(server) as (api, served):
        found = await ids_of(api.pages("/items", query, pages=pages, records="items", total=total))
    return found, len(served.requests)


COUNTED: list[tuple[Paginator, dict[str, str]]] = [
    (Offset(limit=10), {}),
    (Offset(), {"limit": "10"}),
    (PageNumber(size=10, size_name="limit"), {}),
    (Seek("id", query="after"), {"limit": "10"}),
]


@pytest.mark.parametrize(("pages", "query"), COUNTED)
async def test_records_behind_the_total_prove_it_wrong(pages: Paginator, query: dict[str, str]) -> None:
    """30 of 200 would have been a complete item: each of them came, and each page was full."""
    with pytest.raises(PagingError) as failed:
        await hauled(list_of(200, cap=30), pages, query=query)
    assert "the total of 30 ends the list behind a full page, and there are records behind it" in str(failed.value)
    assert "divide = { above = 29 }" in str(failed.value)
    assert "only_if = { at = ..., is = ... }" in str(failed.value)
    assert failed.value.action is Action.RESTART


@pytest.mark.parametrize(("pages", "query"), COUNTED)
async def test_an_honest_total_costs_one_request_where_the_last_page_is_full(
    pages: Paginator, query: dict[str, str]
) -> None:
    assert await hauled(list_of(30), pages, query=query) == ([*range(30)], 4)
    assert await hauled(list_of(29), pages, query=query) == ([*range(29)], 3)
    assert await hauled(list_of(10), pages, query=query) == ([*range(10)], 2)
    assert await hauled(list_of(7), pages, query=query) == ([*range(7)], 1)


async def test_a_lowered_limit_is_as_full_as_the_first_page() -> None:
    """Nobody is told that the limit was lowered; the first page shows it."""

    def lowered(asked: Asked) -> Reply:
        offset = asked.number("offset")
        return Reply({"items": rows(offset, min(offset + 5, 40)), "total": min(20, 40)})

    with pytest.raises(PagingError, match="the total of 20"):
        await hauled(lowered, Offset(limit=100))


BEHIND = [
    Reply({"items": [], "total": 30}),
    Reply({"error": "no such page"}, 404),
    Reply({"error": "out of range"}, 400),
    Reply({"error": "out of range"}, 416),
    Reply({"items": rows(20, 30), "total": 30}),
    Reply({"items": rows(0, 10), "total": 30}),
    Reply({"items": rows(30, 31), "total": 31}),
]


@pytest.mark.parametrize("behind", BEHIND)
async def test_what_an_honest_api_says_behind_its_end_fails_nothing(behind: Reply) -> None:
    """An empty page, a refusal, its last page or its first one again, a record that was added meanwhile."""
    assert await hauled(list_of(30, behind=behind), Offset(limit=10)) == ([*range(30)], 4)


async def test_a_status_that_is_the_end_is_the_end() -> None:
    behind = Reply({"code": "invalid_page_number"}, 400)
    pages = PageNumber(size=100, size_name="limit", end_status=400)
    assert (await hauled(list_of(1_000, behind=behind), pages))[0] == [*range(1_000)]


@pytest.mark.parametrize(("count", "limit"), [(1_000, 100), (2_500, 500), (4_096, 512), (10_000, 1_000)])
async def test_a_refusal_behind_a_number_that_caps_are_made_of_is_not_believed(count: int, limit: int) -> None:
    """Elasticsearch answers 400 behind its 10,000: nobody can tell that from an end, so it is said, not guessed."""
    behind = Reply({"error": "Result window is too large"}, 400)
    with pytest.raises(PagingError) as failed:
        await hauled(list_of(count, behind=behind), Offset(limit=limit))
    assert "the page behind it is refused (status 400)" in str(failed.value)
    assert f"If there are just {count:,}, write divide = {{ above = {count} }}" in str(failed.value)
    total = Total("total", divide_above=count)
    assert (await hauled(list_of(count, behind=behind), Offset(limit=limit), total))[0] == [*range(count)]


async def test_an_outage_behind_the_end_is_an_outage() -> None:
    """The total is not proven by an API that is down."""
    with pytest.raises(ApiError) as failed:
        await hauled(list_of(30, behind=Reply({}, 507)), Offset(limit=10))
    assert failed.value.action is Action.OUTAGE


@pytest.mark.parametrize("total", [Total("total", divide_above=30), Total("total", is_exact=False)])
async def test_who_declares_the_cap_is_asked_no_more(total: Total) -> None:
    """A total that does not go above a declared cap is believed; an estimate ends no walk in any case."""
    found, requests = await hauled(list_of(30), Offset(limit=10), total)
    assert found == [*range(30)]
    assert requests == (3 if total.is_exact else 5)


# -- a declared guard --------------------------------------------------------------------------------------------------

GUARDED = Total("total", only_if=Guard("relation", "eq"))


async def test_where_the_guard_holds_the_total_ends_the_walk() -> None:
    """And no page more is asked for: it is declared to be exact."""
    assert await hauled(list_of(30, relation="eq"), Offset(limit=10), GUARDED) == ([*range(30)], 3)


async def test_where_the_guard_fails_the_total_ends_nothing() -> None:
    """All 47 come, of which it counted 30."""
    found, _ = await hauled(list_of(47, cap=30, relation="gte"), Offset(limit=10), GUARDED)
    assert found == [*range(47)]


async def test_what_is_refused_behind_a_total_that_is_none_is_a_failure() -> None:
    """Elasticsearch without `divide`: 30 of 200 came, and the item fails rather than ends."""
    server = list_of(200, cap=30, relation="gte", behind=Reply({"error": "too large"}, 400))
    with pytest.raises(ApiError) as failed:
        await hauled(server, Offset(limit=10), GUARDED)
    assert failed.value.status == 400


@pytest.mark.parametrize(
    ("cap", "count", "relation", "is_divided"),
    [
        (30, 200, "gte", True),
        (30, 31, "gte", True),
        (30, 30, "eq", False),
        (100, 31, "eq", True),
    ],
)
async def test_a_total_that_is_at_least_the_cap_divides(cap: int, count: int, relation: str, is_divided: bool) -> None:
    """ "30 or more" is more than 30 can be handed out of, and 30 exactly is not."""
    total = Total("total", only_if=Guard("relation", "eq"), divide_above=30)
    server = list_of(count, cap=cap, relation=relation)
    if is_divided:
        with pytest.raises(ApiError) as failed:
            await hauled(server, Offset(limit=10), total)
        assert failed.value.action is Action.SPLIT
    else:
        assert (await hauled(server, Offset(limit=10), total))[0] == [*range(count)]


async def test_a_guard_that_is_not_there_is_an_error() -> None:
    """A misspelt path would make every total worthless, and nobody would see it."""
    with pytest.raises(ApiError, match="nothing says whether the total is exact: there is nothing at 'relation'"):
        await hauled(list_of(30), Offset(limit=10), GUARDED)


GUARDS: list[tuple[str | int | bool, Any, bool]] = [
    ("eq", "eq", True),
    ("eq", "gte", False),
    (True, True, True),
    (True, 1, False),
    (1, True, False),
    (1, 1, True),
    ("1", 1, False),
    ("eq", None, False),
    ("eq", {"a": 1}, False),
]


@pytest.mark.parametrize(("declared", "said", "holds"), GUARDS)
async def test_a_guard_compares_values_as_json_has_them(declared: str | int | bool, said: Any, holds: bool) -> None:
    total = Total("total", only_if=Guard("relation", declared))
    _, requests = await hauled(list_of(30, relation=said), Offset(limit=10), total)
    assert (requests == 3) is holds


def test_a_guard_of_an_estimate_means_nothing() -> None:
    with pytest.raises(UsageError, match="`only_if` says when a total is exact, and this one is an estimate"):
        Total("total", is_exact=False, only_if=Guard("relation", "eq"))


# -- one page ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["limit", "per_page", "$top", "pageSize", "maxResults"])
async def test_a_single_page_as_full_as_it_was_asked_for_is_an_error(name: str) -> None:
    """10 of 80 were a complete run: nothing asked whether there is more."""
    with pytest.raises(PagingError) as failed:
        await hauled_single(80, {name: "10"}, Single())
    assert "the page is full, with the 10 records that were asked for" in str(failed.value)
    assert 'pages = { single = "may be full" }' in str(failed.value)


async def test_a_single_page_that_is_not_full_is_all() -> None:
    assert len(await hauled_single(9, {"limit": "10"}, Single())) == 9
    assert len(await hauled_single(10, {"year": "10"}, Single())) == 10, "a number that is no size"
    assert len(await hauled_single(80, {"limit": "10"}, Single(may_be_full=True))) == 10
    assert len(await hauled_single(10, {"limit": "10"}, Single(), EXACT)) == 10, "the total says that these are all"


async def test_a_single_page_of_a_search_is_asked_for_in_its_body() -> None:
    async with session_with(lambda asked: Reply({"items": rows(0, 10)})) as (api, _):
        with pytest.raises(PagingError):
            await ids_of(
                api.pages("/items", pages=Single(), records="items", method="POST", json={"page": {"size": 10}})
            )


async def hauled_single(count: int, query: dict[str, str], pages: Single, total: Total | None = None) -> list[int]:
    size = int(next(iter(query.values())))
    reply = Reply({"items": rows(0, min(size, count)), "total": count})
    async with session_with(lambda asked: reply) as (api, _):
        return await ids_of(api.pages("/items", query, pages=pages, records="items", total=total))


class Every:
    """A paginator of one's own that ends by count."""

    def first(self, request: PageRequest) -> PageRequest:
        return request.with_query("offset", "0").with_query("limit", "10")

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        if answer.is_last_by_count:
            return None
        return request.with_query("offset", str(answer.received))


async def test_a_paginator_of_ones_own_is_looked_behind_too() -> None:
    with pytest.raises(PagingError, match="the total of 30"):
        await hauled(list_of(200, cap=30), Every())
    assert (await hauled(list_of(30), Every()))[0] == [*range(30)]


async def test_the_sandbox_counts_to_a_cap() -> None:
    """``total_cap``: records behind it are an error, and with the guard all of them come."""
    settings = SandboxSettings(records=95, page_size=10, total_cap=50)
    async with Sandbox(settings) as sandbox, client_of(sandbox.url) as client:
        api = client.session()

        def pages(total: Total) -> AsyncIterator[Page]:
            return api.pages("/items_offset", pages=Offset(limit=10), records="items", total=total)

        with pytest.raises(PagingError, match="the total of 50"):
            await ids_of(pages(EXACT))
        with pytest.raises(ApiError) as divided:
            await ids_of(pages(replace(GUARDED, divide_above=50)))
        assert divided.value.action is Action.SPLIT
        assert await ids_of(pages(GUARDED)) == [*range(1, 96)]
        assert await api.json("/count", at="count") == 95
