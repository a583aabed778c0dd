"""Seek relies on a key that no two records share: a page that shows otherwise would lose rows in silence (G3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.errors import PagingError
from haulier.api.paging.cursors import Seek
from tests.api.paging.rig import Asked, Reply, ids_of, session_with


def seeking(
    table: list[dict[str, Any]], key: str, size: int, *, is_inclusive: bool = False
) -> Callable[[Asked], Reply]:
    """An API that hands out the rows behind a key, as the table has them."""

    def answer(asked: Asked) -> Reply:
        after = asked.query.get("after")
        if after is None:
            return Reply({"rows": table[:size]})
        rest = [row for row in table if str(row[key]) > after or (is_inclusive and str(row[key]) == after)]
        return Reply({"rows": rest[:size]})

    return answer


async def test_two_records_with_one_key_are_an_error() -> None:
    """Of the rows with t=2 the second would never come: the page ends between them, as is seen by other pairs."""
    times = [1, 1, 2, 2, 3, 4]
    table = [{"id": n, "t": time} for n, time in enumerate(times)]
    async with session_with(seeking(table, "t", 3)) as (api, server):
        with pytest.raises(PagingError, match=r"records 1 and 2 of the page have the same 't'.*inclusive = true"):
            await ids_of(api.pages("/q", pages=Seek("t", query="after"), records="rows"))
        assert len(server.requests) == 1


async def test_equal_keys_at_the_end_of_a_later_page_are_an_error() -> None:
    """Also where the first page shows nothing, and keys are text."""
    table = [{"id": n, "t": time} for n, time in enumerate(["a", "b", "c", "d", "d", "d"])]
    async with session_with(seeking(table, "t", 2)) as (api, server):
        table.insert(2, {"id": 9, "t": "c"})
        with pytest.raises(PagingError, match=r"records 1 and 2 of the page have the same 't'"):
            await ids_of(api.pages("/q", pages=Seek("t", query="after"), records="rows"))
        assert len(server.requests) == 2


@pytest.mark.parametrize("times", [[1, 1, 2, 3, 4], [1, 2, 2, 2, 3, 4, 4, 5], [1, 2, 3, 3]])
async def test_an_inclusive_seek_may_tie(times: list[int]) -> None:
    """The records with the last key come again there, all of them: none is lost, and none comes twice."""
    table = [{"id": n, "t": time} for n, time in enumerate(times)]
    async with session_with(seeking(table, "t", 5, is_inclusive=True)) as (api, _):
        pages = Seek("t", query="after", is_inclusive=True)
        assert await ids_of(api.pages("/q", pages=pages, records="rows")) == list(range(len(times)))


async def test_a_page_of_one_key_cannot_be_gone_on_from() -> None:
    """There is no way behind it, and no end that anybody said."""
    table = [{"id": n, "t": time} for n, time in enumerate([1, 2, 2, 2, 2, 3])]
    async with session_with(seeking(table, "t", 3, is_inclusive=True)) as (api, _):
        with pytest.raises(PagingError, match=r"all 3 records of the page have the same 't'.*larger pages"):
            await ids_of(api.pages("/q", pages=Seek("t", query="after", is_inclusive=True), records="rows"))


async def test_the_only_page_may_stand_in_any_order() -> None:
    """Where nothing is asked for by the key, nothing can be lost by it."""
    pages = Seek("id", query="after", more="more")
    reply = Reply({"more": False, "rows": [{"id": 2}, {"id": 1}, {"id": 1}]})
    async with session_with(lambda asked: reply) as (api, _):
        assert await ids_of(api.pages("/q", pages=pages, records="rows")) == [2, 1, 1]


async def test_keys_may_be_sorted_as_the_api_likes() -> None:
    """A key may mean a place in a list that something else sorts."""
    table = [{"id": key} for key in (10, 9, 30, 4, 5)]
    order = [str(row["id"]) for row in table]

    def answer(asked: Asked) -> Reply:
        start = order.index(asked.query["after"]) + 1 if "after" in asked.query else 0
        return Reply({"rows": table[start : start + 2]})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/q", pages=Seek("id", query="after"), records="rows")) == [10, 9, 30, 4, 5]
