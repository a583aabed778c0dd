"""An API that hands out only so much at once, or only in time: the item is divided, and nothing is truncated."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.divide.api import page, says, serve
from tests.divide.rig import opened, shop

TOO_MUCH = 'rules = [{ status = 400, text = "more than 10 rows", action = "split" }]'


async def test_a_total_above_the_declared_cap_divides(tmp_path: Path) -> None:
    """`divide = { above = 100 }`: whoever has more is divided at its first page, uncharged, until none has."""
    async with Sandbox(SandboxSettings(records=1_000)) as api:
        app = shop(tmp_path, api.url, step=400, more="divide = { above = 100 }")
        async with opened(app, tmp_path) as run:
            await run.work()
            verdict = await run.verdict()
            assert verdict.verdict == "complete"
            assert run.ids == [*range(1, 1_001)]
            # Two items of 400 in four, and one of 200 in two.
            assert (verdict.totals.split, verdict.totals.done) == (7, 10)
            assert {divided.cause for divided in run.divided.values()} == {"cap"}
            # Its newest ID, one request for each that was divided, one or two pages of 100 for each that was not.
            assert api.counters.requests <= 1 + 7 + 20


async def test_an_error_of_the_apis_own_is_a_cap_by_a_rule(tmp_path: Path) -> None:
    """A rule with the verdict `split` divides the item; what the API does hand out is kept whole."""

    async def answer(first: int, last: int) -> web.Response:
        return says(400, {"error": "more than 10 rows"}) if last - first > 10 else page(first, last)

    async with serve(answer) as api, opened(shop(tmp_path, api.url, step=64, last=64, more=TOO_MUCH), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, 65)]
        assert len(api.asked) == len(set(api.asked)) == 7 + 8


async def test_over_the_cap_at_its_smallest_is_poison_with_that_reason(tmp_path: Path) -> None:
    """G3, G4: nothing is ever truncated. One ID that is too much by itself is poisoned as `cap`, at once."""

    async def answer(first: int, last: int) -> web.Response:
        return says(400, {"error": "more than 10 rows"}) if first <= 5 < last else page(first, last)

    async with serve(answer) as api, opened(shop(tmp_path, api.url, step=16, last=16, more=TOO_MUCH), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).reasons == {"poison": 1}
        (record,) = run.poison.values()
        assert (record.key, record.reason, record.failures) == ("items_ids-5-6", "cap", 0)
        assert run.ids == [id for id in range(1, 17) if id != 5]


async def test_the_parts_of_what_was_too_much_are_suspected_of_nothing(tmp_path: Path) -> None:
    """A division for a cap says nothing about data: its parts may fail as often as any item before they are divided."""
    failed: list[tuple[int, int]] = []

    async def answer(first: int, last: int) -> web.Response:
        if last - first > 10:
            return says(400, {"error": "more than 10 rows"})
        if first == 1 and len(failed) < 5:
            failed.append((first, last))
            return says(500, {"error": "a bad moment"})
        return page(first, last)

    async with serve(answer) as api, opened(shop(tmp_path, api.url, step=16, last=16, more=TOO_MUCH), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).verdict == "complete"
        assert sorted(run.divided) == ["items_ids-1-17"]


async def test_the_last_item_of_a_run_is_divided_too(tmp_path: Path) -> None:
    """G1: with nobody else at work the witness shows that the API is up, and that it is the item which takes too long:
    uncharged it would come again for ever."""

    async def answer(first: int, last: int) -> web.Response:
        await asyncio.sleep(30.0 if first == 9 and last - first > 4 else 0.0)
        return page(first, last)

    async with serve(answer) as api:
        app = shop(tmp_path, api.url, step=8, last=16)
        app.api = replace(app.api, first_byte_timeout_seconds=0.3)
        async with opened(app, tmp_path, max_failures=5) as run:
            await run.work()
            assert (await run.verdict()).verdict == "complete"
            assert run.ids == [*range(1, 17)]
            assert [(key, divided.cause) for key, divided in run.divided.items()] == [("items_ids-9-17", "time_out")]


async def test_what_times_out_again_is_divided(tmp_path: Path) -> None:
    """A range that the API does not answer in time, while it answers others, is asked for in halves."""

    async def answer(first: int, last: int) -> web.Response:
        await asyncio.sleep(30.0 if first <= 5 < last and last - first > 2 else 0.05)
        return page(first, last)

    async with serve(answer) as api:
        app = shop(tmp_path, api.url, step=8, last=400)
        app.api = replace(app.api, first_byte_timeout_seconds=0.2, in_flight=2)
        async with opened(app, tmp_path) as run:
            await run.work()
            assert (await run.verdict()).verdict == "complete"
            assert run.ids == [*range(1, 401)]
            assert sorted(run.divided) == ["items_ids-1-9", "items_ids-5-9"]
            assert {divided.cause for divided in run.divided.values()} == {"time_out"}
