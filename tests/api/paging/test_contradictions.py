"""Two signs of one answer that contradict each other: one of them would lose records, so it is an error."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.links import NextUrl
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.paging.positions import PageNumber
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


async def read(body: dict[str, Any], pages: Paginator, total: Total | None = None) -> list[int]:
    async with session_with(lambda asked: Reply({"rows": rows(0, 2), **body})) as (api, _):
        return await ids_of(api.pages("/items", pages=pages, records="rows", total=total))


@pytest.mark.parametrize(
    ("pages", "body", "says"),
    [
        (
            Cursor("nextPageToken", query="nextPageToken", done="isLast"),
            {"isLast": True, "nextPageToken": "x"},
            r"'isLast' says that this was all, but there is a token .* leave out `done`",
        ),
        (NextUrl("next", more="more"), {"more": False, "next": "/items?p=2"}, "'more' says that this was all"),
        (
            NextUrl("next", more="more"),
            {"more": True, "next": None},
            "'more' says that there is more, but there is no token or link",
        ),
        (PageNumber(pages="pages", more="more"), {"more": False, "pages": 3}, "'more' says that this was all, but the"),
        (
            PageNumber(pages="pages", done="last"),
            {"last": False, "pages": 1},
            "'last' says that there is more, but the",
        ),
    ],
)
async def test_signs_that_contradict_each_other(pages: Paginator, body: dict[str, Any], says: str) -> None:
    """Neither is believed: the error says which two, and what to leave out or declare."""
    with pytest.raises(PagingError, match=says):
        await read(body, pages)


@pytest.mark.parametrize(
    ("pages", "body"),
    [
        (Cursor("next", query="c", done="isLast", end=("flag",)), {"isLast": True, "next": "x"}),
        (NextUrl("next", more="more", end=("flag",)), {"more": False, "next": "/items?p=2"}),
        (PageNumber(pages="pages", more="more"), {"more": False, "pages": 1}),
        (PageNumber(pages="pages", more="more"), {"more": False, "pages": 0}),
    ],
)
async def test_signs_that_agree_or_of_which_one_rules(pages: Paginator, body: dict[str, Any]) -> None:
    """`end = ["flag"]` declares that the flag alone counts."""
    assert await read(body, pages) == [0, 1]


async def test_a_last_page_short_of_the_total() -> None:
    """A flag says that this was all, and the total says otherwise: never a success."""
    pages = Cursor("next", query="c", done="isLast")
    with pytest.raises(ApiError, match="promised 3 records and sent 2"):
        await read({"isLast": True, "n": 3}, pages, Total("n"))


async def test_a_flag_beside_a_token_loses_nothing() -> None:
    """isLast on the second of three pages, beside a token: 100 of 300 would be lost."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("c")
        after = {"next": str(start + 100)} if start < 200 else {}
        return Reply({"rows": rows(start, start + 100), "isLast": start >= 100, **after})

    for pages in (Cursor("next", query="c", done="isLast"), Cursor("next", query="c")):
        async with session_with(answer) as (api, _):
            walk = ids_of(api.pages("/items", {"limit": 100}, pages=pages, records="rows"))
            if pages.done:
                with pytest.raises(PagingError):
                    await walk
            else:
                assert await walk == list(range(300))


async def test_single_page_with_a_link_to_the_next_one() -> None:
    """G1: 10 of 45 records, and success."""
    link = (("Link", '</items?page=2>; rel="next"'),)
    async with session_with(lambda asked: Reply(rows(0, 10), 200, link)) as (api, _):
        with pytest.raises(PagingError, match='Write pages = "link"'):
            await ids_of(api.pages("/items", records=".", pages=Single()))
        assert await ids_of(api.pages("/items", records=".", pages=Single(may_be_full=True))) == [*range(10)]


async def test_single_page_with_a_link_that_nobody_can_read() -> None:
    """Nobody declared that there is a Link header: one that is none says nothing."""
    async with session_with(lambda asked: Reply(rows(0, 10), 200, (("Link", "see /docs"),))) as (api, _):
        assert await ids_of(api.pages("/items", records=".", pages=Single())) == [*range(10)]
