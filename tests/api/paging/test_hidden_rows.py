"""Rows that the API leaves out of a page after it has cut it, and limits that it lowers: either is declared, and what
contradicts it is found. A run ends with each record once, or with an error that names the key to write (G1, G3)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulier.api.client import Total
from haulier.api.errors import Action, ApiError, MovedError, PagingError
from haulier.api.http.transport import Request, Response
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.settings import Api
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.paging.rig import Asked, Reply, asked_of, client_over, ids_of, rows, says, session_with

BOUND = Total("total", counts_hidden=True)
EXACT = Total("total")
BY_LIMIT = Offset(100, advance="limit")

Answerer = Callable[[Asked], Reply]


def some(number: int) -> bool:
    """Five of each hundred, spread over it."""
    return number % 20 == 10


def second_hundred(number: int) -> bool:
    return 100 <= number < 200


def hiding(is_hidden: Callable[[int], bool], count: int = 400, most: int = 10_000) -> Answerer:
    """``count`` rows: a page is cut, and then the hidden ones are left out; the total was counted before that."""

    def answer(asked: Asked) -> Reply:
        size = min(asked.number("limit", asked.number("per_page", 100)), most)
        start = (asked.number("page") - 1) * size if "page" in asked.query else asked.number("offset")
        shown = [row for row in rows(start, min(start + size, count)) if not is_hidden(row["id"])]
        return Reply({"rows": shown, "total": count}, headers=(("X-Total-Count", str(count)),))

    return answer


def lowering(most: int, count: int) -> Answerer:
    """``count`` rows, and no more than ``most`` of them in a page, whatever is asked for."""
    return hiding(lambda number: False, count, most)


def visible(is_hidden: Callable[[int], bool], count: int = 400) -> list[int]:
    return [number for number in range(count) if not is_hidden(number)]


async def read(answer: Answerer, pages: Paginator, **options: Any) -> tuple[list[int], list[Asked], int]:
    async with session_with(answer) as (api, server):
        found = await ids_of(api.pages("/items", pages=pages, records="rows", **options))
        return found, server.requests, api.usage.counts.hidden


async def refused(answer: Answerer, pages: Paginator, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await read(answer, pages, **options)
    return caught.value


@pytest.mark.parametrize("total", [EXACT, Total(header="X-Total-Count"), BOUND, Total("total", is_exact=False), None])
async def test_rows_that_come_twice_are_found(total: Total | None) -> None:
    """G1, G3: the offset goes on by 95 where the API counts 100: the last rows of a page begin the next one. With the
    total of 400 there were 400 records, 20 of them twice."""
    error = await refused(hiding(some), Offset(100), total=total)
    assert isinstance(error, PagingError)
    assert error.action is Action.RESTART
    assert 'Write advance = "limit" in `pages`' in str(error)


async def test_rows_that_come_twice_are_found_without_a_limit() -> None:
    """G1: where the API's own size of a page is taken, nothing says that a page is short; but it begins too early."""
    error = await refused(hiding(some), Offset())
    assert isinstance(error, PagingError)
    assert 'Write a limit and advance = "limit"' in str(error)


async def test_by_the_limit_each_row_comes_once() -> None:
    """G1: the offset goes on by the limit. One request looks whether the limit was lowered."""
    found, requests, hidden = await read(hiding(some), BY_LIMIT, total=BOUND)
    assert found == visible(some)
    assert hidden == 20
    assert [asked.number("offset") for asked in requests] == [0, 94, 100, 200, 300]


async def test_by_the_limit_without_a_total() -> None:
    """G1: without a total, two empty pages in a row are the end."""
    found, requests, _ = await read(hiding(some), BY_LIMIT)
    assert found == visible(some)
    assert [asked.number("offset") for asked in requests] == [0, 94, 100, 200, 300, 400, 500]


