"""The seam of paging: a paginator of one's own in ten lines, with everything that the client adds to it."""

from __future__ import annotations

import pytest

from haulier.api.client import Total
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


class ByYear:
    """One page a year, named in the path; the last one says so."""

    def first(self, request: PageRequest) -> PageRequest:
        return request.with_query("year", "2020")

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        if answer.flag("is_last"):
            return None
        return request.with_query("year", str(int(request.query_value("year") or 0) + 1))


def years(asked: Asked) -> Reply:
    year = asked.number("year")
    return Reply({"rows": rows(year * 10, year * 10 + 2), "is_last": year == 2022, "n": 6})


async def test_paginator_in_ten_lines() -> None:
    """Two methods, no state: the walk visits each year, and the total is checked as for any kind."""
    paginator: Paginator = ByYear()
    async with session_with(years) as (api, server):
        found = await ids_of(api.pages("/rows", {"a": 1}, pages=paginator, records="rows", total=Total("n")))
        assert found == [20200, 20201, 20210, 20211, 20220, 20221]
        assert server.targets == [f"/rows?a=1&year={year}" for year in (2020, 2021, 2022)]


async def test_one_paginator_serves_many_items() -> None:
    """Two walks that take turns do not disturb each other."""
    paginator = ByYear()
    async with session_with(years) as (api, _):
        walks = [api.pages("/rows", pages=paginator, records="rows") for _ in range(2)]
        found: list[list[int]] = [[], []]
        for _ in range(3):
            for number, walk in enumerate(walks):
                page = await anext(walk)
                found[number].append(len(page))
        assert found == [[2, 2, 2], [2, 2, 2]]


async def test_own_paginator_is_guarded() -> None:
    """A paginator that asks for the same page again is stopped, whoever wrote it."""

    class Stuck(ByYear):
        def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
            return request

    async with session_with(years) as (api, server):
        with pytest.raises(PaginationLoopError):
            await ids_of(api.pages("/rows", pages=Stuck(), records="rows"))
        assert len(server.requests) == 1


def test_requests_are_changed_by_copies() -> None:
    """Query, headers and body of a request are changed in a copy; a parameter keeps its place."""
    request = PageRequest("u", (("a", "1"), ("b", "2"), ("a", "3")), json={"x": {"y": 1}}, headers=(("X-A", "1"),))
    assert request.with_query("a", "9").query == (("a", "9"), ("b", "2"), ("a", "9"))
    assert request.with_query("c", "9").query == (*request.query, ("c", "9"))
    assert request.without_query("a").query == (("b", "2"),)
    assert request.with_header("x-a", "2").headers == (("x-a", "2"),)
    assert request.with_field("x.z", 2).json == {"x": {"y": 1, "z": 2}}
    assert request.with_field("x.y.z", 2).json == {"x": {"y": {"z": 2}}}
    assert request.with_field("x.y.z", 2).field("x.y.z") == 2
    assert PageRequest("u").with_field("a.b", 1).json == {"a": {"b": 1}}
    assert request.json == {"x": {"y": 1}}
    assert request.with_url("v").query == ()
