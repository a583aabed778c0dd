"""Paging by counting, as the APIs of the table Paging do it: each row that counts has a test that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import Action, ApiError
from haulier.api.paging.positions import Offset, PageNumber
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


def page_of(number: int, size: int, count: int) -> list[dict[str, Any]]:
    return rows((number - 1) * size, min(number * size, count))


async def test_row_page_and_total_pages_header() -> None:
    """page + per_page + total pages header (WordPress): the last page is known by its number, none is asked past it."""

    def answer(asked: Asked) -> Reply:
        return Reply(page_of(asked.number("page"), 10, 25), headers=(("X-WP-TotalPages", "3"),))

    async with session_with(answer) as (api, server):
        pages = PageNumber(size=10, pages_header="x-wp-totalpages")
        assert await ids_of(api.pages("/posts", {"order": "asc"}, pages=pages, records=".")) == list(range(25))
        assert server.targets == [f"/posts?order=asc&per_page=10&page={number}" for number in (1, 2, 3)]


async def test_row_page_past_the_end_is_400() -> None:
    """page + per_page (WordPress): a 400 past the last page is the end and no failure, though the last one was full."""

    def answer(asked: Asked) -> Reply:
        if asked.number("page") > 3:
            return Reply({"code": "rest_post_invalid_page_number"}, 400)
        return Reply(page_of(asked.number("page"), 10, 30))

    async with session_with(answer) as (api, server):
        pages = PageNumber(end_status=400, end_text="invalid_page_number")
        assert await ids_of(api.pages("/posts", pages=pages, records=".")) == list(range(30))
        assert len(server.requests) == 4
        assert api.usage.requests == 4


async def test_other_400_is_no_end() -> None:
    """A 400 with another text, or on the first page, is a failure: an end must not hide a mistake."""
    async with session_with(lambda asked: Reply({"code": "rest_post_invalid_page_number"}, 400)) as (api, _):
        with pytest.raises(ApiError) as caught:
            await ids_of(api.pages("/posts", pages=PageNumber(end_status=400), records="."))
        assert caught.value.action is Action.POISON

    def answer(asked: Asked) -> Reply:
        return Reply({"code": "bad filter"}, 400) if asked.number("page") > 1 else Reply(rows(0, 10))

    async with session_with(answer) as (api, _):
        pages = PageNumber(end_status=400, end_text="invalid_page_number")
        with pytest.raises(ApiError) as caught:
            await ids_of(api.pages("/posts", pages=pages, records="."))
        assert caught.value.action is Action.POISON


async def test_row_page_total_header_that_is_left_out() -> None:
    """page + total pages header (GitLab): the header is dropped above 10,000 rows; then empty pages end the walk."""

    def answer(asked: Asked) -> Reply:
        return Reply(page_of(asked.number("page"), 10, 25))

    async with session_with(answer) as (api, server):
        assert await ids_of(api.pages("/issues", pages=PageNumber(pages_header="X-Total-Pages"), records=".")) == list(
            range(25)
        )
        assert len(server.requests) == 5


async def test_row_page_total_in_body() -> None:
    """page number with the number of pages in the body; it may grow while the item is read, and may start at 0."""

    def answer(asked: Asked) -> Reply:
        number = asked.number("p")
        return Reply({"rows": rows(number * 2, number * 2 + 2), "meta": {"pages": 2 if number == 0 else 3}})

    async with session_with(answer) as (api, server):
        pages = PageNumber("p", first_number=0, pages="meta.pages")
        assert await ids_of(api.pages("/items", pages=pages, records="rows")) == list(range(6))
        assert server.targets == ["/items?p=0", "/items?p=1", "/items?p=2"]


async def test_page_number_without_pages() -> None:
    """An empty list of no pages is an end."""
    async with session_with(lambda asked: Reply({"rows": [], "pages": 0})) as (api, server):
        assert await ids_of(api.pages("/items", pages=PageNumber(pages="pages"), records="rows")) == []
        assert len(server.requests) == 1


async def test_row_offset_limit_total() -> None:
    """offset + limit + total (Jira, ServiceNow): the total ends it; a limit that is lowered loses nothing."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("startAt")
        size = min(asked.number("maxResults"), 50)
        page = rows(start, min(start + size, 120))
        return Reply({"issues": page, "startAt": start, "maxResults": size, "total": 120})

    async with session_with(answer) as (api, server):
        pages = Offset(1000, limit_name="maxResults", offset_name="startAt")
        found = await ids_of(
            api.pages("/search", {"jql": "a = b"}, pages=pages, records="issues", total=Total("total"))
        )
        assert found == list(range(120))
        assert server.targets[1] == "/search?jql=a%20=%20b&maxResults=1000&startAt=50".replace(
            "a%20=%20b", "a%20%3D%20b"
        )
        assert len(server.requests) == 3


