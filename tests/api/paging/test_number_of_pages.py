"""A number of pages that is no such number: capped, that of this page, or counted from 0."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.errors import PagingError
from haulier.api.paging.positions import PageNumber
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


class Numbered:
    """Pages of ten. ``says`` overrides what it says of their number; ``behind``: what the last page is followed by."""

    def __init__(self, count: int, says: int | None = None, behind: Any = None, first: int = 1) -> None:
        self.count, self.says, self.behind, self.first = count, says, behind, first

    def answer(self, asked: Asked) -> Reply:
        place = asked.number("page", self.first) - self.first
        last = max(0, self.count - 1) // 10
        if place > last and self.behind == "last":
            place = last
        elif place > last and isinstance(self.behind, int):
            return Reply({"message": "no such page"}, self.behind)
        number = -(-self.count // 10) if self.says is None else self.says
        here = {"items": rows(place * 10, min(place * 10 + 10, self.count)), "page": place + self.first}
        return Reply(here | {"pages": number, "total": self.count, "last": place >= last})


@pytest.mark.parametrize("behind", [None, "last", 400, 404], ids=repr)
@pytest.mark.parametrize("count", [0, 1, 10, 20, 25])
async def test_right_numbers_end_the_list(count: int, behind: Any) -> None:
    """One request more behind a last page that is full, whatever it is answered with."""
    async with session_with(Numbered(count, behind=behind).answer) as (api, server):
        found = api.pages("/items", records="items", pages=PageNumber(size=10, pages="pages"))
        assert await ids_of(found) == [*range(count)]
        assert len(server.requests) == max(1, -(-count // 10)) + (count in (10, 20))


async def test_a_flag_that_agrees_saves_the_request() -> None:
    async with session_with(Numbered(20).answer) as (api, server):
        pages = PageNumber(size=10, pages="pages", done="last")
        assert await ids_of(api.pages("/items", records="items", pages=pages)) == [*range(20)]
        assert len(server.requests) == 2


async def test_a_number_that_is_capped() -> None:
    """G1: 30 of 45 records, and success."""
    async with session_with(Numbered(45, says=3).answer) as (api, _):
        with pytest.raises(PagingError, match="'pages' says that there are 3 pages, and page 4 holds records all the"):
            await ids_of(api.pages("/items", records="items", pages=PageNumber(size=10, pages="pages")))


async def test_a_number_that_is_that_of_this_page() -> None:
    """G1: 10 of 45 records, and success. It says nothing, and all the pages come."""
    async with session_with(Numbered(45).answer) as (api, _):
        pages = PageNumber(size=10, pages="page")
        assert await ids_of(api.pages("/items", records="items", pages=pages)) == [*range(45)]


async def test_pages_that_are_counted_from_zero() -> None:
    """G1: the first page was passed over, and an empty one ended the list."""
    async with session_with(Numbered(45, first=0).answer) as (api, _):
        with pytest.raises(PagingError, match="write first = 0 in `pages`"):
            await ids_of(api.pages("/items", records="items", pages=PageNumber(size=10, pages="pages")))
        right = PageNumber(size=10, pages="pages", first_number=0)
        assert await ids_of(api.pages("/items", records="items", pages=right)) == [*range(45)]