async def test_an_exact_total_that_counts_hidden_rows() -> None:
    """G3: a total of 400 with 379 records is not kept: the error says how to declare what it counts."""
    uneven = lambda number: number % 20 == 10 or number == 3  # noqa: E731
    for pages in (BY_LIMIT, PageNumber(size=100)):
        error = await refused(hiding(uneven), pages, total=EXACT)
        assert "promised 400 records and sent 379" in str(error)
        assert 'write is = "bound" in `total`' in str(error)
        assert isinstance(error, PagingError)  # Smaller items would do no better.


async def test_a_list_that_is_capped_is_no_case_of_hidden_rows() -> None:
    """G3: an API that hands out no more than so many records is asked for less at a time: the item can be divided."""

    def answer(asked: Asked) -> Reply:
        start = (asked.number("page", 1) - 1) * 100 + asked.number("offset")
        return Reply({"rows": rows(start, max(start, min(start + 100, 250))), "total": 400})

    for pages in (Offset(100), PageNumber(size=100)):
        error = await refused(answer, pages, total=EXACT)
        assert "promised 400 records and sent 250" in str(error)
        assert not isinstance(error, PagingError)


async def test_an_exact_total_of_the_rows_that_are_shown() -> None:
    """G3: a total that counts what is shown is reached behind as many places."""

    def answer(asked: Asked) -> Reply:
        shown = hiding(some)(asked).body["rows"]
        return Reply({"rows": shown, "total": 380})

    found, _, hidden = await read(answer, BY_LIMIT, total=EXACT)
    assert (found, hidden) == (visible(some), 0)


async def test_a_bound_is_not_passed() -> None:
    """G3: more records than the API has are no case of hidden rows."""

    def answer(asked: Asked) -> Reply:
        return Reply({"rows": rows(asked.number("offset"), asked.number("offset") + 100), "total": 150})

    assert "promised 150 records and sent 200" in str(await refused(answer, BY_LIMIT, total=BOUND))


@pytest.mark.parametrize(
    ("pages", "options"),
    [
        (BY_LIMIT, {}),
        (BY_LIMIT, {"total": BOUND}),
        (Offset(limit_name="limit", advance="limit"), {"query": {"limit": "100"}}),
        (PageNumber(size=100), {}),
        (PageNumber(), {}),
        (PageNumber(size=100), {"total": BOUND}),
    ],
)
async def test_a_page_that_is_wholly_hidden_is_no_end(pages: Paginator, options: dict[str, Any]) -> None:
    """G1: an empty page in the middle of a list, and what lies behind it is read."""
    found, _, hidden = await read(hiding(second_hundred), pages, **options)
    assert found == visible(second_hundred)
    assert hidden == (100 if "total" in options else 0)


async def test_a_page_that_is_wholly_hidden_is_no_quiet_end_by_what_was_received() -> None:
    """G1: 100 of 300 rows, and success: one request behind the empty page shows that the offset is counted wrongly."""
    error = await refused(hiding(second_hundred), Offset(100))
    assert isinstance(error, PagingError)
    assert "There are records at offset 200, behind a page without any" in str(error)
    assert 'Write advance = "limit"' in str(error)
    assert "promised 400" in str(await refused(hiding(second_hundred), Offset(100), total=EXACT))


async def test_some_pages_that_are_wholly_hidden() -> None:
    """G1: a bound reads on to its end; without one it is declared how many empty pages are the end."""
    hidden = lambda number: 100 <= number < 350  # noqa: E731
    for pages in (BY_LIMIT, PageNumber(size=100)):
        found, _, _ = await read(hiding(hidden), pages, total=BOUND)
        assert found == visible(hidden)
    for pages in (Offset(100, advance="limit", empty_pages=4), PageNumber(size=100, empty_pages=4)):
        found, requests, _ = await read(hiding(hidden), pages)
        assert found == visible(hidden)
        assert len(requests) == 8


