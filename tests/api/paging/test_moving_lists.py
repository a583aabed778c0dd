"""Lists that move while they are counted: a total that moved proves nothing, and an overlap sees what no total does
(G1, G3). Cursors and keys go with the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haulier.api.client import MovedTotal, Total
from haulier.api.errors import Action, ApiError, MovedError, PagingError
from haulier.api.paging.cursors import Cursor, Seek
from haulier.api.paging.links import LinkHeader
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset, PageNumber
from tests.api.paging.rig import Asked, Reply, ids_of, rows, says, session_with, told

TOTAL = Total("total")
MOVABLE = Total("total", may_move=True)


class MovingList:
    """400 rows, to which something happens right after the n-th request."""

    def __init__(self, happens: dict[int, Callable[[list[int]], None]], says_total: Callable[[int], bool]) -> None:
        self.ids = list(range(400))
        self._happens, self._says_total = happens, says_total
        self._requests = 0

    def answer(self, asked: Asked) -> Reply:
        self._requests += 1
        size = asked.number("limit", asked.number("per_page", 100))
        start = (asked.number("page") - 1) * size if "page" in asked.query else asked.number("offset")
        page = self.ids[start : start + size]
        body: dict[str, Any] = {"rows": [{"id": number} for number in page]}
        if self._says_total(self._requests):
            body["total"] = len(self.ids)
        headers = (("X-Total-Count", str(len(self.ids))),)
        if self._requests in self._happens:
            self._happens[self._requests](self.ids)
        return Reply(body, headers=headers)


def insert(ids: list[int]) -> None:
    ids[:0] = range(1_000, 1_020)


def delete(ids: list[int]) -> None:
    del ids[:20]


def exchange(ids: list[int]) -> None:
    """As many come as go."""
    delete(ids)
    ids.extend(range(2_000, 2_020))


async def read(moving: MovingList, pages: Paginator, **options: Any) -> tuple[list[int], int, MovedTotal | None]:
    async with session_with(moving.answer) as (api, server):
        found = await ids_of(api.pages("/items", pages=pages, records="rows", **options))
        return found, len(server.requests), api.usage.drift


async def refused(moving: MovingList, pages: Paginator, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await read(moving, pages, **options)
    return caught.value


def moving(*, happens: dict[int, Callable[[list[int]], None]], says: Callable[[int], bool] = lambda n: True) -> Any:
    return MovingList(happens, says)


KINDS: dict[str, Paginator] = {
    "offset": Offset(100),
    "page": PageNumber(size=100),
    "limit": Offset(100, advance="limit"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("happens", [insert, delete])
@pytest.mark.parametrize("total", [TOTAL, Total(header="X-Total-Count"), Total("total", counts_hidden=True)])
async def test_a_total_that_moved_begins_again(kind: str, happens: Any, total: Total) -> None:
    """G1, G3: the total moves along with rows that came twice or were skipped, so that counts agree. The walk ends
    where it is seen, and its error says what helps."""
    error = await refused(moving(happens={2: happens}), KINDS[kind], total=total)
    assert isinstance(error, MovedError)
    assert error.action is Action.RESTART
    assert error.restarts == 2
    assert f"the total moved from 400 to {420 if happens is insert else 380}" in str(error)
    assert "write may_move = true in `total`" in str(error)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_total_that_moved_and_came_back(kind: str) -> None:
    """G3: 400, 380, 400: what is skipped and what comes twice agree with the total that was promised."""
    error = await refused(moving(happens={1: delete, 2: insert}), KINDS[kind], total=TOTAL)
    assert isinstance(error, MovedError)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("happens", [insert, delete])
async def test_a_total_of_the_first_page_alone_is_asked_for_again(kind: str, happens: Any) -> None:
    """G3: later pages do not say it: where the records agree with it, it is asked for once more."""
    only_first = lambda number: number in (1, 5, 6, 7)  # noqa: E731
    error = await refused(moving(happens={2: happens}, says=only_first), KINDS[kind], total=TOTAL)
    assert isinstance(error, MovedError)
    if happens is delete:
        assert "the total moved from 400 to 380" in str(error)
    found, requests, _ = await read(moving(happens={}, says=only_first), KINDS[kind], total=TOTAL)
    assert (len(found), requests) == (400, 6)  # One more asked what is behind the last full page.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("happens", "count"), [(insert, 420), (delete, 380)])
async def test_a_total_that_may_move_is_drift(kind: str, happens: Any, count: int) -> None:
    """Declared, it is taken as it comes, and the manifest says so."""
    found, _, drift = await read(moving(happens={2: happens}), KINDS[kind], total=MOVABLE)
    assert len(found) == count
    assert drift == MovedTotal(promised=400, reread=count)


async def test_a_total_that_may_move_and_came_back_is_drift() -> None:
    """G3: the manifest says of a total that came back where it had been."""
    found, _, drift = await read(moving(happens={1: delete, 2: insert}), Offset(100), total=MOVABLE)
    assert len(found) == 400
    assert drift == MovedTotal(promised=400, reread=380)


async def test_cursors_and_keys_are_not_concerned() -> None:
    """A cursor goes with the list: a total that moved is drift, unless it is declared that it must stand."""
    first = says({"rows": rows(0, 2), "next": "a", "total": 3}, Link="<?c=a>; rel=next")
    last = says({"rows": rows(2, 4), "next": None, "total": 4})
    for pages in (Cursor("next", query="c"), LinkHeader()):
        async with told(first, last, says({"rows": rows(0, 2), "next": "a", "total": 4})) as (api, _, _, _):
            assert await ids_of(api.pages("/items", pages=pages, records="rows", total=TOTAL)) == [0, 1, 2, 3]
            assert api.usage.drift == MovedTotal(promised=3, reread=4)
    answers = [says({"rows": rows(*span), "total": n}) for span, n in (((0, 2), 3), ((2, 4), 4))]
    async with told(*answers, answers[1]) as (api, _, _, _):
        found = await ids_of(api.pages("/items", pages=Seek("id", query="after"), records="rows", total=TOTAL))
        assert found == [0, 1, 2, 3]
        assert api.usage.drift == MovedTotal(promised=3, reread=4)


async def test_a_kind_of_ones_own_may_say_that_it_counts() -> None:
    """A paginator of the user's own that counts is held to its total as ours are."""

    class Mine(Offset):
        pass

    class Unknown:
        def first(self, request: Any) -> Any:
            return request

        def next(self, request: Any, answer: Any) -> Any:
            return request.with_query("offset", "2") if len(answer.page) > 1 else None

    answers = [says({"rows": rows(*span), "total": n}) for span, n in (((0, 2), 3), ((2, 3), 4))]
    async with told(*answers) as (api, _, _, _):
        with pytest.raises(MovedError):
            await ids_of(api.pages("/items", pages=Mine(2), records="rows", total=TOTAL))
    async with told(*answers, answers[0]) as (api, _, _, _):
        assert await ids_of(api.pages("/items", pages=Unknown(), records="rows", total=TOTAL)) == [0, 1, 2]


