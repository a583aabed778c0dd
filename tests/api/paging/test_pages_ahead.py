"""Pages of one item side by side: the same records, checks and errors as one after the other, and never more requests
in flight than allowed (G1, G3, G5, G9)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from haulier.api.client import Client, ItemApi, Total
from haulier.api.errors import Action, ApiError, MovedError, PagingError
from haulier.api.http.transport import Request, Response
from haulier.api.limits.ahead_room import MAX_AHEAD_BYTES, AheadRoom
from haulier.api.paging.paginator import Paginator
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.settings import Api
from haulier.clock import SystemClock
from haulier.errors import UsageError
from tests.api.paging.rig import Reply, asked_of, client_over, ids_of, says

TOTAL = Total("total")
OFFSET, PAGE = Offset(10, is_parallel=True), PageNumber(size=10, is_parallel=True)
Turns = Callable[[], int]
"""How many turns of the event loop an answer takes."""


class ListApi:
    """A list of 200 rows, of which each answer is made when it is given. ``happens`` is called before each answer."""

    def __init__(self, turns: Turns = lambda: 3, happens: Callable[[ListApi], None] | None = None) -> None:
        self.ids = list(range(200))
        self.turns, self.happens = turns, happens
        self.asked: list[str] = []
        self.answered = self.in_flight = self.most_in_flight = 0
        self.says_total: Callable[[int], bool] = lambda start: True
        self.instead: dict[int, Reply] = {}
        """By the position of a page: what it is answered once."""
        self.always: Callable[[int, int], Reply | None] = lambda start, size: None
        """By position and size of a page: what it is answered each time."""
        self.padding = ""
        self.lengths: dict[int, int] = {}
        """By the position of a page: how many rows it has at most."""
        self.hides: Callable[[int], bool] = lambda number: False
        self.held: set[int] = set()
        """Positions of pages that are not answered."""

    async def send(self, request: Request) -> Response:
        asked = asked_of(request)
        self.asked.append(asked.target)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            at = asked.json["at"] if asked.body else {name: int(value) for name, value in asked.query.items()}
            size = at.get("limit", at.get("per_page", 10))
            start = (at["page"] - 1) * size if "page" in at else at["offset"]
            for _ in range(self.turns()):
                await asyncio.sleep(0)
            while start in self.held:
                await asyncio.sleep(0.001)
            if self.happens is not None:
                self.happens(self)
            self.answered += 1
            if reply := self.instead.pop(start, None) or self.always(start, size):
                return says(reply.body, reply.status, **dict(reply.headers))
            page = self.ids[start : start + min(size, self.lengths.get(start, size))]
            total = {"total": len(self.ids)} if self.says_total(start) else {}
            shown = [{"id": number} for number in page if not self.hides(number)]
            return says({"rows": shown, "pages": -(-len(self.ids) // size), "padding": self.padding, **total})
        finally:
            self.in_flight -= 1


@contextlib.asynccontextmanager
async def session_of(served: ListApi, in_flight: int = 8) -> AsyncIterator[tuple[ItemApi, Client]]:
    async with client_over(served, Api("http://api.test", in_flight=in_flight), SystemClock()) as client:
        yield client.session(), client


def walk(api: ItemApi, pages: Paginator, **options: Any) -> AsyncIterator[Any]:
    return api.pages("/items", pages=pages, **{"records": "rows", "total": TOTAL, **options})


@pytest.mark.parametrize(
    "pages", [OFFSET, PAGE, Offset(10, overlap=1, is_parallel=True)], ids=["offset", "page", "overlap"]
)
async def test_g1_g5_same_records_in_order_with_the_same_requests(pages: Paginator) -> None:
    """G1, G5: answers come in any order; requests are those of a walk one by one, and as many at once as allowed."""
    rng, alone = random.Random(3), replace(pages, is_parallel=False)  # type: ignore[type-var]
    one_by_one, side_by_side = ListApi(), ListApi(lambda: rng.randrange(1, 40))
    async with session_of(one_by_one) as (api, _):
        expected = await ids_of(walk(api, alone))
    async with session_of(side_by_side) as (api, client):
        assert await ids_of(walk(api, pages)) == expected == list(range(200))
        assert api.usage.requests == len(one_by_one.asked)
        assert client.scope.in_use == 0
    assert sorted(side_by_side.asked) == sorted(one_by_one.asked)
    assert (one_by_one.most_in_flight, side_by_side.most_in_flight) == (1, 8)


async def test_g9_a_slow_page_lets_few_gather_behind_it() -> None:
    """G9: behind a page that does not come no more are asked for than twice the requests in flight."""
    served = ListApi()
    served.held = {10}
    async with session_of(served, in_flight=4) as (api, _):
        task = asyncio.ensure_future(ids_of(walk(api, OFFSET)))
        await _until(lambda: len(served.asked) >= 9)
        await asyncio.sleep(0.02)
        assert len(served.asked) == 1 + 8
        served.held.clear()
        assert await task == list(range(200))


def test_g9_room_is_counted_in_pages_and_bytes() -> None:
    room = AheadRoom()
    assert room.take(1, MAX_AHEAD_BYTES)
    assert not room.take(1, 1)
    room.change(1 - MAX_AHEAD_BYTES)
    assert room.take(1, 1)
    assert not room.take(1, 1)
    assert not room.take(0, 1)
    room.give_back(1)
    assert room.take(1, 1)


@pytest.mark.parametrize("seed", range(60))
async def test_g1_a_list_that_moves_is_never_taken_for_whole(seed: int) -> None:
    """G1: whatever order the pages come in, a row that comes or goes in the midst begins the item again; or the list
    was read as it was before, or after."""
    rng = random.Random(seed)
    happens_at, place, is_gone = rng.randrange(1, 22), rng.randrange(0, 200), rng.random() < 0.5
    states = [list(range(200))]

    def happens(served: ListApi) -> None:
        if served.answered == happens_at:
            served.ids[place : place + is_gone] = [] if is_gone else [1_000]
            states.append(list(served.ids))

    served = ListApi(lambda: rng.randrange(1, 30), happens)
    if seed % 3 == 0:
        served.says_total = lambda start: start == 0
    if seed % 3 == 1:
        served.says_total = lambda start: start in (0, 190)
    try:
        async with session_of(served) as (api, _):
            found = await ids_of(walk(api, (OFFSET, PAGE)[seed % 2]))
    except (MovedError, PagingError):  # The latter where no total says that it moved.
        assert len(states) == 2
    else:
        assert found in states


@pytest.mark.parametrize("status", [404, 400])
async def test_one_refused_page_ends_all_others(status: int) -> None:
    """One error, the one that a walk one by one meets; what was asked for besides is cancelled, its places are free."""
    served = ListApi(lambda: 5)
    served.always = lambda start, size: Reply({"error": "no"}, status) if start == 60 else None
    async with session_of(served) as (api, client):
        with pytest.raises(ApiError, match=f"offset=60.*status {status}") as caught:
            await ids_of(walk(api, OFFSET))
        assert caught.value.action is Action.POISON
        assert api.usage.last_request is not None
        assert "offset=60" in api.usage.last_request.url
        assert (client.scope.in_use, client.scope.waiting, served.in_flight) == (0, 0, 0)


async def test_a_page_too_large_is_asked_for_in_halves() -> None:
    served = ListApi()
    served.always = lambda start, size: Reply({}, 413) if (start, size) == (60, 10) else None
    async with session_of(served) as (api, _):
        assert await ids_of(walk(api, OFFSET)) == list(range(200))
    assert "http://api.test/items?limit=5&offset=60" in served.asked


@pytest.mark.parametrize("length", [7, 1])
async def test_a_limit_that_is_lowered_later_is_followed(length: int) -> None:
    """The walk goes on from what came, one by one: no row is passed over."""
    served = ListApi()
    served.lengths = {80: length}
    async with session_of(served) as (api, _):
        assert await ids_of(walk(api, OFFSET)) == list(range(200))
    assert f"http://api.test/items?limit=10&offset={80 + length}" in served.asked


async def test_a_limit_that_is_lowered_at_once_sets_the_length_of_pages() -> None:
    served = ListApi()
    served.lengths = dict.fromkeys(range(0, 200, 4), 4)
    async with session_of(served) as (api, _):
        assert await ids_of(walk(api, OFFSET)) == list(range(200))
    assert len(served.asked) == 50 + 1  # One looks behind the full last page.
    assert served.most_in_flight == 8


@pytest.mark.parametrize("pages", [Offset(10, advance="limit", is_parallel=True), PAGE], ids=["limit", "page"])
async def test_g3_rows_that_are_hidden_are_told_as_one_by_one(pages: Paginator) -> None:
    """G3: a page is cut before rows are left out of it, and the total counts them."""
    served = ListApi()
    served.hides = lambda number: number % 7 == 0 or 50 <= number < 70
    async with session_of(served) as (api, _):
        found = await ids_of(walk(api, pages, total=Total("total", counts_hidden=True)))
        assert found == [number for number in range(200) if not served.hides(number)]
        assert api.usage.counts.hidden == 200 - len(found)
    assert served.most_in_flight == 8


async def test_positions_in_a_body_and_a_number_of_pages() -> None:
    served = ListApi()
    pages = PageNumber("at.page", size=10, size_name="at.per_page", place="body", pages="pages", is_parallel=True)
    async with session_of(served) as (api, _):
        assert await ids_of(walk(api, pages, method="POST", json={"sort": "id"})) == list(range(200))
    assert (len(served.asked), served.most_in_flight) == (20 + 1, 8)


async def test_g5_a_pause_stops_all_of_them() -> None:
    """G5: what asks for pages ahead waits with all others, and each page comes once."""
    served = ListApi(lambda: 20)
    served.instead = {90: Reply({}, 429, (("Retry-After", "1"),))}
    async with session_of(served) as (api, client):
        task = asyncio.ensure_future(ids_of(walk(api, OFFSET)))
        await _until(lambda: client.scope.pause_seconds_left > 0.0)
        await _until(lambda: served.in_flight == 0)
        asked = len(served.asked)
        await asyncio.sleep(0.3)
        assert len(served.asked) == asked
        assert api.is_waiting
        assert await task == list(range(200))
    assert len(served.asked) == 20 + 1 + 1


async def test_an_answer_that_makes_no_sense_is_asked_for_again() -> None:
    served = ListApi()
    served.instead = {30: Reply({"rows": "none"}), 90: Reply(b"{", 200), 120: Reply({}, 503, (("Retry-After", "0"),))}
    async with session_of(served) as (api, _):
        assert await ids_of(walk(api, OFFSET)) == list(range(200))
        assert api.usage.requests == 20 + 1 + 3


async def test_a_page_that_failed_before_its_turn_is_asked_for_in_its_turn() -> None:
    """An outage that is over by then costs the item nothing, and nothing is retried meanwhile."""
    served = ListApi()
    served.held = {10}
    served.instead = {start: Reply({}, 500) for start in (30, 50, 60)}
    async with session_of(served) as (api, _):
        task = asyncio.ensure_future(ids_of(walk(api, OFFSET)))
        await _until(lambda: not served.instead)
        await asyncio.sleep(0.1)
        asked = len(served.asked)
        await asyncio.sleep(0.7)
        assert len(served.asked) == asked
        served.held.clear()
        assert await task == list(range(200))
        assert api.usage.requests == 20 + 1 + 3


async def test_g5_pages_that_fail_for_good_are_no_storm() -> None:
    """G5: each is asked for once ahead, and the first of them as often as one by one."""
    served = ListApi()
    served.always = lambda start, size: Reply({}, 409) if start >= 60 else None
    async with session_of(served) as (api, _):
        with pytest.raises(ApiError, match=r"offset=60.*status 409"):
            await ids_of(walk(api, OFFSET))
    asked = [target.rpartition("=")[2] for target in served.asked]
    assert asked.count("60") == 1 + 3
    assert all(asked.count(str(start)) <= 1 for start in range(70, 200, 10))


async def test_g9_room_is_taken_for_whole_bodies() -> None:
    """G9: what stands beside the records is in memory too."""
    served = ListApi(lambda: 1)
    served.padding = "x" * (MAX_AHEAD_BYTES // 4)
    async with session_of(served, in_flight=8) as (api, _):
        async for _ in walk(api, OFFSET):
            await asyncio.sleep(0.2)
            break
        assert len(served.asked) <= 1 + 3
        await api.close()


async def test_whoever_leaves_early_leaves_nothing_behind() -> None:
    served = ListApi(lambda: 50)
    async with session_of(served) as (api, client):
        async for page in walk(api, OFFSET):
            assert len(page) == 10
            break
        await api.close()
        assert (client.scope.in_use, served.in_flight) == (0, 0)


async def test_a_first_look_asks_for_nothing_ahead() -> None:
    """`haulier try`."""
    served = ListApi()
    async with session_of(served) as (api, _):
        api.most_pages = 1
        assert await ids_of(walk(api, OFFSET)) == list(range(10))
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("total", "words"),
    [
        (None, r"`parallel` needs an exact total \(or a bound\)"),
        (Total("total", is_exact=False), r"`parallel` needs an exact total \(or a bound\)"),
        (Total("total", may_move=True), "`parallel` and `may_move` cannot be used together"),
    ],
)
async def test_refused_without_what_would_show_a_move(total: Total | None, words: str) -> None:
    async with session_of(ListApi()) as (api, _):
        with pytest.raises(UsageError, match=words):
            walk(api, OFFSET, total=total)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)