@pytest.mark.parametrize("pages", [Offset(100, empty_pages=1), PageNumber(size=100, empty_pages=1)])
async def test_the_look_behind_an_empty_page_can_be_saved(pages: Paginator) -> None:
    """An API that is known to hide nothing is asked for one empty page and no more."""
    found, requests, _ = await read(hiding(lambda number: False), pages)
    assert found == list(range(400))
    assert len(requests) == 5


@pytest.mark.parametrize(("count", "most"), [(1_050, 100), (150, 100), (101, 100), (30, 2)])
@pytest.mark.parametrize("total", [EXACT, BOUND, None])
async def test_by_the_limit_a_lowered_limit_is_found(count: int, most: int, total: Total | None) -> None:
    """G1: asked for 1,000, the API sends 100, and 900 of each 1,000 would be skipped."""
    error = await refused(lowering(most, count), Offset(1_000, advance="limit"), total=total)
    assert isinstance(error, PagingError)
    assert f'Write advance = "received" in `pages` of the stream, or limit = {most}' in str(error)


def tail(number: int) -> bool:
    """The last nine of each hundred."""
    return number % 100 > 90


def middle(number: int) -> bool:
    return 40 < number < 90


@pytest.mark.parametrize("is_hidden", [some, tail, middle])
@pytest.mark.parametrize("total", [BOUND, None])
async def test_a_short_first_page_is_no_lowered_limit_by_itself(
    is_hidden: Callable[[int], bool], total: Total | None
) -> None:
    """A first page that is short since rows of it are hidden, wherever in it they stood."""
    for count in (400, 95, 41):
        found, _, _ = await read(hiding(is_hidden, count), BY_LIMIT, total=total)
        assert found == visible(is_hidden, count)


async def test_a_page_longer_than_its_limit() -> None:
    """G1: an API that does not know the limit's name sends 100 for 10, and 90 would come again."""
    error = await refused(lowering(100, 400), Offset(10, limit_name="take", advance="limit"))
    assert isinstance(error, PagingError)
    assert "holds 100 records, and take 10 was asked for" in str(error)


FEW_VALUES = random.Random(7).choices([0, 0, 0, 1, 2], k=400)


def of_few_values(most: int) -> Answerer:
    """Records without ids, of which many are equal, from an API that lowers the limit."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        size = min(asked.number("limit"), most)
        return Reply({"rows": [{"id": value} for value in FEW_VALUES[start : start + size]]})

    return answer


@pytest.mark.parametrize("most", [12, 31, 50, 97])
async def test_equal_records_are_no_contradiction(most: int) -> None:
    """Records may be equal: what begins as the page before ended is looked into, and nothing fails by chance."""
    found, requests, _ = await read(of_few_values(most), Offset(100))
    assert found == FEW_VALUES
    assert len([asked for asked in requests if asked.number("limit") == 1]) == 1


async def test_pages_of_many_lengths_cost_one_request() -> None:
    """A server that cuts pages by their bytes sends short ones of many lengths: one request shows how it counts."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        return Reply({"rows": rows(start, min(start + min(asked.number("limit"), 40 + start % 17), 400))})

    found, requests, _ = await read(answer, Offset(100))
    assert found == list(range(400))
    singles = [asked for asked in requests if asked.number("limit") == 1]
    assert len(singles) == 1


async def test_hidden_rows_are_found_though_each_answer_differs() -> None:
    """Pages of many lengths are looked into, though records that hold the time of the answer are never equal: the row
    before a page is hidden, where one must be."""
    times = iter(range(10_000))

    def answer(asked: Asked) -> Reply:
        shown = hiding(lambda number: number in (3, 150, 196))(asked).body["rows"]
        return Reply({"rows": [row | {"at": next(times)} for row in shown]})

    with pytest.raises(PagingError, match="advance"):
        await read(answer, Offset(100))


