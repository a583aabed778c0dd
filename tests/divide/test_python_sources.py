"""How the items of a Python source are divided: ranges of IDs by themselves, anything else as its author says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haulier import Api, App, Context, Cursor, IdRange, ItemError, TimeWindow, UsageError, WorkItem
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.divide.rig import opened

START = datetime(2024, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class ByIds(WorkItem, stream="items", kind="by_ids"):
    ids: IdRange
    country: str = "gb"


@dataclass(frozen=True)
class ByTime(WorkItem, stream="items", kind="by_time"):
    window: TimeWindow


@dataclass(frozen=True)
class TwoRanges(WorkItem, stream="items", kind="two_ranges"):
    left: IdRange
    right: IdRange


async def process(item: Any, ctx: Context) -> AsyncIterator[Any]:
    query = item.ids.half_open("from_id", "to_id")
    async for page in ctx.api.pages("/items", query, pages=Cursor("next", query="cursor"), records="items"):
        if any(b'"id":5,' in bytes(record) for record in page.records):
            raise ItemError("record 5 is beyond this code")
        yield page


def an_app(url: str = "http://127.0.0.1:9") -> App:
    app = App("shop", api=Api(url))
    for kind in (ByIds, ByTime, TwoRanges):
        app.processor(kind)(process)

    @app.enumerate("full")
    async def all_items(ctx: Context) -> AsyncIterator[WorkItem]:
        yield ByIds(IdRange(1, 17))
        yield ByIds(IdRange(17, 33))

    return app


WINDOW = ByTime(TimeWindow(START, START + 2 * SECOND))


def test_one_range_of_ids_is_halved_by_itself() -> None:
    """The other parameters stay. What has two ranges, or none, is not divided: nobody said along which."""
    app = an_app()
    assert app.divide(ByIds(IdRange(1, 4), "fr")) == (ByIds(IdRange(1, 2), "fr"), ByIds(IdRange(2, 4), "fr"))
    assert app.divide(ByIds(IdRange(1, 2))) == ()
    assert app.divide(TwoRanges(IdRange(1, 4), IdRange(1, 4))) == ()
    assert app.divide(WINDOW) == (), "how short a window may be is the API's to say"


def test_a_divider_says_how_or_that_it_cannot_be() -> None:
    app = an_app()

    @app.divider(ByTime)
    def halves(item: ByTime) -> list[ByTime]:
        return [ByTime(half) for half in item.window.halves(SECOND) or ()]

    @app.divider(ByIds)
    def never(item: ByIds) -> tuple[ByIds, ...]:
        return ()

    first, second = app.divide(WINDOW)
    assert first == ByTime(TimeWindow(START, START + SECOND))
    assert app.divide(first) == app.divide(second) == ()
    assert app.divide(ByIds(IdRange(1, 100))) == ()


def test_what_is_wrong_with_a_divider_is_said_in_words() -> None:
    app = an_app()
    with pytest.raises(UsageError, match="The divider of kind 'by_ids' is async"):

        @app.divider(ByIds)
        async def asking(item: ByIds) -> None: ...

    app.divider(ByIds)(lambda item: [item.nothing])
    with pytest.raises(UsageError, match=r"The divider of kind 'by_ids' failed with AttributeError: .*nothing"):
        app.divide(ByIds(IdRange(1, 3)))
    with pytest.raises(UsageError, match="Kind 'by_ids' has two dividers"):
        app.divider(ByIds)(lambda item: ())
    app.divider(ByTime)(lambda item: [1])
    with pytest.raises(UsageError, match="The divider of kind 'by_time' made a int, which has no processor"):
        app.divide(WINDOW)


async def test_a_record_that_breaks_the_processor_is_poisoned_alone(tmp_path: Path) -> None:
    """G4: what the code raises is about one record too, and is found like one that the API cannot send."""
    async with Sandbox(SandboxSettings(records=32)) as api, opened(an_app(api.url), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).reasons == {"poison": 1}
        assert [(key, record.error) for key, record in run.poison.items()] == [
            ("by_ids-5-6-gb", "record 5 is beyond this code")
        ]
        assert run.ids == [id for id in range(1, 33) if id != 5]


async def test_a_divider_that_fails_stops_the_worker_and_costs_no_item(tmp_path: Path) -> None:
    """G4: it is the source's fault, in words: exit code 2, and the item comes again."""
    async with Sandbox(SandboxSettings(records=32)) as api:
        app = an_app(api.url)
        app.divider(ByIds)(lambda item: item.ids.halves())
        async with opened(app, tmp_path) as run:
            code, reason = await run.work()
            assert code == 2
            assert "The divider of kind 'by_ids' made a IdRange, which has no processor" in reason
            assert not run.poison
            assert not run.divided
            assert [message.key for message in run.messages] == ["by_ids-1-17-gb"]


