"""One record that cannot be read is what is poisoned: not the thousands around it (G4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.divide.rig import opened, shop

KINDS = ("unreadable_ids", "failing_ids")
"""A body that is not JSON, and a 500; both as often as they are asked for."""


@pytest.mark.parametrize("kind", KINDS)
async def test_one_bad_record_among_thousands_is_what_is_poisoned(kind: str, tmp_path: Path) -> None:
    """G1, G3, G4: its 4,999 neighbours are in the lake, it is poisoned alone, and few requests are spent on it."""
    settings = SandboxSettings(records=5_000, **{kind: (3_210,)})  # type: ignore[arg-type]
    async with Sandbox(settings) as api, opened(shop(tmp_path, api.url), tmp_path, max_failures=5) as run:
        code, _ = await run.work()
        verdict = await run.verdict()
        assert (code, verdict.verdict, verdict.reasons) == (0, "partial", {"poison": 1})
        assert run.ids == [id for id in range(1, 5_001) if id != 3_210]
        assert [(key, record.reason) for key, record in run.poison.items()] == [("items_ids-3210-3211", "failed")]
        assert {divided.cause for divided in run.divided.values()} == {"failure"}
        assert 12 <= len(run.divided) <= 13
        # 51 pages at best. 179 as a rule: the pages before the bad one come again in each of two attempts and some 13
        # parts; each part asks for the bad one twice, the one ID ten times.
        assert api.counters.requests <= 200


async def test_neighbours_and_both_ends_are_told_apart(tmp_path: Path) -> None:
    """G4: bad records side by side, the first and the last of all: one poisoned item for each, and no other."""
    settings = SandboxSettings(records=700, page_size=50, unreadable_ids=(1, 40, 41), failing_ids=(42, 43, 700))
    bad = (*settings.unreadable_ids, *settings.failing_ids)
    async with Sandbox(settings) as api, opened(shop(tmp_path, api.url, step=350), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).reasons == {"poison": len(bad)}
        assert sorted(run.poison) == sorted(f"items_ids-{id}-{id + 1}" for id in bad)
        assert run.ids == [id for id in range(1, 701) if id not in bad]


async def test_the_last_three_items_of_a_run_are_poisonous(tmp_path: Path) -> None:
    """G1: with nothing else to prove that the API is well, they are poisoned all the same, and the run closes."""
    settings = SandboxSettings(records=3, failing_ids=(1, 2, 3))
    async with Sandbox(settings) as api, opened(shop(tmp_path, api.url, step=1), tmp_path, max_failures=5) as run:
        code, _ = await run.work()
        assert code == 0
        assert (await run.verdict()).reasons == {"poison": 3}
        assert [record.failures for record in run.poison.values()] == [5, 5, 5]


async def test_a_range_without_a_good_record_is_divided_to_the_last(tmp_path: Path) -> None:
    """G1: nothing in it ends well, and still it ends."""
    settings = SandboxSettings(records=4, unreadable_ids=(1, 2, 3, 4))
    async with Sandbox(settings) as api, opened(shop(tmp_path, api.url, step=4), tmp_path) as run:
        await run.work()
        assert len(run.poison) == 4
        assert len(run.divided) == 3


async def test_a_redriven_record_that_was_mended_is_in_the_lake(tmp_path: Path) -> None:
    """C7: the parent stays divided; the one ID is asked for again, alone."""
    async with (
        Sandbox(SandboxSettings(records=64, unreadable_ids=(7,))) as api,
        opened(shop(tmp_path, api.url, step=64), tmp_path) as run,
    ):
        await run.work()
        api.change(unreadable_ids=())
        before = api.counters.requests
        assert await run.redrive() == 1
        await run.work()
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, 65)]
        assert api.counters.requests == before + 1


@pytest.mark.parametrize(("status", "failures"), [(504, 20), (500, 20)])
async def test_an_outage_divides_nothing(status: int, failures: int, tmp_path: Path) -> None:
    """G4, G5: an API that is down for a while gives no item a smaller range, whatever it was doing, and however the API
    words it."""
    settings = SandboxSettings(records=2_000, latency_seconds=0.005, outage_status=status)
    async with (
        Sandbox(settings) as api,
        opened(shop(tmp_path, api.url, step=500), tmp_path, max_failures=5) as run,
    ):
        working = asyncio.ensure_future(run.work())
        await until(lambda: api.counters.requests >= 4)
        api.change(is_down=True)
        await until(lambda: api.counters.by_status.get(status, 0) >= failures)
        api.change(is_down=False)
        await working
        assert (await run.verdict()).verdict == "complete"
        assert run.divided == {}
        assert run.ids == [*range(1, 2_001)]


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)
