"""One item, or a small run, worked within a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haulier import Api, App, Context, Cursor, IdRange, Page, UsageError, WorkItem, env, id_ranges
from haulier.api.identity.auth import Bearer
from haulier.errors import ItemError, UnavailableError
from haulier.sources.recipe import Lookup
from haulier.testing import run_app, run_item
from haulier.testing.sandbox import Sandbox, SandboxSettings, record_bytes

ELSEWHERE = "https://shop.invalid"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Items(WorkItem, stream="items", kind="items"):
    ids: IdRange


@dataclass(frozen=True)
class Region(WorkItem, stream="regions", kind="region"):
    code: str


def shop(**options: Any) -> App:
    app = App("shop", api=Api(ELSEWHERE, **options), expect={"items": Lookup("/count", at="count")})

    @app.enumerate("full")
    async def all_items(ctx: Context) -> AsyncIterator[WorkItem]:
        yield Region("north")
        for ids in id_ranges(1, 1 + await ctx.api.json("/items/newest", at="id"), step=20):
            yield Items(ids)

    @app.processor(Items)
    async def items(item: Items, ctx: Context) -> AsyncIterator[Page | WorkItem]:
        if item.ids.size > 20:
            for ids in id_ranges(item.ids.start, item.ids.end, step=20):
                yield Items(ids)
            return
        query = {"limit": 10} | item.ids.half_open("from_id", "to_id")
        async for page in ctx.api.pages("/items", query, pages=Cursor("next", query="cursor"), records="items"):
            yield page

    @app.processor(Region)
    async def region(item: Region, ctx: Context) -> AsyncIterator[list[dict[str, Any]]]:
        if item.code == "nowhere":
            raise KeyError(item.code)
        yield [{"region": item.code, "run": ctx.run.run_id, "attempt": ctx.attempt}]

    return app


async def test_a_run_holds_what_the_lake_would() -> None:
    """Records are the API's bytes, in the order of the plan; the count that the API promised is asked for."""
    settings = SandboxSettings(records=45)
    result = await run_app(shop(), api=settings, now=NOW)
    assert (result.state, result.expected) == ("complete", {"items": (45, 45)})
    assert result.lines[1:] == [record_bytes(settings, number) for number in range(1, 46)]
    assert result.records_of("regions") == [{"region": "north", "run": "full-20300102T030405Z", "attempt": 1}]
    assert [item.item for item in result.items][1:] == [Items(ids) for ids in id_ranges(1, 46, step=20)]
    targets = [(made.method, made.target, made.status) for made in result.requests]
    assert targets[:2] == [("GET", "/items/newest", 200), ("GET", "/count", 200)]
    assert ("GET", "/items?limit=10&from_id=41&to_id=46", 200) in targets


async def test_an_item_is_worked_alone() -> None:
    """No enumerator and no count is asked; what the item is divided into is worked, and stands behind it."""
    result = await run_item(shop(), Items(IdRange(1, 41)), api=SandboxSettings(records=100))
    whole, *parts = result.items
    assert (whole.state, whole.parts) == ("split", (Items(IdRange(1, 21)), Items(IdRange(21, 41))))
    assert [part.item for part in parts] == list(whole.parts)
    assert [record["id"] for record in result.records] == list(range(1, 41))
    assert {made.target.partition("?")[0] for made in result.requests} == {"/items"}


async def test_a_failure_of_the_processor_is_told() -> None:
    """By default it is an error with its traceback; else the poison says the same."""
    with pytest.raises(ItemError, match=r"(?s)region-nowhere failed: 'nowhere'.*Traceback.*KeyError"):
        await run_item(shop(), Region("nowhere"), api=ELSEWHERE)
    result = await run_item(shop(), Region("nowhere"), api=ELSEWHERE, allows_partial=True)
    (poison,) = result.poison
    assert (result.state, result.reasons, result.items[0].state) == ("partial", {"poison": 1}, "poisoned")
    assert (poison.reason, poison.error_class, poison.status) == ("failed", "KeyError", None)


async def test_a_count_that_is_not_met_is_an_error() -> None:
    """A run that lost records passes no test, though nothing was poisoned."""
    with pytest.raises(ItemError, match="45 records, and the API promised items 50 to 50"):
        await run_app(shop(), streams=["items"], api=SandboxSettings(records=45, total_extra=5))


async def test_where_a_run_would_stop_an_error_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that are refused, an API that is away, a kind that nobody registered, a time without a zone."""
    monkeypatch.setenv("SHOP_TOKEN", "wrong-token-of-a-test")
    guarded = SandboxSettings(records=45, token="right-token")
    item = Items(IdRange(1, 5))
    with pytest.raises(UsageError, match="refuses the credentials") as refused:
        await run_item(shop(auth=Bearer(env("SHOP_TOKEN"))), item, api=guarded)
    assert "wrong-token" not in str(refused.value)
    with pytest.raises(UnavailableError, match="Not one request has succeeded yet"):
        await run_item(shop(), item, api="http://127.0.0.1:1")
    with pytest.raises(UsageError, match=r"No processor for kind 'items'\. Registered: none"):
        await run_item(App("empty", api=Api(ELSEWHERE)), item)
    with pytest.raises(UsageError, match="has no time zone"):
        await run_app(shop(), now=NOW.replace(tzinfo=None))


async def test_runs_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is as it was, and nothing is left on the disk but a lake that was given."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    app = shop()
    async with Sandbox(SandboxSettings(records=45)) as api:
        await run_app(app, api=api.url)
        assert not list((tmp_path / "tmp").iterdir())
        for night in range(2):
            await run_app(app, api=api.url, lake=tmp_path / "lake", now=NOW + timedelta(days=night))
    assert (app.api.url, app.lake) == (ELSEWHERE, "lake")
    assert len(list(tmp_path.glob("lake/shop/items/mode=full/*/_SUCCESS.json"))) == 2


def test_a_test_without_an_event_loop_runs_one() -> None:
    """`asyncio.run` is all that a plain test needs."""
    assert len(asyncio.run(run_item(shop(), Items(IdRange(1, 5)), api=SandboxSettings(records=9))).records) == 4
