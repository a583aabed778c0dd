"""Values at dotted paths of a JSON body, with places in lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haulier.api.errors import ApiError
from haulier.api.paging.cursors import Cursor, Key, Seek
from haulier.api.paging.json_body import value_at, with_value
from haulier.errors import UsageError
from tests.api.paging.rig import collected, rows, says, told


@pytest.mark.parametrize(
    ("body", "path", "changed"),
    [
        (None, "a.b", {"a": {"b": 7}}),
        (None, "search_after.0", {"search_after": [7]}),
        ({"search_after": None}, "search_after.0", {"search_after": [7]}),
        ({"search_after": [1, 2]}, "search_after.0", {"search_after": [7, 2]}),
        ({"search_after": [1, 2]}, "search_after.1", {"search_after": [1, 7]}),
        ({"search_after": [1, 2]}, "search_after.2", {"search_after": [1, 2, 7]}),
        ({"a": [{"b": 1, "c": 2}]}, "a.0.b", {"a": [{"b": 7, "c": 2}]}),
        ({"a": [{"b": 1}]}, "a.1.b", {"a": [{"b": 1}, {"b": 7}]}),
        ({"a": {"0": 1}}, "a.0", {"a": {"0": 7}}),
        ({"a": 5}, "a.b", {"a": {"b": 7}}),
        (None, "a.1", {"a": {"1": 7}}),
        ([1], "0", [7]),
    ],
)
def test_a_value_is_set(body: Any, path: str, changed: Any) -> None:
    """A number is a place in a list that is there, or the next one; `0` begins a list; in an object it is a key. What
    was given stays as it was."""
    before = json.dumps(body)
    assert with_value(body, path, 7) == changed
    assert json.dumps(body) == before
    assert value_at(changed, path) == 7


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (
            {"a": [1]},
            "a.2",
            r"a list of 1 on the way to 'a\.2', in which '2' is no place. Write an object there",
        ),
        ({"a": [1]}, "a.next", r"a list of 1 on the way to 'a\.next', in which 'next' is no place"),
    ],
)
def test_what_is_no_place_of_a_list(body: Any, path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        with_value(body, path, 7)


def test_nothing_is_found_where_nothing_is() -> None:
    assert [value_at({"a": [1]}, path) for path in ("a.1", "a.x", "b", "a.0.b")] == [None] * 4


async def test_search_after_by_post() -> None:
    """Elasticsearch: the last record's list of sort values goes back as it came, byte by byte: digits that a double
    would round, and a text."""
    pages = [
        [{"id": 1, "sort": [1.50, "a"]}, {"id": 2, "sort": "SORT"}],
        [{"id": 3, "sort": [9007199254740993, "c"]}],
        [],
    ]
    raw = b'[9007199254740993.10,  "b"]'
    said = [says(json.dumps({"hits": {"hits": page}}).encode().replace(b'"SORT"', raw)) for page in pages]
    async with told(*said) as (api, transport, clock, _):
        found = await collected(
            api, clock, records="hits.hits", pages=Seek("sort", body="search_after"), method="POST", json={"size": 2}
        )
    assert found == [1, 2, 3]
    assert [request.body.partition(b'"search_after":')[2] for request in transport.requests] == [
        b"",
        b'[9007199254740993.10,  "b"]}',
        b'[9007199254740993, "c"]}',
    ]


@pytest.mark.parametrize("sort", [[5, None], [], None])
async def test_a_sort_value_without_the_unique_part(sort: Any) -> None:
    """G3: null behind which the next page cannot be asked for, such as a text that is not indexed."""
    async with told(says({"rows": [{"id": 1, "sort": sort}]})) as (api, _, clock, _):
        with pytest.raises(ApiError, match="the last record has nothing at 'sort'"):
            await collected(api, clock, pages=Seek("sort", body="search_after"), method="POST", json={})


async def test_two_tokens_in_one_list() -> None:
    """`also` takes the next place."""
    said = says({"rows": rows(0, 1), "t": 5, "u": "x"}), says({"rows": rows(1, 2), "t": None})
    pages = Cursor("t", body="after.0", also=(Key("u", body="after.1"),))
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=pages, method="POST", json={"size": 1}) == [0, 1]
    assert json.loads(transport.requests[1].body) == {"size": 1, "after": [5, "x"]}
