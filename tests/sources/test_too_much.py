"""What is too much for the API at once, from a source file to the lake: smaller pages, smaller items, one poisoned ID
(Failures, `413`; Ends, `page cap`)."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

from haulier.api.client import ItemApi
from haulier.api.records.page import Page
from haulier.app.app import App
from haulier.config.source_file import load_source
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import opened

TOML = """
source = "shop"

[api]
url = "{url}"

[streams.items]
get = "/items"
records = "rows"
pages = {{ offset = "offset", limit = 16 }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = 64
step = 32
"""


def shop(folder: Path, url: str) -> App:
    path = folder / "shop.toml"
    path.write_text(TOML.format(url=url))
    return App.from_settings(load_source(path, {}))


def ids_of(asked: Asked) -> range:
    """The IDs of the page that was asked for."""
    first, last = asked.number("from_id"), asked.number("to_id")
    start = min(first + asked.number("offset"), last)
    return range(start, min(start + asked.number("limit"), last))


def page(ids: range) -> Reply:
    return Reply({"rows": [{"id": id} for id in ids]})


async def test_large_records_cost_requests_and_no_division(tmp_path: Path) -> None:
    """Failures, `413`: where smaller pages are enough, no item is divided and none is charged (G1)."""

    def answer(asked: Asked) -> Reply:
        ids = ids_of(asked)
        return Reply({}, 413) if len(ids) > 2 and 20 in ids else page(ids)

    async with serving(answer) as api, opened(shop(tmp_path, api.url), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, 65)]
        assert run.divided == {}


async def test_one_record_that_is_too_large_is_poisoned_alone(tmp_path: Path) -> None:
    """Failures, `413`: lower the page size, then SPLIT, then POISON: what is left is one ID, and its 63 neighbours are
    in the lake (G4). Nothing is charged on the way."""

    def answer(asked: Asked) -> Reply:
        ids = ids_of(asked)
        return Reply({}, 413) if 20 in ids else page(ids)

    async with serving(answer) as api, opened(shop(tmp_path, api.url), tmp_path) as run:
        await run.work()
        assert (await run.verdict()).reasons == {"poison": 1}
        ((key, record),) = run.poison.items()
        assert (key, record.reason, record.failures) == ("items_ids-20-21", "cap", 0)
        assert run.ids == [id for id in range(1, 65) if id != 20]
        assert {divided.cause for divided in run.divided.values()} == {"cap"}


async def test_an_item_of_too_many_pages_is_divided(tmp_path: Path) -> None:
    """Ends, `page cap`: an item may have so many pages and no more; what has more is divided, and every record
    comes."""
    async with serving(lambda asked: page(ids_of(asked))) as api:
        app = shop(tmp_path, api.url)
        (recipe,) = app.processors.items()
        item, processor = recipe

        async def capped(work: WorkItem, context: Context) -> AsyncGenerator[Any, None]:
            context = dataclasses.replace(context, api=cast(ItemApi, Capped(context.api)))
            async for piece in processor(work, context):
                yield piece

        app.processors[item] = capped
        async with opened(app, tmp_path) as run:
            await run.work()
            assert (await run.verdict()).verdict == "complete"
            assert run.ids == [*range(1, 65)]
            assert sorted(run.divided) == ["items_ids-1-33", "items_ids-33-65"]


class Capped:
    """The API of an item, whose lists may have two pages. (Of 100,000 the test would not end today.)"""

    def __init__(self, api: ItemApi) -> None:
        self._api = api

    def pages(self, *arguments: Any, **options: Any) -> AsyncIterator[Page]:
        return self._api.pages(*arguments, **options, max_pages=2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)
