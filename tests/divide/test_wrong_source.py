"""A source that is wrong: whatever it asks for, the answer is not what it says. The run stops, however many items (G4).

Nothing is charged, divided or poisoned, and a person is told what `haulier try` would tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from haulier.api.settings import Api
from haulier.app.app import App
from haulier.config.source_file import load_source
from haulier.items.ranges import IdRange, id_ranges
from haulier.items.workitem import WorkItem
from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import Shop, opened, shop

STEP = 100
EVERY = (1, 10, 51)
"""Items of a run."""


def ids_of(asked: Asked) -> range:
    return range(asked.number("from_id", 1), asked.number("to_id", 2))


def good(asked: Asked) -> Reply:
    ids = ids_of(asked)
    return Reply({"items": [{"id": id} for id in ids], "next": None, "total": len(ids)})


def under(name: str) -> Callable[[Asked], Reply]:
    """The records stand under another name than the source says, as null, or as something else than a list."""

    def answer(asked: Asked) -> Reply:
        ids = [{"id": id} for id in ids_of(asked)]
        found: dict[str, Any] = {"other": {"data": ids}, "null": {"items": None}, "object": {"items": {"rows": ids}}}
        return Reply(found[name] | {"next": None, "total": len(ids)})

    return answer


def page_for_people(asked: Asked) -> Reply:
    return Reply(b"<html><body>Welcome</body></html>", 200)


def first_page_again(asked: Asked) -> Reply:
    """An API that does not know the parameter which asks for the next page."""
    ids = ids_of(asked)[:50]
    return Reply({"items": [{"id": id} for id in ids], "next": asked.query.get("cursor", "") + "x", "total": 100})


def nowhere(asked: Asked) -> Reply:
    return Reply({"error": "no such path"}, 404)


WRONG: dict[str, tuple[Callable[[Asked], Reply], str]] = {
    "another name": (
        under("other"),
        "there is nothing at 'items': the body is an object with the keys data, next, total",
    ),
    "null": (under("null"), "at 'items', found null. Check `records` of the stream; where it means"),
    "an object": (under("object"), "at 'items', found an object with the keys rows"),
    "HTML": (page_for_people, "HTML instead of JSON"),
    "a loop of pages": (first_page_again, "Page 2 holds the records of page 1 again"),
    "a path that is wrong": (nowhere, "status 404"),
}


def must_be_untouched(run: Shop, items: int) -> None:
    """Nothing is charged, divided, poisoned or lost."""
    assert run.poison == {}
    assert run.divided == {}
    assert len(run.messages) == items
    assert not any(message.failures for message in run.messages)


@pytest.mark.parametrize("items", EVERY)
@pytest.mark.parametrize("wrong", [name for name in WRONG if name != "a path that is wrong"])
async def test_g4_a_wrong_source_stops_the_run(tmp_path: Path, wrong: str, items: int) -> None:
    """One item, ten, or fifty-one: exit code 2 after some requests, and in so many words."""
    answer, said = WRONG[wrong]
    async with (
        serving(answer) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=items * STEP), tmp_path, max_failures=5) as run,
    ):
        code, reason = await run.work()
        assert (code, said in reason) == (2, True), reason
        assert reason.startswith("There is one item" if items == 1 else "The first items of this worker all failed")
        must_be_untouched(run, items)
        # A try is a request and two repeats; some thirty tries, as several items begin before the first one has failed.
        assert len(api.requests) <= 90


@pytest.mark.parametrize("items", EVERY)
async def test_g4_a_path_that_is_wrong_stops_the_run(tmp_path: Path, items: int) -> None:
    """The parts of an only item are asked for too: one bad row may be why it was refused."""
    async with (
        serving(nowhere) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=items * STEP), tmp_path, max_failures=5) as run,
    ):
        code, reason = await run.work()
        assert (code, "status 404" in reason) == (2, True), reason
        assert run.poison == {}
        assert len(run.divided) <= (3 if items == 1 else 0)
        assert not any(message.failures for message in run.messages)
        assert len(api.requests) <= 30


async def test_g4_a_source_that_is_mended_goes_on(tmp_path: Path) -> None:
    """It was the server that was wrong: the same run is worked to its end, with nothing missing."""
    is_well = False
    async with (
        serving(lambda asked: good(asked) if is_well else page_for_people(asked)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=10 * STEP), tmp_path) as run,
    ):
        assert (await run.work())[0] == 2
        is_well = True
        assert (await run.work())[0] == 0
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, 10 * STEP + 1)]


@pytest.mark.parametrize("bad", [1, 401])
async def test_g4_one_item_among_good_ones_is_its_own(tmp_path: Path, bad: int) -> None:
    """G4: one window whose list is null, the first or another. It costs five tries and no division, and the run goes
    on; what is written down names the key that makes it right.

    A try is one request and two repeats in place; where no other was answered well since it began, a good request is
    sent once more, to tell the item from the API. What fails before any item has ended well is not charged, however
    often that is on a busy machine; behind it each try is.
    """
    has_good: list[bool] = []

    def answer(asked: Asked) -> Reply:
        if ids_of(asked)[0] != bad:
            return good(asked)
        has_good.append(bool(run.records))
        return under("null")(asked)

    async with (
        serving(answer) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=10 * STEP), tmp_path, max_failures=5) as run,
    ):
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        (poison,) = run.poison.values()
        assert 'write empty = ["null"]' in poison.error
        assert run.divided == {}
        assert len(run.ids) == 9 * STEP
        assert poison.failures == 5
        assert len(has_good) == 3 * poison.deliveries
        assert sum(has_good[::3]) <= 5
        assert len(api.requests) - len(has_good) <= 9 + poison.deliveries


async def test_g4_a_body_that_never_parses_is_no_wrong_source(tmp_path: Path) -> None:
    """One item, and one record of it that cannot be read: it is divided, and one record is poisoned."""

    def answer(asked: Asked) -> Reply:
        return Reply(b'{"items": [{"id": 42,}]}') if 42 in ids_of(asked) else good(asked)

    async with serving(answer) as api, opened(shop(tmp_path, api.url, step=STEP, last=STEP), tmp_path) as run:
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        assert list(run.poison) == ["items_ids-42-43"]
        assert len(run.ids) == STEP - 1
        # A try is a request and two repeats; some thirty tries, as several items begin before the first one has failed.
        assert len(api.requests) <= 90


async def test_g4_what_an_earlier_worker_did_speaks_for_the_source(tmp_path: Path) -> None:
    """Only the window without a list is left, and a new worker takes it: it is the item's own fault, since others of
    the run have ended well."""
    is_shut = True

    def answer(asked: Asked) -> Reply:
        if ids_of(asked)[0] == 901:
            return Reply({"error": "log in"}, 401) if is_shut else under("null")(asked)
        return good(asked)

    async with (
        serving(answer) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=10 * STEP), tmp_path) as run,
    ):
        assert (await run.work())[0] == 2
        is_shut = False
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        assert list(run.poison) == ["items_ids-901-1001"]
        assert len(run.ids) == 9 * STEP


# -- processors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows(WorkItem, stream="rows", kind="rows"):
    ids: IdRange


def python_source(url: str, last: int, *, is_bad: Callable[[int], bool]) -> App:
    """A processor that stumbles over some IDs."""
    app = App("shop", api=Api(url, in_flight=4))

    @app.enumerate("full")
    async def all_rows(ctx: Any) -> AsyncIterator[WorkItem]:
        for ids in id_ranges(1, last, step=STEP):
            yield Rows(ids)

    @app.divider(Rows)
    def halves(item: Rows) -> list[Rows]:
        return [Rows(half) for half in item.ids.halves() or ()]

    @app.processor(Rows)
    async def rows(item: Rows, ctx: Any) -> AsyncIterator[list[dict[str, Any]]]:
        answer = await ctx.api.json("/items", {"from_id": item.ids.start, "to_id": item.ids.end})
        for row in answer["items"]:
            if is_bad(row["id"]):
                raise KeyError("price")
        yield answer["items"]

    return app


@pytest.mark.parametrize("items", EVERY)
async def test_g4_a_processor_that_always_raises_stops_the_run(tmp_path: Path, items: int) -> None:
    """Ten items: a stop, and no division. One: its parts are asked, which tell as much as other items do."""
    async with (
        serving(good) as api,
        opened(python_source(api.url, items * STEP, is_bad=lambda id: True), tmp_path, max_failures=5) as run,
    ):
        code, reason = await run.work()
        assert (code, "KeyError: 'price'" in reason) == (2, True), reason
        assert run.poison == {}
        assert len(run.divided) <= (3 if items == 1 else 0)
        assert not any(message.failures for message in run.messages)
        assert len(api.requests) <= 30


@pytest.mark.parametrize("items", EVERY)
async def test_g4_a_processor_that_raises_for_one_record_loses_that_one(tmp_path: Path, items: int) -> None:
    """The run goes on, and the item that holds the record is divided down to it."""
    async with (
        serving(good) as api,
        opened(python_source(api.url, items * STEP, is_bad=lambda id: id == 42), tmp_path) as run,
    ):
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        assert list(run.poison) == ["rows-42-43"]
        assert len(run.divided) == 7
        assert len(api.requests) <= items + 40


async def test_g4_one_of_two_streams_is_wrong(tmp_path: Path) -> None:
    """What ends well of another stream says nothing of this one."""
    async with serving(lambda asked: under("other")(asked) if asked.path == "/items" else good(asked)) as api:
        shop(tmp_path, api.url, step=STEP, last=10 * STEP)
        file = tmp_path / "shop.toml"
        text = file.read_text()
        tables = text[text.index("[streams.items]") :].replace("streams.items", "streams.others")
        file.write_text(text + tables.replace('get = "/items"', 'get = "/others"'))
        async with opened(App.from_settings(load_source(file, {})), tmp_path) as run:
            code, reason = await run.work()
            assert (code, "'items_ids'" in reason) == (2, True), reason
            assert run.poison == {}
            assert run.divided == {}
