"""Items that are values of a list, and the one item that is everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from haulier.api.body_format import BodyFormat
from haulier.api.errors import ApiError
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import PageNumber
from haulier.api.records.page import Page
from haulier.api.settings import Api
from haulier.errors import UsageError
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.recipe import Enumeration, ListLookup, OnceRecipe, StreamRecipe, ValuesRecipe
from haulier.sources.rest import RestSource
from tests.api.paging.rig import Reply
from tests.api.paging.rig import serving as server_of
from tests.sources.blog import Blog, serving
from tests.sources.situation import situation

ECHO = StreamRecipe(name="echo", path="/echo", records=".", pages=Single(), full=None)
AUTHORS = ListLookup("/authors", records="authors", pages=PageNumber(), at="name")


async def planned(recipe: StreamRecipe, context: Context) -> list[WorkItem]:
    return [item async for item in RestSource("blog", [recipe]).enumerate("full", ("echo",), context)]


async def sent(recipe: StreamRecipe, context: Context) -> list[dict[str, object]]:
    """What the API was sent for each item."""
    source, found = RestSource("blog", [recipe]), []
    async for item in source.enumerate("full", ("echo",), context):
        async for page in source.processors[type(item)](item, context):
            assert isinstance(page, Page)
            found += [msgspec.json.decode(bytes(record)) for record in page.records]
    return found


def echo(full: Enumeration) -> StreamRecipe:
    return replace(ECHO, full=full)


async def test_a_written_list_gives_an_item_for_each_value() -> None:
    """Values stand in the file, and each is sent as the query says."""
    recipe = echo(ValuesRecipe(("AA", "b 6"), query=(("carrier", "{value}"),)))
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        assert [item.value for item in await planned(recipe, context)] == ["AA", "b 6"]  # type: ignore[attr-defined]
        assert [answer["query"] for answer in await sent(recipe, context)] == ["carrier=AA", "carrier=b 6"]


async def test_numbers_stay_numbers_in_a_body() -> None:
    """Whole numbers of a list are sent as numbers in a JSON body."""
    recipe = replace(echo(ValuesRecipe(("7",), are_numbers=True)), method="POST", json={"account": "{value}"})
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        assert [answer["body"] for answer in await sent(recipe, context)] == [{"account": 7}]


async def test_a_list_may_be_asked_for_over_pages() -> None:
    """A list from a request is read to its end, over as many pages as it has; numbers are values too."""
    recipe = echo(ValuesRecipe(AUTHORS, query=(("by", "{value}"),)))
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        assert [answer["query"] for answer in await sent(recipe, context)] == ["by=a0", "by=a1", "by=7"]


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({"regions": {"north": {"n": 1}, "e\u00e4st": {}}}, {"records": "regions", "shape": "values", "at": "{key}"}),
        ({"g": [{"i": [{"v": "north"}]}, {"i": [{"v": "e\u00e4st"}]}]}, {"records": "g.*.i", "at": "v"}),
        (b"code,v\n1,north\n2,e\xc3\xa4st\n", {"records": ".", "format": BodyFormat("csv"), "at": "v"}),
        (b'"north"\n"e\xc3\xa4st"\n', {"records": ".", "format": BodyFormat("ndjson")}),
    ],
)
async def test_a_list_of_values_may_have_any_shape_and_format(body: Any, options: dict[str, Any]) -> None:
    """As the records of a stream; the keys of an object may be the values."""
    recipe = echo(ValuesRecipe(ListLookup("/regions", pages=Single(), **options)))
    async with server_of(lambda asked: Reply(body)) as server, situation(Api(server.url)) as context:
        assert [item.value for item in await planned(recipe, context)] == ["north", "e\u00e4st"]  # type: ignore[attr-defined]


async def test_an_empty_list_is_an_error_unless_declared() -> None:
    """An API that answers with no values stops the planning, in words: an empty run would look complete."""
    async with serving(Blog(posts=0)) as blog, situation(Api(blog.url)) as context:
        with pytest.raises(
            UsageError, match=r"streams\.echo\.full\.values\.from: GET /authors was answered with an empty"
        ):
            await planned(echo(ValuesRecipe(AUTHORS)), context)
        assert await planned(echo(ValuesRecipe(AUTHORS, may_be_empty=True)), context) == []


@pytest.mark.parametrize(
    ("lookup", "reason"),
    [
        (replace(AUTHORS, at="nmae"), "there is nothing at 'nmae': the body is an object with the keys name"),
        (replace(AUTHORS, at="."), "an object with the keys name is neither text nor a number"),
    ],
)
async def test_a_list_of_something_else_is_an_error(lookup: ListLookup, reason: str) -> None:
    """What is no text and no number is told, with what stands there."""
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        with pytest.raises(UsageError) as caught:
            await planned(echo(ValuesRecipe(lookup)), context)
    assert str(caught.value) == f"streams.echo.full.values.from: GET /authors: {reason}. Correct `at`."


async def test_a_misspelt_path_of_the_list_is_told_with_the_keys_of_its_own_table() -> None:
    """A stream would be told to write `empty = ["absent"]`, which this table does not have."""
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        with pytest.raises(ApiError) as caught:
            await planned(echo(ValuesRecipe(replace(AUTHORS, records="authosr"))), context)
    text = str(caught.value)
    assert text.startswith("streams.echo.full.values.from: GET ")
    assert "there is nothing at 'authosr'" in text
    assert ' Correct `records` or `shape` there, or write `empty = "no items"` there if the API may hold noth' in text


async def test_once_is_one_item() -> None:
    """A stream that is not divided is one item; the run's snapshot time may stand in its query."""
    recipe = echo(OnceRecipe(query=(("until", "{snapshot_time}"),)))
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        assert [item_key(item) for item in await planned(recipe, context)] == ["echo_once"]
        assert [answer["query"] for answer in await sent(recipe, context)] == ["until=2026-11-23T22:25:00Z"]