@pytest.mark.parametrize(
    "beyond",
    [
        Reply({"error": "offset is too large"}, 400),
        Reply({"error": "no such page"}, 404),
        Reply({"error": "not satisfiable"}, 416),
        Reply({"message": "nothing found"}),
        Reply({"rows": None}),
        Reply({"rows": rows(0, 100)}),
        Reply({"rows": rows(300, 400)}),
    ],
)
@pytest.mark.parametrize("pages", [Offset(100), PageNumber(size=100), BY_LIMIT])
async def test_what_an_api_says_behind_its_end(beyond: Reply, pages: Paginator) -> None:
    """Behind the first empty page there may be a refusal, or the list begins again: a good run does not fail by it."""
    requests = 0

    def answer(asked: Asked) -> Reply:
        nonlocal requests
        requests += 1
        return hiding(lambda number: False)(asked) if requests <= 5 else beyond

    found, _, _ = await read(answer, pages)
    assert found == list(range(400))


@pytest.mark.parametrize("status", [400, 404, 500])
@pytest.mark.parametrize(
    ("pages", "options"),
    [
        (BY_LIMIT, {"total": BOUND}),
        (PageNumber(size=100), {"total": BOUND}),
        (Offset(100, advance="limit", more="more"), {}),
        (PageNumber(size=100, more="more"), {}),
        (PageNumber(size=100, pages="pages"), {}),
    ],
)
async def test_a_refusal_is_no_end_where_there_is_more(status: int, pages: Paginator, options: dict[str, Any]) -> None:
    """G1: behind a hidden page, where a bound, a flag or a number of pages says that the list goes on, a page that the
    API does not answer is a failure: the rest would count as hidden."""

    def answer(asked: Asked) -> Reply:
        if asked.number("offset") == 200 or asked.number("page") == 3:
            return Reply({"error": "no"}, status)
        return Reply({"more": True, "pages": 4} | hiding(second_hundred)(asked).body)

    async with session_with(answer) as (api, _):
        api._requester._is_suspect = True  # One repeat in place is enough here.
        with pytest.raises(ApiError) as caught:
            await ids_of(api.pages("/items", pages=pages, records="rows", **options))
    assert caught.value.status == status


async def test_a_page_past_a_bound_may_be_refused() -> None:
    """Page numbers go one page past their bound, since the size may have been lowered; a 400 there is the end."""

    def answer(asked: Asked) -> Reply:
        return hiding(some)(asked) if asked.number("page") <= 4 else Reply({"error": "no such page"}, 400)

    assert (await read(answer, PageNumber(size=100), total=BOUND))[0] == visible(some)


async def test_an_empty_list_is_looked_behind_once() -> None:
    """A list without records costs two requests, and no more."""
    for pages in (Offset(100), BY_LIMIT, PageNumber()):
        found, requests, _ = await read(hiding(some, 0), pages)
        assert (found, len(requests)) == ([], 2)
    found, requests, _ = await read(hiding(some, 0), Offset())
    assert (found, len(requests)) == ([], 1)


async def test_a_list_that_is_wholly_hidden_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """G3: an item without records has no line of its own in the manifest: the log says what was hidden."""
    found, _, hidden = await read(hiding(lambda number: True), BY_LIMIT, total=BOUND)
    assert (found, hidden) == ([], 400)
    (record,) = [record for record in caplog.records if record.name == "haulier.api"]
    assert (record.message, getattr(record, "rows", 0)) == ("all rows of a list are hidden from us", 400)


async def test_a_flag_leads_over_empty_pages() -> None:
    """G1: the API's own sign says that there is more, and the limit says where."""

    def answer(asked: Asked) -> Reply:
        page = hiding(second_hundred)(asked).body["rows"]
        return Reply({"rows": page, "more": asked.number("offset") + 100 < 400})

    found, requests, _ = await read(answer, Offset(100, advance="limit", more="more"))
    assert found == visible(second_hundred)
    assert len(requests) == 4


