"""A walk ends where the API ends it, and its guards are errors: the rules of paging, by their numbers.

1 the kind's own end sign; 2 the exact total; 3 an empty page where there is no sign; 4 guards, which are never an end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import Action, ApiError
from haulier.api.http.transport import Request
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.links import NextUrl
from haulier.api.paging.loop_guard import LoopGuard, PaginationLoopError
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.records.page import Page
from tests.api.paging.rig import Asked, Reply, collected, ids_of, refused, rows, says, session_with, told


def offset_server(count: int, most: int, **fields: Any) -> Callable[[Asked], Reply]:
    """Rows by offset, at most ``most`` a page whatever was asked for."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        stop = min(start + min(asked.number("limit", most), most), count)
        return Reply({"rows": rows(start, max(start, stop)), **fields})

    return answer


async def test_stop_1_own_end_sign() -> None:
    """Rule 1: a cursor that is null ends the walk; no further request is sent."""
    answers = says({"rows": rows(0, 2), "next": "a"}), says({"rows": rows(2, 4), "next": None})
    async with told(*answers) as (api, transport, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c")) == [0, 1, 2, 3]
        assert [request.url for request in transport.requests] == ["http://api.test/items", "http://api.test/items?c=a"]


async def test_stop_1_empty_page_is_no_end_where_there_is_a_sign() -> None:
    """Rule 1: an empty page with a next link is not the end; Microsoft Graph sends such pages."""
    answers = [
        says({"rows": part, "next": after}) for part, after in ((rows(0, 2), "a"), ([], "b"), (rows(2, 3), None))
    ]
    async with told(*answers) as (api, _, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c")) == [0, 1, 2]


async def test_stop_1_reached_total_is_no_end_where_there_is_a_sign() -> None:
    """Rule 1 before rule 2: a cursor goes on past a total that is too low, so that no row is lost."""
    answers = says({"rows": rows(0, 2), "next": "a", "n": 2}), says({"rows": rows(2, 4), "next": None, "n": 4})
    async with told(*answers, says({"rows": rows(0, 2), "next": "a", "n": 4})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c"), total=Total("n")) == [0, 1, 2, 3]
        assert api.usage.drift is not None


async def test_stop_2_exact_total() -> None:
    """Rule 2: a walk without a sign ends at the exact total, without a request for an empty page."""
    async with session_with(offset_server(250, 100, total=250)) as (api, server):
        pages = api.pages("/items", pages=Offset(100), records="rows", total=Total("total"))
        assert await ids_of(pages) == list(range(250))
        assert len(server.requests) == 3


async def test_stop_2_estimate_is_no_end() -> None:
    """Rule 2: a total that is declared an estimate ends nothing."""
    async with session_with(offset_server(250, 100, total=100)) as (api, server):
        pages = api.pages("/items", pages=Offset(100), records="rows", total=Total("total", is_exact=False))
        assert await ids_of(pages) == list(range(250))
        assert len(server.requests) == 5


async def test_stop_3_empty_page() -> None:
    """Rule 3: a walk without sign and total ends at an empty page, behind which there is another, and not before it."""
    async with session_with(offset_server(200, 100)) as (api, server):
        assert await ids_of(api.pages("/items", pages=Offset(100), records="rows")) == list(range(200))
        assert server.targets[-2:] == ["/items?limit=100&offset=200", "/items?limit=100&offset=300"]


async def test_short_page_is_no_end() -> None:
    """A server that lowers the limit from 500 to 100 loses no row: the walk advances by the rows received."""
    async with session_with(offset_server(1050, 100)) as (api, server):
        assert await ids_of(api.pages("/items", pages=Offset(500), records="rows")) == list(range(1050))
        assert server.targets[:2] == ["/items?limit=500&offset=0", "/items?limit=500&offset=100"]


async def test_limit_lowered_in_mid_walk_loses_nothing() -> None:
    """Atlassian may lower the page size at any time: the offset follows what came."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        return Reply({"rows": rows(start, min(start + (100 if start < 200 else 30), 350))})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=Offset(100), records="rows")) == list(range(350))


async def test_empty_page_in_mid_walk_is_no_quiet_end() -> None:
    """An empty page before the exact total is reached begins the item again, and is not the end of 1,050 rows."""
    answers = [says({"rows": rows(0, 100), "n": 1050}), says({"rows": [], "n": 1050}), says({"rows": [], "n": 1050})]
    async with told(*answers) as (api, _, clock, _):
        error = await refused(api, clock, pages=Offset(100), total=Total("n"))
        assert error.action is Action.RESTART
        assert "promised 1050 records and sent 100" in str(error)


async def test_missing_records_path_is_no_end() -> None:
    """A body without the records path is an error, asked for twice more; not an empty page."""
    answers = says({"rows": rows(0, 2), "next": "a"}), says({"error": "database is down"})
    async with told(*answers) as (api, transport, clock, _):
        error = await refused(api, clock, pages=Cursor("next", query="c"))
        assert error.action is Action.RETRY_LATER
        assert "there is nothing at 'rows': the body is an object with the keys error" in str(error)
        assert "database is down" in error.excerpt
        assert len(transport.requests) == 1 + 3


async def test_answer_without_a_body() -> None:
    """A 204 is an end where it was declared that it may come, and else an error."""
    async with told(says(b"", 204)) as (api, _, clock, _):
        assert await collected(api, clock, pages=Offset(10), empty=["no body"]) == []
        assert (await refused(api, clock, pages=Offset(10))).action is Action.RETRY_LATER


async def test_error_body_that_passes_loses_nothing() -> None:
    """An error under status 200 that is gone at the next try costs a request and no row."""
    answers = says({"rows": rows(0, 2), "next": "a"}), says({"error": "x"}), says({"rows": rows(2, 3), "next": None})
    async with told(*answers) as (api, _, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c")) == [0, 1, 2]
        assert api.usage.requests == 3


async def test_guard_4_repeated_request() -> None:
    """Rule 4: the same cursor twice is a loop, and an error."""
    answers = [says({"rows": rows(n, n + 1), "next": "same"}) for n in range(9)]
    async with told(*answers) as (api, transport, clock, _):
        error = await refused(api, clock, pages=Cursor("next", query="c"))
        assert isinstance(error, PaginationLoopError)
        assert error.action is Action.RESTART
        assert "request for page 3 is the one for page 2 again" in str(error)
        assert str(error).startswith("GET http")
        assert len(transport.requests) == 2


async def test_guard_4_circle_of_two() -> None:
    """Rule 4: cursors that alternate are a loop, although each differs from the one before it."""
    answers = [says({"rows": rows(n, n + 1), "next": "ab"[n % 2]}) for n in range(9)]
    async with told(*answers) as (api, transport, clock, _):
        assert isinstance(await refused(api, clock, pages=Cursor("next", query="c")), PaginationLoopError)
        assert len(transport.requests) == 3


async def test_guard_4_equal_pages() -> None:
    """Rule 4: an API that ignores the page parameter sends the first page for ever; its second time is an error."""
    answers = [says({"rows": rows(0, 2), "request": n}) for n in range(9)]
    async with told(*answers) as (api, transport, clock, _):
        error = await refused(api, clock, pages=PageNumber())
        assert isinstance(error, PaginationLoopError)
        assert "Page 2 holds the records of page 1 again" in str(error)
        assert str(error).startswith("GET http")
        assert len(transport.requests) == 2


async def test_guard_4_equal_last_page() -> None:
    """Rule 4: a last page that repeats the one before it is an error like any other, though nothing follows it."""
    answers = says({"rows": rows(0, 2), "next": "a"}), says({"rows": rows(0, 2), "next": None})
    async with told(*answers) as (api, _, clock, _):
        assert isinstance(await refused(api, clock, pages=Cursor("next", query="c")), PaginationLoopError)


def test_guard_4_pages_of_the_same_bytes_may_differ() -> None:
    """Rule 4: where the records are cut counts as well."""
    guard = LoopGuard()
    for number, records in enumerate(([b"12", b"3"], [b"1", b"23"], [b"123"])):
        guard.check_request(Request("GET", f"http://api.test/{number}"))
        guard.check_page(Page(records))


async def test_guard_4_clamped_page_number() -> None:
    """Rule 4: api.wordpress.org answers every page above the highest with the highest: a loop, and no end."""

    def answer(asked: Asked) -> Reply:
        number = min(asked.number("page"), 3)
        return Reply({"rows": rows(number * 2, number * 2 + 2)})

    async with session_with(answer) as (api, server):
        with pytest.raises(PaginationLoopError):
            await ids_of(api.pages("/items", pages=PageNumber(), records="rows"))
        assert len(server.requests) == 4


async def test_guard_4_stuck_cursor_of_another_spelling() -> None:
    """Rule 4: a new cursor each time that leads back to the first page is caught by the page's bytes."""
    answers = [says({"rows": rows(n % 3, n % 3 + 1), "next": f"cursor-{n}"}) for n in range(9)]
    async with told(*answers) as (api, transport, clock, _):
        assert isinstance(await refused(api, clock, pages=Cursor("next", query="c")), PaginationLoopError)
        assert len(transport.requests) == 4


async def test_guard_4_empty_pages_may_be_equal() -> None:
    """Rule 4: empty pages in a row are no loop, as long as their cursors differ."""
    answers = [says({"rows": [], "next": str(n)}) for n in range(5)]
    async with told(*answers, says({"rows": rows(0, 1), "next": None})) as (api, _, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c")) == [0]


async def test_guard_4_page_cap() -> None:
    """Rule 4: more pages than an item may have are an error, never a quiet end; the item is divided."""
    answers = [says({"rows": rows(n, n + 1), "next": str(n)}) for n in range(9)]
    async with told(*answers) as (api, transport, clock, _):
        error = await refused(api, clock, pages=Cursor("next", query="c"), max_pages=5)
        assert error.action is Action.SPLIT
        assert "more than 5 pages" in str(error)
        assert len(transport.requests) == 5


async def test_guard_4_page_cap_of_empty_pages() -> None:
    """Rule 4: an API that makes up a new cursor for ever and sends no record would do so for a part of the item too."""
    answers = [says({"rows": [], "next": str(n)}) for n in range(9)]
    async with told(*answers) as (api, transport, clock, _):
        error = await refused(api, clock, pages=Cursor("next", query="c"), max_pages=5)
        assert error.action is Action.POISON
        assert len(transport.requests) == 5


async def test_guard_4_page_cap_is_no_error_at_its_edge() -> None:
    """Rule 4: exactly as many pages as there may be are fine."""
    answers = [says({"rows": rows(n, n + 1), "next": str(n) if n < 4 else None}) for n in range(5)]
    async with told(*answers) as (api, _, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c"), max_pages=5) == [0, 1, 2, 3, 4]


async def test_guard_4_same_origin() -> None:
    """Rule 4: a next link to another origin poisons the item, and no request leaves for there."""

    def evil(asked: Asked) -> Reply:
        raise AssertionError("a request came to the other origin")

    async with session_with(evil) as (_, other):
        answer = lambda asked: Reply({"rows": rows(0, 1), "next": other.url + "/items?page=2"})  # noqa: E731
        async with session_with(answer) as (api, server):
            with pytest.raises(ApiError, match="is not followed: it leads to http") as caught:
                await ids_of(api.pages("/items", pages=NextUrl("next"), records="rows"))
            assert caught.value.action is Action.POISON
            assert len(server.requests) == 1
            assert other.requests == []


def test_guard_4_memory_is_bounded() -> None:
    """Rule 4, G9: the guard keeps 16 bytes of each request and page, whatever their size."""
    guard = LoopGuard()
    for number in range(100):
        guard.check_request(Request("POST", f"http://api.test/{number}" + "x" * 10_000, body=b"y" * 10_000))
        guard.check_page(Page([b"%d" % number + b"z" * 10_000]))
    kept = [*guard._requests, *guard._pages]
    assert len(kept) == 200
    assert {len(digest) for digest in kept} == {16}


def test_guard_4_records_are_told_apart() -> None:
    """Rule 4: other records, another order or another cut are other pages; another method or body, another request."""
    guard = LoopGuard()
    guard.check_request(Request("GET", "http://api.test/"))
    guard.check_request(Request("POST", "http://api.test/"))
    guard.check_request(Request("POST", "http://api.test/", body=b"1"))
    guard.check_request(Request("POST", "http://api.test/", headers=(("X-Cursor", "1"),)))
    for number, page in enumerate(([b"1", b"23"], [b"12", b"3"], [b"23", b"1"], [b"123"], [])):
        guard.check_request(Request("GET", f"http://api.test/{number}"))
        guard.check_page(Page(page))
    with pytest.raises(PaginationLoopError):
        guard.check_request(Request("POST", "http://api.test/", body=b"1"))


async def test_repeat_in_place_is_no_loop() -> None:
    """A request that is sent again after an error is no repeated request of the walk."""
    answers = says({}, 500), says({}, 500), says({"rows": rows(0, 1), "next": None})
    async with told(*answers) as (api, _, clock, _):
        assert await collected(api, clock, pages=Cursor("next", query="c")) == [0]
        assert api.usage.requests == 3


async def test_single_page() -> None:
    """All records in one page: one request, whatever else the body says."""
    async with session_with(lambda asked: Reply({"rows": rows(0, 3), "next": "ignored"})) as (api, server):
        assert await ids_of(api.pages("/items", pages=Single(), records="rows")) == [0, 1, 2]
        assert server.targets == ["/items"]


async def test_bogus_cursor_is_found_by_the_total() -> None:
    """Datasette answers a cursor that it does not know with 200 and no rows: an exact total tells that from the end."""
    answers = says({"rows": rows(0, 2), "next": "a", "n": 4}), says({"rows": [], "next": None, "n": 4})
    async with told(*answers, says({"rows": rows(0, 2), "next": "a", "n": 4})) as (api, _, clock, _):
        assert (
            await refused(api, clock, pages=Cursor("next", query="_next"), total=Total("n"))
        ).action is Action.RESTART


@pytest.mark.parametrize(
    "token", ["a+b/c==", "10,2013-01-01T05:00:00Z", "a&b=c#d", "100%", "é 😀", "~2B", "%2B", "a;b", '"\\']
)
async def test_cursor_arrives_as_it_was_sent(token: str) -> None:
    """A cursor of any characters arrives unchanged: a mangled one would end some walks without a word."""

    def answer(asked: Asked) -> Reply:
        if "_next" not in asked.query:
            return Reply({"rows": rows(0, 1), "next": token})
        assert asked.query["_next"] == token
        return Reply({"rows": rows(1, 2), "next": None})

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=Cursor("next", query="_next"), records="rows")) == [0, 1]
