"""A refusal that is about one row: the item is divided where others are answered, and not without end (G4, G5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import Shop, opened, shop

STEP = 1_000
NO = {"error": "no"}
CIRCLE = Reply(b"", 302, (("Location", "/circle"),))
BY_RULE = Reply({"code": "E1"}, 200)
RULES = 'rules = [{ at = "code", action = "poison" }]'


def ids_of(asked: Asked) -> range:
    return range(asked.number("from_id", 1), asked.number("to_id", 2))


def good(asked: Asked) -> Reply:
    """In pages of a hundred."""
    ids = ids_of(asked)
    start = asked.number("cursor")
    page = ids[start : start + 100]
    following = start + 100 if start + 100 < len(ids) else None
    return Reply({"items": [{"id": id} for id in page], "next": following, "total": len(ids)})


def without(bad: set[int], refusal: Reply) -> Callable[[Asked], Reply]:
    """Whoever asks for one of these is refused, on whatever page."""
    return lambda asked: refusal if asked.path == "/circle" or bad.intersection(ids_of(asked)) else good(asked)


async def worked(run: Shop, verdict: str = "partial") -> None:
    code, reason = await run.work()
    assert (code, (await run.verdict()).verdict) == (0, verdict), reason


@pytest.mark.parametrize(
    "refusal",
    [*(Reply(NO, status) for status in (400, 403, 404, 422)), CIRCLE, BY_RULE],
    ids=["400", "403", "404", "422", "circle", "rule"],
)
async def test_g4_one_bad_row_costs_one_record(tmp_path: Path, refusal: Reply) -> None:
    """Four items of 1,000 records, one of which is refused for one row: as an error 500 would, it costs that row."""
    more = RULES if refusal is BY_RULE else ""
    async with (
        serving(without({1_234}, refusal)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=4 * STEP, more=more), tmp_path, max_failures=5) as run,
    ):
        await worked(run)
        assert list(run.poison) == ["items_ids-1234-1235"]
        assert {record.reason for record in run.poison.values()} == {"poison"}
        assert len(run.ids) == 4 * STEP - 1
        hops = sum(asked.path == "/circle" for asked in api.requests)
        assert len(api.requests) - hops <= 4 * 10 + 6 * 10


async def test_g4_the_only_item_of_a_run(tmp_path: Path) -> None:
    """Nobody else is answered before it is divided: its parts are."""
    async with (
        serving(without({234}, Reply(NO, 400))) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=STEP), tmp_path, max_failures=5) as run,
    ):
        await worked(run)
        assert list(run.poison) == ["items_ids-234-235"]
        assert len(run.ids) == STEP - 1
        assert len(api.requests) <= 80


async def test_g4_a_bad_row_in_each_of_many_items(tmp_path: Path) -> None:
    """More items than are divided before one of their parts has told whether that helps."""
    bad = {50 + 100 * item for item in range(10, 50)}
    async with (
        serving(without(bad, Reply(NO, 400))) as api,
        opened(shop(tmp_path, api.url, step=100, last=5_000), tmp_path, max_failures=5) as run,
    ):
        await worked(run)
        assert len(run.poison) == len(bad)
        assert len(run.ids) == 5_000 - len(bad)
        assert len(api.requests) <= 40 * 40


@pytest.mark.parametrize("items", [40, 160])
async def test_g5_a_filter_that_is_wrong_does_not_become_thousands_of_requests(tmp_path: Path, items: int) -> None:
    """All but every fourth item is refused, and so is each of their parts. They are poisoned whole, after some of them
    were divided for nothing."""

    def wrong(asked: Asked) -> bool:
        return (ids_of(asked)[0] - 1) // 100 % 4 != 0

    async with (
        serving(lambda asked: Reply(NO, 400) if wrong(asked) else good(asked)) as api,
        opened(shop(tmp_path, api.url, step=100, last=items * 100), tmp_path, max_failures=5) as run,
    ):
        await worked(run)
        assert len(run.ids) == items // 4 * 100
        assert len(run.divided) <= 80
        assert len(api.requests) <= 6 * items + 400


@pytest.mark.parametrize("status", [404, 400, 403])
@pytest.mark.parametrize("answered", [0, 12])
async def test_g4_a_server_that_rolls_for_three_seconds_poisons_nothing(
    tmp_path: Path, status: int, answered: int
) -> None:
    """An ingress controller refuses everybody for a while, at the start of a run or in the middle of it."""
    left, shut_at = answered, -1.0
    async with (
        serving(lambda asked: answer(asked)) as api,
        opened(shop(tmp_path, api.url, step=100, last=4_000), tmp_path) as run,
    ):

        def answer(asked: Asked) -> Reply:
            nonlocal left, shut_at
            left -= 1
            now = run.site.clock.monotonic()
            if left == -1:
                shut_at = now
            return Reply(NO, status) if left < 0 and now - shut_at < 3.0 else good(asked)

        await worked(run, "complete")
        assert run.ids == [*range(1, 4_001)]
        assert run.divided == {}
        assert len(api.requests) <= 40 + 30


async def test_g4_who_is_refused_once_is_asked_again(tmp_path: Path) -> None:
    """One of several servers is not ready yet: others are answered well, and each item in the end."""
    seen: set[int] = set()

    def answer(asked: Asked) -> Reply:
        first = ids_of(asked)[0]
        if first % 300 == 1 and first not in seen:
            seen.add(first)
            return Reply(NO, 404)
        return good(asked)

    async with serving(answer) as api, opened(shop(tmp_path, api.url, step=100, last=3_000), tmp_path) as run:
        await worked(run, "complete")
        assert run.ids == [*range(1, 3_001)]
        assert run.divided == {}
        assert len(api.requests) <= 30 + 10 + 10
