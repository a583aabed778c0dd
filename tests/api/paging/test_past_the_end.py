"""Lists of one record and APIs that refuse what is behind the last one: healthy, and no reason to fail for ever."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.cursors import Seek
from haulier.api.paging.positions import Offset, PageNumber
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with

COUNTS = [0, 1, 10, 20, 25]


@pytest.mark.parametrize("count", COUNTS)
async def test_inclusive_seek_through_lists_of_any_length(count: int) -> None:
    """G1: the second page of a list of one record is that record again, which is what was declared, and no circle."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("from")
        return Reply({"items": rows(start, min(start + 10, count))})

    async with session_with(answer) as (api, _):
        pages = api.pages("/items", pages=Seek("id", query="from", is_inclusive=True), records="items")
        assert await ids_of(pages) == [*range(count)]


async def test_inclusive_seek_whose_key_is_ignored_is_a_circle() -> None:
    """G6: a page of records that came before is one still."""
    async with session_with(lambda asked: Reply({"items": rows(0, 3)})) as (api, _):
        with pytest.raises(PagingError):
            await ids_of(api.pages("/items", pages=Seek("id", query="from", is_inclusive=True), records="items"))


class Ranges:
    """PostgREST with an exact count: the length stands behind a slash, and what is behind it is refused."""

    def __init__(self, count: int, status: int = 416) -> None:
        self.count = count
        self.status = status

    def answer(self, asked: Asked) -> Reply:
        start = asked.number("offset", (asked.number("page", 1) - 1) * 10)
        if start and start >= self.count:
            return Reply({"message": "out of range"}, self.status, (("Content-Range", f"*/{self.count}"),))
        page = rows(start, min(start + 10, self.count))
        shown = f"{start}-{start + len(page) - 1}" if page else "*"
        status = 206 if len(page) < self.count else 200
        return Reply(page, status, (("Content-Range", f"{shown}/{self.count}"),))


@pytest.mark.parametrize("count", COUNTS)
async def test_total_of_a_content_range(count: int) -> None:
    """RFC 9110, 14.4."""
    async with session_with(Ranges(count).answer) as (api, _):
        total = Total(header="Content-Range")
        assert await ids_of(api.pages("/items", records=".", pages=Offset(10), total=total)) == [*range(count)]


async def test_content_range_without_a_length_is_no_total() -> None:
    async with session_with(lambda asked: Reply(rows(0, 3), 206, (("Content-Range", "0-2/*"),))) as (api, _):
        with pytest.raises(ApiError, match="no total: the header 'Content-Range'"):
            await ids_of(api.pages("/items", records=".", pages=Offset(10), total=Total(header="Content-Range")))


@pytest.mark.parametrize(
    ("pages", "advice", "followed"),
    [
        (Offset(10), r"write empty = \[416\] in the stream$", {"pages": Offset(10), "empty": [416]}),
        (
            PageNumber(size=10),
            r"write end_status = 416 in `pages`$",
            {"pages": PageNumber(size=10, end_status=416)},
        ),
    ],
)
async def test_refusal_behind_the_end_says_what_to_write(pages: Any, advice: str, followed: dict[str, Any]) -> None:
    """A full last page is followed by one more, which is refused: the error names the key, and the key helps."""
    async with session_with(Ranges(20).answer) as (api, _):
        with pytest.raises(ApiError, match=advice):
            await ids_of(api.pages("/items", records=".", pages=pages))
        assert await ids_of(api.pages("/items", records=".", **followed)) == [*range(20)]


async def test_refusal_before_a_total_is_reached_is_no_end() -> None:
    """G1: no advice that would make an end of it."""
    api_of = Ranges(20)

    def answer(asked: Asked) -> Reply:
        reply = api_of.answer(asked)
        return Reply(reply.body, reply.status, (("X-Total-Count", "30"),))

    async with session_with(answer) as (api, _):
        with pytest.raises(ApiError) as caught:
            await ids_of(api.pages("/items", records=".", pages=Offset(10), total=Total(header="X-Total-Count")))
        assert "behind the last record" not in str(caught.value)