@pytest.mark.parametrize("happens", [insert, delete, exchange])
async def test_an_overlap_sees_what_no_total_does(happens: Any) -> None:
    """G1: as many rows come as go, and the total stands still: the record that was read last is not where it was."""
    error = await refused(moving(happens={2: happens}), Offset(100, overlap=1), total=None)
    assert isinstance(error, MovedError)
    assert "does not begin with the records that the page before ended with" in str(error)


@pytest.mark.parametrize("pages", [Offset(100), Offset(), PageNumber(size=100)])
async def test_rows_that_were_inserted_are_seen_without_a_total(pages: Paginator) -> None:
    """G1: a page begins with the last rows of the page before it: one request tells that from equal records."""
    error = await refused(moving(happens={2: insert}), pages)
    if pages == Offset():
        # Where no limit is declared, hidden rows look alike.
        assert isinstance(error, PagingError)
        assert "records were added while the item was read: write overlap = 1" in str(error)
    else:
        assert isinstance(error, MovedError)
        assert "The list moved while the item was read" in str(error)


async def test_equal_rows_of_page_numbers_are_no_contradiction() -> None:
    """Records may be equal: the page before is asked for again, and is as it was."""
    values = [0, 1, 1, 2, 2, 2, 2, 3, 3, 4]

    def answer(asked: Asked) -> Reply:
        start = (asked.number("page") - 1) * 2
        return Reply({"rows": [{"id": value} for value in values[start : start + 2]]})

    async with session_with(answer) as (api, server):
        found = await ids_of(api.pages("/items", pages=PageNumber(size=2), records="rows"))
        assert found == values
        assert [asked.number("page") for asked in server.requests] == [1, 2, 1, 3, 4, 5, 6, 7]