@pytest.mark.parametrize("is_divisible", [True, False])
async def test_twenty_items_of_a_broken_processor_are_handed_back(is_divisible: bool, tmp_path: Path) -> None:
    """G4: a processor that raises alike for the first 20 items is a bad deployment: the worker stops with exit code 2
    and says so, and not one of 60 items is charged, poisoned or divided. The right code then finishes the run."""
    is_mended = False
    app = App("shop", api=Api("http://127.0.0.1:9", in_flight=8))

    @app.enumerate("full")
    async def all_items(ctx: Context) -> AsyncIterator[WorkItem]:
        for n in range(60):
            yield ByIds(IdRange(n * 10, n * 10 + (10 if is_divisible else 1)))

    @app.processor(ByIds)
    async def broken(item: ByIds, ctx: Context) -> AsyncIterator[Any]:
        if not is_mended:
            raise LookupError(f"no table for item {item.ids.start}")
        yield [{"id": item.ids.start}]

    async with opened(app, tmp_path) as run:
        code, reason = await run.work()
        assert code == 2
        assert "all failed in the same way" in reason
        assert "LookupError: no table for item" in reason
        assert not run.poison
        assert not run.divided
        assert [message.failures for message in run.messages] == 60 * [0]
        is_mended = True
        code, _ = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "complete")
        assert len(run.ids) == 60


async def test_a_few_items_are_enough_where_there_are_no_others(tmp_path: Path) -> None:
    """G4: none has ever ended well, so that the processor is taken for broken."""
    app = App("shop", api=Api("http://127.0.0.1:9"))

    @app.enumerate("full")
    async def all_items(ctx: Context) -> AsyncIterator[WorkItem]:
        for n in range(3):
            yield ByIds(IdRange(n, n + 1))

    @app.processor(ByIds)
    async def broken(item: ByIds, ctx: Context) -> AsyncIterator[Any]:
        raise LookupError("no table")
        yield

    async with opened(app, tmp_path) as run:
        code, reason = await run.work()
        assert (code, run.poison) == (2, {})
        assert "LookupError: no table" in reason
        assert [message.failures for message in run.messages] == 3 * [0]


async def test_items_that_are_divided_for_ever_come_to_an_end(tmp_path: Path) -> None:
    """A processor that yields an ever new item, one out of another, is stopped after 64 times."""
    app = App("shop", api=Api("http://127.0.0.1:9"))

    @app.enumerate("full")
    async def all_items(ctx: Context) -> AsyncIterator[WorkItem]:
        yield ByIds(IdRange(0, 1))

    @app.processor(ByIds)
    async def endless(item: ByIds, ctx: Context) -> AsyncIterator[Any]:
        yield ByIds(IdRange(item.ids.start + 1, item.ids.end + 1))

    async with opened(app, tmp_path) as run:
        await run.work()
        assert (await run.verdict()).reasons == {"poison": 1}
        (record,) = run.poison.values()
        assert "were divided 64 times" in record.error
        assert len(run.divided) == 64