async def test_hidden_rows_in_a_json_body() -> None:
    """G1: the same where offset and limit stand in the body of a POST, the limit by the stream's own hand."""

    def answer(asked: Asked) -> Reply:
        start, size = asked.json["page"]["from"], asked.json["page"]["size"]
        shown = [row for row in rows(start, min(start + size, 400)) if not some(row["id"])]
        return Reply({"rows": shown, "total": 400})

    asks = {"method": "POST", "json": {"page": {"size": 100}}, "total": BOUND}
    names: dict[str, Any] = {"offset_name": "page.from", "limit_name": "page.size", "place": "body"}
    found, requests, hidden = await read(answer, Offset(**names, advance="limit"), **asks)
    assert (found, hidden) == (visible(some), 20)
    assert requests[1].json == {"page": {"size": 6, "from": 94}}
    assert isinstance(await refused(answer, Offset(**names), **asks), PagingError)


async def test_overlap_names_the_key_too() -> None:
    """`overlap` cannot hold where rows are hidden: the error says so."""
    error = await refused(hiding(some), Offset(100, overlap=1))
    assert isinstance(error, MovedError)
    assert 'write advance = "limit"' in str(error)


@pytest.mark.parametrize("pages", [Offset(), PageNumber()])
async def test_a_bound_needs_the_size_of_a_page(pages: Paginator) -> None:
    """G1: how many places were shown is not known without it, and fewer records than the bound are no sign of loss."""
    async with session_with(hiding(second_hundred)) as (api, _):
        with pytest.raises(UsageError, match="Write it in `pages`: limit = 100"):
            await ids_of(api.pages("/items", pages=pages, records="rows", total=BOUND))


async def test_by_the_limit_needs_one() -> None:
    """Without a limit there is nothing to go on by: it is refused before a request is sent."""
    async with session_with(hiding(some)) as (api, server):
        with pytest.raises(UsageError, match=r"`advance = \"limit\"` needs a limit.* Write limit = 100"):
            await ids_of(api.pages("/items", pages=Offset(advance="limit"), records="rows"))
        assert not server.requests


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Offset, {"advance": "both"}),
        (Offset, {"limit": 10, "overlap": 1, "advance": "limit"}),
        (Offset, {"empty_pages": 0}),
        (PageNumber, {"empty_pages": 0}),
        (Total, {"at": "n", "is_exact": False, "counts_hidden": True}),
    ],
)
def test_what_cannot_work_is_refused_when_made(make: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make(**fields)


class Answering:
    """A transport that answers as a server would."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer

    async def send(self, request: Request) -> Response:
        return says(self._answer(asked_of(request)).body)


@settings(max_examples=150, deadline=None)
@given(
    shown=st.lists(st.booleans(), max_size=40),
    limit=st.integers(1, 9),
    most=st.integers(2, 9),
    advance=st.sampled_from(["received", "limit"]),
    kind=st.sampled_from(["offset", "page"]),
    total=st.sampled_from([EXACT, BOUND]),
)
def test_each_row_comes_once_or_the_item_fails(
    shown: list[bool], limit: int, most: int, advance: Any, kind: str, total: Total
) -> None:
    """G1, G3: whatever is hidden, and whatever is lowered, with a total: each row that is shown, in order, or an error.
    Of an API that does both at once nothing is promised."""
    if not all(shown):
        most = limit
    answer = hiding(lambda number: not shown[number], len(shown), most)
    pages: Paginator = Offset(limit, advance=advance) if kind == "offset" else PageNumber(size=limit)
    try:
        found = asyncio.run(read_without_a_server(answer, pages, total))
    except ApiError:
        is_declared = total is BOUND and (kind == "page" or advance == "limit")
        if is_declared and most >= limit:
            raise
    else:
        assert found == [number for number, is_shown in enumerate(shown) if is_shown]


async def read_without_a_server(answer: Answerer, pages: Paginator, total: Total) -> list[int]:
    async with client_over(Answering(answer), Api("http://api.test"), FakeClock()) as client:
        return await ids_of(client.session().pages("/items", pages=pages, records="rows", total=total))
