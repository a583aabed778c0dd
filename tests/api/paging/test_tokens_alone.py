"""Tokens that go without anything else, tokens that are 0, and flags that are text."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.errors import ApiError, PagingError
from haulier.api.http.urls import Link
from haulier.api.paging.cursors import Cursor, Key
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.paging.totals import Total
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, asked_of, collected, ids_of, refused, rows, says, session_with, told


async def test_all_other_parameters_are_off() -> None:
    """An API that refuses any parameter beside its token; `also` belongs to the token."""
    said = [
        says({"rows": rows(0, 1), "next": "t1", "shard": 3}),
        says({"rows": rows(1, 2), "next": "t2", "shard": 4}),
        says({"rows": rows(2, 3)}),
    ]
    pages = Cursor("next", query="token", also=(Key("shard", query="shard"),), alone=True)
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, query={"limit": 1, "q": "x"}, pages=pages) == [0, 1, 2]
    assert [asked_of(request).query for request in transport.requests] == [
        {"limit": "1", "q": "x"},
        {"token": "t1", "shard": "3"},
        {"token": "t2", "shard": "4"},
    ]


async def test_the_query_of_a_link_is_off_too() -> None:
    """A record's link begins the list; behind its token nothing of it is sent."""
    said = [says({"rows": rows(0, 1), "next": "t1"}), says({"rows": rows(1, 2)})]
    async with told(*said) as (api, transport, _, _):
        pages = api.pages(
            Link("http://api.test/items?q=x"), pages=Cursor("next", query="token", alone=True), records="rows"
        )
        assert await ids_of(pages) == [0, 1]
    assert [request.url for request in transport.requests] == [
        "http://api.test/items?q=x",
        "http://api.test/items?token=t1",
    ]


async def test_a_scroll_by_post() -> None:
    """The token goes alone in the body, to a path of its own, below the API's url; the server refuses all else."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/v1/files/list" and not asked.query.get("cursor"):
            assert asked.json == {"folder": "", "limit": 2}
            return Reply({"entries": rows(0, 2), "cursor": "c2", "has_more": True})
        if asked.path != "/v1/files/list/continue" or asked.json.keys() != {"cursor"} or asked.query:
            return Reply({"error": "unexpected field"}, 400)
        start = int(asked.json["cursor"][1:])
        stop = min(start + 2, 5)
        return Reply({"entries": rows(start, stop), "cursor": f"c{stop}", "has_more": stop < 5})

    pages = Cursor(
        "cursor", body="cursor", more="has_more", end=("flag",), alone=True, next_path="/files/list/continue"
    )
    async with session_with(answer, "/v1") as (api, server):
        found = api.pages(
            "/files/list",
            {"trace": "x"},
            pages=pages,
            records="entries",
            method="POST",
            json={"folder": "", "limit": 2},
        )
        assert await ids_of(found) == [0, 1, 2, 3, 4]
    assert server.targets == ["/v1/files/list?trace=x", *["/v1/files/list/continue"] * 2]


async def test_a_token_alone_in_a_form() -> None:
    """The fields of the form are off too."""
    said = says({"rows": rows(0, 1), "next": "t1"}), says({"rows": rows(1, 2), "next": None})
    pages = Cursor("next", body="token", alone=True)
    async with told(*said) as (api, transport, clock, _):
        form = {"token": "", "q": "x"}
        assert await collected(api, clock, pages=pages, method="POST", form=form) == [0, 1]
    assert [request.body for request in transport.requests] == [b"token=&q=x", b"token=t1"]


@pytest.mark.parametrize("zero", [0, "0"], ids=["number", "text"])
async def test_token_0(zero: Any) -> None:
    """The end where it is declared, as of Redis' SCAN; a token like any other where it is not."""
    said = says({"rows": rows(0, 1), "next": 7}), says({"rows": rows(1, 2), "next": zero}), says({"rows": rows(2, 3)})
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c", end=("zero",))) == [0, 1]
        assert len(transport.requests) == 2
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c")) == [0, 1, 2]
        assert asked_of(transport.requests[2]).query == {"c": "0"}