async def test_row_offset_limit_total_in_a_body() -> None:
    """offset + limit in a JSON body of a POST (Jira): the fields are set at their paths, the rest stays as it is."""

    def answer(asked: Asked) -> Reply:
        start = asked.json["paging"]["startAt"]
        return Reply({"issues": rows(start, min(start + 2, 5)), "total": 5})

    async with session_with(answer) as (api, server):
        pages = Offset(2, limit_name="paging.max", offset_name="paging.startAt", place="body")
        body = {"jql": "project = X", "paging": {"deep": True}}
        found = await ids_of(
            api.pages("/search", pages=pages, records="issues", total=Total("total"), method="POST", json=body)
        )
        assert found == [0, 1, 2, 3, 4]
        assert [asked.json for asked in server.requests] == [
            {"jql": "project = X", "paging": {"deep": True, "max": 2, "startAt": start}} for start in (0, 2, 4)
        ]
        assert {asked.method for asked in server.requests} == {"POST"}
        assert body == {"jql": "project = X", "paging": {"deep": True}}


async def test_row_offset_limit_no_total() -> None:
    """offset + limit without total (SODA): $limit, $offset and $order; only pages without rows end it."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("$offset")
        return Reply(rows(start, min(start + asked.number("$limit"), 25)))

    async with session_with(answer) as (api, server):
        pages = Offset(10, limit_name="$limit", offset_name="$offset")
        assert await ids_of(api.pages("/r.json", {"$order": ":id"}, pages=pages, records=".")) == list(range(25))
        assert [asked.query["$offset"] for asked in server.requests] == ["0", "10", "20", "25", "35"]
        assert {asked.query["$order"] for asked in server.requests} == {":id"}


@pytest.mark.parametrize("flag", ["more", "done"])
async def test_offset_with_a_flag(flag: str) -> None:
    """A flag that says whether there is more, or whether this was all, ends the walk without an empty page."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        is_last = start + 2 >= 6
        return Reply({"rows": rows(start, start + 2), "meta": {"more": not is_last, "done": is_last}})

    async with session_with(answer) as (api, server):
        pages = Offset(2, more="meta.more") if flag == "more" else Offset(2, done="meta.done")
        assert await ids_of(api.pages("/items", pages=pages, records="rows")) == [0, 1, 2, 3, 4, 5]
        assert len(server.requests) == 3


@pytest.mark.parametrize("kind", [Offset(2, more="has_mor"), PageNumber(more="has_mor")], ids=["offset", "page"])
async def test_flag_that_is_not_there_is_no_end(kind: Offset | PageNumber) -> None:
    """A flag whose path is misspelt is an error at the first page, and neither an end nor a walk without end."""
    async with session_with(lambda asked: Reply({"rows": rows(0, 2), "has_more": True})) as (api, _):
        with pytest.raises(
            ApiError, match=r"there is nothing at 'has_mor': the body is an object with the keys .*has_more"
        ):
            await ids_of(api.pages("/items", pages=kind, records="rows"))


async def test_more_without_records_is_no_end() -> None:
    """An API that says that there is more, and sends nothing to go on from, contradicts itself: an error."""
    async with session_with(lambda asked: Reply({"rows": [], "more": True})) as (api, _):
        with pytest.raises(ApiError, match="says that there is more, but the page holds no records"):
            await ids_of(api.pages("/items", pages=Offset(2, more="more"), records="rows"))


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Offset, {"limit": 0}),
        (Offset, {"limit": 5, "overlap": 5}),
        (Offset, {"overlap": -1}),
        (Offset, {"more": "a", "done": "b"}),
        (PageNumber, {"pages": "a..b"}),
    ],
)
def test_kinds_that_cannot_work_are_refused_when_made(make: Callable[..., object], fields: dict[str, Any]) -> None:
    """What cannot work is refused before the first request."""
    with pytest.raises(UsageError):
        make(**fields)
