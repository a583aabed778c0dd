"""Objects of parameters that go back whole, as MediaWiki's `continue`."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.continuation import Continuation
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.errors import UsageError
from tests.api.paging.rig import asked_of, collected, rows, says, told

PAGES = Continuation("continue")


async def test_keys_that_come_and_go() -> None:
    """Each request has all keys of the object before it, as text, and none of an older one. What the first request said
    stays, and comes back where a key of the object had taken its place."""
    said = [
        says({"rows": rows(0, 1), "continue": {"rvcontinue": "7|8", "continue": "||"}}),
        says(
            {"rows": rows(1, 2), "batchcomplete": True, "continue": {"gapcontinue": "B", "continue": "gapcontinue||"}}
        ),
        says({"rows": [], "continue": {"gapcontinue": "B", "rvcontinue": 12345678901234567890, "continue": "x||"}}),
        says({"rows": rows(2, 3), "continue": {"gapcontinue": "C", "limit": "5", "continue": "gapcontinue||"}}),
        says({"rows": rows(3, 4), "continue": {"gapcontinue": "D", "continue": "gapcontinue||"}}),
        says({"rows": rows(4, 5), "batchcomplete": True}),
    ]
    query = {"action": "query", "continue": "", "limit": 9}
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, query=query, pages=PAGES) == [0, 1, 2, 3, 4]
    first = {"action": "query", "limit": "9"}
    assert [asked_of(request).query for request in transport.requests] == [
        {**first, "continue": ""},
        {**first, "continue": "||", "rvcontinue": "7|8"},
        {**first, "continue": "gapcontinue||", "gapcontinue": "B"},
        {**first, "continue": "x||", "gapcontinue": "B", "rvcontinue": "12345678901234567890"},
        {**first, "continue": "gapcontinue||", "gapcontinue": "C", "limit": "5"},
        {**first, "continue": "gapcontinue||", "gapcontinue": "D"},
    ]


async def test_without_a_query_of_its_own() -> None:
    """Keys of an earlier object are no part of the first request."""
    said = [
        says({"rows": rows(0, 1), "continue": {"a": "1"}}),
        says({"rows": rows(1, 2), "continue": {"b": "2", "a": None}}),
        says({"rows": rows(2, 3), "continue": {}}),
    ]
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=PAGES) == [0, 1, 2]
    assert [asked_of(request).query for request in transport.requests] == [{}, {"a": "1"}, {"b": "2"}]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("abc", PagingError, "expected an object at 'continue'.*write cursor = \"continue\" in `pages`"),
        ([1], PagingError, "expected an object at 'continue'"),
        ({"a": {"b": 1}}, PagingError, r"expected text or a number at 'continue\.a', found an object with the keys b"),
        ({"a": True}, PagingError, r"expected text or a number at 'continue\.a', found true"),
    ],
)
async def test_what_cannot_go_back_ends_no_list(value: Any, error: type[Exception], words: str) -> None:
    """G3: an error that says where, and never the end."""
    async with told(says({"rows": rows(0, 1), "continue": value})) as (api, _, clock, _):
        with pytest.raises(error, match=words):
            await collected(api, clock, pages=PAGES)


async def test_an_object_that_comes_again_is_a_circle() -> None:
    said = [says({"rows": rows(n, n + 1), "continue": {"a": str(n % 2)}}) for n in range(4)]
    async with told(*said) as (api, _, clock, _):
        with pytest.raises(PaginationLoopError):
            await collected(api, clock, pages=PAGES)


async def test_a_path_that_leads_nowhere() -> None:
    """G3: the token stands elsewhere, so that the list would end with its first page."""
    said = says({"rows": rows(0, 1), "query-continue": {"allpages": {"apcontinue": "B"}}, "continuation": "x"})
    async with told(said) as (api, _, clock, _):
        with pytest.raises(ApiError, match=r"there is nothing at 'continue'.*Correct the path"):
            await collected(api, clock, pages=PAGES)


def test_a_path_is_needed() -> None:
    with pytest.raises(UsageError, match="is no path into JSON"):
        Continuation("")