async def test_token_0_that_is_not_declared_begins_the_list_again() -> None:
    """G3: it is an error, and no list that is there twice."""
    said = (
        says({"rows": rows(0, 1), "next": 1}),
        says({"rows": rows(1, 2), "next": 0}),
        says({"rows": rows(0, 1), "next": 1}),
    )
    async with told(*said) as (api, _, clock, _):
        with pytest.raises(PaginationLoopError):
            await collected(api, clock, pages=Cursor("next", query="c"))


async def test_token_0_and_a_flag_that_says_more() -> None:
    """Two signs that contradict each other are an error."""
    pages = Cursor("next", query="c", more="more", end=("zero",))
    async with told(says({"rows": rows(0, 1), "next": 0, "more": True})) as (api, _, clock, _):
        with pytest.raises(PagingError, match="'more' says that there is more, but there is no token"):
            await collected(api, clock, pages=pages)


FLAGS = [("true", "false"), ("Y", "N"), ("1", "0"), (1, 0), ("Yes", "no"), ("TRUE", "")]
FLAGGED = [Cursor("next", query="c", more="more"), Offset(limit=1, more="more"), PageNumber(more="more")]


@pytest.mark.parametrize(("yes", "no"), FLAGS, ids=[repr(flag) for flag in FLAGS])
@pytest.mark.parametrize("pages", FLAGGED, ids=lambda pages: type(pages).__name__)
async def test_a_flag_as_text(pages: Paginator, yes: Any, no: Any) -> None:
    """ "false", "N" and "0" are false, whatever a language would make of a text that is not empty."""
    said = says({"rows": rows(0, 1), "next": 7, "more": yes}), says({"rows": rows(1, 2), "next": None, "more": no})
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=pages) == [0, 1]
        assert len(transport.requests) == 2


async def test_a_flag_that_is_no_flag() -> None:
    async with told(says({"rows": rows(0, 1), "next": 7, "more": "maybe"})) as (api, _, clock, _):
        error = await refused(api, clock, pages=Cursor("next", query="c", more="more"))
    assert "expected true or false at 'more', found text" in str(error)


@pytest.mark.parametrize(
    ("headers", "rows_in_all"),
    [
        ({"Content_Range": "items 0-1/3"}, 3),
        ({"Content_Range": "*/3"}, 3),
        ({"X_Total_Count": "3"}, 3),
    ],
)
async def test_a_total_in_a_header(headers: dict[str, str], rows_in_all: int) -> None:
    """The number behind the slash is exact: the walk ends there, under 206 too, and a list that is cut is an error."""
    total = Total(header=next(iter(headers)).replace("_", "-"))
    pages = Offset(limit=2)
    said = says({"rows": rows(0, 2)}, 206, **headers), says({"rows": rows(2, 3)}, 206, **headers)
    async with told(*said) as (api, transport, clock, _):
        assert await collected(api, clock, pages=pages, total=total) == list(range(rows_in_all))
        assert len(transport.requests) == 2
    cut = said[0], says({"rows": []}, 200, **headers)
    async with told(*cut) as (api, _, clock, _):
        assert "the API promised 3 records and sent 2" in str(await refused(api, clock, pages=pages, total=total))


async def test_an_unknown_total_promises_nothing() -> None:
    """`*` is an error where the total is exact, and no 0."""
    page = says({"rows": rows(0, 2)}, Content_Range="items 0-1/*")
    async with told(page) as (api, _, clock, _):
        error = await refused(api, clock, pages=Offset(limit=2), total=Total(header="Content-Range"))
    assert "the header 'Content-Range' is missing, or has none" in str(error)


async def test_204_behind_the_last_page() -> None:
    """Declared, it is a page without records, and without a token it is the end; undeclared, an error."""
    for pages in (Cursor("next", query="c"), Offset(limit=1), PageNumber()):
        said = says({"rows": rows(0, 1), "next": "t"}), says(b"", 204)
        async with told(*said) as (api, _, clock, _):
            assert await collected(api, clock, pages=pages, empty=[204]) == [0]
        async with told(*said) as (api, _, clock, _):
            with pytest.raises(ApiError):
                await collected(api, clock, pages=pages)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"next_path": "files"}, "next_path is 'files'; write a path that begins with a slash"),
        ({"end": ("none",)}, "'none' is not available in end. Available: 'flag', 'repeated', 'empty page', 'zero'"),
    ],
)
def test_refusals(made: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Cursor("next", query="c", **made)
